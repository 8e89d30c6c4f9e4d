"""Pairs of nodes: products without a tensor of pairs times width, and non-edges without rejection."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from eco_core.ops.pairs import NonEdges, SortedPairs, pair_products

NODES, WIDTH = 15, 4


@pytest.fixture
def z() -> Tensor:
    return torch.randn(NODES, WIDTH, generator=torch.Generator().manual_seed(0), dtype=torch.double)


def pairs_of(edge_index: Tensor) -> set[tuple[int, int]]:
    return {(min(pair), max(pair)) for pair in edge_index.t().tolist()}


def test_every_pair_that_is_not_linked_is_as_likely() -> None:
    edge_index = torch.tensor([[0, 2, 4, 4, 3], [1, 1, 0, 4, 5]])
    wanted = {(i, j) for j in range(6) for i in range(j)} - pairs_of(edge_index)
    torch.manual_seed(0)
    negatives = NonEdges(edge_index, 6).sample(11_000)
    counts = Counter(map(tuple, negatives.t().tolist()))
    assert set(counts) == wanted
    assert len(wanted) == 11
    # 1000 each are expected, with a standard deviation of 30.
    assert all(abs(count - 1000) < 150 for count in counts.values())


def test_pairs_of_a_graph_with_many_nodes_are_numbered_exactly() -> None:
    """There are more pairs than integers that double precision, in which the root is taken, can tell apart."""
    nodes = 200_000_000
    edge_index = torch.tensor([[0], [nodes - 1]])
    torch.manual_seed(0)
    low, high = NonEdges(edge_index, nodes).sample(10_000)
    assert ((low >= 0) & (low < high) & (high < nodes)).all()
    # The larger of two uniform numbers is 2/3 of the range on average, the smaller 1/3.
    assert abs(high.double().mean() / nodes - 2 / 3) < 0.01
    assert abs(low.double().mean() / nodes - 1 / 3) < 0.01


@given(seed=st.integers(0, 1000), nodes=st.integers(1, 9), width=st.integers(1, 5), count=st.integers(0, 30))
@settings(max_examples=40, deadline=None)
def test_pair_products_and_their_gradient_are_those_of_the_plain_formula(
    seed: int, nodes: int, width: int, count: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    index = torch.randint(nodes, (2, count), generator=generator)
    weights = torch.randn(count, generator=generator, dtype=torch.double)
    leaf = torch.randn(nodes, width, generator=generator, dtype=torch.double).requires_grad_()
    plain = (leaf[index[0]] * leaf[index[1]]).sum(dim=-1)
    products = pair_products(leaf, index)
    torch.testing.assert_close(products, plain)
    (expected,) = torch.autograd.grad((weights * plain).sum(), leaf)
    (found,) = torch.autograd.grad((weights * products).sum(), leaf)
    torch.testing.assert_close(found, expected)


def test_pairs_sorted_before_have_their_products_in_their_own_order(z: Tensor) -> None:
    row, column = torch.randint(NODES, (2, 101), generator=torch.Generator().manual_seed(0))
    pairs = SortedPairs(row, column, NODES)
    assert torch.equal(torch.stack([pairs.row, pairs.column]), torch.stack([row, column])[:, pairs.order])
    assert bool((pairs.row.diff() >= 0).all())
    torch.testing.assert_close(pair_products(z, pairs), (z[pairs.row] * z[pairs.column]).sum(dim=1))


@given(st.integers(0, 10_000), st.integers(0, 40))
def test_matrix_of_sorted_pairs_adds_up_those_that_come_up_twice(seed: int, count: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    row, column = torch.randint(NODES, (2, count), generator=generator)
    pairs = SortedPairs(row, column, NODES)
    values = torch.rand(count, generator=generator, dtype=torch.double)
    dense = torch.zeros(NODES, NODES, dtype=torch.double).index_put_((pairs.row, pairs.column), values, True)
    for matrix, expected in ((pairs.matrix(values), dense), (pairs.transposed(values), dense.T)):
        torch.testing.assert_close(matrix @ torch.eye(NODES, dtype=torch.double), expected)
