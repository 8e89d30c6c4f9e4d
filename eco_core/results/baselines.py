"""Two simple clusterings with which the metrics of a run are compared: features alone, and structure alone."""

from __future__ import annotations

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

_DIMENSIONS = 64
"""Widest input of k-means: wider features are reduced to their leading singular directions."""
_SAMPLED_ROWS = 100_000
_MOST_CLUSTERS = 200
_MOST_ENTRIES = 1 << 28
_MOST_EDGES = 40_000_000
_STEPS = 30


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


def baselines_of(graph: Any, n_clusters: int, *, seed: int = 0) -> tuple[tuple[Baseline, ...], tuple[str, ...]]:
    """Clusters a graph by its features alone, and by its edges alone.

    Labels are used for the label metrics of the result only.

    Args:
        graph: The graph.
        n_clusters: Number of clusters that the run found.
        seed: Seed of the baselines.

    Returns:
        The baselines that are cheap enough; and a sentence for each other one.
    """
    if not 2 <= n_clusters <= min(_MOST_CLUSTERS, int(graph.num_nodes) - 1):
        return (), (f"No baselines: they are made for 2 to {_MOST_CLUSTERS} clusters, the run found {n_clusters}.",)
    found, notes = [], []
    for name, how, make in (
        ("features alone", "K-means on the features, without the graph.", _features),
        ("structure alone", "Regularised spectral clustering of the edges, without the features.", _structure),
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


def _structure(graph: Any, n_clusters: int, seed: int) -> Tensor:
    """The leading eigenvectors of the regularised adjacency matrix, rows of length 1: shape (num_nodes, K).

    Regularised spectral clustering (Amini et al. 2013; Qin & Rohe 2013): a little weight between all pairs of nodes, as
    much as each node's mean degree in all, keeps small components from being clusters of their own.
    """
    import scipy.sparse as sp

    if getattr(graph.edge_index, "incoming", None) is not None:
        raise _TooLarge("the graph is on disk")
    source, target = (part.cpu().numpy() for part in graph.edge_index)
    if not len(source):
        raise _TooLarge("the graph has no edges")
    if len(source) > _MOST_EDGES:
        raise _TooLarge(f"the graph has {len(source):,} edges")
    weight = graph.get("edge_weight")
    values = np.ones(len(source), np.float32) if weight is None else np.asarray(weight).reshape(-1)
    count = int(graph.num_nodes)
    matrix = sp.coo_matrix((values.astype(np.float32), (source, target)), (count, count)).tocsr()
    matrix = ((matrix + matrix.T) * 0.5).tocsr()
    degree = np.asarray(matrix.sum(axis=1)).ravel().astype(np.float64)
    tau = max(float(degree.mean()), 1e-12)
    scale = (1 / np.sqrt(degree + tau)).astype(np.float32)
    matrix = sp.diags(scale) @ matrix @ sp.diags(scale)

    def times(z: NDArray[np.float32]) -> NDArray[np.float32]:
        # Half a step on the spot makes all eigenvalues positive: the leading ones are the wanted ones.
        return 0.5 * (matrix @ z + (tau / count) * scale[:, None] * (scale @ z)[None, :] + z)

    z = np.random.default_rng(seed).standard_normal((count, n_clusters + 4)).astype(np.float32)
    for _ in range(_STEPS):
        z, _ = np.linalg.qr(times(times(z)))
    small = z.T @ times(z)
    _, vectors = np.linalg.eigh((small + small.T) / 2)
    z = z @ vectors[:, ::-1][:, :n_clusters].astype(np.float32)
    return torch.from_numpy(z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12))


__all__ = ["Baseline", "baselines_of"]
