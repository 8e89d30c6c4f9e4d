"""Two simple clusterings with which the metrics of a run are compared: features alone, and structure alone."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eco_core.metrics.labels import label_metrics
from eco_core.metrics.structure import structure_metrics
from eco_core.ops.kmeans import TorchKMeans
from eco_core.ops.nearest_centers import nearest_centers
from eco_core.results.spectral import is_cheap, spectral_points

_DIMENSIONS = 64
"""Widest input of k-means: wider features are reduced to their leading singular directions."""
_SAMPLED_ROWS = 50_000
_MOST_CLUSTERS = 200
_MOST_ENTRIES = 1 << 28
_MOST_COORDINATES = 50_000_000
"""Coordinates of the points of a baseline: 200 MB, a few times over."""


@dataclass(frozen=True)
class Baseline:
    """A simple clustering of the same graph into as many clusters.

    Attributes:
        name: Short name.
        how: How it was made, in a sentence.
        metrics: Its metrics.
    """

    name: str
    how: str
    metrics: Mapping[str, float] = field(default_factory=dict)


def baselines_of(
    graph: Any, n_clusters: int, *, undirected: bool = False, seed: int = 0
) -> tuple[tuple[Baseline, ...], tuple[str, ...]]:
    """Clusters a graph by its features alone, and by its edges alone.

    Labels are used for the label metrics of the result only.

    Args:
        graph: The graph.
        n_clusters: Number of clusters that the run found.
        undirected: Whether each edge of the graph is known to have its reverse.
        seed: Seed of the baselines.

    Returns:
        The baselines that are cheap enough; and a sentence for each other one.
    """
    if not 2 <= n_clusters <= min(_MOST_CLUSTERS, int(graph.num_nodes) - 1):
        return (), (f"No baselines: they are made for 2 to {_MOST_CLUSTERS} clusters, the run found {n_clusters}.",)
    found, notes = [], []
    for name, how, make in (
        ("features alone", "K-means on the features, without the graph.", _features),
        (
            "structure alone",
            "Regularised spectral clustering of the edges, without the features.",
            functools.partial(_structure, undirected),
        ),
    ):
        try:
            points = make(graph, n_clusters, seed)
        except _TooLarge as reason:
            notes.append(f"The baseline '{name}' is left out: {reason}.")
            continue
        pred = _k_means(points, n_clusters, seed)
        found.append(Baseline(name, how, _metrics(graph, pred)))
    return tuple(found), tuple(notes)


class _TooLarge(Exception):  # noqa: N818 - no error, but a reason
    pass


def _metrics(graph: Any, pred: Tensor) -> dict[str, float]:
    values: dict[str, float] = {}
    y = graph.get("y")
    if y is not None and bool((y >= 0).any()):
        values.update(label_metrics(y, pred))
    values.update(structure_metrics(graph.edge_index, pred, edge_weight=graph.get("edge_weight")))
    return values


def _k_means(points: Tensor, n_clusters: int, seed: int) -> Tensor:
    sample = points
    if len(points) > _SAMPLED_ROWS:
        rows = np.random.default_rng(seed).choice(len(points), _SAMPLED_ROWS, replace=False)
        sample = points[torch.from_numpy(np.sort(rows))]
    model = TorchKMeans(n_clusters, n_init=4, max_iter=100, random_state=seed).fit(sample)
    if sample is points:
        return model.labels_
    return nearest_centers(points, model.cluster_centers_)[0]


def _features(graph: Any, _n_clusters: int, seed: int) -> Tensor:
    x = graph.x
    if getattr(x, "is_sparse", False) or x.shape[1] > _DIMENSIONS:
        matrix = _scipy(x)
        if min(matrix.shape) > _DIMENSIONS:
            return torch.from_numpy(_reduced(matrix, seed))
        return torch.from_numpy(matrix.toarray() if hasattr(matrix, "toarray") else matrix)
    if x.shape[0] * x.shape[1] > _MOST_ENTRIES:
        raise _TooLarge(f"the features have {x.shape[0] * x.shape[1]:,} entries")
    return torch.as_tensor(np.asarray(x)).float()


def _scipy(x: Any) -> Any:
    """The features as a sparse SciPy matrix or a dense array, whichever they are."""
    import scipy.sparse as sp

    if getattr(x, "is_sparse", False):
        x = x.coalesce()
        rows, columns = x.indices().cpu().numpy()
        return sp.csr_matrix((x.values().cpu().numpy(), (rows, columns)), tuple(x.shape), dtype=np.float32)
    if x.shape[0] * x.shape[1] > _MOST_ENTRIES:
        raise _TooLarge(f"the features have {x.shape[0] * x.shape[1]:,} entries")
    dense = np.asarray(x, dtype=np.float32)
    return sp.csr_matrix(dense) if np.count_nonzero(dense) < 0.1 * dense.size else dense


def _reduced(matrix: Any, seed: int) -> NDArray[np.float32]:
    from sklearn.utils.extmath import randomized_svd

    left, values, _ = randomized_svd(matrix, _DIMENSIONS, n_iter=3, random_state=seed)
    return np.ascontiguousarray(left * values, dtype=np.float32)


def _structure(undirected: bool, graph: Any, n_clusters: int, seed: int) -> Tensor:
    if getattr(graph.edge_index, "incoming", None) is not None:
        raise _TooLarge("the graph is on disk")
    count, nodes = int(graph.edge_index.shape[1]), int(graph.num_nodes)
    if not count:
        raise _TooLarge("the graph has no edges")
    if not is_cheap(count, n_clusters) or nodes * n_clusters > _MOST_COORDINATES:
        raise _TooLarge(
            f"{n_clusters} eigenvectors of a graph with {nodes:,} nodes and {count:,} entries of edges take minutes"
        )
    weight = graph.get("edge_weight")
    return spectral_points(graph.edge_index, weight, nodes, n_clusters, undirected=undirected, seed=seed)


__all__ = ["Baseline", "baselines_of"]
