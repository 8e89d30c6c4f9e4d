"""K-means in torch, on any device: Lloyd's algorithm from k-means++ seeds, in row blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor

_BLOCK_ELEMENTS = 2**20
"""Distances held at a time: large enough to keep a device busy, small enough to stay in a processor's cache."""

_DRAW_BITS = 40
"""Sampling weights are integers of this many bits in total; their running sums are exact on every device."""


class TorchKMeans:
    """K-means on the device of the data.

    Lloyd's algorithm (1982) from greedy k-means++ seeds (Arthur & Vassilvitskii, SODA 2007): each next centre is the
    best of ``2 + log K`` candidates drawn with a probability proportional to the squared distance from the centres so
    far. The best of ``n_init`` restarts is kept. All restarts draw from one generator, so that runs with neighbouring
    seeds share none of them. Memory beyond one centred copy of the data is O(num_nodes).

    Equal seeds give equal results on the same device with the same number of threads.

    Args:
        n_clusters: Number of clusters K, at most num_nodes.
        n_init: Number of restarts.
        max_iter: Iterations of a restart at most.
        tol: A restart has converged when the centres' squared movement is at most ``tol`` times the mean variance of
            the features (as in scikit-learn), or when no node changes its cluster.
        random_state: Seed; None draws one from torch's global generator.
        init: ``"k-means++"``, or ``"random"`` for K nodes drawn without replacement.

    Attributes:
        labels_: Clusters of the nodes, shape (num_nodes,), dtype int64: the centres that are nearest.
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
    ) -> None:
        for name, value in (("n_clusters", n_clusters), ("n_init", n_init), ("max_iter", max_iter)):
            if value < 1:
                raise ValueError(f"{name} is {value}; expected at least 1.")
        if tol < 0:
            raise ValueError(f"tol is {tol}; expected 0 or more.")
        if init not in ("k-means++", "random"):
            raise ValueError(f"init is {init!r}; expected 'k-means++' or 'random'.")
        self.n_clusters = n_clusters
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.init = init

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
        # The expanded square |x|^2 - 2 x c + |c|^2 loses its digits where points are far from the origin.
        mean = points.mean(0)
        with torch.autocast(points.device.type, enabled=False):
            self._fit(points - mean)
        self.cluster_centers_ += mean
        # As predict(z) will give them, down to the ties.
        self.labels_ = nearest_centers(points, self.cluster_centers_)[0]
        return self

    def _fit(self, points: Tensor) -> None:
        generator = torch.Generator(points.device)
        generator.manual_seed(int(torch.randint(2**62, ())) if self.random_state is None else self.random_state)
        squares = points.square().sum(1)
        if not squares.sum().isfinite():
            raise ValueError(
                f"k-means got values up to {float(points.abs().max()):.3g} from their mean; their squares are "
                f"beyond the range of {points.dtype}. Normalise the features or the embeddings."
            )
        tolerance = float(points.var(0, correction=0).mean()) * self.tol
        best = math.inf
        for _ in range(self.n_init):
            if self.init == "random":
                rows = torch.randperm(len(points), generator=generator, device=points.device)[: self.n_clusters]
            else:
                rows = _plus_plus(points, squares, self.n_clusters, generator)
            centers, n_iter = self._lloyd(points, squares, points[rows], tolerance)
            labels, _ = _assign(points, squares, centers)
            inertia = _inertia(points, centers, labels)
            if inertia < best:
                best = inertia
                self.cluster_centers_, self.inertia_, self.n_iter_ = centers, inertia, n_iter

    def _lloyd(self, points: Tensor, squares: Tensor, centers: Tensor, tolerance: float) -> tuple[Tensor, int]:
        labels = torch.full((len(points),), -1, device=points.device)
        n_iter, converged = 0, False
        while n_iter < self.max_iter and not converged:
            n_iter += 1
            previous_labels, previous_centers = labels, centers
            labels, distances = _assign(points, squares, centers)
            sums, counts = _sum_by_cluster(points, labels, self.n_clusters)
            unchanged, has_empty = torch.stack([(labels == previous_labels).all(), (counts == 0).any()]).tolist()
            if has_empty:
                _fill_empty(points, labels, distances, sums, counts)
            centers = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], centers)
            converged = unchanged or float((centers - previous_centers).square().sum()) <= tolerance
        return centers, n_iter

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
        return nearest_centers(z, self.cluster_centers_)[0]

    def fit_predict(self, z: Any) -> Tensor:
        """Clusters points and returns ``labels_``; see `fit`."""
        return self.fit(z).labels_


def as_points(z: Any, n_clusters: int = 1, who: str = "k-means") -> Tensor:
    """Checks points to be clustered.

    Args:
        z: Points of shape (num_nodes, n_features): a tensor, dense or sparse, or an array.
        n_clusters: How many rows there must be at least.
        who: What got them, for messages.

    Returns:
        A detached tensor, dense or coalesced COO, float64 if it was and float32 otherwise.

    Raises:
        ValueError: If ``z`` is not a matrix, has too few rows, or holds NaN or infinity.
    """
    points = torch.as_tensor(z).detach()
    if points.ndim != 2 or points.shape[1] == 0:
        raise ValueError(
            f"{who} got points of shape {tuple(points.shape)}; expected (num_nodes, n_features). Reshape them, or "
            "check what the encoder returns."
        )
    if len(points) < n_clusters:
        raise ValueError(
            f"{who} got {len(points)} points for {n_clusters} clusters; expected at least one point a cluster. Ask "
            "for fewer clusters."
        )
    if points.dtype != torch.float64:
        points = points.to(torch.float32)
    if points.layout != torch.strided:
        points = (points if points.is_sparse else points.to_sparse_coo()).coalesce()
    finite = torch.isfinite(points.values() if points.is_sparse else points)
    if not finite.all():
        raise ValueError(
            f"{who} got {int((~finite).sum())} values that are NaN or infinite in points of shape "
            f"{tuple(points.shape)}; expected finite ones. Check the features, or lower the learning rate."
        )
    return points


@torch.no_grad()
def nearest_centers(z: Any, centers: Tensor) -> tuple[Tensor, Tensor]:
    """Finds the nearest centre of each point, and how far the two nearest ones are.

    Args:
        z: Points of shape (num_nodes, n_features); see `as_points`.
        centers: Shape (K, n_features).

    Returns:
        Nearest centres, shape (num_nodes,), int64; and Euclidean distances to the nearest and the second nearest,
        shape (num_nodes, 2), or (num_nodes, 1) if there is one centre. Both on the device of ``z``.

    Raises:
        ValueError: If ``z`` does not have the width of the centres, or holds NaN or infinity.
    """
    points = as_points(z)
    if points.shape[1] != centers.shape[1]:
        raise ValueError(
            f"k-means got points of width {points.shape[1]}, but its centres have width {centers.shape[1]}. Pass "
            "embeddings of the encoder that it was fitted on, or fit it again."
        )
    centers = centers.to(points)
    mean = centers.mean(0)
    labels, distances = [], []
    with torch.autocast(points.device.type, enabled=False):
        for start, stop in _blocks(len(points), len(centers)):
            if points.is_sparse:
                rows = points.index_select(0, torch.arange(start, stop, device=points.device)).to_dense()
            else:
                rows = points[start:stop]
            near = _squared_distances(rows - mean, centers - mean).topk(min(2, len(centers)), largest=False).indices
            near = near.sort(dim=1).values  # of two equally near ones, the first
            # Distances anew, without the rounding of the expanded square: a centre is at distance 0 of itself.
            exact = torch.stack([(rows - centers[center]).norm(dim=1) for center in near.T], dim=1)
            exact, order = exact.sort(dim=1, stable=True)
            labels.append(near.gather(1, order[:, :1]).squeeze(1))
            distances.append(exact)
    return torch.cat(labels), torch.cat(distances)


def _blocks(num_rows: int, num_columns: int) -> Iterator[tuple[int, int]]:
    size = max(256, _BLOCK_ELEMENTS // num_columns)
    for start in range(0, num_rows, size):
        yield start, min(start + size, num_rows)


def _squared_distances(points: Tensor, centers: Tensor, squares: Tensor | None = None) -> Tensor:
    """Squared Euclidean distances (num_points, K) by one matrix product."""
    squares = points.square().sum(1) if squares is None else squares
    return torch.addmm(centers.square().sum(1), points, centers.T, alpha=-2).add_(squares[:, None]).clamp_(min=0)


def _assign(points: Tensor, squares: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    labels = torch.empty(len(points), dtype=torch.long, device=points.device)
    distances = torch.empty_like(squares)
    for start, stop in _blocks(len(points), len(centers)):
        block = _squared_distances(points[start:stop], centers, squares[start:stop])
        torch.min(block, dim=1, out=(distances[start:stop], labels[start:stop]))
    return labels, distances


def _sum_by_cluster(points: Tensor, labels: Tensor, n_clusters: int) -> tuple[Tensor, Tensor]:
    """Sums (K, n_features) and numbers (K,) of the points of each cluster."""
    # Faster by index_add, but on an accelerator that adds in a different order each time.
    block_sums = _sums_by_index if points.device.type == "cpu" else _sums_by_product
    sums = points.new_zeros(n_clusters, points.shape[1])
    counts = torch.zeros(n_clusters, dtype=torch.long, device=points.device)
    for start, stop in _blocks(len(points), n_clusters):
        more_sums, more_counts = block_sums(points[start:stop], labels[start:stop], n_clusters)
        sums += more_sums
        counts += more_counts
    return sums, counts


def _sums_by_index(points: Tensor, labels: Tensor, n_clusters: int) -> tuple[Tensor, Tensor]:
    sums = points.new_zeros(n_clusters, points.shape[1]).index_add_(0, labels, points)
    return sums, torch.bincount(labels, minlength=n_clusters)


def _sums_by_product(points: Tensor, labels: Tensor, n_clusters: int) -> tuple[Tensor, Tensor]:
    indicator = labels[:, None] == torch.arange(n_clusters, device=labels.device)
    return indicator.to(points.dtype).T @ points, indicator.sum(0)


def _fill_empty(points: Tensor, labels: Tensor, distances: Tensor, sums: Tensor, counts: Tensor) -> None:
    """Moves the points that are farthest from their centres into the empty clusters, in place."""
    empty = (counts == 0).nonzero().squeeze(1)
    far_distances, far = distances.topk(len(empty))
    # Where there are fewer distinct points than clusters, all points are on centres and some clusters stay empty.
    empty, far = empty[far_distances > 0], far[far_distances > 0]
    moved, left = points[far], labels[far]
    ones = torch.ones_like(left)
    sums.index_put_((left,), -moved, accumulate=True)
    counts.index_put_((left,), -ones, accumulate=True)
    sums[empty] = moved
    counts[empty] = 1
    labels[far] = empty


def _inertia(points: Tensor, centers: Tensor, labels: Tensor) -> float:
    parts = [
        (points[start:stop] - centers[labels[start:stop]]).square().sum()
        for start, stop in _blocks(len(points), points.shape[1])
    ]
    return float(torch.stack(parts).sum())


def _plus_plus(points: Tensor, squares: Tensor, n_clusters: int, generator: torch.Generator) -> Tensor:
    """Draws K rows by greedy k-means++."""
    n_candidates = 2 + int(math.log(n_clusters))
    rows = torch.empty(n_clusters, dtype=torch.long, device=points.device)
    rows[:1] = torch.randint(len(points), (1,), generator=generator, device=points.device)
    closest = _distances_to_rows(points, squares, rows[:1])
    for k in range(1, n_clusters):
        candidates = _draw(closest, n_candidates, generator)
        costs = torch.zeros(n_candidates, dtype=points.dtype, device=points.device)
        for start, stop in _blocks(len(points), n_candidates):
            block = _squared_distances(points[start:stop], points[candidates], squares[start:stop])
            costs += torch.minimum(block, closest[start:stop, None]).sum(0)
        rows[k : k + 1] = candidates[costs.argmin(0, keepdim=True)]
        closest = torch.minimum(closest, _distances_to_rows(points, squares, rows[k : k + 1]))
    return rows


def _distances_to_rows(points: Tensor, squares: Tensor, row: Tensor) -> Tensor:
    # The matrix product leaves about 1e-7 of the square instead of 0 for a point and its copies; k-means++ could then
    # draw the same point twice.
    distances = _squared_distances(points, points[row], squares).squeeze(1)
    rounding = 16 * torch.finfo(points.dtype).eps
    return torch.where(distances > rounding * (squares + squares[row]), distances, 0)


def _draw(weights: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Draws indices, with replacement, with probabilities proportional to weights; uniformly if all are 0."""
    total = weights.sum()
    shares = torch.where(total > 0, weights / total, 1 / len(weights))
    # Running sums of integers are exact, so that they do not depend on the order in which a device adds.
    mass = (shares * 2**_DRAW_BITS).long().cumsum(0)
    draws = torch.randint(2**62, (size,), generator=generator, device=weights.device) % mass[-1]
    return torch.searchsorted(mass, draws, right=True)
