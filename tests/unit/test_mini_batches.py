"""Compositions that train on batches: what parts see, and what a spec says."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch_geometric.utils import degree

import eco_core as eco
from eco_core import BaseClusterHead, CompositionError
from eco_core.model import batching
from tests.graphs import blocks
from tests.parts import GraphAwareClusterHead, SmallEncoder, Smoothness

KINDS = ["neighbor", "subgraph"]


def joint(head, kind: str, **options):
    train = {"batch": kind, "batch_size": 20, **options.pop("train", {})}
    options = {"encoder": SmallEncoder, "objective": Smoothness, "clusters": 3, "epochs": 4, **options}
    return eco.compose(head=head, strategy="joint", train=train, **options)


class Watching(GraphAwareClusterHead):
    """Notes what it is called with."""

    def __init__(self, n_clusters, n_features):
        super().__init__(n_clusters, n_features)
        self.seen, self.epochs = [], []

    def on_epoch(self, z, epoch, n_id):
        self.epochs.append((z.shape[0], epoch, n_id.tolist()))

    def forward(self, z, x, edge_index, edge_weight, n_id, num_seeds):  # type: ignore[override]
        self.seen.append((z, x, edge_index, edge_weight, n_id, num_seeds))
        return super().forward(z, edge_index)


@pytest.mark.parametrize("kind", KINDS)
def test_heads_see_the_rows_of_the_seeds_and_the_edges_among_them(kind):
    graph = blocks()
    head = Watching(3, 6)
    joint(head, kind, epochs=2).fit(graph)
    seeds = []
    for z, x, edge_index, edge_weight, n_id, num_seeds in head.seen:
        assert len(z) == len(x) == len(n_id) == num_seeds
        assert torch.equal(x, graph.x[n_id])
        assert edge_index.max() < num_seeds
        assert edge_weight.shape == edge_index.shape[1:]
        seeds.append(n_id)
        edges = {tuple(edge) for edge in graph.edge_index.T.tolist()}
        assert {tuple(edge) for edge in n_id[edge_index].T.tolist()} <= edges
    assert torch.cat(seeds).bincount().tolist() == [2] * 60  # Each node once in an epoch of the joint stage.


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_kept_between_epochs_is_told_of_all_nodes(kind):
    head = Watching(3, 6)
    joint(head, kind, epochs=3).fit(blocks())
    assert head.epochs == [(60, epoch, list(range(60))) for epoch in range(3)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_embeddings_are_exact_and_of_the_whole_graph(kind):
    graph = blocks()
    model = joint(GraphAwareClusterHead, kind).fit(graph)
    assert model.embedding_.shape == (60, 6)
    with torch.no_grad():
        torch.testing.assert_close(model.clustering_.embedding, model.encoder(graph.x, graph.edge_index))
    assert len(model.history_) == 8  # One row for each epoch of both stages.


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_train_alike_and_a_batch_of_all_nodes_is_the_whole_graph(kind):
    graph = blocks()
    # Not Adam: where a gradient is zero but for rounding, it takes a full step all the same.
    stage: dict[str, Any] = {"optimizer": {"name": "sgd", "lr": 0.1}}
    stages: dict[str, Any] = {"strategy": {"name": "joint", "pretrain": stage, "joint": stage}}

    def embedding(kind: str, **train: object) -> torch.Tensor:
        parts: dict[str, Any] = {"encoder": SmallEncoder, "objective": Smoothness, "head": GraphAwareClusterHead}
        train = {"batch": kind, "batch_size": 20, **train}
        return eco.compose(**parts, **stages, clusters=3, epochs=4, train=train).fit(graph).clustering_.embedding

    assert torch.equal(embedding(kind), embedding(kind))
    whole, everything = embedding("full"), embedding(kind, batch_size=60, fan_out=[-1, -1])
    torch.testing.assert_close(everything, whole, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(embedding(kind), whole, atol=1e-3)


class Scaled:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def of_batch(self, rows) -> Scaled:
        return Scaled(self.factor * rows.sample.node_scale)


class Prepares(GraphAwareClusterHead):
    def __init__(self, n_clusters, n_features):
        super().__init__(n_clusters, n_features)
        self.factors, self.prepared = [], 0

    def prepare(self, graph):
        self.prepared += 1
        return {"scaled": Scaled(1.0)}

    def forward(self, z, edge_index, scaled):  # type: ignore[override]
        self.factors.append(scaled.factor)
        return super().forward(z, edge_index)


def test_what_was_prepared_is_made_once_and_restricted_to_batches():
    head = Prepares(3, 6)
    joint(head, "neighbor", epochs=2).fit(blocks())
    assert head.prepared == 1
    assert head.factors == [3.0] * 6


class NotForBatches(Smoothness):
    prepared_for_batches = False

    def prepare(self, graph):
        raise AssertionError("it is of no use to batches")


def test_what_is_of_no_use_to_batches_is_not_prepared():
    joint(GraphAwareClusterHead, "neighbor", objective=NotForBatches).fit(blocks())
    with pytest.raises(AssertionError, match="of no use"):
        joint(GraphAwareClusterHead, "full", objective=NotForBatches).fit(blocks())


class PreparingEncoder(SmallEncoder):
    """Scales its input by the degrees of the whole graph."""

    def __init__(self, in_channels):
        super().__init__(in_channels)
        self.prepared = 0

    def prepare(self, graph):
        self.prepared += 1
        return {"degrees": degree(graph.edge_index[0], graph.num_nodes)}

    def forward(self, x, edge_index, n_id, degrees):  # type: ignore[override]
        return super().forward(x * degrees[n_id, None], edge_index)


@pytest.mark.parametrize("kind", KINDS)
def test_an_encoder_gets_what_it_prepared_of_the_whole_graph_in_mini_batches(kind):
    graph = blocks()
    model = joint(GraphAwareClusterHead, kind, encoder=PreparingEncoder).fit(graph)
    assert model.encoder.prepared == 1
    degrees = degree(graph.edge_index[0], 60)
    with torch.no_grad():
        expected = model.encoder(graph.x, graph.edge_index, torch.arange(60), degrees)
    torch.testing.assert_close(model.clustering_.embedding, expected)


class IndexesNothing(PreparingEncoder):
    def forward(self, x, edge_index, degrees):  # type: ignore[override]
        return SmallEncoder.forward(self, x * degrees[:, None], edge_index)


def test_an_encoder_that_does_not_index_prepared_values_by_n_id_is_refused_with_the_reason():
    with pytest.raises(CompositionError, match=r"(?s)ECO209.*prepare made of the whole graph: index them by n_id"):
        joint(GraphAwareClusterHead, "subgraph", encoder=IndexesNothing).fit(blocks())


class EncoderNotForBatches(PreparingEncoder):
    prepared_for_batches = False


class ObjectiveNotForBatches(Smoothness):
    prepared_for_batches = False

    def prepare(self, graph):
        return {"degrees": degree(graph.edge_index[0], graph.num_nodes)}

    def forward(self, encode, graph, edge_index, degrees):  # type: ignore[override]
        return super().forward(encode, graph, edge_index)


@pytest.mark.parametrize("part", [{"encoder": EncoderNotForBatches}, {"objective": ObjectiveNotForBatches}])
def test_a_part_not_prepared_for_batches_cannot_require_what_it_prepares(part):
    name = next(iter(part.values())).__name__
    wanted = (
        rf"ECO203  {name}.forward requires 'degrees', which is not available in mini-batches: prepared_for_batches is "
        r"False"
    )
    with pytest.raises(CompositionError, match=wanted):
        joint(GraphAwareClusterHead, "neighbor", **part).fit(blocks())
    joint(GraphAwareClusterHead, "full", **part).fit(blocks())


class ReadsAttributes(SmallEncoder):
    """An encoder that reads attributes of the graph which only its user knows."""

    def forward(self, x, edge_index, graph):  # type: ignore[override]
        assert torch.equal(graph.pos, graph.x[:, :3])
        assert torch.equal(graph.edge_attr[:, 0], (10 * graph.kind[edge_index[0]] + graph.kind[edge_index[1]]).float())
        assert graph.temperature == 0.5
        return super().forward(x, edge_index)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_read_the_users_attributes_of_nodes_and_edges_in_mini_batches(kind):
    graph = blocks()
    graph.pos, graph.kind, graph.temperature = graph.x[:, :3].clone(), torch.arange(60) % 7, 0.5
    of_ends = 10 * graph.kind[graph.edge_index[0]] + graph.kind[graph.edge_index[1]]
    graph.edge_attr = of_ends.float()[:, None].repeat(1, 2)
    joint(GraphAwareClusterHead, kind, encoder=ReadsAttributes).fit(graph)


class DeepEncoder(SmallEncoder):
    num_layers = 3


def test_fan_out_has_a_number_for_each_layer():
    with pytest.raises(CompositionError, match=r"fan_out, \[5, 5\], has length 2; the encoder has 3 layers"):
        joint(GraphAwareClusterHead, "neighbor", encoder=DeepEncoder, train={"fan_out": [5, 5]}).fit(blocks())
    joint(GraphAwareClusterHead, "neighbor", encoder=DeepEncoder, train={"fan_out": [5, 5, 2]}).fit(blocks())


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ({"fan_out": [5, 0]}, "a hop of 0 neighbours"),
        ({"batch": "nodes"}, "'full', 'neighbor', 'subgraph' or 'auto'"),
        ({"batch_size": 0}, "greater than or equal to 1"),
    ],
)
def test_mistakes_in_the_spec_are_told(train, said):
    with pytest.raises(CompositionError, match=said):
        eco.compose(encoder=SmallEncoder, objective=Smoothness, clusters=3, train=train)


@pytest.mark.parametrize(("free", "chosen"), [(2**40, "full"), (1, "subgraph")])
def test_auto_chooses_by_memory_and_says_so(monkeypatch, free, chosen):
    monkeypatch.setattr(batching, "free_bytes", lambda device: free)
    model = joint(GraphAwareClusterHead, "auto").fit(blocks())
    assert model.spec["train"]["batch"] == chosen
    assert [note for note in model.notes_ if note.startswith(f"train.batch auto is {chosen}: training on the whole")]


class NoEdges(BaseClusterHead):
    def __init__(self, n_clusters, n_features):
        super().__init__()
        self.centers = nn.Parameter(torch.randn(n_clusters, n_features))

    def forward(self, z):
        return torch.cdist(z, self.centers).min(dim=1).values.mean()

    def cluster(self, z, soft=False):
        distances = torch.cdist(z, self.centers)
        return (-distances).softmax(dim=1) if soft else distances.argmin(dim=1)


def test_auto_samples_neighbourhoods_where_the_loss_reads_no_edges(monkeypatch):
    monkeypatch.setattr(batching, "free_bytes", lambda device: 1)
    model = joint(NoEdges, "auto", objective=None).fit(blocks())
    assert model.spec["train"]["batch"] == "neighbor"


def test_the_estimate_grows_with_nodes_widths_and_views():
    graph = blocks()
    small, wide = SmallEncoder(12, 6), SmallEncoder(12, 30)
    edges, outputs = 40 * graph.num_edges, 4 * 60 * 6 * 4
    assert batching.full_batch_bytes(graph, small, None) == edges + outputs
    assert batching.full_batch_bytes(graph, wide, None) == edges + 5 * outputs
    assert batching.full_batch_bytes(graph, small, Smoothness()) == edges + 2 * outputs


def test_what_does_not_learn_is_not_trained_on_batches():
    model = eco.compose(encoder="identity", clusters=3, train={"batch": "neighbor"}).fit(blocks())
    assert model.labels_.shape == (60,)


def test_loaders_of_pyg_give_seeds_and_the_sampled_edges_among_them():
    graph = blocks()
    model = joint(Watching, "full").build(graph)
    loader = eco.data.NeighborLoader(graph, [4, 4], batch_size=20)
    optimizer = torch.optim.Adam(model.parameters())
    model.train_batch(loader, optimizer, epoch=0)
    assert len(model.cluster_head.seen) == 3
    for z, x, edge_index, _, n_id, num_seeds in model.cluster_head.seen:
        assert len(z) == len(x) == len(n_id) == num_seeds == 20
        assert edge_index.max() < 20
    assert model.infer_batch(loader).shape == (60,)
