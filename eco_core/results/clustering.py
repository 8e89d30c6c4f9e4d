"""What a fit found, in memory: a value that does not change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from eco_core.engine.history import History


@dataclass(frozen=True, eq=False)
class Clustering:
    """The clusters of a graph's nodes, and how they were found.

    Attributes:
        labels: The cluster of every node: (num_nodes,), int64, on the CPU.
        confidence: How sure each is: (num_nodes,), float32 in [0, 1].
        embedding: (num_nodes, width), float32.
        node_ids: The user's own ids of the nodes; None: they are numbered.
        metrics: Figures of the clustering, as fractions.
        history: One row per epoch.
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
