"""Points to be clustered: their checks, and the centres that are nearest to them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from eco_core.ops.row_blocks import row_blocks


def as_points(z: Any, n_clusters: int = 1, who: str = "k-means") -> Tensor:
    """Checks points to be clustered.

    Args:
        z: Points of shape (num_nodes, n_features): a tensor, dense or sparse, or an array.
        n_clusters: Least number of rows.
        who: Name of the caller, for messages.

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
    # A finite sum means finite values; unlike a check of each value, it takes no copy.
    if not values.sum().isfinite() and not (finite := torch.isfinite(values)).all():
        raise ValueError(
            f"{who} got {int((~finite).sum())} values that are NaN or infinite in points of shape "
            f"{tuple(points.shape)}; expected finite ones. Check the features, or lower the learning rate."
        )
    return points


@torch.no_grad()
def nearest_centers(z: Any, centers: Tensor, block_elements: int | None = None) -> tuple[Tensor, Tensor]:
    """Finds the nearest centre of each point, and how far the two nearest ones are.

    Args:
        z: Points of shape (num_nodes, n_features); see `as_points`.
        centers: Shape (K, n_features).
        block_elements: Numbers of a block of points, or of their distances, at a time; see `row_blocks`.

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
    distances = centers.new_empty(len(points), min(2, len(centers)))
    labels = torch.empty(len(points), dtype=torch.long, device=points.device)
    with torch.autocast(points.device.type, enabled=False):
        for start, stop in row_blocks(len(points), max(points.shape[1], len(centers)), block_elements):
            if points.is_sparse:
                rows = points.index_select(0, torch.arange(start, stop, device=points.device)).to_dense()
            else:
                rows = points[start:stop]
            near = _squares(rows - mean, centers - mean).topk(distances.size(1), largest=False).indices
            near = near.sort(dim=1).values  # of two equally near centres, the first
            # Computed again without the rounding of the expanded square: a centre has distance 0 from itself.
            exact = torch.stack([(rows - centers[center]).norm(dim=1) for center in near.T], dim=1)
            distances[start:stop], order = exact.sort(dim=1, stable=True)
            labels[start:stop] = near.gather(1, order[:, :1]).squeeze(1)
    return labels, distances


def _squares(points: Tensor, centers: Tensor) -> Tensor:
    """Returns squared distances (num_points, K), minus the squared norm of each point."""
    return torch.addmm(centers.square().sum(1), points, centers.T, alpha=-2)
