"""Graphs of nearest neighbours: made where a graph has no edges, or added to the edges that it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from eco_core.data.validate import as_tensor
from eco_core.errors import DataError, Problem, SpecError, did_you_mean

DEFAULT_KNN = 10
"""Neighbours of a node where the user names no number."""

METRICS = ("auto", "euclidean", "cosine", "manhattan")
"""Distances by name; ``auto``: the cosine of sparse features, such as bags of words, else Euclidean distance."""

_EXACT_WORK = 5e10
"""Up to this many multiplications (number of pairs times width) all distances are computed: seconds on one core."""

_TREE_WIDTH = 15
"""Up to this width a search tree finds exact neighbours of any number of points fast."""


@dataclass(frozen=True)
class NeighborOptions:
    """How nodes are joined with their neighbours.

    Attributes:
        knn: Number of nearest neighbours, where a graph has no edges; None: `DEFAULT_KNN` (or all others, if
            there are fewer), unless ``radius`` is given.
        metric: One of `METRICS`.
        radius: Instead of a number of neighbours: join nodes whose distance is at most this.
        knn_augment: Number of nearest neighbours in the features that are added to the edges of any graph.
    """

    knn: int | None = None
    metric: str = "auto"
    radius: float | None = None
    knn_augment: int = 0

    def __post_init__(self) -> None:
        problems = []
        for name, lowest in (("knn", 1), ("knn_augment", 0)):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < lowest):
                problems.append(Problem("ECO104", f"{name} is {value!r}; expected a whole number from {lowest} up."))
        if self.metric not in METRICS:
            fix = did_you_mean(str(self.metric), METRICS)
            problems.append(Problem("ECO104", f"metric is {self.metric!r}; expected {', '.join(METRICS)}.", fix))
        if self.radius is not None and not (isinstance(self.radius, (int, float)) and 0 < self.radius < np.inf):
            problems.append(Problem("ECO104", f"radius is {self.radius!r}; expected a distance above 0."))
        if self.radius is not None and self.knn is not None:
            problems.append(
                Problem("ECO104", f"knn is {self.knn} and radius is {self.radius}.", "Give one of the two.")
            )
        if problems:
            raise SpecError(*problems)


@dataclass(frozen=True, eq=False)
class NeighborEdges:
    """Edges to neighbours, each in both directions, without self-loops.

    Attributes:
        edge_index: Shape (2, num_edges), int64, sorted by source and target.
        how: What was done, for notes: ``"its 10 nearest neighbours (Euclidean distance, exact)"``.
    """

    edge_index: Tensor
    how: str


def edges_to_neighbors(points: Any, options: NeighborOptions, unit: str = "") -> NeighborEdges:
    """Joins points with their nearest neighbours, or with all points within a radius.

    Args:
        points: Shape (num_nodes, width): a tensor (dense or sparse COO), an array or a SciPy matrix.
        options: Number of neighbours or radius, and metric.
        unit: Where the points lie, for the note, such as ``" in the plane of the tissue"``.

    Raises:
        SpecError: ECO104, if there are not more points than neighbours.
        DataError: ECO303, if a radius joins so many pairs that they do not fit into memory.
    """
    matrix = _matrix(points)
    metric = _metric_for(matrix, options.metric)
    if options.radius is not None:
        return _within_radius(matrix, options.radius, metric, unit)
    count = int(matrix.shape[0])
    if count == 1 and options.knn is None:
        return NeighborEdges(torch.zeros((2, 0), dtype=torch.int64), "no other, since it is the only node")
    return nearest_edges(matrix, min(DEFAULT_KNN, count - 1) if options.knn is None else options.knn, metric, unit)


def nearest_edges(points: Any, k: int, metric: str = "auto", unit: str = "") -> NeighborEdges:
    """Joins two points if one is among the k nearest neighbours of the other.

    Distances are computed exactly for up to some tens of thousands of points, and for points of any number with a width
    of up to 15. Beyond, neighbours are approximate where pynndescent is installed. With the cosine, points that have
    nothing in common (a similarity of 0 or less) are not joined.

    Args:
        points: As for `edges_to_neighbors`.
        k: Number of neighbours of a point, without itself.
        metric: One of `METRICS`.
        unit: As for `edges_to_neighbors`.

    Raises:
        SpecError: ECO104, if there are not more points than neighbours.
    """
    matrix = _matrix(points)
    metric = _metric_for(matrix, metric)
    count = matrix.shape[0]
    if k >= count:
        raise SpecError(
            Problem(
                "ECO104",
                f"{k} nearest neighbours were asked for, but the graph has {count:,} nodes.",
                f"Give a number from 1 to {count - 1}." if count > 1 else "",
            )
        )
    neighbors, distances, how = _search(matrix, k, metric)
    source = np.repeat(np.arange(count), k)
    target = neighbors.ravel()
    if metric == "cosine":
        alike = distances.ravel() < 1 - 1e-6
        source, target = source[alike], target[alike]
    plural = "neighbour" if k == 1 else "neighbours"
    return NeighborEdges(_both_ways(source, target, count), f"its {k} nearest {plural}{unit} ({_WORDS[metric]}, {how})")


def merge_edges(edge_index: Tensor, edge_weight: Tensor | None, added: Tensor, num_nodes: int) -> Any:
    """Adds edges to a graph; pairs that are joined already are left as they are.

    Args:
        edge_index: The edges of the graph, (2, num_edges), int64.
        edge_weight: Their weights, or None.
        added: The edges to add.
        num_nodes: Number of nodes.

    Returns:
        The edges; their weights, where a new edge has the median weight of the others, or None; and how many entries
        are new.
    """
    known = edge_index[0] * num_nodes + edge_index[1]
    new = added[:, ~torch.isin(added[0] * num_nodes + added[1], known)]
    edges = torch.cat([edge_index, new], dim=1)
    if edge_weight is None:
        return edges, None, int(new.shape[1])
    weight = float(edge_weight.median()) if edge_weight.numel() else 1.0
    return edges, torch.cat([edge_weight, edge_weight.new_full((new.shape[1],), weight)]), int(new.shape[1])


_WORDS = {"euclidean": "Euclidean distance", "cosine": "cosine", "manhattan": "Manhattan distance"}


def _matrix(points: Any) -> Any:
    """The points as a dense array or a SciPy CSR matrix, in single precision."""
    if sp.issparse(points):
        return sp.csr_matrix(points, dtype=np.float32)
    tensor = as_tensor(points)
    if tensor is None:
        raise DataError(Problem("ECO303", f"Points are not numeric ({type(points).__name__}).", "Give numbers."))
    tensor = tensor.detach().cpu()
    if tensor.layout != torch.strided:
        tensor = tensor.to_sparse_coo().coalesce()
        rows, columns = tensor.indices().numpy()
        return sp.csr_matrix((tensor.values().numpy(), (rows, columns)), shape=tuple(tensor.shape), dtype=np.float32)
    return tensor.numpy().astype(np.float32, copy=False)


def _metric_for(matrix: Any, metric: str) -> str:
    if metric != "auto":
        return metric
    return "cosine" if sp.issparse(matrix) else "euclidean"


def _search(matrix: Any, k: int, metric: str) -> tuple[NDArray[np.int64], NDArray[np.float32], str]:
    """The k nearest neighbours of each row, their distances, and how they were found."""
    count, width = matrix.shape
    in_row = matrix.nnz / count if sp.issparse(matrix) else width
    how = "exact"
    if width > _TREE_WIDTH and count * count * in_row > _EXACT_WORK:
        try:
            from pynndescent import NNDescent
        except ImportError:
            how = "exact; pip install 'eco-core[neighbors]' for a faster, approximate search"
        else:
            index = NNDescent(matrix, metric=metric, n_neighbors=k + 1, random_state=0)
            neighbors, distances = index.neighbor_graph
            return *_without_self(neighbors, distances, k), "approximate"
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=k, metric=metric).fit(matrix)
    distances, neighbors = search.kneighbors()
    return neighbors, distances, how


def _without_self(
    neighbors: NDArray[np.int64], distances: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Drops each row's own number, or else its last entry."""
    own = neighbors == np.arange(len(neighbors))[:, None]
    own[~own.any(1), -1] = True
    keep = ~own
    return neighbors[keep].reshape(-1, k).astype(np.int64), distances[keep].reshape(-1, k)


