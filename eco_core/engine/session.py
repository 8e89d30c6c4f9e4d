"""The interface between the training loop and the model that it trains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import nn

from eco_core.parts.stages import Stage
from eco_core.parts.step import Step


class TrainingSession(Protocol):
    """The state of one training: a module, its graph, and all state that changes while the module is trained.

    Attributes:
        module: The module that is trained; its ``state_dict`` goes into checkpoints.
        graph: The whole graph.
    """

    module: nn.Module
    graph: Any

    @property
    def identity(self) -> Mapping[str, str]:
        """Digests, such as of the spec and of the graph, that must equal a checkpoint's digests to resume from it."""

    def place(self, device: torch.device) -> None:
        """Moves the module and a copy of the graph to a device; the caller's graph stays where it is."""

    def before(self, stage: Stage) -> None:
        """Runs the stage's ``before`` hook, ahead of its first epoch."""

    def steps(self, epoch: int, modules: Iterable[nn.Module]) -> Iterator[Step]:
        """Yields the steps of an epoch: one on the whole graph, or one for each mini-batch.

        Args:
            epoch: Number of the epoch within its stage, from 0.
            modules: The modules that are being trained.
        """

    def begin_epoch(self, step: Step, modules: Iterable[nn.Module]) -> None:
        """Called once in each epoch with the epoch's first step, before the first loss."""

    def end_epoch(self, epoch: int) -> None:
        """Called after the last step of an epoch; the session may replace its graph here."""

    def end_stage(self) -> None:
        """Called at the end of a stage, when the module has the stage's final weights."""

    def state(self) -> dict[str, Any]:
        """Returns the state that a resumed run needs besides the weights, as tensors and plain Python."""

    def restore(self, state: dict[str, Any]) -> None:
        """Restores the state that `state` returned."""
