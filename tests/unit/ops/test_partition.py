"""Sums over the edges that soft partitions are made of, against dense formulas."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from eco_core.ops.partition import Links, links_between, out_degrees

NODES, CLUSTERS = 9, 4


def random_graph(seed: int, edges: int = 30) -> tuple[Tensor, Tensor]:
    """A directed graph with parallel edges, self-loops and edges of weight zero."""
    generator = torch.Generator().manual_seed(seed)
    edge_index = torch.randint(NODES, (2, edges), generator=generator)
    weight = torch.rand(edges, generator=generator, dtype=torch.float64)
    weight[torch.rand(edges, generator=generator) < 0.1] = 0
    return edge_index, weight


def soft(seed: int, clusters: int = CLUSTERS, nodes: int = NODES) -> Tensor:
    generator = torch.Generator().manual_seed(seed + 1)
    return torch.rand(nodes, clusters, generator=generator, dtype=torch.float64).softmax(dim=1)


def dense(edge_index: Tensor, weight: Tensor | None, nodes: int = NODES) -> Tensor:
    matrix = torch.zeros(nodes, nodes, dtype=torch.float64)
    values = [1.0] * edge_index.size(1) if weight is None else weight.tolist()
    for (source, target), value in zip(edge_index.t().tolist(), values, strict=True):
        matrix[source, target] += value
    return matrix


def between_of_links(s: Tensor, edge_index: Tensor, weight: Tensor | None = None) -> Tensor:
    return Links(edge_index, weight, num_nodes=s.size(0)).within(s)


def diagonal_of_between(s: Tensor, edge_index: Tensor, weight: Tensor | None = None) -> Tensor:
    return links_between(s, edge_index, weight).diagonal()


both_ways = pytest.mark.parametrize(
    "within", [between_of_links, diagonal_of_between], ids=["Links.within", "links_between"]
)


# ------------------------------------------------------------------------------------------------------------- sums


@given(st.integers(0, 10_000), st.integers(0, 40), st.integers(1, 6), st.booleans())
def test_links_are_those_of_the_dense_formula(seed: int, edges: int, clusters: int, weighted: bool) -> None:
    edge_index, weight = random_graph(seed, edges)
    s = soft(seed, clusters)
    expected = s.T @ dense(edge_index, weight if weighted else None) @ s
    torch.testing.assert_close(links_between(s, edge_index, weight if weighted else None), expected)
    links = Links(edge_index, weight if weighted else None, num_nodes=NODES)
    torch.testing.assert_close(links.within(s), expected.diagonal())


@both_ways
def test_gradient_is_that_of_the_dense_formula(within: Callable[..., Tensor]) -> None:
    edge_index, weight = random_graph(1)
    s, factor = soft(1).requires_grad_(), soft(2, 1, CLUSTERS).squeeze(1)
    (expected,) = torch.autograd.grad((s.T @ dense(edge_index, weight) @ s).diagonal() @ factor, s)
    (found,) = torch.autograd.grad(within(s, edge_index, weight) @ factor, s)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_agree_with_finite_differences(weighted: bool) -> None:
    edge_index, weight = random_graph(2, edges=14)
    s = soft(2).requires_grad_()
    given_weight = weight if weighted else None
    assert torch.autograd.gradcheck(lambda s: links_between(s, edge_index, given_weight), s)
    assert torch.autograd.gradcheck(Links(edge_index, given_weight, num_nodes=NODES).within, s)


@pytest.mark.parametrize("block_edges", [1, 3, 10_000])
def test_size_of_the_blocks_changes_nothing(block_edges: int) -> None:
    edge_index, weight = random_graph(3)
    s = soft(3).requires_grad_()
    grads = torch.rand(CLUSTERS, CLUSTERS, dtype=torch.float64)
    expected = s.T @ dense(edge_index, weight) @ s
    (expected_grad,) = torch.autograd.grad(expected, s, grads)
    found = links_between(s, edge_index, weight, block_edges=block_edges)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad(found, s, grads)[0], expected_grad)


def test_direction_counts() -> None:
    s = torch.eye(2)
    assert links_between(s, torch.tensor([[0], [1]])).tolist() == [[0, 1], [0, 0]]
    assert links_between(s, torch.tensor([[0, 1], [1, 0]])).tolist() == [[0, 1], [1, 0]]


def test_loop_counts_once_and_parallel_edges_add_up() -> None:
    s = torch.eye(2)
    edge_index, weight = torch.tensor([[0, 1, 1], [0, 1, 1]]), torch.tensor([3.0, 1.0, 0.5])
    assert links_between(s, edge_index, weight).tolist() == [[3, 0], [0, 1.5]]
    links = Links(edge_index, weight, num_nodes=2)
    assert links.within(s).tolist() == [3, 1.5]
    assert links.out_degree.tolist() == links.in_degree.tolist() == [3, 1.5]


@given(st.integers(0, 10_000))
def test_all_links_are_between_some_clusters(seed: int) -> None:
    edge_index, weight = random_graph(seed)
    torch.testing.assert_close(links_between(soft(seed), edge_index, weight).sum(), weight.sum())


@given(st.integers(0, 10_000))
def test_names_of_nodes_and_of_clusters_do_not_matter(seed: int) -> None:
    edge_index, weight = random_graph(seed)
    s = soft(seed)
    generator = torch.Generator().manual_seed(seed)
    nodes, clusters = torch.randperm(NODES, generator=generator), torch.randperm(CLUSTERS, generator=generator)
    renamed = torch.empty_like(s)
    renamed[nodes] = s[:, clusters]
    expected = links_between(s, edge_index, weight)[clusters][:, clusters]
    torch.testing.assert_close(links_between(renamed, nodes[edge_index], weight), expected)
    links = Links(nodes[edge_index], weight, num_nodes=NODES)
    torch.testing.assert_close(links.within(renamed), expected.diagonal())


@both_ways
def test_no_edges_no_links(within: Callable[..., Tensor]) -> None:
    s = soft(0).requires_grad_()
    found = within(s, torch.empty(2, 0, dtype=torch.int64))
    assert found.tolist() == [0.0] * CLUSTERS
    found.sum().backward()
    assert s.grad is not None
    assert s.grad.abs().sum() == 0


@both_ways
def test_dtype_is_that_of_the_assignment_also_under_autocast(within: Callable[..., Tensor]) -> None:
    edge_index, weight = random_graph(4)
    s = soft(4)
    expected = within(s, edge_index, weight)
    with torch.autocast("cpu", torch.bfloat16):
        single = within(s.float().requires_grad_(), edge_index, weight)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), expected, rtol=1e-5, atol=1e-6)
    assert within(s, edge_index, weight.float()).dtype == torch.float64


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_single_precision(dtype: torch.dtype) -> None:
    edge_index, weight = random_graph(4)
    s = soft(4).to(dtype).requires_grad_()
    found = Links(edge_index, weight, num_nodes=NODES).within(s)
    found.sum().backward()
    assert found.dtype == torch.float32
    assert s.grad is not None
    assert s.grad.dtype == dtype
    torch.testing.assert_close(found, between_of_links(s.detach().float(), edge_index, weight))


@both_ways
def test_weights_get_no_gradient_and_second_derivatives_are_refused(within: Callable[..., Tensor]) -> None:
    edge_index, weight = random_graph(5)
    weight.requires_grad_()
    s = soft(5).requires_grad_()
    (first,) = torch.autograd.grad(within(s, edge_index, weight).square().sum(), s, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()
    assert weight.grad is None


# ----------------------------------------------------------------------------------------------------------- degrees


@given(st.integers(0, 10_000), st.integers(0, 40), st.booleans())
def test_degrees_are_row_and_column_sums(seed: int, edges: int, weighted: bool) -> None:
    edge_index, weight = random_graph(seed, edges)
    matrix = dense(edge_index, weight if weighted else None)
    leaving = out_degrees(edge_index, weight if weighted else None, NODES, torch.float64)
    assert leaving.dtype == torch.float64
    torch.testing.assert_close(leaving, matrix.sum(1))
    links = Links(edge_index, weight if weighted else None, num_nodes=NODES, dtype=torch.float64)
    torch.testing.assert_close(links.out_degree, matrix.sum(1))
    torch.testing.assert_close(links.in_degree, matrix.sum(0))
    torch.testing.assert_close(links.total, matrix.sum())


def test_degrees_are_as_precise_as_the_weights() -> None:
    edge_index, weight = random_graph(6)
    assert Links(edge_index, num_nodes=NODES).total.dtype == torch.float32
    assert Links(edge_index, weight, num_nodes=NODES).total.dtype == torch.float64
    assert Links(edge_index, weight.half(), num_nodes=NODES).total.dtype == torch.float32


def test_isolated_nodes_have_degree_zero() -> None:
    assert out_degrees(torch.tensor([[0, 0], [1, 2]]), None, 5, torch.float32).tolist() == [2, 0, 0, 0, 0]


def test_weights_in_a_column_are_those_in_a_row() -> None:
    edge_index, weight = random_graph(7)
    s = soft(7)
    column = weight.unsqueeze(1)
    assert torch.equal(links_between(s, edge_index, column), links_between(s, edge_index, weight))
    assert torch.equal(
        Links(edge_index, column, num_nodes=NODES).within(s), Links(edge_index, weight, num_nodes=NODES).within(s)
    )
    assert torch.equal(
        out_degrees(edge_index, column, NODES, torch.float64), out_degrees(edge_index, weight, NODES, torch.float64)
    )


# ---------------------------------------------------------------------------------------------------- of which graph


def test_links_are_of_the_tensors_that_they_were_made_of_only() -> None:
    edge_index, weight = random_graph(8)
    links = Links(edge_index, weight, num_nodes=NODES)
    assert links.are_of(edge_index, weight)
    assert not links.are_of(edge_index)
    assert not links.are_of(edge_index.clone(), weight)
    assert not links.are_of(edge_index, weight.clone())
    assert not Links(edge_index, num_nodes=NODES).are_of(edge_index, weight)


def test_for_step_returns_prepared_links_for_the_very_edges_only() -> None:
    edge_index, weight = random_graph(8)
    links = Links(edge_index, weight, num_nodes=NODES)
    assert Links.for_step(links, edge_index, weight, num_nodes=NODES) is links
    for prepared, other in ((links, weight * 2), (None, weight)):
        made = Links.for_step(prepared, edge_index, other, num_nodes=NODES)
        assert made.are_of(edge_index, other)
        assert made.total == pytest.approx(other.sum().item())


def test_links_are_not_of_tensors_that_were_changed_since() -> None:
    edge_index, weight = random_graph(9)
    links = Links(edge_index, weight, num_nodes=NODES)
    weight[0] += 1
    assert not links.are_of(edge_index, weight)
    other = Links(edge_index, num_nodes=NODES)
    edge_index[0, 0] = (edge_index[0, 0] + 1) % NODES
    assert not other.are_of(edge_index)


def test_links_of_computed_weights_are_of_the_tensors_that_they_name() -> None:
    edge_index, weight = random_graph(10)
    links = Links(edge_index, weight / weight.sum(), num_nodes=NODES, made_of=(edge_index, weight))
    assert links.are_of(edge_index, weight)
    torch.testing.assert_close(links.total, torch.tensor(1.0, dtype=torch.float64))


def test_links_of_a_graph_that_is_gone_are_of_no_other() -> None:
    edge_index, _ = random_graph(11)
    links = Links(edge_index, num_nodes=NODES)
    copy = edge_index.clone()
    del edge_index
    gc.collect()
    assert not links.are_of(copy)


def test_links_of_tensors_that_do_not_count_changes_are_never_taken_again() -> None:
    with torch.inference_mode():
        edge_index = torch.tensor([[0, 1], [1, 0]])
    links = Links(edge_index, num_nodes=2)
    assert not links.are_of(edge_index)
    assert links.within(torch.ones(2, 1)).tolist() == [2]


def test_nothing_is_said_about_sparse_tensors() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Links(torch.tensor([[0, 1], [1, 0]]), num_nodes=2).within(torch.ones(2, 1))