_MOST_PAIRS = 200_000_000


def _within_radius(matrix: Any, radius: float, metric: str, unit: str) -> NeighborEdges:
    from sklearn.neighbors import NearestNeighbors

    count = matrix.shape[0]
    search = NearestNeighbors(radius=radius, metric=metric).fit(matrix)
    sources, targets, pairs = [], [], 0
    step = max(1, 20_000_000 // count)
    for first in range(0, count, step):
        found = search.radius_neighbors(matrix[first : first + step], return_distance=False)
        lengths = np.fromiter(map(len, found), dtype=np.int64, count=len(found))
        pairs += int(lengths.sum())
        if pairs > _MOST_PAIRS:
            raise DataError(
                Problem(
                    "ECO303",
                    f"A radius of {radius:g} joins more than {_MOST_PAIRS:,} pairs of nodes.",
                    "Give a smaller graph.radius, or graph.knn=10.",
                )
            )
        sources.append(np.repeat(np.arange(first, first + len(found)), lengths))
        targets.append(np.concatenate([np.asarray(row, dtype=np.int64) for row in found]))
    source, target = np.concatenate(sources), np.concatenate(targets)
    other = source != target
    edges = _both_ways(source[other], target[other], count)
    return NeighborEdges(edges, f"all nodes within {radius:g}{unit} ({_WORDS[metric]})")


def _both_ways(source: NDArray[Any], target: NDArray[Any], count: int) -> Tensor:
    keys = np.unique(np.concatenate([source * count + target, target * count + source]).astype(np.int64))
    return torch.from_numpy(np.stack([keys // count, keys % count]))


__all__ = [
    "DEFAULT_KNN",
    "METRICS",
    "NeighborEdges",
    "NeighborOptions",
    "edges_to_neighbors",
    "merge_edges",
    "nearest_edges",
]
