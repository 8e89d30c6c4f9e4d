"""Deep graph infomax: its formula, its corruption, its edge cases, and its recipe."""

from __future__ import annotations

import importlib.resources
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from eco_contrastive import DGI
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv

import eco_core as eco
from eco_core.transforms import AddNoise, GSSLTransform, ShuffleEdges, ShuffleFeatures

NODES, WIDTH = 12, 5


def new_graph(sparse: bool = False) -> Data:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(NODES, WIDTH, generator=generator) * (torch.rand(NODES, WIDTH, generator=generator) < 0.7)
    source = torch.arange(NODES)
    edge_index = torch.stack([source, (source + 1) % NODES])
    return Data(x=x.to_sparse() if sparse else x, edge_index=edge_index, y=source)


def propagate(graph: Any) -> Tensor:
    """Each node's features and half of its predecessor's: reads features and edges."""
    x = graph.x.to_dense()
    source, target = graph.edge_index
    return x.index_add(0, target, 0.5 * x[source])


def new_objective(width: int = WIDTH, **parameters: Any) -> DGI:
    torch.manual_seed(0)
    return DGI(width, **parameters)


def seeded(seed: int, function: Callable[[], Any]) -> Any:
    torch.manual_seed(seed)
    return function()


def loss_of(objective: DGI, real: Tensor, fake: Tensor) -> Any:
    remaining = [real, fake]
    return objective(lambda _: remaining.pop(0), new_graph())


def reference(weight: Tensor, real: Tensor, fake: Tensor) -> float:
    """The cross entropy of the paper, node by node, in NumPy and double precision."""
    w, z, corrupted = (t.detach().double().numpy() for t in (weight, real, fake))
    summary = 1 / (1 + np.exp(-z.mean(axis=0)))
    entropies = [-np.log(1 / (1 + np.exp(-(row @ w @ summary)))) for row in z]
    entropies += [-np.log(1 - 1 / (1 + np.exp(-(row @ w @ summary)))) for row in corrupted]
    return float(np.mean(entropies))


# -------------------------------------------------------------------------------------------------------- formula


