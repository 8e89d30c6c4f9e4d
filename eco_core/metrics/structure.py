"""Structure of clusters in the graph; no labels are needed.

All metrics are defined on the weighted adjacency matrix A, the sum of all entries of ``edge_index``. An undirected
graph has both directions of each edge. A directed graph is taken as the undirected graph (A + A^T) / 2: its figures are
the same as with both directions of each edge. A self-loop counts once, with its weight, in A and in its node's degree.
The cost is a sort of the cluster ids plus O(num_nodes + num_edges), whatever the number of clusters.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eco_core.errors import DataError, Problem
from eco_core.metrics.arrays import Array, clusters_of, compute, to_numpy

_BLOCK_EDGES = 1 << 22
"""Number of edges that are summed at a time."""


def modularity(pred: Array, *, edge_index: Array, edge_weight: Array | None = None) -> float:
    r"""Modularity (Newman & Girvan, 2004).

    .. math:: Q = \sum_c \left[ \frac{w_c}{W} - \left( \frac{v_c}{W} \right)^2 \right]

    with the total :math:`W = \sum_{ij} A_{ij}`, the weight :math:`w_c` of A within cluster c and the volume (sum of the
    degrees) :math:`v_c`.

    Args:
        pred: Cluster ids of shape (num_nodes,), any integers.
        edge_index: Edges of shape (2, num_edges), integers.
        edge_weight: Weights of shape (num_edges,), not negative; default 1.

    Returns:
        A value in [-0.5, 1); 0 for a graph without edges.

    Raises:
        DataError: ECO303 for an invalid graph, ECO305 for invalid clusters.
    """
    return _modularity(_flow(pred, edge_index, edge_weight))


def conductance(pred: Array, *, edge_index: Array, edge_weight: Array | None = None) -> float:
    """Mean over clusters of cut / min(volume, total - volume) (Yang & Leskovec, 2012).

    The mean is over clusters, not over edges: a small, leaky cluster counts as much as a large one. Tables of deep
    graph clustering often print `cut_fraction` under the name of conductance. If the minimum is 0 (all nodes of the
    cluster are isolated, or it holds all edges), the cluster has no cut edges, and its conductance is 0.

    Args:
        pred: Cluster ids of shape (num_nodes,), any integers.
        edge_index: Edges of shape (2, num_edges), integers.
        edge_weight: Weights of shape (num_edges,), not negative; default 1.

    Returns:
        A fraction in [0, 1], lower is better; 0 for a graph without edges.

    Raises:
        DataError: ECO303 for an invalid graph, ECO305 for invalid clusters.
    """
    return _conductance(_flow(pred, edge_index, edge_weight))


def cut_fraction(pred: Array, *, edge_index: Array, edge_weight: Array | None = None) -> float:
    """Fraction of the edge weight that lies between clusters.

    Args:
        pred: Cluster ids of shape (num_nodes,), any integers.
        edge_index: Edges of shape (2, num_edges), integers.
        edge_weight: Weights of shape (num_edges,), not negative; default 1.

    Returns:
        A fraction in [0, 1], lower is better; 0 for a graph without edges.

    Raises:
        DataError: ECO303 for an invalid graph, ECO305 for invalid clusters.
    """
    return _cut_fraction(_flow(pred, edge_index, edge_weight))


def n_clusters(pred: Array) -> int:
    """Number of distinct clusters that have nodes; -1 counts as a cluster.

    Args:
        pred: Cluster ids of shape (num_nodes,), any integers.

    Raises:
        DataError: ECO305 for invalid clusters.
    """
    return len(np.unique(clusters_of(pred)))


def structure_metrics(
    edge_index: Array,
    pred: Array,
    metrics: str | Iterable[str] = ("modularity", "conductance", "cut_fraction", "n_clusters"),
    edge_weight: Array | None = None,
) -> dict[str, float]:
    """Computes several metrics of the clusters' structure.

    Args:
        edge_index: Edges of shape (2, num_edges), integers.
        pred: Cluster ids of shape (num_nodes,), any integers.
        metrics: Names of metrics; upper and lower case are the same.
        edge_weight: Weights of shape (num_edges,), not negative; default 1.

    Returns:
        The values, under the names exactly as given.

    Raises:
        SpecError: ECO101, for an unknown name.
        DataError: ECO303 for an invalid graph, ECO305 for invalid clusters.

    Example:
        >>> two_pairs = np.array([[0, 1, 2, 3], [1, 0, 3, 2]])
        >>> structure_metrics(two_pairs, np.array([0, 0, 1, 1]), metrics=["modularity", "n_clusters"])
        {'modularity': 0.5, 'n_clusters': 2}
    """
    flow = functools.cache(lambda: _flow(pred, edge_index, edge_weight))  # The edges are summed once for all metrics.
    functions: dict[str, Callable[..., float]] = {
        "modularity": lambda _: _modularity(flow()),
        "conductance": lambda _: _conductance(flow()),
        "cut_fraction": lambda _: _cut_fraction(flow()),
        "n_clusters": n_clusters,
    }
    return compute(functions, metrics, "structure", pred)


@dataclass(frozen=True)
class _Flow:
    """Edge weight by cluster: sums over (A + A^T) / 2."""

    total: float
    between: float
    within: NDArray[np.float64]  # (K,)
    volume: NDArray[np.float64]  # (K,)


def _modularity(flow: _Flow) -> float:
    if flow.total == 0:
        return 0.0
    return float((flow.within / flow.total - (flow.volume / flow.total) ** 2).sum())


def _conductance(flow: _Flow) -> float:
    cut = flow.volume - flow.within
    smaller_side = np.minimum(flow.volume, flow.total - flow.volume)
    # Rounding errors: for a cluster without cut edges, a difference of sums can be 1e-17 instead of 0.
    leaky = (cut > 0) & (smaller_side > 0)
    ratios = np.divide(cut, smaller_side, out=np.zeros_like(cut), where=leaky)
    return float(np.minimum(ratios, 1.0).mean()) if len(ratios) else 0.0


def _cut_fraction(flow: _Flow) -> float:
    return float(flow.between / flow.total) if flow.total > 0 else 0.0


def _flow(pred: Array, edge_index: Array, edge_weight: Array | None) -> _Flow:
    ids, cluster = np.unique(clusters_of(pred), return_inverse=True)
    total, between = 0.0, 0.0
    within, volume = np.zeros(len(ids)), np.zeros(len(ids))
    for source, target, weight in edge_blocks(edge_index, edge_weight, len(cluster)):
        source, target = cluster[source], cluster[target]
        inside = source == target
        within += np.bincount(source[inside], None if weight is None else weight[inside], minlength=len(ids))
        volume += np.bincount(source, weight, minlength=len(ids)) / 2
        volume += np.bincount(target, weight, minlength=len(ids)) / 2
        total += len(inside) if weight is None else weight.sum()
        between += len(inside) - inside.sum() if weight is None else weight[~inside].sum()
    return _Flow(float(total), float(between), within, volume)


_Block = tuple[NDArray[Any], NDArray[Any], "NDArray[np.float64] | None"]


def edge_blocks(
    edge_index: Array, edge_weight: Array | None, num_nodes: int, block_edges: int = _BLOCK_EDGES
) -> Iterator[_Block]:
    """Yields sources, targets and weights of some edges at a time; the edges of a graph on disk stay on disk.

    Args:
        edge_index: Edges of shape (2, num_edges), integers.
        edge_weight: Weights of shape (num_edges,), not negative; None: there are none.
        num_nodes: Number of nodes.
        block_edges: How many edges at a time.

    Yields:
        Sources and targets of shape (at most block_edges,), and their weights or None.

    Raises:
        DataError: ECO303 for an invalid graph.
    """
    incoming = getattr(edge_index, "incoming", None)
    if incoming is None:
        edges = _edges(edge_index, num_nodes)
        weight = _weights(edge_weight, edges.shape[1])
        for first in range(0, edges.shape[1], block_edges):
            part = slice(first, first + block_edges)
            yield edges[0, part], edges[1, part], None if weight is None else weight[part]
        return
    rowptr, col = to_numpy(incoming.rowptr), to_numpy(incoming.col)
    weight = _weights(edge_weight, len(col))
    if len(rowptr) != num_nodes + 1:
        raise DataError(
            Problem(
                "ECO303",
                f"The graph has {len(rowptr) - 1} nodes, but {num_nodes} have a cluster.",
                "Pass one cluster for each node of the graph.",
            )
        )
    for first in range(0, len(col), block_edges):
        last = min(first + block_edges, len(col))
        # The targets of these entries: nodes low to high. The first and the last node may have entries in other blocks.
        low, high = np.searchsorted(rowptr, [first, last - 1], side="right") - 1
        bounds = np.clip(rowptr[low : high + 2], first, last)
        target = np.repeat(np.arange(low, high + 1), np.diff(bounds))
        yield col[first:last], target, None if weight is None else weight[first:last]


def _edges(edge_index: Array, num_nodes: int) -> NDArray[Any]:
    edges = to_numpy(edge_index)
    if edges.ndim != 2 or edges.shape[0] != 2 or (edges.dtype.kind not in "iu" and edges.size):
        raise DataError(
            Problem(
                "ECO303",
                f"'edge_index' has shape {edges.shape} and dtype {edges.dtype}; expected (2, num_edges) integers.",
                "Pass source nodes in the first row and target nodes in the second.",
            )
        )
    if edges.size and (edges.min() < 0 or edges.max() >= num_nodes):
        raise DataError(
            Problem(
                "ECO303",
                f"'edge_index' names nodes {edges.min()} to {edges.max()}, but {num_nodes} nodes have a cluster.",
                "Pass one cluster for each node of the graph; nodes are numbered from 0.",
            )
        )
    return edges.astype(np.int64, copy=False)


def _weights(edge_weight: Array | None, num_edges: int) -> NDArray[np.float64] | None:
    if edge_weight is None:
        return None
    weights = to_numpy(edge_weight)
    if weights.shape not in ((num_edges,), (num_edges, 1)):
        raise DataError(
            Problem(
                "ECO303",
                f"'edge_weight' has shape {weights.shape}, but there are {num_edges} edges.",
                "Pass one weight for each column of edge_index.",
            )
        )
    weights = weights.reshape(-1).astype(np.float64)
    if num_edges and not (np.isfinite(weights).all() and weights.min() >= 0):
        raise DataError(
            Problem(
                "ECO303",
                f"'edge_weight' holds values from {weights.min()} to {weights.max()}; these metrics are defined for "
                "finite weights that are not negative.",
                "Drop such edges, or pass edge_weight=None to count each edge once.",
            )
        )
    return weights
