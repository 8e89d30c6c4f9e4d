"""A training as data: stages, their updates, early stopping and options. Imports no torch."""

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
    """Stops a stage that no longer improves, and restores the weights of its best epoch.

    Attributes:
        patience: Epochs without a lower training loss before the stage ends; None: the stage runs to its end.
        min_delta: Smallest decrease of the loss that counts as an improvement.
        restore_best: Whether the weights (and buffers) of the epoch with the lowest training loss are restored.
    """

    patience: int | None = None
    min_delta: float = 0.0
    restore_best: bool = True


@dataclass(frozen=True)
class Update:
    """One optimisation step of some modules towards one loss.

    Attributes:
        loss: A function that returns the loss. It gets the arguments that it names, or ``step``, the mapping of all
            names.
        modules: The modules whose parameters the optimiser changes.
        optimizer: A description, or a function that makes a ``torch.optim.Optimizer`` from parameters.
        name: Prefix of this update's columns in the history; empty for the main update.
        clip_norm: Largest norm of the gradients; None: not clipped.
        without: Submodules of ``modules`` that this update does not change, such as an adversary.
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
        name: The name of the stage, such as ``"pretrain"`` or ``"joint"``; the history has it in the column ``stage``.
        updates: One or more updates, which alternate within each step. Each stage makes new optimisers.
        epochs: Largest number of epochs.
        before: A function that is called once before the stage, for example to place cluster centres. It gets the
            arguments that it names.
        stop: Early stopping on the epoch's training loss; None: all epochs run, and the last weights are kept.
    """

    name: str
    updates: tuple[Update, ...]
    epochs: int
    before: Callable[..., Any] | None = None
    stop: EarlyStopping | None = None


class OptimizerSpec(BaseModel):
    """An optimiser of ``torch.optim``.

    Attributes:
        name: The name of the optimiser.
        lr: Learning rate.
        weight_decay: L2 penalty (decoupled for ``adamw``).
        momentum: Momentum of ``sgd`` and ``rmsprop``; other optimisers have none.
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
        """The stage's early stopping; None if ``patience`` is None and ``restore_best`` is False."""
        if self.patience is None and not self.restore_best:
            return None
        return EarlyStopping(self.patience, restore_best=self.restore_best)
