"""Helpers of heads with learned centres: distances to the centres, and the check of given centres."""

from __future__ import annotations

import torch
from torch import Tensor

_BLOCK = 2**16
"""Number of rows compared at a time if no gradient is wanted: it limits the size of temporary copies."""


def squared_distances(z: Tensor, centers: Tensor, block_rows: int = _BLOCK) -> Tensor:
    """Returns squared Euclidean distances (num_nodes, n_clusters); gradients are finite also where z is a centre.

    Args:
        z: Points of shape (num_nodes, n_features).
        centers: Centres of shape (n_clusters, n_features).
        block_rows: Rows that are compared at a time where no gradient is wanted.
    """
    if len(z) > block_rows and not torch.is_grad_enabled():
        return torch.cat([squared_distances(rows, centers) for rows in z.split(block_rows)])
    # |z - c|^2 = |z|^2 - 2 z.c + |c|^2 needs no (nodes, clusters, features) tensor, but loses digits far from the
    # origin. Moving points and centres to the origin does not change distances.
    origin = centers.detach().mean(dim=0)
    z, centers = z - origin, centers - origin
    products = torch.addmm(centers.square().sum(dim=-1), z, centers.t(), alpha=-2)
    return (z.square().sum(dim=-1, keepdim=True) + products).clamp(min=0)


def check_centers(centers: Tensor, n_clusters: int, n_features: int) -> None:
    """Raises an error if centres do not fit a head.

    Args:
        centers: The given centres.
        n_clusters: Number of clusters of the head.
        n_features: Width of its embeddings.

    Raises:
        ValueError: The shape is not (n_clusters, n_features).
    """
    wanted = (n_clusters, n_features)
    if tuple(centers.shape) != wanted:
        raise ValueError(
            f"The cluster centres have the shape {tuple(centers.shape)}, but this head has {n_clusters} clusters of "
            f"width {n_features}. Give centres of shape {wanted}."
        )
