"""The propagation matrix and its products against dense formulas."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.nn.conv.gcn_conv import gcn_norm

from eco_core.ops.csr import CSR
from eco_core.ops.propagation import column_panels, normalized_adjacency, propagate


def random_graph(seed: int, nodes: int = 9, edges: int = 30) -> tuple[Tensor, Tensor]:
    """A directed graph with parallel edges, edges of weight zero and now and then a self-loop."""
    generator = torch.Generator().manual_seed(seed)
    edge_index = torch.randint(nodes, (2, edges), generator=generator)
    weight = torch.rand(edges, generator=generator, dtype=torch.float64)
    weight[torch.rand(edges, generator=generator) < 0.1] = 0
    return edge_index, weight


def naive(edge_index: Tensor, weight: Tensor, nodes: int, loops: bool, r: float) -> np.ndarray:
    matrix = np.zeros((nodes, nodes))
    looped = np.zeros(nodes, dtype=bool)
    for (source, target), value in zip(edge_index.t().tolist(), weight.tolist(), strict=True):
        matrix[target, source] += value
        looped[target] |= source == target
    if loops:
        matrix[np.diag_indices(nodes)] += ~looped
    degree = matrix.sum(1)

    def power(exponent: float) -> np.ndarray:
        return np.array([0.0 if d == 0 and exponent < 0 else d**exponent for d in degree])

    return power(r - 1)[:, None] * matrix * power(-r)[None]


@given(st.integers(0, 10_000), st.booleans(), st.sampled_from([0.0, 0.2, 0.5, 1.0]), st.integers(0, 30))
def test_matrix_is_that_of_the_dense_formula(seed: int, loops: bool, r: float, edges: int) -> None:
    edge_index, weight = random_graph(seed, edges=edges)
    found = normalized_adjacency(edge_index, weight, num_nodes=9, add_self_loops=loops, r=r)
    assert found.layout == torch.sparse_csr
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.to_dense().numpy(), naive(edge_index, weight, 9, loops, r), atol=1e-14)


def test_it_is_the_matrix_of_gcn_on_a_simple_graph() -> None:
    edge_index = torch.tensor([[0, 1, 1, 2, 3, 3], [1, 0, 2, 1, 3, 4]])
    weight = torch.tensor([1.0, 2.0, 0.5, 3.0, 4.0, 1.0])
    (source, target), values = gcn_norm(edge_index, weight, 6)
    expected = torch.zeros(6, 6).index_put((target, source), values)
    torch.testing.assert_close(normalized_adjacency(edge_index, weight, num_nodes=6).to_dense(), expected)


def test_features_move_from_sources_to_targets() -> None:
    adjacency = normalized_adjacency(torch.tensor([[0], [1]]), num_nodes=2, add_self_loops=False, r=0.0)
    assert propagate(adjacency, torch.tensor([[5.0], [7.0]])).tolist() == [[0.0], [5.0]]


def test_self_loops_are_added_only_where_there_are_none() -> None:
    edge_index = torch.tensor([[0, 0], [0, 0]])
    adjacency = normalized_adjacency(edge_index, torch.tensor([2.0, 3.0]), num_nodes=2, r=1.0)
    # A D^-1 with A = diag(5, 1).
    assert adjacency.to_dense().tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert adjacency.values().numel() == 2


@pytest.mark.parametrize("r", [0.0, 0.3, 0.5, 1.0])
def test_isolated_nodes_give_no_nan(r: float) -> None:
    edge_index = torch.tensor([[0, 1], [1, 0]])
    without = normalized_adjacency(edge_index, num_nodes=4, add_self_loops=False, r=r).to_dense()
    assert without.isfinite().all()
    assert without[2:].abs().sum() == 0
    kept = propagate(normalized_adjacency(edge_index, num_nodes=4, r=r), torch.arange(4.0), 3)
    assert kept[2:].tolist() == [2.0, 3.0]


def test_graph_without_edges_keeps_its_features() -> None:
    adjacency = normalized_adjacency(torch.empty(2, 0, dtype=torch.int64), num_nodes=3)
    x = torch.rand(3, 2)
    assert torch.equal(propagate(adjacency, x, 5), x)


def test_a_mean_keeps_a_constant() -> None:
    edge_index, weight = random_graph(1)
    adjacency = normalized_adjacency(edge_index, weight, num_nodes=9, r=0.0)
    torch.testing.assert_close(propagate(adjacency, torch.ones(9, 1).double(), 20), torch.ones(9, 1).double())


@given(st.integers(0, 10_000))
def test_renumbering_nodes_and_edges_renumbers_the_result(seed: int) -> None:
    edge_index, weight = random_graph(seed)
    generator = torch.Generator().manual_seed(seed)
    nodes, edges = torch.randperm(9, generator=generator), torch.randperm(30, generator=generator)
    x = torch.rand(9, 3, generator=generator, dtype=torch.float64)
    moved = torch.empty_like(x).index_copy(0, nodes, x)
    found = propagate(normalized_adjacency(nodes[edge_index][:, edges], weight[edges], num_nodes=9), moved, 3)
    torch.testing.assert_close(found[nodes], propagate(normalized_adjacency(edge_index, weight, num_nodes=9), x, 3))


@pytest.mark.parametrize("shape", [(9,), (9, 4), (9, 2, 3), (9, 0)])
def test_features_of_any_dimension_keep_their_shape(shape: tuple[int, ...]) -> None:
    edge_index, weight = random_graph(2)
    adjacency = normalized_adjacency(edge_index, weight, num_nodes=9)
    x = torch.rand(shape, dtype=torch.float64)
    found = propagate(adjacency, x, 2)
    dense = adjacency.to_dense()
    assert found.shape == x.shape
    torch.testing.assert_close(found, torch.einsum("ij,j...->i...", dense @ dense, x))


def test_no_steps_return_the_features() -> None:
    x = torch.rand(9, 2)
    edge_index, _ = random_graph(3)
    assert torch.equal(propagate(normalized_adjacency(edge_index, num_nodes=9), x, 0), x)


def test_sparse_features_give_what_dense_ones_give() -> None:
    edge_index, weight = random_graph(4)
    adjacency = normalized_adjacency(edge_index, weight, num_nodes=9)
    x = torch.rand(9, 5).double() * (torch.rand(9, 5) < 0.4)
    found = propagate(adjacency, x.to_sparse_coo(), 2)
    assert found.layout == torch.strided
    torch.testing.assert_close(found, propagate(adjacency, x, 2))


def test_precision_is_the_wider_one_and_single_at_least() -> None:
    edge_index, weight = random_graph(5)
    single = normalized_adjacency(edge_index, num_nodes=9)
    assert single.dtype == torch.float32
    assert normalized_adjacency(edge_index, weight.half(), num_nodes=9).dtype == torch.float32
    assert normalized_adjacency(edge_index, num_nodes=9, dtype=torch.float64).dtype == torch.float64
    assert propagate(single, torch.rand(9, 2).double()).dtype == torch.float64
    assert propagate(single, torch.rand(9, 2).bfloat16()).dtype == torch.float32


def test_autocast_does_not_lower_the_precision() -> None:
    edge_index, _ = random_graph(6)
    adjacency, x = normalized_adjacency(edge_index, num_nodes=9), torch.rand(9, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = propagate(adjacency, x, 3)
    assert torch.equal(found, propagate(adjacency, x, 3))


def test_gradients_reach_the_features() -> None:
    edge_index, weight = random_graph(7)
    adjacency = normalized_adjacency(edge_index, weight, num_nodes=9)
    x = torch.rand(9, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: propagate(adjacency, x, 2), x)


def test_it_is_quiet_and_changes_no_argument() -> None:
    edge_index, weight = random_graph(8)
    x = torch.rand(9, 2)
    before = [value.clone() for value in (edge_index, weight, x)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        propagate(normalized_adjacency(edge_index, weight, num_nodes=9), x, 2)
    assert all(torch.equal(a, b) for a, b in zip(before, (edge_index, weight, x), strict=True))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_an_accelerator_gives_what_the_processor_gives() -> None:
    edge_index, weight = random_graph(9)
    x = torch.rand(9, 4)
    expected = propagate(normalized_adjacency(edge_index, weight.float(), num_nodes=9), x, 3)
    found = propagate(normalized_adjacency(edge_index.cuda(), weight.float().cuda(), num_nodes=9), x.cuda(), 3)
    torch.testing.assert_close(found.cpu(), expected)


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_panels_are_the_columns_in_order(layout: str) -> None:
    x = torch.randn(7, 75, dtype=torch.float64).relu()
    x[:, 32:64] = 0  # A panel without an entry.
    found = list(column_panels(x if layout == "dense" else x.to_sparse_coo(), panel_columns=32))
    assert [columns for columns, _ in found] == [slice(0, 32), slice(32, 64), slice(64, 75)]
    assert torch.equal(torch.cat([panel for _, panel in found], dim=1), x)
    assert all(panel.is_contiguous() for _, panel in found)


def test_panels_of_half_precision_are_of_single() -> None:
    assert {panel.dtype for _, panel in column_panels(torch.ones(3, 40, dtype=torch.float16))} == {torch.float32}
    assert list(column_panels(torch.ones(3, 0))) == []


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000),
    num_edges=st.integers(0, 30),
    loops=st.booleans(),
    loop_weight=st.sampled_from([1.0, 2.0]),
    r=st.sampled_from([0.0, 0.3, 0.5]),
    weighted=st.booleans(),
)
def test_edges_that_are_sorted_by_target_already_give_the_same_matrix(seed, num_edges, loops, loop_weight, r, weighted):
    generator = torch.Generator().manual_seed(seed)
    edge_index = torch.randint(7, (2, num_edges), generator=generator)  # Loops and parallel edges among them.
    edge_index = edge_index[:, (edge_index[1] * 7 + edge_index[0]).argsort()]
    weight = torch.rand(num_edges, generator=generator) if weighted else None
    rowptr = torch.cat([torch.zeros(1, dtype=torch.int64), edge_index[1].bincount(minlength=7).cumsum(0)])
    incoming: Any = CSR(rowptr, edge_index[0].int())  # As the edges of a graph on disk are read.
    options: dict[str, Any] = {"num_nodes": 7, "add_self_loops": loops, "loop_weight": loop_weight, "r": r}
    expected = normalized_adjacency(edge_index, weight, **options)
    found = normalized_adjacency(incoming, weight, **options)
    torch.testing.assert_close(found.to_dense(), expected.to_dense())
    assert torch.equal(found.crow_indices().long(), expected.crow_indices())
    assert torch.equal(found.col_indices().long(), expected.col_indices())
