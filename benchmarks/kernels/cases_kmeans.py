"""K-means on propagated embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from benchmarks.kernels.case import Case, Way, Work, require
from benchmarks.kernels.graphs import Graph
from eco_core.ops import TorchKMeans

_WIDTHS = (64, 512)
_N_INIT = 10
_MORE_INERTIA = 0.02
"""Largest relative excess over scikit-learn's inertia that counts as agreement: both find local optima."""


def cases(graph: Graph) -> Iterator[Case]:
    """Yields the cases of a graph."""
    for width in _WIDTHS:
        yield _kmeans(graph.embeddings(width), graph.n_classes)


def _kmeans(z: Tensor, n_clusters: int) -> Case:
    from sklearn.cluster import KMeans

    points = z.numpy()

    def work(fitted: Any) -> Work:
        # Distances of all points to all centres in every restart, as if all had the best restart's iterations.
        flops = 2.0 * z.numel() * n_clusters * fitted.n_iter_ * _N_INIT
        return Work(z.nbytes + 8.0 * len(z), flops)

    def check(ours: Any, theirs: Any) -> str:
        more = ours.inertia_ / theirs.inertia_ - 1
        require(more <= _MORE_INERTIA, f"inertia {ours.inertia_:.6g} instead of {theirs.inertia_:.6g}")
        iterations = f"{ours.n_iter_} and {theirs.n_iter_} iterations of the best restart"
        return f"ECO's inertia is {ours.inertia_:.6g}, {100 * more:+.4f} % off the other; {iterations}"

    return Case(
        f"k-means, K = {n_clusters}, width {z.size(1)}, n_init {_N_INIT}",
        lambda: TorchKMeans(n_clusters=n_clusters, n_init=_N_INIT, random_state=0).fit(z),
        [Way("scikit-learn KMeans", lambda: KMeans(n_clusters, n_init=_N_INIT, random_state=0).fit(points))],
        work,
        check,
    )
