"""The inputs of an encoder's layers, computed once for each graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from eco_core.ops.origin import Origin, SharedMemory
from eco_core.ops.sparse_factor import SparseFactor

Adjacency = Tensor | SparseFactor
"""A sparse matrix, targets by sources: a COO tensor where gradients flow to its values, else a `SparseFactor`."""


class Prepared:
    """The adjacency that an encoder made of a graph's edges, and the graph's features if they are sparse.

    A view of the graph may replace the edges or the features. The prepared values are used for the tensors that the
    view kept. Sparse features with other values at the same places (masked features, noise) use the prepared pattern.

    Args:
        x: Features of shape (num_nodes, in_channels), dense or sparse COO.
        edge_index: Edges of shape (2, num_edges), dtype int64.
        edge_weight: Weights of shape (num_edges,); None: all 1.
        adjacency: Makes the adjacency from the edges, their weights and the number of nodes.
    """

    def __init__(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_weight: Tensor | None,
        adjacency: Callable[[Tensor, Tensor | None, int], Any],
    ) -> None:
        self._edges = Origin(edge_index, edge_weight)
        self._adjacency = adjacency(edge_index, edge_weight, x.size(0))
        self._pattern: SharedMemory | None = None
        if x.is_sparse:
            x = x.coalesce()
            self._pattern, self._shape = SharedMemory(x.indices()), x.shape
            self._features = SparseFactor.of(x)

    def adjacency_of(self, edge_index: Tensor, edge_weight: Tensor | None) -> Any:
        """Returns the prepared adjacency if it was made of these very tensors, else None."""
        return self._adjacency if self._edges.is_of(edge_index, edge_weight) else None

    def features_of(self, x: Tensor) -> SparseFactor | None:
        """Returns sparse features as a factor if their entries are at the prepared places, else None."""
        if self._pattern is None or not x.is_coalesced() or x.shape != self._shape:
            return None
        if not self._pattern.is_of(x.indices()):
            return None
        return self._features.with_values(x.values())
