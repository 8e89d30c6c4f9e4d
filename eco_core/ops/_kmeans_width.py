"""Fewer columns for k-means, exactly: points with more columns than rows lie in a space of fewer dimensions."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_READS = 25
"""How often a restart multiplies all points by all centres, about: its iterations and the seeds."""

_EIGENVECTORS = 10
"""Multiplications for all eigenvectors of a symmetric matrix of n rows, divided by n cubed."""

_DOUBLE = 2
"""Costs of a product in double precision, divided by its costs in single precision."""

_COLUMNS = 1024


class Narrow(NamedTuple):
    """Points in as many columns as their rank, with the same distances.

    Attributes:
        rows: The coordinates, of shape (num_points, rank), in the dtype of the points.
        back: The directions of the coordinates in the points' own columns, of shape (rank, width).
        mean: The mean of the points, of shape (width,): coordinates are relative to it.
    """

    rows: Tensor
    back: Tensor
    mean: Tensor

    def widened(self, centers: Tensor) -> Tensor:
        """Maps centres, of shape (K, rank), to the points' own columns, (K, width)."""
        return centers @ self.back + self.mean


def pays(num_points: int, width: int, n_clusters: int, n_init: int) -> bool:
    """Whether finding the coordinates of `narrowed` and clustering them is cheaper than clustering the points.

    Args:
        num_points: Number of points N.
        width: Number of columns F.
        n_clusters: Number of clusters K.
        n_init: Number of restarts R.

    Returns:
        Whether 25 R K N (F - N) multiplications, which are saved, exceed the N^2 F of the inner products and the
        10 N^3 of the eigenvectors, both of which count twice for their double precision. Never for N >= F: then the
        points have as many dimensions as columns.
    """
    saved = _READS * n_init * n_clusters * num_points * (width - num_points)
    return saved > _DOUBLE * (num_points**2 * width + _EIGENVECTORS * num_points**3)


def narrowed(points: Tensor) -> Narrow:
    """Rotates points into the space that they span: the thin singular value decomposition, of their inner products.

    Args:
        points: Dense points of shape (num_points, width).

    Returns:
        The singular vectors times the singular values; their distances are those of the points up to rounding.
    """
    # Relative to the mean: inner products of points far from zero would lose their differences to rounding.
    mean = torch.cat([points[:, some].double().mean(0) for some in _panels(points)])
    products = torch.zeros(len(points), len(points), dtype=torch.float64, device=points.device)
    for some in _panels(points):
        shifted = points[:, some].double() - mean[some]
        products.addmm_(shifted, shifted.T)
    squares, vectors = torch.linalg.eigh(products)
    held = squares > len(points) * torch.finfo(torch.float64).eps * squares[-1]
    held[-1] |= not bool(held.any())  # All points are the same: one column, of zeros.
    left, values = vectors[:, held], squares[held].clamp(min=torch.finfo(torch.float64).tiny).sqrt()
    rows = (left * values).to(points.dtype)
    left /= values
    back = [(left.T @ (points[:, some].double() - mean[some])).to(points.dtype) for some in _panels(points)]
    return Narrow(rows, torch.cat(back, dim=1), mean.to(points.dtype))


def _panels(points: Tensor) -> list[slice]:
    """A few columns at a time: all of them in double precision would take twice the memory of the points."""
    return [slice(first, first + _COLUMNS) for first in range(0, points.size(1), _COLUMNS)]


__all__ = ["Narrow", "narrowed", "pays"]
