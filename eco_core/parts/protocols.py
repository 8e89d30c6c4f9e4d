"""The interfaces of the four parts of a composition, and of the model that a strategy makes stages for.

This module is light: it imports torch for type checking only. Parts need not inherit from these protocols. A part gets
the values that the parameters of its constructor and of its calls name (see `eco_core.inject`).
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

    Optional class attributes: see `eco_core.parts.traits.Traits`.

    Optional method: ``prepare(graph)``, which returns named values for the part's own calls. If such a value has a
    method ``of_batch(rows)`` (with `eco_core.ops.sample.BatchRows`), calls of heads and objectives on a mini-batch get
    the result of that method instead.
    """

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Returns embeddings of shape (num_nodes, width). Its parameters name its inputs: ``x``, ``edge_index``, ..."""


@runtime_checkable
class ClusterHead(Protocol):
    """Turns embeddings into clusters.

    A *differentiable* head overrides ``forward(z, ...)``, its loss. A *discrete* head has ``fit(z, ...)`` instead.

    Optional methods:

    - ``reset_cluster_centers(centers)``: takes initial centres from k-means.
    - ``on_epoch(z, ...)``: called at the start of each epoch that trains the head; with the attribute
      ``update_interval``, only every so many epochs.
    - ``confidence(z)``: returns the confidence in each node's cluster, of shape (num_nodes,).
    - ``prepare(graph)``: returns named values for the head's own calls.
    """

    def cluster(self, z: Tensor, soft: bool = False) -> Tensor:
        """Returns labels (num_nodes,), or with ``soft`` the soft assignment (num_nodes, n_clusters)."""


@runtime_checkable
class Objective(Protocol):
    """A self-supervised loss that trains an encoder.

    Optional class attributes: see `eco_core.parts.traits.Traits`.

    Optional attributes and methods:

    - ``adversary``, a module, with ``adversary_loss(...)``: trained in a second, alternating update.
    - ``embed(...)``: returns the embedding, if it differs from the encoder's output.
    - ``prepare(graph)``: returns named values for the objective's own calls.
    - ``batches(...)``: for objectives whose step is a batch of walks or pairs. It is called in every epoch and yields
      mappings. Each mapping is one step; its entries are further names that the objective's calls may ask for.
    """

    def forward(self, *args: Any, **kwargs: Any) -> Tensor | Mapping[str, Tensor] | LossOutput:
        """Returns the loss. Its parameters name its inputs: ``encode`` (embeds a graph), ``graph``, ..."""


@runtime_checkable
class Strategy(Protocol):
    """Defines how encoder, objective and head are optimised, as a sequence of stages.

    Optional class attribute: ``trains_head``. True means that the stages train the head, which must be differentiable.
    """

    def stages(self, model: StagedModel) -> Iterable[Stage]:
        """Returns the stages that the engine runs in order."""


class StagedModel(Protocol):
    """The attributes and methods of the model that a strategy may use in its stages.

    Attributes:
        encoder: The encoder.
        objective: The objective; None if there is none.
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
