"""Attention along edges against a loop over the nodes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from eco_core.ops.edge_attention import edge_softmax, edges_by_target, sum_of_neighbors

NODES, HEADS, WIDTH = 8, 2, 3


def draw(seed: int, count: int = 30) -> tuple[Tensor, Tensor, Tensor]:
    """Edges (parallel ones, self-loops and nodes without any come up), one number for each and head, and vectors."""
    generator = torch.Generator().manual_seed(seed)
    edge_index = torch.randint(NODES, (2, count), generator=generator)
    scores = 5 * torch.randn(count, HEADS, generator=generator, dtype=torch.float64)
    return edge_index, scores, torch.randn(NODES, HEADS, WIDTH, generator=generator, dtype=torch.float64)


@given(st.integers(0, 10_000), st.integers(0, 40))
def test_edges_are_all_there_sorted_by_target(seed: int, count: int) -> None:
    edge_index, values, _ = draw(seed, count)
    edges = edges_by_target(edge_index, NODES)
    assert torch.equal(torch.stack([edges.column, edges.row]), edge_index[:, edges.order])
    assert bool((edges.row.diff() >= 0).all())
    one = values[edges.order, 0]
    dense = torch.zeros(NODES, NODES, dtype=torch.float64).index_put_((edges.row, edges.column), one, True)
    for matrix, expected in ((edges.matrix(one), dense), (edges.transposed(one), dense.T)):
        torch.testing.assert_close(matrix @ torch.eye(NODES, dtype=torch.float64), expected)


@given(st.integers(0, 10_000), st.integers(0, 40))
def test_softmax_is_that_of_each_target(seed: int, count: int) -> None:
    edge_index, scores, _ = draw(seed, count)
    edges = edges_by_target(edge_index, NODES)
    found = edge_softmax(scores, edges)
    for node in range(NODES):
        own = edges.row == node
        torch.testing.assert_close(found[own], scores[own].softmax(dim=0))


@given(st.integers(0, 10_000), st.integers(0, 40))
def test_sum_and_its_gradients_are_those_of_messages(seed: int, count: int) -> None:
    edge_index, weight, h = draw(seed, count)
    edges = edges_by_target(edge_index, NODES)
    weight.requires_grad_()
    h.requires_grad_()
    found = sum_of_neighbors(weight, h, edges)
    messages = weight.unsqueeze(2) * h[edges.column]
    expected = torch.zeros_like(found).index_add(0, edges.row, messages)
    torch.testing.assert_close(found, expected)
    other = torch.randn(found.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    gradients = [torch.autograd.grad((out * other).sum(), (weight, h), retain_graph=True) for out in (found, expected)]
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two)


def test_gradients_are_those_of_finite_differences() -> None:
    edge_index, scores, h = draw(0)
    edges = edges_by_target(edge_index, NODES)
    assert torch.autograd.gradcheck(lambda s: edge_softmax(s, edges), scores.requires_grad_())
    assert torch.autograd.gradcheck(lambda w, v: sum_of_neighbors(w, v, edges), (scores, h.requires_grad_()))


def test_large_scores_do_not_overflow() -> None:
    edges = edges_by_target(torch.tensor([[0, 1, 2], [0, 0, 0]]), 3)
    found = edge_softmax(torch.tensor([[1e30], [1e30], [-1e30]]), edges)
    assert found.flatten().tolist() == [0.5, 0.5, 0.0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype: torch.dtype) -> None:
    edge_index, scores, h = draw(1)
    edges = edges_by_target(edge_index, NODES)
    weight, h = scores.softmax(dim=0).float(), h.to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = sum_of_neighbors(weight, h, edges)
    assert found.dtype == dtype
    torch.testing.assert_close(found, sum_of_neighbors(weight, h.float(), edges).to(dtype))
    assert edge_softmax(scores.to(dtype), edges).dtype == torch.float32
