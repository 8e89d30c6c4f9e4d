"""The most typical and the least certain nodes of each cluster."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from eco_core.metrics.arrays import to_numpy
from eco_core.results.clustering import Clustering

_BLOCK_ENTRIES = 1 << 22


@dataclass(frozen=True)
class Member:
    """A node of a cluster.

    Attributes:
        node: Its id: the user's own, or its number.
        confidence: The confidence in its cluster.
    """

    node: str
    confidence: float


def members_of(
    clustering: Clustering, index: NDArray[np.int64], count: int, limit: int = 6
) -> tuple[list[tuple[Member, ...]], list[tuple[Member, ...]]]:
    """Finds the most typical and the least certain members of each cluster.

    Args:
        clustering: The result of a fit.
        index: The row of each node's cluster, shape (num_nodes,).
        count: Number of clusters K.
        limit: How many members of each kind.

    Returns:
        For each cluster the nodes whose embeddings have the smallest angle to the cluster's mean; and the nodes with
        the lowest confidence, of equal ones the farthest from the mean.
    """
    distances = _distances(clustering.embedding, index, count)
    confidence = np.nan_to_num(to_numpy(clustering.confidence).astype(float))
    ids = clustering.node_ids

    order = np.argsort(index, kind="stable")
    starts = np.searchsorted(index[order], np.arange(count + 1))

    def chosen(*keys: NDArray[np.float64]) -> list[tuple[Member, ...]]:
        return [
            tuple(
                Member(str(node) if ids is None else str(ids[node]), round(float(confidence[node]), 4))
                for node in map(int, _lowest(order[first:last], keys, limit))
            )
            for first, last in itertools.pairwise(starts)
        ]

    return chosen(distances), chosen(confidence, -distances)


def _lowest(nodes: NDArray[np.int64], keys: Sequence[NDArray[np.float64]], limit: int) -> NDArray[np.int64]:
    """The nodes with the lowest first key, of equal ones with the lowest next key, without sorting all of them."""
    first, *others = keys
    values = first[nodes]
    if len(nodes) <= limit:
        return nodes[np.lexsort([key[nodes] for key in reversed(keys)])]
    bound = np.partition(values, limit - 1)[limit - 1]
    below, equal = nodes[values < bound], nodes[values == bound]
    below = below[np.lexsort([key[below] for key in reversed(keys)])]
    missing = limit - len(below)
    return np.concatenate([below, _lowest(equal, others, missing) if others else equal[:missing]])


def _distances(embedding: torch.Tensor, index: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """The distance of each node's normalised embedding to the mean of its cluster, shape (num_nodes,)."""
    z = torch.nan_to_num(embedding.detach().to(torch.float32))
    rows = torch.from_numpy(np.ascontiguousarray(index))
    step = max(1, _BLOCK_ENTRIES // max(1, z.shape[1]))
    sums = torch.zeros(count, z.shape[1], dtype=torch.float64)
    sizes = torch.bincount(rows, minlength=count).clamp(min=1)
    for first in range(0, len(z), step):
        part = torch.nn.functional.normalize(z[first : first + step], dim=1)
        sums.index_add_(0, rows[first : first + step], part.double())
    means = (sums / sizes[:, None]).float()
    found = torch.empty(len(z))
    for first in range(0, len(z), step):
        part = torch.nn.functional.normalize(z[first : first + step], dim=1)
        found[first : first + step] = (part - means[rows[first : first + step]]).norm(dim=1)
    return found.double().numpy()


__all__ = ["Member", "members_of"]
