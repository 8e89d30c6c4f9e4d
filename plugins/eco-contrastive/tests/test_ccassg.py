"""CCA-SSG: the columns it compares, its formula, its edge cases, and its recipe."""

from __future__ import annotations

import importlib.resources
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from eco_contrastive import CCASSG
from eco_contrastive.correlation import off_diagonal, standardize
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import Data

from eco_core.transforms import DropEdges, GSSLTransform

NODES, WIDTH = 12, 5
SAME = GSSLTransform(p_feat_mask=0.0, p_edge_drop=0.0)
VIEWS = (GSSLTransform(p_feat_mask=0.3, p_edge_drop=0.2), GSSLTransform(p_feat_mask=0.1, p_edge_drop=0.5))


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


def seeded(seed: int, function: Callable[[], Any]) -> Any:
    torch.manual_seed(seed)
    return function()


def in_turn(*embeddings: Tensor) -> Callable[[Any], Tensor]:
    """An encoder that gives the views these embeddings."""
    remaining = list(embeddings)
    return lambda _: remaining.pop(0)


def loss_of(z1: Tensor, z2: Tensor, lam: float = 1e-3) -> Any:
    return CCASSG(SAME, SAME, lam)(in_turn(z1, z2), new_graph())


def reference(z1: Tensor, z2: Tensor, lam: float) -> float:
    """The formula of the paper, in NumPy and double precision."""
    views = [z.detach().double().numpy() for z in (z1, z2)]
    a, b = ((z - z.mean(axis=0)) / (z.std(axis=0) * np.sqrt(len(z))) for z in views)
    identity = np.eye(a.shape[1])
    decorrelation = sum(np.linalg.norm(z.T @ z - identity, "fro") ** 2 for z in (a, b))
    return float(np.linalg.norm(a - b, "fro") ** 2 + lam * decorrelation)


# ------------------------------------------------------------------------------------------------ standardised columns


@given(seed=st.integers(0, 10_000), rows=st.integers(2, 30), width=st.integers(1, 6))
def test_products_of_standardised_columns_are_their_correlations(seed: int, rows: int, width: int) -> None:
    z = torch.randn(rows, width, generator=torch.Generator().manual_seed(seed), dtype=torch.double)
    standardized = standardize(z)
    expected = torch.from_numpy(np.atleast_2d(np.corrcoef(z.numpy(), rowvar=False)))
    torch.testing.assert_close(standardized.t() @ standardized, expected)
    torch.testing.assert_close(standardized.sum(dim=0), torch.zeros(width, dtype=torch.double), atol=1e-9, rtol=0)


@given(scale=st.floats(1e-6, 1e6), shift=st.floats(-10, 10))
def test_scale_and_shift_of_a_column_do_not_matter(scale: float, shift: float) -> None:
    z = torch.randn(NODES, WIDTH, generator=torch.Generator().manual_seed(1), dtype=torch.double)
    torch.testing.assert_close(standardize(scale * (z + shift)), standardize(z))


@pytest.mark.parametrize("value", [0.0, 0.1, 1e-6, -12345.678])
@pytest.mark.parametrize("rows", [1, 2, 7, 100_003])
def test_constant_columns_become_zeros_without_gradient(value: float, rows: int) -> None:
    z = torch.randn(rows, 2, generator=torch.Generator().manual_seed(0))
    z[:, 1] = value
    z.requires_grad_()
    standardized = standardize(z)
    (standardized * torch.linspace(-1, 2, rows).unsqueeze(1)).sum().backward()
    assert (standardized[:, 1] == 0).all()
    assert z.grad is not None
    assert z.grad.isfinite().all()
    assert (z.grad[:, 1] == 0).all()
    if rows > 2:
        assert (standardized[:, 0] != 0).all()
        assert z.grad[:, 0].any()


def test_columns_that_only_rounding_tells_from_constant_ones_become_zeros() -> None:
    third = torch.tensor(1 / 3)
    column = torch.stack([third, torch.nextafter(third, torch.tensor(1.0)), third]).unsqueeze(1)
    assert column.unique().numel() == 2
    assert (standardize(column) == 0).all()


