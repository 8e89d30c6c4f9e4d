"""Random walks for PyAGC without pyg-lib and torch-sparse, which cannot be installed everywhere.

Both stand-ins replace only the missing function, the sampling of uniform walks. PyAGC's own code uses the walks.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.utils import index_sort


def uniform_walks(
    rowptr: Tensor, col: Tensor, start: Tensor, walk_length: int, p: float = 1.0, q: float = 1.0
) -> Tensor:
    """Walks to a uniformly drawn neighbour in each step; a node without neighbours stays where it is.

    Args:
        rowptr: Where the neighbours of each node begin in ``col``, of shape (num_nodes + 1,).
        col: Neighbours.
        start: First nodes of the walks, of shape (num_walks,).
        walk_length: Number of steps.
        p: Return parameter; only 1 is a uniform walk.
        q: In-out parameter; only 1 is a uniform walk.

    Returns:
        The nodes of the walks, of shape (num_walks, walk_length + 1).
    """
    if p != 1 or q != 1:
        raise NotImplementedError(f"Walks with p={p}, q={q} are not uniform.")
    degree = rowptr[1:] - rowptr[:-1]
    walks = start.new_empty(start.numel(), walk_length + 1)
    walks[:, 0] = node = start
    for step in range(1, walk_length + 1):
        choices = degree[node]
        # The product may round up to the degree, which would be the neighbour after the last.
        chosen = (torch.rand(node.numel()) * choices).long().minimum((choices - 1).clamp(min=0))
        position = (rowptr[node] + chosen).clamp(max=col.numel() - 1)
        node = torch.where(choices > 0, col[position], node)
        walks[:, step] = node
    return walks


class WalkableEdges:
    """The methods of torch-sparse's ``SparseTensor`` that MAGI calls.

    Args:
        row: Sources of the edges.
        col: Targets of the edges.
        sparse_sizes: Numbers of rows and columns.
    """

    def __init__(self, row: Tensor, col: Tensor, sparse_sizes: tuple[int, int]) -> None:
        row, order = index_sort(row, max_value=sparse_sizes[0], stable=True)
        self._col = col[order]
        counts = torch.bincount(row, minlength=sparse_sizes[0])
        self._rowptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])

    def fill_value_(self, value: float) -> WalkableEdges:
        """Does nothing, because uniform walks have equal weights anyway."""
        return self

    def random_walk(self, start: Tensor, walk_length: int) -> Tensor:
        """Returns walks of shape (num_walks, walk_length + 1)."""
        return uniform_walks(self._rowptr, self._col, start, walk_length)
