"""What the four parts of a composition look like, and the plan that a strategy makes of them.

This module is light: it imports torch for type checking only. Parts need not inherit from these protocols; a part asks
for what it needs by naming it in its constructor and in its calls (see `eco_core.inject.parameters`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from eco_core.parts.stages import Stage

if TYPE_CHECKING:
    from torch import Tensor, nn

    from eco_core.parts.loss import LossOutput


@runtime_checkable
class Encoder(Protocol):
    """Turns a graph into node embeddings: a ``torch.nn.Module``.

    Optional class attributes: see `eco_core.parts.traits.Traits`. Optional method: ``prepare(graph)``. A value of its
    result that has ``of_batch(rows)`` (`eco_core.ops.sample.BatchRows`) is passed to a head or an objective as that
    method returns it, where they are called on a batch.
    """

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Returns embeddings of shape (num_nodes, width); names what it needs: ``x``, ``edge_index``, ..."""


@runtime_checkable
class ClusterHead(Protocol):
    """Turns embeddings into clusters.

    A *differentiable* head overrides ``forward(z, ...)``, its loss. A *discrete* head has ``fit(z, ...)`` instead.
    Optional: ``reset_cluster_centers(centers)`` to be initialised by k-means, ``on_epoch(z, ...)`` at the start of each
    epoch that trains it, or of every ``update_interval``-th where it has that attribute; ``confidence(z)`` of shape
    (num_nodes,), ``prepare(graph)``.
    """

    def cluster(self, z: Tensor, soft: bool = False) -> Tensor:
        """Returns labels (num_nodes,), or with ``soft`` the assignment (num_nodes, n_clusters)."""


@runtime_checkable
class Objective(Protocol):
    """A self-supervised loss that trains an encoder.

    Optional class attributes: see `eco_core.parts.traits.Traits`.

    Optional: ``adversary`` (a module) with ``adversary_loss(...)``, trained in a second, alternating update;
    ``embed(...)`` where the embedding is not what the encoder returns; ``prepare(graph)``; ``batches(...)`` where a
    step is a batch of walks or pairs: called at every epoch, it yields mappings, each of them a step whose entries are
    names that this objective's calls may ask for.
    """

    def forward(self, *args: Any, **kwargs: Any) -> Tensor | Mapping[str, Tensor] | LossOutput:
        """Returns the loss; names what it needs: ``encode`` (a graph to its embeddings), ``graph``, ..."""


@runtime_checkable
class Strategy(Protocol):
    """Says how encoder, objective and head are optimised: a plan of stages, as data.

    Optional class attribute: ``trains_head`` (True: its stages train the head, which must be differentiable).
    """

    def stages(self, model: StagedModel) -> Iterable[Stage]:
        """Returns the stages that the engine runs in order."""


class StagedModel(Protocol):
    """What a strategy may ask of the model whose training it plans.

    Attributes:
        encoder: The encoder.
        objective: The objective; None where there is none.
        cluster_head: The cluster head.
    """

    encoder: nn.Module
    objective: nn.Module | None
    cluster_head: nn.Module

    def objective_loss(self, step: Any) -> LossOutput:
        """Returns the loss of the objective on a step."""

    def head_loss(self, step: Any) -> LossOutput:
        """Returns the loss of the cluster head on a step."""

    def adversary_loss(self, step: Any) -> LossOutput:
        """Returns the loss of the objective's adversary on a step."""

    def initialize_cluster_centers(self, data: Any) -> None:
        """Places the head's centres by k-means on the current embeddings."""
