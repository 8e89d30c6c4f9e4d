"""The base of the Leiden and Infomap heads, which find communities in the graph alone."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from torch import Tensor, nn

from eco_core import BaseClusterHead
from eco_core.errors import CompositionError, DataError, Problem
from eco_core.parts import buffers_of_any_size


class UndirectedEdges(NamedTuple):
    """The edges of an undirected graph, each once.

    Attributes:
        nodes: The two ends of each edge, the smaller first: (num_edges, 2), int64; a self-loop has the same node twice.
        weights: Shape (num_edges,), float64, above 0.
    """

    nodes: NDArray[np.int64]
    weights: NDArray[np.float64]


def undirected_edges(edge_index: Tensor, edge_weight: Tensor | None, num_nodes: int) -> UndirectedEdges:
    """Merges the two directions of each edge.

    The entries of ``edge_index`` add up to a matrix A; the graph is (A + A^T) / 2, as in ECO's structure metrics. If A
    has both directions of each edge, the graph is A itself. A self-loop, which has one entry, keeps its weight.

    Args:
        edge_index: Edges of shape (2, num_entries), int64.
        edge_weight: Weights of shape (num_entries,), not negative; None: 1.
        num_nodes: Number of nodes.
    """
    source, target = edge_index.detach().cpu().numpy()
    weight = np.ones(len(source)) if edge_weight is None else edge_weight.detach().cpu().numpy().astype(np.float64)
    ends = np.minimum(source, target), np.maximum(source, target)
    upper = coo_array((weight, ends), shape=(num_nodes, num_nodes))
    upper.sum_duplicates()
    low, high = upper.coords
    weights = np.where(low == high, upper.data, upper.data / 2)
    present = weights > 0
    return UndirectedEdges(np.stack([low, high], axis=1)[present].astype(np.int64), weights[present])


def by_size(membership: Sequence[int] | NDArray[Any]) -> NDArray[np.int64]:
    """Renumbers communities from 0 by decreasing size; equally large ones in the order of their first nodes.

    Args:
        membership: The community of each node, shape (num_nodes,), any integers.

    Returns:
        Shape (num_nodes,), int64.
    """
    _, first, labels, sizes = np.unique(membership, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), dtype=np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return rank[labels.reshape(-1)]


def own_share(labels: NDArray[np.int64], edges: UndirectedEdges) -> NDArray[np.float64]:
    """Returns the share of each node's edge weight inside its cluster: (num_nodes,); 1 for a node without edges."""
    low, high = edges.nodes.T
    inside = np.where(labels[low] == labels[high], edges.weights, 0)
    other = low != high  # A self-loop counts once.
    own, total = (
        np.bincount(low, values, len(labels)) + np.bincount(high[other], values[other], len(labels))
        for values in (inside, edges.weights)
    )
    return np.clip(np.divide(own, total, out=np.ones(len(labels)), where=total > 0), 0, 1)


def require(module: str, distribution: str, extra: str) -> Any:
    """Imports the library behind a head.

    Args:
        module: Name of the module.
        distribution: Its name on the package index.
        extra: The extra of eco-nonparametric that installs it.

    Raises:
        CompositionError: ECO110, if it cannot be imported; the message shows how to install it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise CompositionError(
            Problem(
                "ECO110",
                f"Head '{extra}' needs {distribution}, which cannot be imported: {error}.",
                f"pip install 'eco-nonparametric[{extra}]'",
            )
        ) from error


class CommunityClusterHead(BaseClusterHead):
    """Base of heads that cluster a graph by its edges alone, and find the number of clusters.

    A subclass defines ``communities(edges, num_nodes)``.

    Attributes:
        labels_: The community of every node of the fitted graph, numbered from 0 by decreasing size: (num_nodes,),
            int64; empty before `fit`.
        confidence_: The share of each node's edge weight that stays in its community: (num_nodes,), float32.
    """

    inductive = False

    labels_: Tensor
    confidence_: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("labels_", torch.empty(0, dtype=torch.long))
        self.register_buffer("confidence_", torch.empty(0))
        buffers_of_any_size(self, "labels_", "confidence_")

    def communities(self, edges: UndirectedEdges, num_nodes: int) -> Sequence[int] | NDArray[Any]:
        """Finds the community of each node; called only where there are edges.

        Args:
            edges: The edges, each once.
            num_nodes: Number of nodes.

        Returns:
            Any integers, one for each node.
        """
        raise TypeError(f"{type(self).__name__} does not define communities(edges, num_nodes).")

    @property
    def n_clusters(self) -> int:
        """The number of communities found; 0 before `fit`."""
        return int(self.labels_.max()) + 1 if len(self.labels_) else 0

    @torch.no_grad()
    def fit(self, z: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> CommunityClusterHead:
        """Finds the communities of a graph; without edges, every node is a community of its own.

        Args:
            z: Shape (num_nodes, any width); only the number of rows is used.
            edge_index: Edges of shape (2, num_edges), int64; an undirected graph has both directions of each.
            edge_weight: Weights of shape (num_edges,), not negative; None: 1.

        Returns:
            This head.
        """
        num_nodes = int(z.shape[0])
        edges = undirected_edges(edge_index, edge_weight, num_nodes)
        found = self.communities(edges, num_nodes) if len(edges.weights) else np.arange(num_nodes)
        labels = by_size(found)
        self.labels_ = torch.from_numpy(labels).to(edge_index.device)
        self.confidence_ = torch.from_numpy(own_share(labels, edges)).to(edge_index.device, torch.float32)
        return self

    def cluster(self, z: Tensor, soft: bool = False) -> Tensor:
        """Returns the communities of the fitted graph.

        Args:
            z: Shape (num_nodes, any width); only the number of rows is used.
            soft: Whether to return the assignment as probabilities: each row is one-hot.

        Returns:
            Labels of shape (num_nodes,), int64; with ``soft`` shape (num_nodes, n_clusters), float32.

        Raises:
            RuntimeError: Before `fit`.
            DataError: ECO305, if the graph has another number of nodes than the fitted graph.
        """
        self._check_fitted(z)
        return nn.functional.one_hot(self.labels_, self.n_clusters).float() if soft else self.labels_

    def confidence(self, z: Tensor) -> Tensor:
        """Returns how much of each node's edge weight stays in its community.

        Args:
            z: Shape (num_nodes, any width); only the number of rows is used.

        Returns:
            Shape (num_nodes,), float32 in [0, 1]; 1 for a node without edges.

        Raises:
            RuntimeError: Before `fit`.
            DataError: ECO305, if the graph has another number of nodes than the fitted graph.
        """
        self._check_fitted(z)
        return self.confidence_

    def _check_fitted(self, z: Tensor) -> None:
        if not len(self.labels_):
            raise RuntimeError(f"This {type(self).__name__} has no communities yet; call fit(z, edge_index) first.")
        if z.shape[0] != len(self.labels_):
            raise DataError(
                Problem(
                    "ECO305",
                    f"{type(self).__name__} was fitted on a graph of {len(self.labels_)} nodes and got a graph of "
                    f"{z.shape[0]} nodes: it has the communities of the fitted graph only, and cannot assign new "
                    "nodes.",
                    "Fit it on the new graph, or use a head that assigns new nodes, such as kmeans.",
                )
            )