def test_small_deviations_are_not_taken_for_constant() -> None:
    z = 1e-12 * torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(standardize(z), standardize(1e12 * z))
    torch.testing.assert_close(standardize(z).norm(dim=0), torch.ones(3))


def test_half_precision_is_widened() -> None:
    z = torch.randn(NODES, WIDTH).bfloat16()
    assert standardize(z).dtype is torch.float32
    torch.testing.assert_close(standardize(z), standardize(z.float()))


def test_gradient_of_the_standardisation_is_correct() -> None:
    z = torch.randn(6, 3, dtype=torch.double, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(standardize, (z,))


def test_blocks_of_rows_change_neither_standardised_columns_nor_their_gradient() -> None:
    z = torch.randn(700, WIDTH, dtype=torch.double, generator=torch.Generator().manual_seed(0), requires_grad=True)
    weights = torch.randn(700, WIDTH, dtype=torch.double, generator=torch.Generator().manual_seed(1))
    whole = standardize(z)
    (gradient,) = torch.autograd.grad((whole * weights).sum(), z)
    in_blocks = standardize(z, block_elements=1)  # A block has 256 rows then, the least.
    torch.testing.assert_close(in_blocks, whole)
    torch.testing.assert_close(torch.autograd.grad((in_blocks * weights).sum(), z)[0], gradient)


def test_off_diagonal_is_the_rest_of_a_matrix() -> None:
    square = torch.arange(9.0).reshape(3, 3) + 1
    assert torch.equal(off_diagonal(square) + torch.diag(square.diagonal()), square)
    assert (off_diagonal(square).diagonal() == 0).all()


# -------------------------------------------------------------------------------------------------------- formula


@pytest.mark.parametrize("lam", [0.0, 1e-3, 0.7])
def test_loss_is_the_papers(lam: float) -> None:
    generator = torch.Generator().manual_seed(0)
    z1 = torch.randn(NODES, WIDTH, generator=generator)
    z2 = z1 + 0.5 * torch.randn(NODES, WIDTH, generator=generator)
    loss = loss_of(z1, z2, lam)
    assert float(loss) == pytest.approx(reference(z1, z2, lam), rel=1e-5)
    assert float(loss.total) == pytest.approx(float(loss.invariance) + lam * float(loss.decorrelation), rel=1e-6)


@given(seed=st.integers(0, 10_000))
def test_authors_form_differs_by_a_factor_and_a_constant(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    z1, z2 = (torch.randn(NODES, WIDTH, generator=generator, dtype=torch.double) for _ in range(2))
    a, b = ((z - z.mean(dim=0)) / z.std(dim=0, correction=0) for z in (z1, z2))
    identity = torch.eye(WIDTH, dtype=torch.double)
    squares = [(z.t() @ z / NODES - identity).square().sum() for z in (a, b)]
    authors = -(a.t() @ b / NODES).trace() + 0.5 * 0.3 * sum(squares)
    torch.testing.assert_close(loss_of(z1, z2, lam=0.3).total, 2 * (authors + WIDTH))


@given(seed=st.integers(0, 10_000))
def test_order_of_nodes_and_columns_and_signs_of_columns_do_not_matter(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    z1, z2 = (torch.randn(NODES, WIDTH, generator=generator, dtype=torch.double) for _ in range(2))
    rows, columns = torch.randperm(NODES, generator=generator), torch.randperm(WIDTH, generator=generator)
    signs = torch.randint(0, 2, (WIDTH,), generator=generator) * 2 - 1
    moved1, moved2 = ((signs * z)[rows][:, columns] for z in (z1, z2))
    torch.testing.assert_close(loss_of(moved1, moved2).total, loss_of(z1, z2).total)


def test_views_that_agree_and_columns_that_are_uncorrelated_are_the_minimum() -> None:
    columns = torch.linalg.qr(torch.randn(NODES, WIDTH) - 0.5).Q
    z = torch.linalg.qr(columns - columns.mean(dim=0)).Q
    z = z - z.mean(dim=0)
    assert float(loss_of(z, 3 * z + 1, lam=1.0)) == pytest.approx(0, abs=1e-5)


def test_gradients_are_correct() -> None:
    generator = torch.Generator().manual_seed(2)
    views = [torch.randn(7, 3, dtype=torch.double, generator=generator, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(lambda z1, z2: loss_of(z1, z2, lam=0.5).total, views)


# ------------------------------------------------------------------------------------------------------- edge cases


@pytest.mark.parametrize("nodes", [1, 2, 3])
def test_tiny_graphs_and_constant_columns_have_finite_losses_and_gradients(nodes: int) -> None:
    views = [torch.randn(nodes, WIDTH, requires_grad=True) for _ in range(2)]
    z1, z2 = (torch.cat([view, torch.ones(nodes, 1)], dim=1) for view in views)
    loss = loss_of(z1, z2)
    loss.total.backward()
    assert loss.total.isfinite()
    assert all(view.grad is not None and view.grad.isfinite().all() for view in views)
    if nodes == 1:  # Nothing correlates: the columns are zeros, and their correlations are far from 1.
        assert loss.invariance.item() == 0
        assert loss.decorrelation.item() == 2 * (WIDTH + 1)


def test_half_precision_and_autocast_do_not_change_the_precision_of_the_loss() -> None:
    z1, z2 = torch.randn(NODES, WIDTH).bfloat16(), torch.randn(NODES, WIDTH).bfloat16()
    expected = loss_of(z1.float(), z2.float()).total
    torch.testing.assert_close(loss_of(z1, z2).total, expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(loss_of(z1, z2).total, expected)


# ------------------------------------------------------------------------------------------------------------ views


def test_each_view_is_made_by_its_own_transform_and_the_graph_stays_as_it_is() -> None:
    graph, edges = new_graph(), []

    def encode(view: Any) -> Tensor:
        edges.append(view.edge_index.size(1))
        return propagate(view)

    seeded(0, lambda: CCASSG(SAME, DropEdges(0.5))(encode, graph))
    assert edges[0] == NODES > edges[1]
    assert graph.edge_index.size(1) == NODES
    assert torch.equal(graph.x, new_graph().x)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_same_seed_same_loss_whatever_the_layout_of_the_features(sparse: bool) -> None:
    objective, graph = CCASSG(*VIEWS), new_graph(sparse)
    first = seeded(5, lambda: objective(propagate, graph)).total
    torch.testing.assert_close(first, seeded(5, lambda: objective(propagate, new_graph())).total)
    assert len({seeded(seed, lambda: objective(propagate, graph)).total.item() for seed in range(5)}) == 5


# ----------------------------------------------------------------------------------------------------------- recipe


def test_recipe_has_the_published_values() -> None:
    recipe = importlib.resources.files("eco_contrastive").joinpath("recipes/ccassg.yaml")
    spec = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    encoder, train, objective = spec["encoder"], spec["strategy"]["train"], spec["objective"]
    assert (encoder["hidden_channels"], encoder["num_layers"], encoder["act"]) == (512, 2, "relu")
    assert (train["epochs"], train["optimizer"]["lr"], train["optimizer"]["weight_decay"]) == (50, 0.001, 0.0)
    assert objective["lam"] == 2 * 0.001  # The published one weighs half of this invariance.
    published = {"cora": (0.1, 0.4), "photo": (0.2, 0.3)}
    assert all(objective[f"transform{number}"]["feat_mask_mode"] == "entries" for number in (1, 2))
    views = {"cora": objective, "photo": spec["overrides"]["photo"]["objective"]}
    for name, expected in published.items():
        for number in (1, 2):
            view = views[name][f"transform{number}"]
            assert (view["p_feat_mask"], view["p_edge_drop"]) == expected
