"""Training by a user's own loop: one epoch at a time, on a whole graph or on mini-batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from eco_core.model.base_model import BaseModel
from eco_core.parts.loss import LossOutput, joined_loss, mean_loss
from eco_core.parts.step import Step


@dataclass(frozen=True)
class HandUpdate:
    """One update of a user's own loop; several updates alternate within a step.

    Attributes:
        loss: Returns the loss of a step.
        parameters: The parameters that the update changes; None: all parameters of the optimiser.
        name: Prefix of the names of its loss terms; empty for the main update.
    """

    loss: Callable[[Step], Any]
    parameters: tuple[nn.Parameter, ...] | None = None
    name: str = ""


class EpochTraining(BaseModel):
    """``train_full`` and ``train_batch``, for models that define ``_hand_updates``."""

    def _hand_updates(self, loss_kwargs: Mapping[str, Any], batched: bool) -> list[HandUpdate]:
        raise TypeError(f"{type(self).__name__} defines no loss; a trainable model needs loss(self, data).")

    def _before_epoch(self, step: Step) -> None:
        """Called before the step on a whole graph; compositions call their parts' ``on_epoch``."""

    def _before_batches(self, loader: Iterable[Any], epoch: int) -> Iterable[Any]:
        """Called before the steps on mini-batches; returns the mini-batches to iterate over."""
        return loader

    def train_full(
        self, data: Any, optimizer: torch.optim.Optimizer, epoch: int, verbose: bool = False, **loss_kwargs: Any
    ) -> LossOutput:
        """Trains one epoch on a whole graph: one step of the optimiser for each update.

        Args:
            data: A ``torch_geometric.data.Data``.
            optimizer: The optimiser of the parameters.
            epoch: Number of the epoch, for the log and for losses that ask for it.
            verbose: Whether to print the loss.
            **loss_kwargs: Passed on to `loss`.

        Returns:
            The loss before the step, detached. Formatting it formats its total.
        """
        self.train()
        step = self.step_of(data, epoch)
        self._before_epoch(step)
        loss = self._descend(step, self._hand_updates(loss_kwargs, batched=False), optimizer)
        return _logged(loss, epoch, verbose)

    def train_batch(
        self,
        loader: Iterable[Any],
        optimizer: torch.optim.Optimizer,
        epoch: int,
        verbose: bool = False,
        **loss_kwargs: Any,
    ) -> LossOutput:
        """Trains one epoch on mini-batches: one step of the optimiser for each mini-batch and each update.

        Args:
            loader: Yields mini-batches.
            optimizer: The optimiser of the parameters.
            epoch: Number of the epoch.
            verbose: Whether to print the mean loss.
            **loss_kwargs: Passed on to `loss_batch`.

        Returns:
            The mean loss over the mini-batches, detached.

        Raises:
            ValueError: If the loader yields no mini-batch.
        """
        updates = self._hand_updates(loss_kwargs, batched=True)
        losses = []
        for batch in self._before_batches(loader, epoch):
            self.train()
            losses.append(self._descend(self.step_of(batch, epoch), updates, optimizer))
        if not losses:
            raise ValueError("The loader yielded no batch; training an epoch needs at least one.")
        return _logged(mean_loss(losses), epoch, verbose)

    def _descend(self, step: Step, updates: list[HandUpdate], optimizer: torch.optim.Optimizer) -> LossOutput:
        parts: list[tuple[str, LossOutput]] = []
        for update in updates:
            if parts:
                step = step.anew()  # The previous update changed the weights.
            optimizer.zero_grad()
            loss = LossOutput.of(update.loss(step), f"The loss of {type(self).__name__}")
            loss.total.backward()
            if update.parameters is not None:
                _drop_gradients(optimizer, keep=update.parameters)
            optimizer.step()
            parts.append((update.name, loss.detach()))
        return joined_loss(parts)


def _drop_gradients(optimizer: torch.optim.Optimizer, keep: Iterable[nn.Parameter]) -> None:
    """Drops all gradients but those of ``keep``: the optimiser skips parameters without a gradient."""
    kept = {id(parameter) for parameter in keep}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if id(parameter) not in kept:
                parameter.grad = None


def _logged(loss: LossOutput, epoch: int, verbose: bool) -> LossOutput:
    if verbose:
        print(loss.log_string(f"Epoch {epoch:03d}: "))
    return loss


__all__ = ["EpochTraining", "HandUpdate"]
