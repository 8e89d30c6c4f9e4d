"""The check of embeddings that the discrete heads of this plugin share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from eco_core.ops.nearest_centers import as_points


def checked_embeddings(z: Any, who: str, n_clusters: int = 1, width: int | None = None) -> Tensor:
    """Checks embeddings that a head is about to use.

    Args:
        z: Embeddings of shape (num_nodes, n_features): a tensor, dense or sparse, or an array.
        who: Name of the head, for messages.
        n_clusters: The least number of rows.
        width: The width that the head was fitted on; None: any.

    Returns:
        A detached dense tensor of shape (num_nodes, n_features), float64 if it was and float32 otherwise.

    Raises:
        ValueError: If ``z`` is not a matrix, has too few rows or another width, or holds NaN or infinity.
    """
    points = as_points(z, n_clusters, who)
    if width is not None and points.shape[1] != width:
        raise ValueError(
            f"{who} got embeddings of width {points.shape[1]}, but was fitted on width {width}. Pass embeddings of the "
            "same encoder, or fit it again."
        )
    return points if points.layout == torch.strided else points.to_dense()
