"""What the discrete heads of this plugin share: the check of their input, and fitted state of unknown size."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import torch
from torch import Tensor, nn


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
    points = torch.as_tensor(z).detach()
    if points.ndim != 2 or points.shape[1] == 0:
        raise ValueError(
            f"{who} got embeddings of shape {tuple(points.shape)}; expected (num_nodes, n_features). Check what the "
            "encoder returns."
        )
    if points.shape[0] < n_clusters:
        raise ValueError(
            f"{who} got {points.shape[0]} nodes for {n_clusters} clusters; expected at least one node a cluster. Ask "
            "for fewer clusters."
        )
    if width is not None and points.shape[1] != width:
        raise ValueError(
            f"{who} got embeddings of width {points.shape[1]}, but was fitted on width {width}. Pass embeddings of the "
            "same encoder, or fit it again."
        )
    points = points if points.layout == torch.strided else points.to_dense()
    points = points if points.dtype == torch.float64 else points.to(torch.float32)
    finite = torch.isfinite(points)
    if not finite.all():
        raise ValueError(
            f"{who} got {int((~finite).sum())} values that are NaN or infinite in embeddings of shape "
            f"{tuple(points.shape)}; expected finite ones. Check the features, or lower the learning rate."
        )
    return points


def take_saved_shapes(head: nn.Module, *names: str) -> None:
    """Lets a fresh head, which does not know the sizes of its fitted buffers, load them from a state dict.

    Args:
        head: The head; its ``load_state_dict`` (also as a part of a larger module) will resize the buffers.
        *names: Names of the buffers.
    """

    def resize(module: nn.Module, state_dict: MutableMapping[str, Any], prefix: str, *_unused: Any) -> None:
        for name in names:
            saved = state_dict.get(f"{prefix}{name}")
            if isinstance(saved, Tensor):
                setattr(module, name, getattr(module, name).new_empty(saved.shape))

    head.register_load_state_dict_pre_hook(resize)
