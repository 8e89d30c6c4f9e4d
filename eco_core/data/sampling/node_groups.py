"""Divides the nodes of a graph into groups with few edges between them, for mini-batches of subgraphs."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from eco_core.ops.random_walks import Neighbors

_ROUNDS = 6
"""Passes over the nodes of a level; after the first few passes, almost no node changes its label."""

_SHRINKS = 0.9
"""The last level is the first that keeps more than this fraction of the nodes of the level before."""


def node_groups(neighbors: Neighbors, size: int, seed: int = 0) -> list[Tensor]:
    """Divides a graph by label propagation with limited sizes (Meyerhenke, Sanders & Schulz, SEA 2014).

    Every node begins with its own label. Repeatedly, each node takes the most frequent label of its neighbours, unless
    the label would then have more than ``size`` nodes. The labels become the nodes of a smaller graph, and the same is
    done there, until labels hardly join any more. Finally, whole labels are packed into groups of at most ``size``
    nodes. The algorithm takes several passes over the edges and the memory of a copy of them. METIS cuts fewer edges,
    but pip alone cannot install it.

    Args:
        neighbors: The neighbours of each node.
        size: Largest number of nodes of a group.
        seed: Seed of the order in which nodes are visited.

    Returns:
        The nodes of each group, int64; each node is in one group.
    """
    from eco_core.data.sampling import _group_kernels as kernels

    generator = np.random.default_rng(seed)
    rowptr, col = neighbors.rowptr.numpy(), neighbors.col.numpy()
    label = np.arange(neighbors.num_nodes)  # The piece of each node of the graph.
    weight = np.ones(neighbors.num_nodes, dtype=np.int64)  # The number of nodes of each piece.
    while len(weight) > 1:
        joined, sizes = np.arange(len(weight)), weight.copy()
        for _ in range(_ROUNDS):
            order = generator.permutation(len(weight))
            if kernels.propagate_labels(rowptr, col, order, weight, size, sizes, joined) == 0:
                break
        used = np.flatnonzero(sizes)
        number = np.full(len(weight), -1, dtype=np.int64)
        number[used] = np.arange(len(used))
        joined = number[joined]
        label, shrinks = joined[label], len(used) <= _SHRINKS * len(weight)
        weight = sizes[used]
        if not shrinks:
            break
        starts = np.concatenate([[0], np.cumsum(np.bincount(joined, minlength=len(used)))])
        heads, columns = np.empty(len(used) + 1, dtype=np.int64), np.empty(len(col), dtype=np.int64)
        count = kernels.contract(starts, np.argsort(joined, kind="stable"), rowptr, col, joined, heads, columns)
        rowptr, col = heads, columns[:count].copy()
    label = _packed(weight, size)[label]
    nodes = torch.from_numpy(np.argsort(label, kind="stable"))
    return list(nodes.split(np.bincount(label).tolist()))


def _packed(weight: np.ndarray, size: int) -> np.ndarray:
    """Packs pieces into groups of at most ``size`` nodes, largest pieces first; returns the group of each piece."""
    group = np.empty(len(weight), dtype=np.int64)
    rooms: list[list[int]] = [[] for _ in range(size + 1)]  # rooms[n]: the groups that have room for n more nodes.
    count = 0
    for piece in np.argsort(-weight, kind="stable").tolist():
        needed = int(weight[piece])
        fits = next((left for left in range(needed, size + 1) if rooms[left]), None)
        if fits is None:
            chosen, left = count, size
            count += 1
        else:
            chosen, left = rooms[fits].pop(), fits
        group[piece] = chosen
        if left > needed:
            rooms[left - needed].append(chosen)
    return group


__all__ = ["node_groups"]
