"""Nodes as points by the edges alone: the leading eigenvectors of the regularised adjacency matrix.

Regularised spectral clustering (Amini et al. 2013; Qin & Rohe 2013): a little weight between all pairs of nodes, as
much as each node's mean degree in all, keeps small components from being clusters of their own. The eigenvectors are
found by subspace iteration with Chebyshev polynomials (Zhou et al. 2006), which enlarge the wanted ones in a few
products.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eco_core.ops.csr import csr_matrix, rows_of
from eco_core.ops.sparse_product import csr_product

_SPARE = 4
"""Vectors beyond the wanted ones: they converge last, and are not returned."""
_DEGREE = 6
_ROUNDS = 10
_FEWEST_ROUNDS = 4
_CHEAP_PRODUCTS = 2_500_000_000
"""Multiplications that take a few seconds."""
_CLOSE = 1e-3


def is_cheap(num_edges: int, n_clusters: int) -> bool:
    """Whether the eigenvectors of a graph are found within some seconds. Fewer rounds would give a poor clustering.

    Args:
        num_edges: Number of entries of the adjacency matrix.
        n_clusters: Number of vectors.
    """
    return _FEWEST_ROUNDS * _DEGREE * num_edges * n_clusters <= _CHEAP_PRODUCTS


def spectral_points(
    edge_index: Tensor,
    edge_weight: Tensor | None,
    num_nodes: int,
    n_clusters: int,
    *,
    undirected: bool = False,
    seed: int = 0,
) -> Tensor:
    """Finds the leading eigenvectors of the regularised adjacency matrix, with rows of length 1.

    Args:
        edge_index: Edges of shape (2, num_edges), at least one; a directed graph is taken as undirected.
        edge_weight: Weights of shape (num_edges,), not negative; None: all 1.
        num_nodes: Number of nodes.
        n_clusters: Number of vectors K.
        undirected: Whether each edge is known to have its reverse.
        seed: Seed of the first vectors.

    Returns:
        Points of shape (num_nodes, K), float32.
    """
    matrix = _Regularised(edge_index, edge_weight, num_nodes, undirected)
    affordable = _CHEAP_PRODUCTS // max(1, _DEGREE * matrix.entries * n_clusters)
    width = min(n_clusters + _SPARE, num_nodes)
    z = torch.randn(num_nodes, width, generator=torch.Generator().manual_seed(seed))
    before, cut = torch.zeros(n_clusters, dtype=torch.float64), 0.0
    for _ in range(max(_FEWEST_ROUNDS, min(_ROUNDS, affordable))):
        z = torch.linalg.qr(_enlarged(matrix, z, cut))[0]
        small = (z.T @ matrix.times(z)).double()
        values, vectors = torch.linalg.eigh((small + small.T) / 2)
        z = z @ vectors.flip(1).float()
        cut = min(max(float(values[0]), 0.0), 0.98)
        leading = values.flip(0)[:n_clusters]
        if float((leading - before[: len(leading)]).abs().max()) < _CLOSE:
            break
        before = leading
    return torch.nn.functional.normalize(z[:, :n_clusters], dim=1)


def _enlarged(matrix: _Regularised, z: Tensor, cut: float) -> Tensor:
    """A Chebyshev polynomial of the matrix, times some vectors: parts of eigenvalues above the cut grow, others not."""
    half, centre = (cut + 1) / 2, (cut - 1) / 2
    before, now = z, matrix.times(z).sub_(z, alpha=centre).div_(half)
    for _ in range(_DEGREE - 1):
        after = matrix.times(now).sub_(now, alpha=centre).mul_(2 / half).sub_(before)
        before, now = now, after
    return now


class _Regularised:
    """The normalised adjacency matrix with a little weight between all pairs of nodes; its eigenvalues are in [-1, 1].

    Args:
        edge_index: Edges of shape (2, num_edges).
        edge_weight: Their weights; None: all 1.
        num_nodes: Number of nodes.
        undirected: Whether each edge is known to have its reverse.
    """

    def __init__(self, edge_index: Tensor, edge_weight: Tensor | None, num_nodes: int, undirected: bool) -> None:
        size = (num_nodes, num_nodes)
        source, target = edge_index.cpu()
        weight = torch.ones(len(source)) if edge_weight is None else edge_weight.detach().cpu().reshape(-1).float()
        if not undirected:
            source, target = torch.cat([source, target]), torch.cat([target, source])
            weight = torch.cat([weight, weight]) / 2
        matrix = csr_matrix(source, target, weight, size)
        del source, target, weight
        rows, columns, values = rows_of(matrix), matrix.col_indices(), matrix.values()
        degree = torch.zeros(num_nodes).index_add_(0, rows, values)
        tau = max(float(degree.mean()), 1e-12)
        self._scale = (degree + tau).rsqrt()
        self._share = tau / num_nodes
        values.mul_(self._scale[rows]).mul_(self._scale[columns])
        self._matrix = matrix
        self.entries = int(values.numel())

    def times(self, z: Tensor) -> Tensor:
        """The product with some vectors, shape (num_nodes, width)."""
        everywhere = (self._scale @ z) * self._share
        return csr_product(self._matrix, z).addr_(self._scale, everywhere)


__all__ = ["is_cheap", "spectral_points"]
