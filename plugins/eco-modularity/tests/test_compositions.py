"""The heads with soft assignments in whole runs: training, with an objective, and as recipes."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv
from torch_geometric.utils import to_undirected

import eco_core as eco

CLUSTERS, NODES = 3, 30
TERMS = {"dmon": {"modularity", "collapse"}, "neuromap": {"codelength", "collapse"}}
each_head = pytest.mark.parametrize("head", TERMS)


class Reconstruction(nn.Module):
    """Some objective: neighbours are alike."""

    def forward(self, encode: Any, graph: Any, edge_index: Tensor) -> Tensor:
        z = encode(graph)
        return (z[edge_index[0]] - z[edge_index[1]]).square().mean()


def groups(sparse: bool = False) -> Data:
    """Three groups of nodes, each with features and edges of its own. Without labels."""
    generator = torch.Generator().manual_seed(0)
    x = torch.eye(6)[torch.arange(NODES) % CLUSTERS] + 0.3 * torch.rand(NODES, 6, generator=generator)
    source = torch.arange(NODES)
    steps = torch.cat([torch.stack([source, (source + k * CLUSTERS) % NODES]) for k in (1, 2)], dim=1)
    return Data(x=x.to_sparse() if sparse else x, edge_index=to_undirected(steps))


def fitted(
    head: str, epochs: int, objective: Any = None, seed: int = 0, clusters: int = CLUSTERS, **parameters: Any
) -> eco.Composition:
    stage = {"epochs": epochs, "optimizer": {"name": "adam", "lr": 0.05}}
    return eco.compose(
        encoder={"name": GCNConv, "out_channels": 8},  # So that these tests need no other plugin.
        head={"name": f"eco-modularity:{head}", **parameters},
        objective=objective,
        strategy={"name": "joint", "initialize": objective is not None, "pretrain": {"epochs": 2}, "joint": stage},
        clusters=clusters,
        seed=seed,
    ).fit(groups())


@pytest.mark.parametrize(("head", "parameters"), [("dmon", {}), ("neuromap", {"lam": 5.0})])
def test_training_finds_the_groups(head: str, parameters: dict[str, Any]) -> None:
    model = fitted(head, 60, **parameters)
    found = [set(model.labels_[group::CLUSTERS].tolist()) for group in range(CLUSTERS)]
    assert all(len(labels) == 1 for labels in found)
    assert len(set.union(*found)) == CLUSTERS
    first, last = model.history_[0], model.history_[-1]
    assert last["loss"] < first["loss"]
    assert {f"{head}.{term}" for term in TERMS[head]} <= set(first)
    assert last[f"{head}.collapse"] == pytest.approx(0, abs=0.01)
    if head == "neuromap":  # Ten nodes that are visited alike in each group, which is never left.
        assert last["neuromap.codelength"] == pytest.approx(math.log2(10), abs=0.01)


def test_codelength_alone_leaves_clusters_empty() -> None:
    assert len(fitted("neuromap", 60, clusters=8, lam=0.0).clustering_.labels.unique()) < 8


@each_head
def test_it_trains_jointly_with_an_objective(head: str) -> None:
    model = fitted(head, 3, Reconstruction)
    assert len(model.history_) == 5
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    torch.testing.assert_close(model.cluster(soft=True).sum(1), torch.ones(NODES))


@each_head
def test_same_seed_same_result(head: str) -> None:
    runs = [fitted(head, 3, seed=seed).cluster(soft=True) for seed in (1, 1, 2)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@each_head
def test_recipe_trains_two_epochs(head: str, sparse: bool) -> None:
    pytest.importorskip("eco_gnn")
    model = eco.compose(recipe=f"eco-modularity:{head}", epochs=2, clusters=CLUSTERS, seed=0).fit(groups(sparse))
    assert type(model.cluster_head).__name__.lower() == f"{head}clusterhead"
    if head == "neuromap":
        assert (model.cluster_head.lam, model.cluster_head.alpha) == (5.0, 0.15)
    assert len(model.history_) == 2
    assert model.labels_.shape == (NODES,)
    assert all(math.isfinite(row["loss"]) for row in model.history_)
