"""What the four parts of a composition look like, and the plan that a strategy makes of them.

This module is light: it imports torch for type checking only. Parts need not inherit from these protocols; a part asks
for what it needs by naming it in its constructor and in its calls (see `eco_core.inject`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor, nn

    from eco_core.bases import LossOutput
    from eco_core.composition import Composition
    from eco_core.specs import OptimizerSpec


@runtime_checkable
class Encoder(Protocol):
    """Turns a graph into node embeddings: a ``torch.nn.Module``.

    Optional class attributes: ``learns`` (False: it has no parameters to train), ``supports_sparse_x`` (True: ``x`` may
    be a sparse COO tensor), ``reads_graph`` (False: its embeddings depend on neither features nor edges, so that all
    views of a graph are the same to it), ``num_layers`` (hops that a batch of neighbourhoods has; default 2),
    ``prepared_for_batches`` (False: what ``prepare`` gives is of no use to batches, and is not made for them). Optional
    method: ``prepare(graph)``. A value of its result that has ``of_batch(rows)`` (`eco_core.ops.sample.BatchRows`) is
    given to a head or an objective as that method returns it, where they are called on a batch.
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

    Optional class attributes: ``needs_views`` (True: it compares embeddings of changed copies of the graph, and says
    nothing where they are those of the graph itself), ``supports_sparse_x`` (True: the graph's ``x`` may be a sparse
    COO tensor although it was loaded as a dense one).

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

    def stages(self, model: Composition) -> Iterable[Stage]:
        """Returns the stages that the engine runs in order."""


@dataclass(frozen=True)
class EarlyStopping:
    """Stops a stage that no longer improves, and brings back the weights of its best epoch.

    Attributes:
        patience: Epochs without a lower training loss before the stage ends; None: the stage runs to its end.
        min_delta: By how much a loss must be lower to count as an improvement.
        restore_best: Whether the weights (and buffers) of the epoch with the lowest training loss are restored.
    """

    patience: int | None = None
    min_delta: float = 0.0
    restore_best: bool = True


@dataclass(frozen=True)
class Update:
    """One optimisation step of some modules towards one loss.

    Attributes:
        loss: Called by name injection; names what it needs, or ``step`` for the whole mapping of names.
        modules: The modules whose parameters the optimiser moves; other parameters are left alone.
        optimizer: A description, or a function from parameters to a ``torch.optim.Optimizer``.
        name: Prefix of this update's columns in the history; empty for the main one.
        clip_norm: Largest norm of the gradients; None: not clipped.
        without: Modules within ``modules`` that this update leaves alone, such as an adversary.
    """

    loss: Callable[..., Any]
    modules: tuple[nn.Module, ...]
    optimizer: OptimizerSpec | Callable[..., Any]
    name: str = ""
    clip_norm: float | None = None
    without: tuple[nn.Module, ...] = ()


@dataclass(frozen=True)
class Stage:
    """A span of epochs that runs the same updates.

    Attributes:
        name: Such as ``"pretrain"`` or ``"joint"``; a column of the history.
        updates: One or several, alternating within each step; the optimisers are the stage's own.
        epochs: How many epochs at most.
        before: Called once before the stage, by name injection, for example to place cluster centres.
        stop: Early stopping on the epoch's training loss; None: all epochs run and the last weights stay.
    """

    name: str
    updates: tuple[Update, ...]
    epochs: int
    before: Callable[..., Any] | None = None
    stop: EarlyStopping | None = None
