"""The heads and the objective of this package, composed and trained through the engine."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from eco_prototype import DECClusterHead, DinkClusterHead, INCClusterHead, NodeDiscrimination
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv
from torch_geometric.utils import to_undirected

import eco_core as eco

NODES, WIDTH, CLUSTERS = 30, 6, 3
TWO_EPOCHS = {"strategy": {"name": "joint", "pretrain": {"epochs": 2}, "joint": {"epochs": 2}}}
HEADS = [DECClusterHead, DinkClusterHead, INCClusterHead]


class Convolution(nn.Module):
    """One layer of PyG, so that these tests need no other plugin."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.convolution = GCNConv(in_channels, 8)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.convolution(x, edge_index).relu()


class Reconstruction(nn.Module):
    """Some other objective: neighbours are alike."""

    def forward(self, encode: Any, graph: Any, edge_index: Tensor) -> Tensor:
        z = encode(graph)
        return (z[edge_index[0]] - z[edge_index[1]]).square().mean()


def new_graph(sparse: bool = False) -> Data:
    """Three groups of nodes, each with features and edges of its own. Without labels."""
    generator = torch.Generator().manual_seed(0)
    group = torch.arange(NODES) % CLUSTERS
    x = torch.eye(WIDTH)[group] + 0.3 * torch.rand(NODES, WIDTH, generator=generator)
    source = torch.arange(NODES)
    edge_index = to_undirected(torch.stack([source, (source + CLUSTERS) % NODES]))
    return Data(x=x.to_sparse() if sparse else x, edge_index=edge_index)


def check_fitted(model: eco.Composition, nodes: int = NODES) -> None:
    assert model.labels_.shape == (nodes,)
    assert set(model.labels_.tolist()) <= set(range(CLUSTERS))
    soft = model.cluster(soft=True)
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(nodes))
    assert ((model.confidence_ >= 0) & (model.confidence_ <= 1)).all()
    assert all(parameter.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("head", HEADS, ids=["dec", "dink", "inc"])
@pytest.mark.parametrize("objective", [NodeDiscrimination, Reconstruction, None], ids=["dink", "other", "none"])
def test_every_head_trains_jointly_with_any_objective(head: type, objective: type | None) -> None:
    model = eco.compose(TWO_EPOCHS, encoder=Convolution, head=head, objective=objective, clusters=CLUSTERS, seed=0).fit(
        new_graph()
    )
    check_fitted(model)
    assert len(model.history_) == (4 if objective is not None else 2)


@pytest.mark.parametrize("head", HEADS, ids=["dec", "dink", "inc"])
def test_every_head_trains_jointly_with_the_graph_auto_encoder(head: type) -> None:
    pytest.importorskip("eco_autoencoder")
    model = eco.compose(TWO_EPOCHS, encoder=Convolution, head=head, objective="gae", clusters=CLUSTERS, seed=0)
    check_fitted(model.fit(new_graph()))


@pytest.mark.parametrize("head", HEADS, ids=["dec", "dink", "inc"])
def test_every_head_clusters_a_decoupled_embedding(head: type) -> None:
    model = eco.compose(
        encoder=Convolution,
        head=head,
        objective=NodeDiscrimination,
        strategy={"name": "decoupled", "train": {"epochs": 2}},
        clusters=CLUSTERS,
    ).fit(new_graph())
    check_fitted(model)


@pytest.mark.parametrize("head", [DinkClusterHead, INCClusterHead], ids=["dink", "inc"])
@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e3])
def test_centres_placed_by_kmeans_find_the_groups_whatever_the_scale_of_the_embeddings(
    head: type, scale: float
) -> None:
    graph = new_graph()
    graph.x = scale * graph.x
    model = eco.compose(encoder="identity", head=head, clusters=CLUSTERS, seed=0).fit(graph)
    assert len({tuple(sorted(set(model.labels_[group::CLUSTERS].tolist()))) for group in range(CLUSTERS)}) == CLUSTERS
    assert all(len(set(model.labels_[group::CLUSTERS].tolist())) == 1 for group in range(CLUSTERS))


def test_parts_of_the_losses_are_in_the_history() -> None:
    model = eco.compose(
        TWO_EPOCHS, encoder=Convolution, head=DinkClusterHead, objective=NodeDiscrimination, clusters=CLUSTERS
    ).fit(new_graph())
    columns = {column.rpartition(".")[2] for row in model.history_ for column in row}
    assert {"original", "corrupted", "dilation", "shrink"} <= columns


def test_same_seed_same_run_and_labels_are_not_needed() -> None:
    def run(seed: int) -> Tensor:
        model = eco.compose(
            TWO_EPOCHS, encoder=Convolution, head=DinkClusterHead, objective=NodeDiscrimination, clusters=3, seed=seed
        )
        return model.fit(new_graph()).clustering_.embedding

    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_dinknet_recipe_trains_two_epochs(sparse: bool) -> None:
    pytest.importorskip("eco_gnn")
    graph = new_graph(sparse)
    x = graph.x
    model = eco.compose(
        recipe="dinknet", epochs=2, clusters=CLUSTERS, overrides=["encoder.hidden_channels=16"], seed=0
    ).fit(graph)
    check_fitted(model)
    assert graph.x is x
    assert isinstance(model.cluster_head, DinkClusterHead)
    assert isinstance(model.objective, NodeDiscrimination)


def test_propagated_embedding_is_what_the_head_sees() -> None:
    graph = new_graph()
    spec = {**TWO_EPOCHS, "objective": {"name": NodeDiscrimination, "power": 3}}
    model = eco.compose(
        encoder=Convolution,
        head=DinkClusterHead,
        clusters=CLUSTERS,
        strategy=spec["strategy"],
        objective=spec["objective"],
    ).fit(graph)
    check_fitted(model)
    with torch.no_grad():
        assert not torch.allclose(model.clustering_.embedding, model.encoder(graph.x, graph.edge_index))
    head: Any = model.cluster_head
    assert torch.equal(head.cluster(model.clustering_.embedding), model.clustering_.labels)
