"""What k-means reads its points by: distances to the centres of all restarts at a time, and sums of clusters."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from eco_core.ops.row_blocks import row_blocks
from eco_core.ops.threads import number_of_threads, run_in_threads

Criterion = Literal["inertia", "distance"]
"""What the restarts of k-means are compared by: sums of squared distances, or of distances."""

FAR = 16.0
"""How much farther (squared) from the origin than from each other points may lie before products read them relative to
their mean: inner products then lose no more than a digit."""

_MOVES_A_THREAD = 2**20
"""Numbers that are added to sums below which another thread costs more than it saves."""

_ENTRIES_A_THREAD = 2**19
"""Numbers that are looked at for the least below which another thread costs more than it saves."""


class Points:
    """Points, and their distances to centres that are given relative to the mean of the points.

    The points themselves are not moved to it, which would take a copy. Of points that lie far from zero, products read
    a block at a time relative to their mean.

    Attributes:
        rows: The points, of shape (num_points, width).
        mean: Their mean.
        squares: Their squared distances to it, of shape (num_points,).
        are_far: Whether they lie far from zero.
    """

    def __init__(self, rows: Tensor) -> None:
        self.rows, self.mean = rows.contiguous(), rows.mean(0)
        blocks = row_blocks(*rows.shape)
        self.squares = torch.cat([(self.rows[start:stop] - self.mean).square().sum(1) for start, stop in blocks])
        self.are_far = bool(self.mean.square().sum() > FAR * self.squares.mean())

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
        blocks = list(row_blocks(len(self.rows), max(width, len(flat))))
        room = self.rows.new_empty(blocks[0][1], len(flat))
        for start, stop in blocks:
            block = room[: stop - start]
            self.to_centers(flat, start, stop, out=block)
            least(block.view(-1, restarts, n_clusters), distances[start:stop], labels[start:stop])
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
            for start, stop in row_blocks(*self.rows.shape):
                indicator = F.one_hot(new[start:stop], sums.size(1)).to(self.rows.dtype)
                # Relative to the mean: sums of points far from zero would leave nothing of where they are among them.
                sums += (indicator.flatten(1).T @ (self.rows[start:stop] - self.mean)).view(sums.shape)
                sums += indicator.sum(0).unsqueeze(2) * self.mean.double()
            return
        from eco_core.ops import _kmeans_kernels as kernels

        width = self.rows.size(1)
        threads = min(width, number_of_threads(int((old != new).sum()) * width, _MOVES_A_THREAD))
        bounds = [width * part // threads for part in range(threads + 1)]
        run_in_threads(kernels.move, [part.numpy() for part in (self.rows, old, new, sums)], bounds)


def least(block: Tensor, values: Tensor, where: Tensor) -> None:
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


def counted(squares: Tensor, criterion: Criterion) -> Tensor:
    """What squared distances count in a criterion."""
    return squares if criterion == "inertia" else squares.sqrt()
