"""Training a composition by a user's own loop: runs its strategy's updates, and ``on_epoch`` of its parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from eco_core.engine.optimizers import trained_parameters
from eco_core.inject.calls import call
from eco_core.model.composed_parts import ComposedParts
from eco_core.model.epochs import EpochTraining, HandUpdate
from eco_core.model.session import call_on_epoch
from eco_core.model.wiring import evaluating
from eco_core.ops.sample import is_mini_batch
from eco_core.parts.stages import Stage
from eco_core.parts.step import Step
from eco_core.parts.traits import traits_of


class ComposedEpochs(EpochTraining, ComposedParts):
    """``train_full`` and ``train_batch`` of a composition: all updates of a stage, by default of the last stage."""

    def _stage(self, name: str | None) -> Stage:
        raise TypeError(f"{type(self).__name__} has no stages.")

    def _hand_updates(self, loss_kwargs: Mapping[str, Any], batched: bool) -> list[HandUpdate]:
        unknown = [name for name in loss_kwargs if name != "stage"]
        if unknown:
            raise TypeError(f"The loss of a composition has no argument {unknown[0]!r}; it takes 'stage'.")
        updates = self._stage(loss_kwargs.get("stage")).updates
        return [HandUpdate(partial(call, u.loss), tuple(trained_parameters(u)), u.name) for u in updates]

    def _due(self, epoch: int) -> list[tuple[str, nn.Module]]:
        """The parts whose ``on_epoch`` must be called in this epoch."""
        parts = [(kind, m) for kind, m in self._wiring.parts() if callable(getattr(m, "on_epoch", None))]
        return [(kind, module) for kind, module in parts if epoch % traits_of(module).update_interval == 0]

    def _before_epoch(self, step: Step) -> None:
        # `on_epoch` must get the embeddings of all nodes; a mini-batch has only some.
        if not is_mini_batch(step.graph) and (due := self._due(step.epoch)):
            call_on_epoch(self._wiring, due, step)

    def _before_batches(self, loader: Iterable[Any], epoch: int) -> Iterable[Any]:
        """Calls ``on_epoch`` with the embeddings of all nodes, if the mini-batches hold each node once."""
        due = self._due(epoch)
        if not due:
            return loader
        batches = list(loader) if isinstance(loader, Iterator) else loader
        with evaluating(self):
            steps = [self.step_of(batch, epoch) for batch in batches]
            if not steps:
                return batches
            nodes = torch.cat([step["n_id"] for step in steps])
            z = torch.cat([step.z for step in steps])
            everyone = torch.arange(self._require("the model").facts.num_nodes, device=nodes.device)
            order = nodes.argsort()
            if torch.equal(nodes[order], everyone):
                for kind, module in due:
                    seen = self._wiring.head_view(z[order]) if kind == "head" else z[order]
                    call(module.on_epoch, {"z": seen, "epoch": epoch, "n_id": everyone})  # type: ignore[arg-type]
        return batches


__all__ = ["ComposedEpochs"]
