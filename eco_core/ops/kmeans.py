"""K-means in torch, on any device: Lloyd's algorithm from k-means++ seeds, all restarts at a time.

The points are read once for all restarts: their distances to the centres (or candidates) of all restarts are one matrix
product. On a CPU the sums of clusters are not computed anew either; only points that changed their cluster are moved.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from eco_core.ops.threads import number_of_threads, run_in_threads

Criterion = Literal["inertia", "distance"]
"""What the restarts of k-means are compared by: sums of squared distances, or of distances."""

_BLOCK_ELEMENTS = 2**20
"""Numbers of a block of rows: large enough to keep a device busy, small enough to stay in a processor's cache."""

_RESTART_ELEMENTS = 2**24
"""Distances to candidates that are held at a time: more restarts than they have room for wait for their turn."""

_FAR = 16.0
"""How much farther (squared) from the origin than from each other points may lie before they are copied closer to it:
inner products then lose no more than a digit."""

_MOVES_A_THREAD = 2**20
"""Numbers that are added to sums below which another thread costs more than it saves."""

_ENTRIES_A_THREAD = 2**19
"""Numbers that are looked at for the least below which another thread costs more than it saves."""

_DRAW_BITS = 40
"""Sampling weights are integers of this many bits in total; their running sums are exact on every device."""


