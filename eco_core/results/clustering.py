"""The result of a fit, in memory: a value that does not change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from eco_core.engine.history import History


@dataclass(frozen=True, eq=False)
class Clustering:
    """The clusters of a graph's nodes, with embeddings, metrics and the history of the training.

    Attributes:
        labels: The cluster of every node: (num_nodes,), int64, on the CPU.
        confidence: The confidence in each node's cluster: (num_nodes,), float32 in [0, 1].
        embedding: The embeddings: (num_nodes, width), float32.
        node_ids: The user's own ids of the nodes; None if nodes are numbered from 0.
        metrics: Metrics of the clustering; shares are fractions.
        history: The history of the training, with one row per epoch.
        seconds: Wall-clock seconds of training and clustering.
        notes: Sentences that a user should read.
    """

    labels: Tensor
    confidence: Tensor
    embedding: Tensor
    node_ids: Sequence[str] | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    history: History = field(default_factory=History)
    seconds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


__all__ = ["Clustering"]
