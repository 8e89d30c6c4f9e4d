"""K-means in torch, on any device: Lloyd's algorithm from k-means++ seeds, all restarts at a time.

The points are read once for all restarts: their distances to the centres (or candidates) of all restarts are one matrix
product. On a CPU the sums of clusters are not computed anew in each iteration: only points that changed their cluster
are moved between sums.
"""

from __future__ import annotations

import functools
import math
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from eco_core.ops._kmeans_points import Criterion, Points, counted
from eco_core.ops._kmeans_seeds import candidates_a_center, plus_plus, random_rows
from eco_core.ops._kmeans_width import narrowed, pays
from eco_core.ops.nearest_centers import as_points, nearest_centers

_RESTART_ELEMENTS = 2**24
"""Largest number of distances to candidates held at a time; further restarts run afterwards."""


class TorchKMeans:
    """K-means on the device of the data.

    Lloyd's algorithm (1982) from greedy k-means++ seeds (Arthur & Vassilvitskii, SODA 2007): each next centre is the
    best of ``2 + log K`` candidates drawn with a probability proportional to the squared distance from the centres so
    far. The best of ``n_init`` restarts is kept. All restarts draw from one generator, so that runs with neighbouring
    seeds share no restart. Memory beyond the data is O(num_nodes).

    Points with many more columns than rows are clustered by their coordinates in the space that they span (singular
    vectors times singular values, in double precision), where that is cheaper: with N points, F columns, K clusters and
    R restarts, where 25 R K N (F - N) > 2 (N^2 F + 10 N^3). Distances, and so clusters, are the same up to rounding;
    centres are given in the points' own columns.

    Equal seeds give equal results on the same device with the same number of threads.

    Args:
        n_clusters: Number of clusters K, at most num_nodes.
        n_init: Number of restarts.
        max_iter: Largest number of iterations of a restart.
        tol: A restart has converged when the centres' squared movement is at most ``tol`` times the mean variance of
            the features (as in scikit-learn), or when no node changes its cluster.
        random_state: Seed; None draws one from torch's global generator.
        init: ``"k-means++"``, or ``"random"`` for K nodes drawn without replacement.
        criterion: The sum that the best restart minimises: ``"inertia"``, the sum of squared distances that Lloyd's
            algorithm lowers; or ``"distance"``, the sum of distances, in which a few far points count less. K-means++
            draws and compares candidates by the same sum.
        restarts_at_a_time: Restarts that are computed together; None: as many as there is room for the distances to
            their candidates.
        block_elements: Numbers of a block of points, or of their distances, that are computed together; None: what
            stays in a processor's cache (see `eco_core.ops.row_blocks`). It changes results by rounding only.

    Attributes:
        labels_: Clusters of the nodes, shape (num_nodes,), dtype int64: the nearest centres.
        cluster_centers_: Centres of shape (K, n_features).
        inertia_: Sum of the squared distances of the nodes to their centres.
        n_iter_: Iterations of the best restart.

    Raises:
        ValueError: For parameters out of range.

    Example:
        >>> z = torch.tensor([[0.0], [0.1], [5.0], [5.1]])
        >>> round(TorchKMeans(n_clusters=2, random_state=0).fit(z).inertia_, 3)
        0.01
    """

    labels_: Tensor
    cluster_centers_: Tensor
    inertia_: float
    n_iter_: int

    def __init__(
        self,
        n_clusters: int,
        n_init: int = 10,
        max_iter: int = 300,
        tol: float = 1e-4,
        random_state: int | None = None,
        init: Literal["k-means++", "random"] = "k-means++",
        criterion: Criterion = "inertia",
        *,
        restarts_at_a_time: int | None = None,
        block_elements: int | None = None,
    ) -> None:
        numbers: dict[str, int | None] = {"n_clusters": n_clusters, "n_init": n_init, "max_iter": max_iter}
        numbers |= {"restarts_at_a_time": restarts_at_a_time, "block_elements": block_elements}
        for name, value in numbers.items():
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; expected at least 1.")
        if tol < 0:
            raise ValueError(f"tol is {tol}; expected 0 or more.")
        if init not in ("k-means++", "random"):
            raise ValueError(f"init is {init!r}; expected 'k-means++' or 'random'.")
        if criterion not in get_args(Criterion):
            raise ValueError(f"criterion is {criterion!r}; expected 'inertia' or 'distance'.")
        self.n_clusters = n_clusters
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.init = init
        self.criterion = criterion
        self.restarts_at_a_time = restarts_at_a_time
        self.block_elements = block_elements

    @torch.no_grad()
    def fit(self, z: Any) -> TorchKMeans:
        """Clusters points.

        Args:
            z: Points of shape (num_nodes, n_features): a tensor (a sparse one is made dense) or an array. Anything but
                float64 is computed in float32.

        Returns:
            This object.

        Raises:
            ValueError: If ``z`` is not a matrix, has fewer than ``n_clusters`` rows, or holds NaN, infinity or
                values whose squares are infinite.
        """
        points = as_points(z, self.n_clusters)
        points = points.to_dense() if points.is_sparse else points
        count, width = points.shape
        with torch.autocast(points.device.type, enabled=False):
            # Points whose squares are infinite have no coordinates; `_fit` refuses them.
            if pays(count, width, self.n_clusters, self.n_init) and bool(points.square().sum().isfinite()):
                narrow = narrowed(points)
                self._fit(Points(narrow.rows, self.block_elements), width)
                self.cluster_centers_ = narrow.widened(self.cluster_centers_)
            else:
                self._fit(Points(points, self.block_elements), width)
        # The same labels as predict(z) returns, also for ties.
        self.labels_, distances = nearest_centers(points, self.cluster_centers_, self.block_elements)
        self.inertia_ = float(distances[:, 0].double().square().sum())
        return self

    def _fit(self, points: Points, width: int) -> None:
        generator = torch.Generator(points.rows.device)
        generator.manual_seed(int(torch.randint(2**62, ())) if self.random_state is None else self.random_state)
        # Sums of squared distances between points: at most four times as large as those from the mean.
        if not (4 * len(points.rows) * points.squares.max()).isfinite():
            farthest = float((points.rows - points.mean).abs().max())
            raise ValueError(
                f"k-means got values up to {farthest:.3g} from their mean; their squares are "
                f"beyond the range of {points.rows.dtype}. Normalise the features or the embeddings."
            )
        # Of the points' own width: coordinates of fewer columns have the same squares in total.
        tolerance = float(points.squares.mean()) / width * self.tol
        choose = random_rows if self.init == "random" else functools.partial(plus_plus, criterion=self.criterion)
        at_a_time = self.restarts_at_a_time
        if at_a_time is None:
            at_a_time = max(1, _RESTART_ELEMENTS // (len(points.rows) * candidates_a_center(self.n_clusters)))
        lowest = math.inf
        for first in range(0, self.n_init, at_a_time):
            seeds = choose(points, min(at_a_time, self.n_init - first), self.n_clusters, generator)
            centers, n_iter = _lloyd(points, points.offsets(seeds), self.max_iter, tolerance)
            sums = counted(points.assign(centers)[1].double(), self.criterion).sum(0)
            best = int(sums.argmin())
            if float(sums[best]) < lowest:
                lowest = float(sums[best])
                self.cluster_centers_ = centers[best] + points.mean
                self.n_iter_ = int(n_iter[best])

    def predict(self, z: Any) -> Tensor:
        """Returns the nearest centres of points.

        Args:
            z: Points of shape (num_nodes, n_features).

        Returns:
            Clusters of shape (num_nodes,), dtype int64, on the device of ``z``.

        Raises:
            RuntimeError: Before `fit`.
            ValueError: If ``z`` does not have the width of the centres, or holds NaN or infinity.
        """
        if not hasattr(self, "cluster_centers_"):
            raise RuntimeError("This TorchKMeans has no centres yet; call fit(z) before predict(z).")
        return nearest_centers(z, self.cluster_centers_, self.block_elements)[0]

    def fit_predict(self, z: Any) -> Tensor:
        """Clusters points and returns ``labels_``; see `fit`."""
        return self.fit(z).labels_


def _lloyd(points: Points, centers: Tensor, max_iter: int, tolerance: float) -> tuple[Tensor, Tensor]:
    """Moves the centres of several restarts until each has converged.

    Args:
        points: The points.
        centers: Shape (restarts, K, width), relative to the mean of the points.
        max_iter: Largest number of iterations.
        tolerance: Squared movement of all centres of a restart at which it has converged.

    Returns:
        Centres, of the same shape; and the number of iterations of each restart, of shape (restarts,).
    """
    n_clusters, device = centers.size(1), centers.device
    result, n_iter = centers.clone(), torch.zeros(len(centers), dtype=torch.long, device=device)
    running = torch.arange(len(centers), device=device)
    labels = torch.full((len(points.rows), len(centers)), -1, device=device)
    sums = torch.zeros_like(centers, dtype=torch.float64)
    for _ in range(max_iter):
        new, distances = points.assign(centers)
        unchanged = (new == labels).all(0)
        points.move(labels, new, sums)
        counts = _counts(new, n_clusters)
        for restart in (counts == 0).any(1).nonzero().flatten().tolist():
            _fill_empty(points, new[:, restart], distances[:, restart], sums[restart], counts[restart])
        means = (sums / counts.clamp(min=1)[:, :, None] - points.mean).to(centers.dtype)
        moved = torch.where(counts[:, :, None] > 0, means, centers)
        converged = unchanged | ((moved - centers).square().sum((1, 2)) <= tolerance)
        result[running], labels, centers = moved, new, moved
        n_iter[running] += 1
        if bool(converged.any()):
            going = (~converged).nonzero().flatten()
            running, centers, sums = running[going], centers[going], sums[going]
            labels = labels[:, going].contiguous()
        if len(running) == 0:
            break
    return result, n_iter


def _counts(labels: Tensor, n_clusters: int) -> Tensor:
    """Returns the number of points of each cluster, (restarts, K), from labels (num_points, restarts)."""
    restarts = labels.size(1)
    numbers = labels + n_clusters * torch.arange(restarts, device=labels.device)
    return torch.bincount(numbers.flatten(), minlength=restarts * n_clusters).view(restarts, n_clusters)


def _fill_empty(points: Points, labels: Tensor, distances: Tensor, sums: Tensor, counts: Tensor) -> None:
    """Moves the points that are farthest from their centres into the empty clusters of a restart, in place."""
    empty = (counts == 0).nonzero().squeeze(1)
    far_distances, far = distances.topk(len(empty))
    # Where there are fewer distinct points than clusters, all points are on centres and some clusters stay empty.
    empty, far = empty[far_distances > 0], far[far_distances > 0]
    moved, left = points.rows[far].to(sums.dtype), labels[far]
    sums.index_put_((left,), -moved, accumulate=True)
    counts.index_put_((left,), -torch.ones_like(left), accumulate=True)
    sums[empty] = moved
    counts[empty] = 1
    labels[far] = empty
