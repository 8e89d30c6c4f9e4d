"""Features made from the edges alone."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import torch

from eco_core.data import structure_features as module
from eco_core.data.structure_features import (
    clustering_coefficients,
    core_numbers,
    leading_eigenvectors,
    structure_features,
)


def edges_of(graph: nx.Graph) -> torch.Tensor:
    return torch.tensor(list(graph.edges)).T


def adjacency_of(graph: nx.Graph) -> sp.csr_matrix:
    matrix = sp.csr_matrix(nx.to_scipy_sparse_array(graph, dtype=np.float64))
    matrix.setdiag(0)
    matrix.eliminate_zeros()
    return matrix


GRAPHS = [
    nx.gnm_random_graph(80, 240, seed=1),
    nx.barabasi_albert_graph(120, 4, seed=2),
    nx.disjoint_union(nx.path_graph(9), nx.complete_graph(6)),
    nx.star_graph(10),
]


@pytest.mark.parametrize("graph", GRAPHS)
def test_core_numbers_and_clustering_coefficients_equal_those_of_networkx(graph: nx.Graph) -> None:
    matrix = adjacency_of(graph)
    assert core_numbers(matrix).tolist() == list(nx.core_number(graph).values())
    assert np.allclose(clustering_coefficients(matrix), list(nx.clustering(graph).values()))


def test_eigenvectors_are_those_of_the_regularised_normalised_adjacency(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = adjacency_of(GRAPHS[0])
    vectors = leading_eigenvectors(matrix, 5)
    degree = matrix.sum(1).A1 if hasattr(matrix.sum(1), "A1") else np.asarray(matrix.sum(1)).ravel()
    tau = degree.mean()
    full = (matrix.toarray() + tau / len(degree)) / np.sqrt(np.outer(degree + tau, degree + tau))
    values, expected = np.linalg.eigh(full)
    expected = expected[:, ::-1][:, 1:6]
    assert values[-1] == pytest.approx(1)
    assert np.allclose(np.abs((vectors * expected).sum(0)), 1)
    assert bool((np.take_along_axis(vectors, np.abs(vectors).argmax(0)[None], 0) > 0).all())
    monkeypatch.setattr(module, "_SMALL", 0)
    iterated = leading_eigenvectors(matrix, 5)
    assert np.abs((iterated * vectors).sum(0)) == pytest.approx(1, abs=1e-2)


def test_two_blocks_are_told_apart_by_the_first_eigenvector() -> None:
    graph = nx.planted_partition_graph(2, 40, 0.4, 0.02, seed=3)
    x, names = structure_features(edges_of(graph), None, 80)
    side = x[:, names.index("eigenvector_1")] > 0
    share = float((side == (torch.arange(80) < 40)).float().mean())
    assert max(share, 1 - share) == 1.0


def test_columns_are_standardised_and_constant_ones_left_out() -> None:
    x, names = structure_features(edges_of(nx.cycle_graph(40)), None, 40)
    assert not {"log_degree", "core_number", "clustering"} & set(names)
    assert torch.allclose(x.mean(0), torch.zeros(len(names)), atol=1e-5)
    assert torch.allclose(x.std(0, correction=0), torch.ones(len(names)), atol=1e-4)


def test_direction_duplicates_and_self_loops_have_no_effect() -> None:
    edges = edges_of(GRAPHS[0])
    once, _ = structure_features(edges, None, 80)
    more = torch.cat([edges, edges.flip(0), edges[:, :9], torch.tensor([[3], [3]])], dim=1)
    again, _ = structure_features(more, None, 80)
    assert torch.equal(once, again)


def test_weights_change_the_eigenvectors_alone() -> None:
    edges = edges_of(GRAPHS[0])
    plain, names = structure_features(edges, None, 80)
    weighted, _ = structure_features(edges, torch.linspace(1, 9, edges.shape[1]), 80)
    first = names.index("eigenvector_1")
    assert torch.equal(plain[:, :first], weighted[:, :first])
    assert not torch.allclose(plain[:, first:], weighted[:, first:])


@pytest.mark.parametrize("graph", [nx.complete_graph(5), nx.empty_graph(4), nx.empty_graph(1)])
def test_nodes_that_cannot_be_told_apart_get_a_constant(graph: nx.Graph) -> None:
    edges = edges_of(graph) if graph.number_of_edges() else torch.zeros((2, 0), dtype=torch.int64)
    x, _ = structure_features(edges, None, graph.number_of_nodes())
    assert x.shape[0] == graph.number_of_nodes()
    assert bool(torch.isfinite(x).all())


def test_the_same_graph_gives_the_same_features() -> None:
    edges = edges_of(nx.barabasi_albert_graph(800, 3, seed=5))  # Large enough for the iteration.
    assert torch.equal(structure_features(edges, None, 800)[0], structure_features(edges, None, 800)[0])