@pytest.mark.parametrize("seed", range(3))
def test_loss_is_the_mean_cross_entropy_over_twice_the_nodes(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    real, fake = torch.randn(NODES, WIDTH, generator=generator), torch.randn(NODES, WIDTH, generator=generator)
    objective = new_objective()
    loss = loss_of(objective, real, fake)
    assert loss.total.item() == pytest.approx(reference(objective.weight, real, fake), rel=1e-5)
    torch.testing.assert_close(loss.total, (loss.original + loss.corrupted) / 2)


def test_matrix_of_the_discriminator_is_not_taken_for_its_transpose() -> None:
    objective = new_objective()
    z, summary = torch.randn(NODES, WIDTH), torch.rand(WIDTH)
    expected = torch.stack([row @ objective.weight @ summary for row in z])
    torch.testing.assert_close(objective.discriminate(z, summary), expected)
    assert not torch.allclose(objective.discriminate(z, summary), z @ (objective.weight.t() @ summary))


def test_gradients_reach_the_encoder_and_the_discriminator_and_are_correct() -> None:
    objective = new_objective(3).double()
    generator = torch.Generator().manual_seed(2)
    real, fake = (torch.randn(4, 3, dtype=torch.double, generator=generator, requires_grad=True) for _ in range(2))

    def loss(real: Tensor, fake: Tensor, _: Tensor) -> Tensor:
        return loss_of(objective, real, fake).total

    assert torch.autograd.gradcheck(loss, (real, fake, objective.weight))
    loss(real, fake, objective.weight).backward()
    assert all(each.grad is not None and each.grad.any() for each in (real, fake, objective.weight))


@given(seed=st.integers(0, 10_000))
def test_order_of_the_nodes_does_not_matter(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    real, fake = torch.randn(NODES, WIDTH, generator=generator), torch.randn(NODES, WIDTH, generator=generator)
    order, other = torch.randperm(NODES, generator=generator), torch.randperm(NODES, generator=generator)
    objective = new_objective()
    torch.testing.assert_close(loss_of(objective, real[order], fake[other]).total, loss_of(objective, real, fake).total)


def test_another_readout_is_one_method() -> None:
    class Largest(DGI):
        def summarize(self, z: Tensor) -> Tensor:
            return z.max(dim=0).values

    real, fake = torch.randn(NODES, WIDTH), torch.randn(NODES, WIDTH)
    torch.manual_seed(0)
    objective = Largest(WIDTH)
    logits = objective.discriminate(real, real.max(dim=0).values)
    torch.testing.assert_close(loss_of(objective, real, fake).original, -logits.sigmoid().log().mean())


# ----------------------------------------------------------------------------------------------------- corruption


def copies_of(objective: DGI, graph: Data) -> list[Data]:
    """The graphs that an objective has encoded."""
    seen: list[Data] = []

    def encode(each: Data) -> Tensor:
        seen.append(each)
        return propagate(each)

    seeded(0, lambda: objective(encode, graph))
    return seen


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_by_default_nodes_exchange_their_features_and_nothing_else(sparse: bool) -> None:
    graph = new_graph(sparse)
    original, corrupted = copies_of(new_objective(), graph)
    assert original is graph
    assert torch.equal(graph.x.to_dense(), new_graph().x)
    assert corrupted.edge_index is graph.edge_index
    assert corrupted.x.layout is graph.x.layout
    rows = corrupted.x.to_dense()
    assert not torch.equal(rows, graph.x.to_dense())
    assert sorted(rows.tolist()) == sorted(graph.x.to_dense().tolist())


def test_any_transform_of_graphs_is_a_corruption() -> None:
    _, corrupted = copies_of(new_objective(corruption=ShuffleEdges()), new_graph())
    assert torch.equal(corrupted.x, new_graph().x)
    assert not torch.equal(corrupted.edge_index, new_graph().edge_index)
    graph = new_graph()

    def loss(corruption: Any) -> Any:
        return new_objective(corruption=corruption)(propagate, graph)

    losses = [
        seeded(1, partial(loss, corruption)).total for corruption in (ShuffleFeatures(), ShuffleEdges(), AddNoise(1.0))
    ]
    assert len({loss.item() for loss in losses}) == 3


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_same_seed_same_loss_whatever_the_layout_of_the_features(sparse: bool) -> None:
    objective, graph = new_objective(), new_graph(sparse)
    first = seeded(5, lambda: objective(propagate, graph)).total
    torch.testing.assert_close(first, seeded(5, lambda: objective(propagate, new_graph())).total)
    assert len({seeded(seed, lambda: objective(propagate, graph)).total.item() for seed in range(5)}) == 5


# ------------------------------------------------------------------------------------------------------- edge cases


def test_loss_and_gradients_are_finite_for_extreme_embeddings() -> None:
    objective = new_objective()
    real = (1e6 * torch.randn(NODES, WIDTH)).requires_grad_()
    loss = loss_of(objective, real, -1e6 * torch.ones(NODES, WIDTH))
    loss.total.backward()
    assert loss.total.isfinite()
    assert real.grad is not None
    assert real.grad.isfinite().all()
    assert objective.weight.grad is not None
    assert objective.weight.grad.isfinite().all()


def test_single_node_cannot_be_told_from_its_copy() -> None:
    graph = Data(x=torch.randn(1, WIDTH), edge_index=torch.empty(2, 0, dtype=torch.int64))
    loss = new_objective()(propagate, graph)
    torch.testing.assert_close(loss.original.exp().reciprocal() + loss.corrupted.exp().reciprocal(), torch.tensor(1.0))


def test_half_precision_and_autocast_do_not_change_the_precision_of_the_loss() -> None:
    objective = new_objective()
    real, fake = torch.randn(NODES, WIDTH).bfloat16(), torch.randn(NODES, WIDTH).bfloat16()
    expected = loss_of(objective, real.float(), fake.float()).total
    torch.testing.assert_close(loss_of(objective, real, fake).total, expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(loss_of(objective, real, fake).total, expected)


# ----------------------------------------------------------------------------------------------------------- recipe


def test_corruption_given_in_part_keeps_the_rest_of_the_default() -> None:
    objective = {"name": DGI, "corruption": {"noise_std": 0.5}}
    encoder = {"name": GCNConv, "out_channels": 8}
    model = eco.compose(encoder=encoder, objective=objective, clusters=3, in_channels=WIDTH)
    built: Any = model.objective
    assert built.corruption == GSSLTransform(0.0, 0.0, noise_std=0.5, shuffle_features=True)
    assert built.weight.shape == (8, 8)


def test_recipe_has_the_published_values() -> None:
    recipe = importlib.resources.files("eco_contrastive").joinpath("recipes/dgi.yaml")
    spec = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    encoder, train = spec["encoder"], spec["strategy"]["train"]
    assert (encoder["hidden_channels"], encoder["num_layers"], encoder["dropout"]) == (512, 1, 0.0)
    assert (encoder["act"], encoder["act_last"]) == ("prelu", True)
    assert (train["epochs"], train["patience"]) == (300, 50)
    assert (train["optimizer"]["lr"], train["optimizer"]["weight_decay"]) == (0.001, 0.0)
    assert spec["head"]["n_init"] >= 10
    assert "overrides" not in spec  # Cora's and Photo's are the same.
