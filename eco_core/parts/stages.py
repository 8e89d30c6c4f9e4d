"""The plan of a training, as data: stages, their updates, early stopping and options. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from torch import nn


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


class OptimizerSpec(BaseModel):
    """An optimiser of ``torch.optim``.

    Attributes:
        name: Which one.
        lr: Learning rate.
        weight_decay: L2 penalty (decoupled for ``adamw``).
        momentum: Of ``sgd`` and ``rmsprop``; other optimisers have none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["adam", "adamw", "sgd", "rmsprop", "adagrad", "nadam", "radam"] = "adam"
    lr: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    momentum: float | None = Field(default=None, ge=0, lt=1)

    @pydantic.model_validator(mode="after")
    def _momentum_where_it_exists(self) -> OptimizerSpec:
        if self.momentum is not None and self.name not in ("sgd", "rmsprop"):
            raise ValueError(f"optimizer '{self.name}' has no momentum; use sgd or rmsprop, or leave it out")
        return self


class StageOptions(BaseModel):
    """How one stage of a strategy is trained.

    Attributes:
        epochs: Number of epochs.
        optimizer: The optimiser of the stage.
        patience: Epochs without a lower training loss after which the stage ends early.
        restore_best: Whether the weights of the epoch with the lowest training loss are restored at the end.
        clip_norm: Largest norm of the gradients.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(default=200, ge=0)
    optimizer: OptimizerSpec = OptimizerSpec()
    patience: int | None = Field(default=None, ge=1)
    restore_best: bool = True
    clip_norm: float | None = Field(default=None, gt=0)

    def early_stopping(self) -> EarlyStopping | None:
        """The stage's early stopping, None where neither patience nor the best weights are wanted."""
        if self.patience is None and not self.restore_best:
            return None
        return EarlyStopping(self.patience, restore_best=self.restore_best)
