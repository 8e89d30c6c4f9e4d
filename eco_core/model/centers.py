"""Initialises the centres of a cluster head by k-means."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from eco_core.errors import CompositionError, Problem
from eco_core.ops.kmeans import TorchKMeans

_SAMPLE = 100_000
"""Largest number of nodes that k-means clusters. A random sample of a larger graph is enough for initial centres."""


def place_centers(
    head: nn.Module,
    z: Tensor,
    seed: int | None,
    n_clusters: int | None = None,
    compared: Tensor | None = None,
    *,
    sample: int = _SAMPLE,
) -> None:
    """Initialises a head's centres by k-means. Of more than 100,000 nodes, k-means clusters a random 100,000.

    Args:
        head: A cluster head with ``reset_cluster_centers(centers)``.
        z: Embeddings (num_nodes, n_features); the centres are means of their rows.
        seed: Seed of k-means.
        n_clusters: Number of clusters; default the head's own ``n_clusters``.
        compared: The points that k-means clusters, one for each row of ``z``; default ``z`` itself.
        sample: Largest number of nodes that k-means clusters.

    Raises:
        CompositionError: ECO206, if the head has no ``reset_cluster_centers`` or its number of clusters is not known.
    """
    centers = getattr(head, "cluster_centers", None)
    count = n_clusters or getattr(head, "n_clusters", None) or (centers.shape[0] if centers is not None else None)
    reset: Any = getattr(head, "reset_cluster_centers", None)
    if count is None or not callable(reset):
        raise CompositionError(
            Problem(
                "ECO206",
                f"{type(head).__name__} cannot be initialised by k-means: it has no reset_cluster_centers(centers) or "
                "no n_clusters.",
                "Define reset_cluster_centers(self, centers) and n_clusters, or use a strategy without initialisation.",
            )
        )
    points = z if compared is None else compared
    kmeans = TorchKMeans(count, n_init=10, random_state=seed)
    if len(points) > sample:
        generator = torch.Generator().manual_seed(0 if seed is None else seed)
        chosen = torch.randperm(len(points), generator=generator)[:sample].to(points.device)
        labels = kmeans.fit(points.index_select(0, chosen).float()).predict(points)
    else:
        labels = kmeans.fit_predict(points.float())
    sums = z.new_zeros(count, z.shape[1]).index_add_(0, labels, z)
    reset(sums / torch.bincount(labels, minlength=count).clamp(min=1).unsqueeze(1))


def check_method(method: str) -> None:
    """Checks the name of the method that places centres.

    Raises:
        ValueError: If the method is not ``"kmeans"``.
    """
    if method != "kmeans":
        raise ValueError(f"method is {method!r}; cluster centres are initialised by 'kmeans' only.")
