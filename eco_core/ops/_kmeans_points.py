"""The points of k-means: their distances to the centres of all restarts at once, and the sums of clusters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from eco_core.ops.row_blocks import row_blocks
from eco_core.ops.threads import number_of_threads, run_in_threads

Criterion = Literal["inertia", "distance"]
"""The sum that the best restart of k-means minimises: of squared distances, or of distances."""

FAR = 16.0
"""Largest ratio of the mean's squared length to the mean squared distance from it, up to which products read the points
as they are: inner products then lose at most one digit."""

_MOVES_A_THREAD = 2**20
"""Additions per thread: with fewer, another thread costs more than it saves."""

_ENTRIES_A_THREAD = 2**19
"""Comparisons per thread: with fewer, another thread costs more than it saves."""


class Points:
    """Points, and their distances to centres; centres are given relative to the mean of the points.

    The points are not shifted to their mean, which would take a copy. If they lie far from zero, products shift one
    block of them at a time.

    Args:
        rows: The points, of shape (num_points, width).
        block_elements: Numbers of a block of rows; see `row_blocks`.

    Attributes:
        rows: The points, of shape (num_points, width).
        mean: Their mean.
        squares: The squared distances of the points to their mean, of shape (num_points,).
        are_far: Whether they lie far from zero.
    """

    def __init__(self, rows: Tensor, block_elements: int | None = None) -> None:
        self._block_elements = block_elements
        self.rows, self.mean = rows.contiguous(), rows.mean(0)
        blocks = self.blocks(rows.size(1))
        self.squares = torch.cat([(self.rows[start:stop] - self.mean).square().sum(1) for start, stop in blocks])
        self.are_far = bool(self.mean.square().sum() > FAR * self.squares.mean())

    def blocks(self, num_columns: int) -> Iterator[tuple[int, int]]:
        """Yields the first and the end of blocks of points, for work with so many numbers a point."""
        return row_blocks(len(self.rows), num_columns, self._block_elements)

    def offsets(self, row: Tensor) -> Tensor:
        """Returns some points relative to the mean: (...,) to (..., width)."""
        return self.rows[row] - self.mean

    def to_centers(self, centers: Tensor, start: int, stop: int, out: Tensor) -> None:
        """Computes squared distances of points to centres, minus each point's entry in ``squares``.

        Args:
            centers: Centres of shape (num_centers, width), relative to the mean.
            start: Index of the first point.
            stop: Index after the last point.
            out: Tensor for the result, of shape (stop - start, num_centers): new memory for each block would take
                longer than the product.
        """
        squares = centers.square().sum(1)
        if self.are_far:
            torch.addmm(squares, self.rows[start:stop] - self.mean, centers.T, alpha=-2, out=out)
        else:
            torch.addmm(squares + 2 * (centers @ self.mean), self.rows[start:stop], centers.T, alpha=-2, out=out)

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
        blocks = list(self.blocks(max(width, len(flat))))
        room = self.rows.new_empty(blocks[0][1], len(flat))
        for start, stop in blocks:
            block = room[: stop - start]
            self.to_centers(flat, start, stop, out=block)
            least(block.view(-1, restarts, n_clusters), distances[start:stop], labels[start:stop])
        return labels, distances.add_(self.squares[:, None]).clamp_(min=0)

    def move(self, old: Tensor, new: Tensor, sums: Tensor) -> None:
        """Moves points from the sums of their old clusters to the sums of their new clusters, in place.

        Args:
            old: Clusters of shape (num_points, restarts), int64; -1: none yet.
            new: Clusters of the same shape.
            sums: Sums of the points, of shape (restarts, K, width), float64.
        """
        if self.rows.device.type != "cpu":
            # Parallel additions have a different order each time; a product has not.
            sums.zero_()
            for start, stop in self.blocks(self.rows.size(1)):
                indicator = F.one_hot(new[start:stop], sums.size(1)).to(self.rows.dtype)
                # Relative to the mean: sums of points far from zero would lose their differences to rounding.
                sums += (indicator.flatten(1).T @ (self.rows[start:stop] - self.mean)).view(sums.shape)
                sums += indicator.sum(0).unsqueeze(2) * self.mean.double()
            return
        from eco_core.ops import _kmeans_kernels as kernels

        width = self.rows.size(1)
        threads = min(width, number_of_threads(int((old != new).sum()) * width, _MOVES_A_THREAD))
        bounds = [width * part // threads for part in range(threads + 1)]
        run_in_threads(kernels.move, [part.numpy() for part in (self.rows, old, new, sums)], bounds)


def least(block: Tensor, values: Tensor, where: Tensor) -> None:
    """Finds the minima along the last dimension, and the first place of each.

    Args:
        block: Shape (num_points, restarts, K), contiguous.
        values: Tensor for the minima, of shape (num_points, restarts).
        where: Tensor for their places, of the same shape, int64.
    """
    if block.device.type != "cpu":
        torch.min(block, dim=2, out=(values, where))
        return
    from eco_core.ops import _kmeans_kernels as kernels

    threads = number_of_threads(block.numel(), _ENTRIES_A_THREAD)
    bounds = [len(block) * part // threads for part in range(threads + 1)]
    run_in_threads(kernels.least, [part.numpy() for part in (block, values, where)], bounds)


def counted(squares: Tensor, criterion: Criterion) -> Tensor:
    """Returns the distances that a criterion sums up: squared, or their roots."""
    return squares if criterion == "inertia" else squares.sqrt()