class TorchKMeans:
    """K-means on the device of the data.

    Lloyd's algorithm (1982) from greedy k-means++ seeds (Arthur & Vassilvitskii, SODA 2007): each next centre is the
    best of ``2 + log K`` candidates drawn with a probability proportional to the squared distance from the centres so
    far. The best of ``n_init`` restarts is kept. All restarts draw from one generator, so that runs with neighbouring
    seeds share none of them. Memory beyond the data is O(num_nodes), and that of one centred copy where points lie far
    from the origin.

    Equal seeds give equal results on the same device with the same number of threads.

    Args:
        n_clusters: Number of clusters K, at most num_nodes.
        n_init: Number of restarts.
        max_iter: Iterations of a restart at most.
        tol: A restart has converged when the centres' squared movement is at most ``tol`` times the mean variance of
            the features (as in scikit-learn), or when no node changes its cluster.
        random_state: Seed; None draws one from torch's global generator.
        init: ``"k-means++"``, or ``"random"`` for K nodes drawn without replacement.
        criterion: What the best restart has the least of: ``"inertia"``, the sum of squared distances that Lloyd's
            algorithm lowers; or ``"distance"``, the sum of plain ones, in which a few far points count less. K-means++
            draws and compares candidates by the same.

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
        criterion: Criterion = "inertia",
    ) -> None:
        for name, value in (("n_clusters", n_clusters), ("n_init", n_init), ("max_iter", max_iter)):
            if value < 1:
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
        with torch.autocast(points.device.type, enabled=False):
            self._fit(_Points(points))
        # As predict(z) will give them, down to the ties.
        self.labels_, distances = nearest_centers(points, self.cluster_centers_)
        self.inertia_ = float(distances[:, 0].double().square().sum())
        return self

    def _fit(self, points: _Points) -> None:
        generator = torch.Generator(points.rows.device)
        generator.manual_seed(int(torch.randint(2**62, ())) if self.random_state is None else self.random_state)
        if not points.squares.sum().isfinite():
            raise ValueError(
                f"k-means got values up to {float(points.rows.abs().max()):.3g} from their mean; their squares are "
                f"beyond the range of {points.rows.dtype}. Normalise the features or the embeddings."
            )
        tolerance = float(points.squares.mean()) / points.rows.size(1) * self.tol
        plus_plus = functools.partial(_plus_plus, criterion=self.criterion)
        choose = _random_rows if self.init == "random" else plus_plus
        at_a_time = max(1, _RESTART_ELEMENTS // (len(points.rows) * _candidates(self.n_clusters)))
        lowest = math.inf
        for first in range(0, self.n_init, at_a_time):
            seeds = choose(points, min(at_a_time, self.n_init - first), self.n_clusters, generator)
            centers, n_iter = _lloyd(points, points.offsets(seeds), self.max_iter, tolerance)
            sums = _counted(points.assign(centers)[1].double(), self.criterion).sum(0)
            best = int(sums.argmin())
            if float(sums[best]) < lowest:
                lowest = float(sums[best])
                self.cluster_centers_ = centers[best] + points.mean + points.origin
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
    values = points.values() if points.is_sparse else points
    # A sum is finite only if all that is added is, and takes no copy, as looking at each value does.
    if not values.sum().isfinite() and not (finite := torch.isfinite(values)).all():
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
        for start, stop in _blocks(len(points), max(points.shape[1], len(centers))):
            if points.is_sparse:
                rows = points.index_select(0, torch.arange(start, stop, device=points.device)).to_dense()
            else:
                rows = points[start:stop]
            near = _squares(rows - mean, centers - mean).topk(min(2, len(centers)), largest=False).indices
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


def _squares(points: Tensor, centers: Tensor) -> Tensor:
    """Squared distances (num_points, K), less the squared norm of each point."""
    return torch.addmm(centers.square().sum(1), points, centers.T, alpha=-2)


class _Points:
    """Points, and their distances to centres that are given relative to the mean of the points.

    The points themselves are not moved to it, which would take a copy, unless they lie far from the origin.

    Attributes:
        rows: The points, relative to ``origin``, of shape (num_points, width).
        origin: Zeros, or the mean of the points if they lie far from zero, of shape (width,).
        mean: The mean of ``rows``.
        squares: Squared distances of the points to their mean, of shape (num_points,).
    """

    def __init__(self, rows: Tensor) -> None:
        self.rows, self.mean = rows.contiguous(), rows.mean(0)
        self.origin = torch.zeros_like(self.mean)
        self.squares = self._squares()
        if bool(self.mean.square().sum() > _FAR * self.squares.mean()):
            self.origin = self.mean
            self.rows = self.rows - self.origin
            self.mean = torch.zeros_like(self.origin)
            self.squares = self._squares()

    def _squares(self) -> Tensor:
        blocks = _blocks(*self.rows.shape)
        return torch.cat([(self.rows[start:stop] - self.mean).square().sum(1) for start, stop in blocks])

    def offsets(self, row: Tensor) -> Tensor:
        """Returns some points relative to the mean: (...,) to (..., width)."""
        return self.rows[row] - self.mean

    def to_centers(self, centers: Tensor, start: int, stop: int, out: Tensor) -> None:
        """Squared distances of points to centres, less the entry of each point in ``squares``.

        Args:
            centers: Centres of shape (num_centers, width), relative to the mean.
            start: First of the points.
            stop: End of them.
            out: Where they are written, of shape (stop - start, num_centers): fresh memory for each block would take
                longer than the product.
        """
        shifts = centers.square().sum(1) + 2 * (centers @ self.mean)
        torch.addmm(shifts, self.rows[start:stop], centers.T, alpha=-2, out=out)

    def assign(self, centers: Tensor) -> tuple[Tensor, Tensor]:
        """Finds the nearest centre of each point in each restart.

        Args:
            centers: Shape (restarts, K, width), relative to the mean.

        Returns:
            Nearest centres, int64, and squared distances to them, both of shape (num_points, restarts).
        """
        restarts, n_clusters, width = centers.shape
        flat = centers.reshape(restarts * n_clusters, width)
        labels = torch.empty(len(self.rows), restarts, dtype=torch.long, device=self.rows.device)
        distances = self.rows.new_empty(len(self.rows), restarts)
        blocks = list(_blocks(len(self.rows), max(width, len(flat))))
        room = self.rows.new_empty(blocks[0][1], len(flat))
        for start, stop in blocks:
            block = room[: stop - start]
            self.to_centers(flat, start, stop, out=block)
            _least(block.view(-1, restarts, n_clusters), distances[start:stop], labels[start:stop])
        return labels, distances.add_(self.squares[:, None]).clamp_(min=0)

    def move(self, old: Tensor, new: Tensor, sums: Tensor) -> None:
        """Moves points from the sums of old clusters to those of new ones, in place.

        Args:
            old: Clusters of shape (num_points, restarts), int64; -1: none yet.
            new: Clusters of the same shape.
            sums: Sums of the points, of shape (restarts, K, width), float64.
        """
        if self.rows.device.type != "cpu":
            # Additions in parallel would come in a different order each time; a product does not.
            sums.zero_()
            for start, stop in _blocks(*self.rows.shape):
                indicator = F.one_hot(new[start:stop], sums.size(1)).to(self.rows.dtype)
                sums += (indicator.flatten(1).T @ self.rows[start:stop]).view(sums.shape)
            return
        from eco_core.ops import _kmeans_kernels as kernels

        width = self.rows.size(1)
        threads = min(width, number_of_threads(int((old != new).sum()) * width, _MOVES_A_THREAD))
        bounds = [width * part // threads for part in range(threads + 1)]
        run_in_threads(kernels.move, [part.numpy() for part in (self.rows, old, new, sums)], bounds)


def _lloyd(points: _Points, centers: Tensor, max_iter: int, tolerance: float) -> tuple[Tensor, Tensor]:
    """Moves the centres of several restarts until each has converged.

    Args:
        points: The points.
        centers: Shape (restarts, K, width), relative to their mean.
        max_iter: Iterations at most.
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


