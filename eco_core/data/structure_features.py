"""Features of nodes made from the edges alone, for graphs without attributes."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

EIGENVECTORS = 32
"""The most eigenvectors that become features."""

_SMALL = 500
"""Up to this many nodes all eigenvectors are computed."""


def structure_features(
    edge_index: Tensor, edge_weight: Tensor | None, num_nodes: int, eigenvectors: int = EIGENVECTORS
) -> tuple[Tensor, list[str]]:
    """Describes each node by its place in the graph.

    The direction of edges, duplicates and self-loops have no effect. The features are the logarithm of 1 + the number
    of neighbours, the core number, the share of pairs of neighbours that are joined (clustering coefficient), and the
    leading eigenvectors of the regularised normalised adjacency (Amini et al., Annals of Statistics 2013): a small
    weight between all nodes keeps small components from filling the eigenvectors. Edge weights enter the eigenvectors
    alone. Columns have mean 0 and standard deviation 1; constant columns are left out. The result is deterministic.

    Args:
        edge_index: Edges, (2, num_edges), int64.
        edge_weight: Weights (num_edges,), not negative; None: 1.
        num_nodes: Number of nodes.
        eigenvectors: The most eigenvectors.

    Returns:
        Features (num_nodes, width), float32; and the names of the columns.
    """
    source, target = edge_index.detach().cpu().numpy()
    adjacency = _undirected(source, target, None, num_nodes)
    degree = np.diff(adjacency.indptr)
    columns = {
        "log_degree": np.log1p(degree),
        "core_number": core_numbers(adjacency),
        "clustering": clustering_coefficients(adjacency),
    }
    weights = None if edge_weight is None else edge_weight.detach().cpu().numpy().astype(np.float64)
    vectors = leading_eigenvectors(_undirected(source, target, weights, num_nodes), eigenvectors)
    columns |= {f"eigenvector_{number + 1}": vector for number, vector in enumerate(vectors.T)}
    kept = {name: _standardized(values) for name, values in columns.items() if np.ptp(values) > 1e-9}
    if not kept:  # All nodes have the same place, as in a complete graph.
        kept = {"constant": np.ones(num_nodes)}
    return torch.from_numpy(np.stack(list(kept.values()), axis=1).astype(np.float32)), list(kept)


def core_numbers(adjacency: sp.csr_matrix) -> NDArray[np.int64]:
    """The largest k of each node such that it is in a subgraph in which all nodes have k neighbours.

    Args:
        adjacency: Symmetric, without self-loops.
    """
    indptr, indices = adjacency.indptr, adjacency.indices
    degree = np.diff(indptr).astype(np.int64)
    core = np.zeros(len(degree), dtype=np.int64)
    alive = np.ones(len(degree), dtype=bool)
    remaining, k = len(degree), 0
    while remaining:
        left = np.flatnonzero(alive)
        k = max(k, int(degree[left].min()))
        peeled = left[degree[left] <= k]
        while len(peeled):
            core[peeled], alive[peeled] = k, False
            remaining -= len(peeled)
            touched = _rows(indptr, indices, peeled)
            touched = touched[alive[touched]]
            np.subtract.at(degree, touched, 1)
            peeled = np.unique(touched[degree[touched] <= k])
    return core


def clustering_coefficients(adjacency: sp.csr_matrix) -> NDArray[np.float64]:
    """The share of the pairs of each node's neighbours that are joined; 0 for nodes with fewer than two neighbours.

    Args:
        adjacency: Symmetric, without self-loops, all entries 1.
    """
    from eco_core.ops import _triangle_kernels as kernels

    num_nodes = adjacency.shape[0]
    degree = np.diff(adjacency.indptr).astype(np.int64)
    # From the node of lower degree to that of higher degree: then no node has many successors, and each triangle
    # a -> b -> c, a -> c is counted once.
    rank = np.empty(num_nodes, dtype=np.int64)
    rank[np.argsort(degree, kind="stable")] = np.arange(num_nodes)
    coo = adjacency.tocoo()
    up = rank[coo.row] < rank[coo.col]
    forward = sp.csr_matrix((np.ones(int(up.sum())), (coo.row[up], coo.col[up])), shape=(num_nodes, num_nodes))
    triangles = np.zeros(num_nodes, dtype=np.int64)
    last = np.full(num_nodes, -1, dtype=np.int64)
    kernels.count_triangles(forward.indptr.astype(np.int64), forward.indices.astype(np.int64), last, triangles)
    pairs = degree * (degree - 1) / 2
    return np.divide(triangles, pairs, out=np.zeros(num_nodes), where=pairs > 0)


def leading_eigenvectors(adjacency: sp.csr_matrix, count: int) -> NDArray[np.float64]:
    """The leading eigenvectors of the regularised normalised adjacency, without the first, which shows degrees alone.

    Args:
        adjacency: Symmetric, not negative, without self-loops.
        count: The most vectors; no more than a quarter of the nodes.

    Returns:
        Orthonormal columns, the largest eigenvalue first; the entry of the largest magnitude of each is positive.
    """
    num_nodes = adjacency.shape[0]
    wanted = min(count, num_nodes // 4)  # Of a small graph the last ones are noise.
    if wanted < 1 or adjacency.nnz == 0:
        return np.zeros((num_nodes, 0))
    degree = np.asarray(adjacency.sum(axis=1), dtype=np.float64).ravel()
    tau = degree.mean()
    root = np.sqrt(degree + tau)
    scale = sp.diags(1 / root)
    normalized = sp.csr_matrix(scale @ adjacency @ scale)
    share = np.sqrt(tau / num_nodes) / root  # The small weight tau / num_nodes between all nodes, normalised.
    first = root / np.linalg.norm(root)
    if num_nodes <= max(_SMALL, 3 * wanted):
        dense = normalized.toarray() + np.outer(share, share) - 2 * np.outer(first, first)
        vectors = np.linalg.eigh(dense)[1][:, ::-1][:, :wanted]
    else:
        from scipy.sparse.linalg import LinearOperator, eigsh

        def product(vector: NDArray[np.float64]) -> NDArray[np.float64]:
            vector = vector.ravel()
            return normalized @ vector + share * (share @ vector) - 2 * first * (first @ vector)

        operator: Any = LinearOperator((num_nodes, num_nodes), matvec=product, dtype=np.float64)
        start = np.random.default_rng(0).uniform(-1, 1, num_nodes)
        values, vectors = eigsh(operator, k=wanted, which="LA", v0=start, ncv=min(num_nodes, 3 * wanted), tol=1e-3)
        vectors = vectors[:, np.argsort(-values, kind="stable")]
    heaviest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    return np.where(heaviest < 0, -vectors, vectors)


def _undirected(
    source: NDArray[np.int64], target: NDArray[np.int64], weights: NDArray[np.float64] | None, num_nodes: int
) -> sp.csr_matrix:
    """The symmetric adjacency without self-loops: entries 1, or the largest weight that an edge is listed with."""
    other = source != target
    source, target = source[other], target[other]
    ends = np.concatenate([source, target]), np.concatenate([target, source])
    if weights is None:
        matrix = sp.csr_matrix((np.ones(len(ends[0])), ends), shape=(num_nodes, num_nodes))
        matrix.data[:] = 1
        return matrix
    values = np.concatenate([weights[other]] * 2)
    order = np.lexsort((-values, ends[1], ends[0]))
    keys = ends[0][order] * num_nodes + ends[1][order]
    chosen = order[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else order
    matrix = sp.csr_matrix((values[chosen], (ends[0][chosen], ends[1][chosen])), shape=(num_nodes, num_nodes))
    matrix.eliminate_zeros()
    return matrix


def _rows(indptr: NDArray[Any], indices: NDArray[Any], rows: NDArray[Any]) -> NDArray[Any]:
    """The entries of several rows of a CSR matrix, one after the other."""
    lengths = indptr[rows + 1] - indptr[rows]
    starts = np.repeat(indptr[rows] - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
    return indices[starts + np.arange(len(starts))]


def _standardized(values: NDArray[Any]) -> NDArray[np.float64]:
    return (values - values.mean()) / values.std()


__all__ = ["EIGENVECTORS", "clustering_coefficients", "core_numbers", "leading_eigenvectors", "structure_features"]
