"""What the training loop asks of whatever it trains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import nn

from eco_core.parts.stages import Stage
from eco_core.parts.step import Step


class TrainingSession(Protocol):
    """The state of one training: a module, its graph, and what belongs to both while they are trained.

    Attributes:
        module: What is trained; its ``state_dict`` goes into checkpoints.
        graph: The whole graph.
    """

    module: nn.Module
    graph: Any

    @property
    def identity(self) -> Mapping[str, str]:
        """What a checkpoint must agree with to be resumed, such as digests of the spec and of the graph."""

    def place(self, device: torch.device) -> None:
        """Moves the module and a copy of the graph to a device; the caller's graph stays where it is."""

    def before(self, stage: Stage) -> None:
        """Runs what a stage asks for before its first epoch."""

    def steps(self, epoch: int, modules: Iterable[nn.Module]) -> Iterator[Step]:
        """Yields the steps of an epoch: one on the whole graph, or one for each mini-batch.

        Args:
            epoch: Number of the epoch within its stage, from 0.
            modules: The modules that are being trained.
        """

    def begin_epoch(self, step: Step, modules: Iterable[nn.Module]) -> None:
        """Called once an epoch with its first step, before the first loss."""

    def end_epoch(self, epoch: int) -> None:
        """Called after the last step of an epoch; the session may replace its graph here."""

    def end_stage(self) -> None:
        """Called at the end of a stage, with the weights that the stage leaves."""

    def state(self) -> dict[str, Any]:
        """Returns what a resumed run needs beside weights, as tensors and plain Python."""

    def restore(self, state: dict[str, Any]) -> None:
        """Brings back what `state` returned."""