def _least(block: Tensor, values: Tensor, where: Tensor) -> None:
    """Finds the least entries along the last dimension, and the first place of each.

    Args:
        block: Shape (num_points, restarts, K), contiguous.
        values: Where they are written, of shape (num_points, restarts).
        where: The same for the places, int64.
    """
    if block.device.type != "cpu":
        torch.min(block, dim=2, out=(values, where))
        return
    from eco_core.ops import _kmeans_kernels as kernels

    threads = number_of_threads(block.numel(), _ENTRIES_A_THREAD)
    bounds = [len(block) * part // threads for part in range(threads + 1)]
    run_in_threads(kernels.least, [part.numpy() for part in (block, values, where)], bounds)


def _counted(squares: Tensor, criterion: Criterion) -> Tensor:
    """What squared distances count in a criterion."""
    return squares if criterion == "inertia" else squares.sqrt()


def _counts(labels: Tensor, n_clusters: int) -> Tensor:
    """Numbers of points of each cluster, (restarts, K), of labels (num_points, restarts)."""
    restarts = labels.size(1)
    numbers = labels + n_clusters * torch.arange(restarts, device=labels.device)
    return torch.bincount(numbers.flatten(), minlength=restarts * n_clusters).view(restarts, n_clusters)


def _fill_empty(points: _Points, labels: Tensor, distances: Tensor, sums: Tensor, counts: Tensor) -> None:
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


def _random_rows(points: _Points, restarts: int, n_clusters: int, generator: torch.Generator) -> Tensor:
    """Draws K rows without replacement for each restart: (restarts, K)."""
    count, device = len(points.rows), points.rows.device
    draws = [torch.randperm(count, generator=generator, device=device)[:n_clusters] for _ in range(restarts)]
    return torch.stack(draws)


def _candidates(n_clusters: int) -> int:
    return 2 + int(math.log(n_clusters))


def _plus_plus(
    points: _Points, restarts: int, n_clusters: int, generator: torch.Generator, criterion: Criterion = "inertia"
) -> Tensor:
    """Draws K rows for each restart by greedy k-means++: (restarts, K)."""
    n_candidates = _candidates(n_clusters)
    count, device = len(points.rows), points.rows.device
    each = torch.arange(restarts, device=device)
    rows = torch.empty(restarts, n_clusters, dtype=torch.long, device=device)
    rows[:, 0] = torch.randint(count, (restarts,), generator=generator, device=device)
    closest = points.rows.new_empty(count, restarts)
    infinite = points.rows.new_full((), math.inf).expand(count, restarts, 1)
    _lower(points, rows[:, :1], infinite, criterion, out=closest[:, :, None])
    distances = points.rows.new_empty(count, restarts, n_candidates)
    for k in range(1, n_clusters):
        candidates = _draw(closest, n_candidates, generator)
        best = _lower(points, candidates, closest[:, :, None], criterion, out=distances).argmin(1)
        rows[:, k], closest = candidates[each, best], distances[:, each, best]
    return rows


def _lower(points: _Points, row: Tensor, closest: Tensor, criterion: Criterion, out: Tensor) -> Tensor:
    """What is left of the distances of all points once some of these are centres too.

    Args:
        points: The points.
        row: Some of them, of shape (restarts, n_candidates).
        closest: What the distances are without, of shape (num_points, restarts, 1).
        criterion: What distances count.
        out: The distances with each of them, of shape (num_points, restarts, n_candidates).

    Returns:
        Their sums over the points, of shape (restarts, n_candidates).
    """
    chosen = row.flatten()
    centers, squares = points.offsets(chosen), points.squares[chosen]
    # The matrix product leaves some rounding instead of 0 for a point and its copies; k-means++ could then draw the
    # same point twice.
    rounding = 4 * _FAR * torch.finfo(out.dtype).eps
    sums = torch.zeros(row.shape, dtype=torch.float64, device=out.device)
    for start, stop in _blocks(len(out), len(chosen)):
        block, own = out[start:stop].view(-1, len(chosen)), points.squares[start:stop, None]
        points.to_centers(centers, start, stop, out=block)
        block += own
        block.masked_fill_(block <= rounding * (own + squares), 0)
        counted = _counted(block, criterion).view(-1, *row.shape)
        sums += torch.minimum(counted, closest[start:stop], out=out[start:stop]).sum(0)
    return sums


def _draw(weights: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Draws indices, with replacement, with probabilities proportional to weights; uniformly if all are 0.

    Args:
        weights: Shape (num_points, restarts).
        size: How many for each restart.
        generator: What is drawn from.

    Returns:
        Indices of shape (restarts, size).
    """
    total = weights.sum(0)
    shares = torch.where(total > 0, weights / total, 1 / len(weights))
    # Running sums of integers are exact, so that they do not depend on the order in which a device adds.
    mass = (shares * 2**_DRAW_BITS).long().T.contiguous().cumsum(1)
    draws = torch.randint(2**62, (len(mass), size), generator=generator, device=weights.device) % mass[:, -1:]
    return torch.searchsorted(mass, draws, right=True)
