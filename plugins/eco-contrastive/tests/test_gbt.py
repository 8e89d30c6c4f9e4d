"""Graph Barlow Twins: its formula and its edge cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from eco_contrastive import GBT
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv

import eco_core as eco
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


def loss_of(z1: Tensor, z2: Tensor, lam: float | None = 5e-3) -> Any:
    remaining = [z1, z2]
    return GBT(SAME, SAME, lam)(lambda _: remaining.pop(0), new_graph())


def reference(z1: Tensor, z2: Tensor, lam: float) -> float:
    """The formula of the paper, from NumPy's correlation coefficients in double precision."""
    a, b = (z.detach().double().numpy() for z in (z1, z2))
    width = a.shape[1]
    total = 0.0
    for i in range(width):
        for j in range(width):
            c = np.corrcoef(a[:, i], b[:, j])[0, 1]
            total += (1 - c) ** 2 if i == j else lam * c**2
    return float(total)


# -------------------------------------------------------------------------------------------------------- formula


@pytest.mark.parametrize("lam", [0.0, 5e-3, 0.7])
def test_loss_is_the_papers(lam: float) -> None:
    generator = torch.Generator().manual_seed(0)
    z1 = torch.randn(NODES, WIDTH, generator=generator)
    z2 = z1 + 0.5 * torch.randn(NODES, WIDTH, generator=generator)
    loss = loss_of(z1, z2, lam)
    assert float(loss) == pytest.approx(reference(z1, z2, lam), rel=1e-5)
    assert float(loss.total) == pytest.approx(float(loss.invariance) + lam * float(loss.redundancy), rel=1e-6)


def test_without_a_weight_it_is_that_of_the_paper_one_by_the_width() -> None:
    z1, z2 = torch.randn(NODES, WIDTH), torch.randn(NODES, WIDTH)
    torch.testing.assert_close(loss_of(z1, z2, None).total, loss_of(z1, z2, 1 / WIDTH).total)


@given(seed=st.integers(0, 10_000))
def test_order_of_nodes_and_columns_and_signs_scales_and_views_do_not_matter(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    z1, z2 = (torch.randn(NODES, WIDTH, generator=generator, dtype=torch.double) for _ in range(2))
    rows, columns = torch.randperm(NODES, generator=generator), torch.randperm(WIDTH, generator=generator)
    signs = torch.randint(0, 2, (WIDTH,), generator=generator) * 2 - 1
    moved1, moved2 = [
        (scale * signs * z + shift)[rows][:, columns] for z, scale, shift in ((z1, 3.0, 1.0), (z2, 0.1, -2.0))
    ]
    expected = loss_of(z1, z2).total
    torch.testing.assert_close(loss_of(moved1, moved2).total, expected)
    torch.testing.assert_close(loss_of(z2, z1).total, expected)


def test_views_that_agree_and_columns_that_are_uncorrelated_are_the_minimum() -> None:
    z = torch.randn(NODES, WIDTH)
    z = torch.linalg.qr(z - z.mean(dim=0)).Q
    assert float(loss_of(z, 3 * z + 1, lam=1.0)) == pytest.approx(0, abs=1e-5)
    assert float(loss_of(z, -z, lam=1.0)) == pytest.approx(4 * WIDTH)


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
    if nodes == 1:  # Nothing correlates, a column not even with itself.
        assert loss.total.item() == loss.invariance.item() == WIDTH + 1


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

    seeded(0, lambda: GBT(SAME, DropEdges(0.5))(encode, graph))
    assert edges[0] == NODES > edges[1]
    assert graph.edge_index.size(1) == NODES
    assert torch.equal(graph.x, new_graph().x)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_same_seed_same_loss_whatever_the_layout_of_the_features(sparse: bool) -> None:
    objective, graph = GBT(*VIEWS), new_graph(sparse)
    first = seeded(5, lambda: objective(propagate, graph)).total
    torch.testing.assert_close(first, seeded(5, lambda: objective(propagate, new_graph())).total)
    assert len({seeded(seed, lambda: objective(propagate, graph)).total.item() for seed in range(5)}) == 5


def test_negative_weight_is_refused_and_none_is_taken() -> None:
    encoder = {"name": GCNConv, "out_channels": 8}
    with pytest.raises((ValidationError, eco.CompositionError), match="lam"):
        eco.compose(encoder=encoder, objective={"name": GBT, "lam": -1.0}, clusters=3)
    assert eco.compose(encoder=encoder, objective={"name": GBT, "lam": None}, clusters=3) is not None
