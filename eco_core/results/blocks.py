"""The weight of the edges between clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eco_core.metrics.structure import edge_blocks


@dataclass(frozen=True)
class Blocks:
    """The block matrix of some clusters.

    Attributes:
        clusters: Their numbers, in the order of rows and columns.
        weights: ``weights[a][b]``: the weight of the edges between two clusters, of both directions on average.
        volumes: For each cluster, the weight of all its edges, those to clusters outside the matrix included.
    """

    clusters: tuple[int, ...] = ()
    weights: tuple[tuple[float, ...], ...] = ()
    volumes: tuple[float, ...] = ()

    @classmethod
    def of(cls, between: Any, ids: NDArray[Any], rows: Sequence[int]) -> Blocks:
        """Selects clusters of a whole block matrix.

        Args:
            between: Sparse matrix of shape (K, K), as `block_matrix` returns it.
            ids: The numbers of the clusters, shape (K,).
            rows: Which clusters, in order.
        """
        chosen = list(rows)
        symmetric = ((between + between.T) / 2).tocsr()
        part = symmetric[chosen][:, chosen].toarray()
        volumes = np.asarray(symmetric.sum(axis=1)).ravel()[chosen]
        return cls(
            clusters=tuple(int(ids[row]) for row in chosen),
            weights=tuple(tuple(_short(value) for value in row) for row in part),
            volumes=tuple(_short(value) for value in volumes),
        )


def _short(value: float) -> float:
    number = float(f"{value:.6g}")
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def block_matrix(index: NDArray[Any], count: int, edge_index: Any, edge_weight: Any) -> tuple[Any, NDArray[np.float64]]:
    """Sums the edges between clusters, a part of them at a time.

    Args:
        index: The row of each node's cluster, shape (num_nodes,).
        count: Number of clusters K.
        edge_index: Edges of shape (2, num_edges).
        edge_weight: Their weights; None: all 1.

    Returns:
        A sparse matrix of weights, of shape (K, K); and the number of edges within each cluster without self-loops,
        both directions counted, of shape (K,).
    """
    import scipy.sparse as sp

    total = sp.csr_matrix((count, count), dtype=np.float64)
    entries = np.zeros(count)
    for source, target, weight in edge_blocks(edge_index, edge_weight, len(index)):
        rows, columns = index[source], index[target]
        inside = (rows == columns) & (source != target)
        entries += np.bincount(rows[inside], minlength=count)
        values = np.ones(len(rows)) if weight is None else weight
        total = total + sp.coo_matrix((values, (rows, columns)), (count, count)).tocsr()
    return total, entries


__all__ = ["Blocks", "block_matrix"]
