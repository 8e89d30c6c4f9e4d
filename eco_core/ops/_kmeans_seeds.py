"""The rows at which the centres of k-means start, for several restarts at a time."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from eco_core.ops._kmeans_points import FAR, Criterion, Points, counted

_DRAW_BITS = 40
"""Sampling weights are integers of this many bits in total; their running sums are exact on every device."""


def random_rows(points: Points, restarts: int, n_clusters: int, generator: torch.Generator) -> Tensor:
    """Draws K rows without replacement for each restart: (restarts, K)."""
    count, device = len(points.rows), points.rows.device
    draws = [torch.randperm(count, generator=generator, device=device)[:n_clusters] for _ in range(restarts)]
    return torch.stack(draws)


def candidates_a_center(n_clusters: int) -> int:
    """Returns the number of rows that greedy k-means++ draws for each next centre."""
    return 2 + int(math.log(n_clusters))


def plus_plus(
    points: Points, restarts: int, n_clusters: int, generator: torch.Generator, criterion: Criterion = "inertia"
) -> Tensor:
    """Draws K rows for each restart by greedy k-means++: (restarts, K)."""
    n_candidates = candidates_a_center(n_clusters)
    count, device = len(points.rows), points.rows.device
    each = torch.arange(restarts, device=device)
    rows = torch.empty(restarts, n_clusters, dtype=torch.long, device=device)
    rows[:, 0] = torch.randint(count, (restarts,), generator=generator, device=device)
    closest = points.rows.new_empty(count, restarts)
    infinite = points.rows.new_full((), math.inf).expand(count, restarts, 1)
    _lower(points, rows[:, :1], infinite, criterion, out=closest[:, :, None])
    distances = points.rows.new_empty(count, restarts, n_candidates)
    for k in range(1, n_clusters):
        candidates = draw(closest, n_candidates, generator)
        best = _lower(points, candidates, closest[:, :, None], criterion, out=distances).argmin(1)
        rows[:, k], closest = candidates[each, best], distances[:, each, best]
    return rows


def _lower(points: Points, row: Tensor, closest: Tensor, criterion: Criterion, out: Tensor) -> Tensor:
    """Computes the distances of all points to their nearest centre, if one of the candidates is added.

    Args:
        points: The points.
        row: The candidates, of shape (restarts, n_candidates).
        closest: The distances without the candidates, of shape (num_points, restarts, 1).
        criterion: Whether to sum distances or squared distances.
        out: Tensor for the distances with each candidate, of shape (num_points, restarts, n_candidates).

    Returns:
        The sums of these distances over the points, of shape (restarts, n_candidates).
    """
    chosen = row.flatten()
    centers, squares = points.offsets(chosen), points.squares[chosen]
    # The matrix product leaves some rounding instead of 0 for a point and its copies; k-means++ could then draw the
    # same point twice.
    rounding = 4 * FAR * torch.finfo(out.dtype).eps
    sums = torch.zeros(row.shape, dtype=torch.float64, device=out.device)
    for start, stop in points.blocks(max(len(chosen), points.rows.size(1))):
        block, own = out[start:stop].view(-1, len(chosen)), points.squares[start:stop, None]
        points.to_centers(centers, start, stop, out=block)
        block += own
        block.masked_fill_(block <= rounding * (own + squares), 0)
        counts = counted(block, criterion).view(-1, *row.shape)
        sums += torch.minimum(counts, closest[start:stop], out=out[start:stop]).sum(0)
    return sums


def draw(weights: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Draws indices, with replacement, with probabilities proportional to weights; uniformly if all are 0.

    Args:
        weights: Shape (num_points, restarts).
        size: Number of indices for each restart.
        generator: The random generator.

    Returns:
        Indices of shape (restarts, size).
    """
    total = weights.sum(0)
    shares = torch.where(total > 0, weights / total, 1 / len(weights))
    # Running sums of integers are exact: they do not depend on the order in which a device adds.
    mass = (shares * 2**_DRAW_BITS).long().T.contiguous().cumsum(1)
    # A random share of the total changes as little as the total when the points change in their last digits; a
    # remainder modulo the total would jump. Even the largest share, 1 - 2**-53, of a total that is exact in float64 is
    # below the total.
    share = torch.rand(len(mass), size, dtype=torch.float64, generator=generator, device=weights.device)
    return torch.searchsorted(mass, (share * mass[:, -1:]).long(), right=True)
