"""The objectives of this plugin in whole runs: with an encoder, with a head that trains along, and as recipes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from eco_contrastive import MAGI, NS4GC
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv

import eco_core as eco
from eco_core.transforms import GSSLTransform

SIZE = 10
UNMASKED = {"transform1": {"p_feat_mask": 0.0}, "transform2": {"p_feat_mask": 0.0}}
TERMS = {
    "dgi": ("original", "corrupted"),
    "ccassg": ("invariance", "decorrelation"),
    "gbt": ("invariance", "redundancy"),
    "ns4gc": ("alignment", "neighbours", "sparsity"),
    "magi": (),
    "s3gc": ("visited", "drawn"),
}
ENCODER = {"name": GCNConv, "out_channels": 8}  # So that these tests need no other plugin.
each_objective = pytest.mark.parametrize("objective", TERMS)


class Activated(GCNConv):
    """A layer whose embeddings are not negative, so that their mean says something."""

    def __init__(self, in_channels: int) -> None:
        super().__init__(in_channels, 8)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return super().forward(x, edge_index).relu()


def two_groups(sparse: bool = False) -> Data:
    """Two groups of nodes, dense inside and one edge between, without labels."""
    generator = torch.Generator().manual_seed(0)
    group = torch.arange(2 * SIZE) // SIZE
    inside = (torch.rand(2 * SIZE, 2 * SIZE, generator=generator) < 0.6) & (group[:, None] == group)
    adjacency = inside.triu(1)
    adjacency[0, -1] = True
    x = torch.rand(2 * SIZE, 8, generator=generator) + F.one_hot(group, 8)
    edge_index = (adjacency | adjacency.t()).nonzero().t().contiguous()
    return Data(x=x.to_sparse() if sparse else x, edge_index=edge_index)


def fitted(objective: str, graph: Data | None = None, **options: Any) -> eco.Composition:
    parameters = options.pop("parameters", {})
    options = {"encoder": ENCODER, "clusters": 2, "epochs": 2, "seed": 0, **options}
    model = eco.compose(objective={"name": f"eco-contrastive:{objective}", **parameters}, **options)
    return model.fit(two_groups() if graph is None else graph)


def check(model: eco.Composition) -> None:
    assert model.labels_.shape == (2 * SIZE,)
    assert model.clustering_.embedding.isfinite().all()
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert all(math.isfinite(row["loss"]) for row in model.history_)


# --------------------------------------------------------------------------------------------------------- training


@pytest.mark.parametrize(
    ("objective", "options", "share"),
    [
        ("dgi", {"encoder": Activated}, 0.1),
        ("ccassg", {"parameters": {"lam": 0.05, **UNMASKED}}, 0.1),
        ("gbt", {"parameters": {"lam": 0.1, **UNMASKED}}, 0.1),
        ("ns4gc", {"parameters": UNMASKED}, 0.05),
        ("magi", {}, 0.1),
        ("s3gc", {}, 0.1),
    ],
)
def test_training_lowers_the_loss_and_finds_two_groups(objective: str, options: dict[str, Any], share: float) -> None:
    stage = {"epochs": 60, "optimizer": {"lr": 0.01}}
    model = fitted(objective, epochs=None, strategy={"name": "decoupled", "train": stage}, **options)
    losses = [row["loss"] for row in model.history_]
    before, after = np.mean(losses[:5]), np.mean(losses[-5:])
    assert before - after > share * abs(before)
    first, second = model.clustering_.labels.split(SIZE)
    assert len(set(first.tolist())) == len(set(second.tolist())) == 1
    assert first[0] != second[0]


@each_objective
def test_history_has_the_terms_of_the_loss(objective: str) -> None:
    for row in fitted(objective).history_:
        terms = {column: value for column, value in row.items() if "." in column}
        assert set(terms) == {f"{objective}.{term}" for term in TERMS[objective]}
        assert row[objective] == row["loss"]
        if objective == "ns4gc":  # Whose terms all have a weight of 1.
            assert row["loss"] == pytest.approx(sum(terms.values()))


def test_views_given_in_part_keep_the_rest_of_the_default() -> None:
    for objective in ("ccassg", "gbt"):
        model = fitted(objective, parameters=UNMASKED, epochs=1)
        built: Any = model.objective
        assert built.transform1 == GSSLTransform(p_feat_mask=0.0, p_edge_drop=0.3)


def test_magi_has_the_seed_of_the_composition_for_its_walks() -> None:
    objectives: list[Any] = [fitted("magi", seed=seed, epochs=1).objective for seed in (3, 4)]
    assert [objective.seed for objective in objectives] == [3, 4]


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@each_objective
def test_same_seed_same_run_and_labels_are_never_used(objective: str, sparse: bool) -> None:
    def embedding(seed: int, labelled: bool) -> Tensor:
        graph = two_groups(sparse)
        if labelled:
            graph.y = torch.arange(2 * SIZE) // SIZE
        return fitted(objective, graph, seed=seed).clustering_.embedding

    first = embedding(0, labelled=False)
    assert torch.equal(first, embedding(0, labelled=True))
    assert not torch.equal(first, embedding(1, labelled=False))


@each_objective
def test_joint_training_with_a_differentiable_head(objective: str) -> None:
    pytest.importorskip("eco_prototype")
    model = fitted(objective, head="eco-prototype:dec", strategy="joint")
    assert [row["stage"] for row in model.history_] == ["pretrain", "pretrain", "joint", "joint"]
    assert {"dec", objective, *(f"{objective}.{term}" for term in TERMS[objective])} <= set(model.history_[-1])
    check(model)


@each_objective
@pytest.mark.parametrize("clusters", [1, 2 * SIZE])
def test_one_cluster_and_as_many_as_nodes_work(objective: str, clusters: int) -> None:
    assert len(set(fitted(objective, clusters=clusters).clustering_.labels.tolist())) <= clusters


@each_objective
@pytest.mark.parametrize("case", ["weighted", "no edges", "isolated node"])
def test_unusual_graphs_train(objective: str, case: str) -> None:
    graph = two_groups()
    if case == "weighted":
        graph.edge_weight = torch.rand(graph.num_edges, generator=torch.Generator().manual_seed(1))
    elif case == "no edges":
        graph.edge_index = torch.empty(2, 0, dtype=torch.long)
    else:
        graph.edge_index = graph.edge_index[:, (graph.edge_index != 3).all(dim=0)]
    check(fitted(objective, graph))


@pytest.mark.parametrize(
    ("objective", "parameters"),
    [(MAGI, {}), (NS4GC, dict.fromkeys(("transform1", "transform2"), GSSLTransform(0.0, 0.0)))],
    ids=["magi", "ns4gc"],
)
def test_anchors_estimate_the_loss_without_bias(objective: type[nn.Module], parameters: dict[str, Any]) -> None:
    torch.manual_seed(0)
    graph, encoder = two_groups(), GCNConv(8, 8)
    exact: Any = objective(**parameters)
    names = exact.prepare(graph, graph.edge_index)

    def loss(objective: nn.Module) -> Tensor:
        value = objective(lambda g: encoder(g.x, g.edge_index), graph, graph.edge_index, **names)
        return getattr(value, "total", value).detach()

    few = objective(**parameters, num_anchors=SIZE)
    draws = torch.stack([loss(few) for _ in range(300)])
    assert draws.std() > 0
    assert abs(draws.mean() - loss(exact)) < 4 * draws.std() / 300**0.5


# ---------------------------------------------------------------------------------------------------------- recipes


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@each_objective
def test_recipe_trains_two_epochs(objective: str, sparse: bool) -> None:
    pytest.importorskip("eco_gnn")
    overrides = ["encoder.hidden_channels=16"]
    model = eco.compose(recipe=f"eco-contrastive:{objective}", epochs=2, clusters=2, overrides=overrides, seed=0)
    check(model.fit(two_groups(sparse)))
    assert len(model.history_) == 2
    assert type(model.objective).__name__.lower() == objective


def test_recipe_of_ns4gc_has_embeddings_of_width_64() -> None:
    pytest.importorskip("eco_gnn")
    model = eco.compose(recipe="eco-contrastive:ns4gc", epochs=2, clusters=2, seed=0).fit(two_groups())
    assert model.embedding_.shape == (2 * SIZE, 64)


def test_recipe_of_magi_gives_the_head_scaled_embeddings() -> None:
    pytest.importorskip("eco_gnn")
    model = eco.compose(recipe="eco-contrastive:magi", epochs=2, clusters=2, seed=0).fit(two_groups())
    assert model.history_[1]["loss"] < model.history_[0]["loss"]
    assert model.embedding_.shape == (2 * SIZE, 512)
    assert (model.embedding_ >= 0).all()
    torch.testing.assert_close(model.clustering_.embedding.norm(dim=1), torch.ones(2 * SIZE))
