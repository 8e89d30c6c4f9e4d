"""The one training loop: stages, epochs, alternating updates, early stopping, checkpoints."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning_fabric
import torch
from torch import Tensor, nn

from eco_core.engine.callbacks import Callback
from eco_core.engine.checkpoint import load_checkpoint, save_checkpoint
from eco_core.engine.collectives import average, take_from_rank_0, tensors_of
from eco_core.engine.devices import make_fabric
from eco_core.engine.history import History
from eco_core.engine.optimizers import make_optimizer
from eco_core.engine.seeding import generator_states, restore_generators, seed_generators, seeded
from eco_core.errors import Problem, TrainingError
from eco_core.inject.calls import call, describe
from eco_core.parts.loss import LossOutput, mean_loss
from eco_core.parts.stages import Stage, Update

_DRAIN_EVERY = 10  # Epochs between two looks at the losses on an accelerator: each look waits for the device.


@dataclass
class _Best:
    """The best epoch of a stage so far."""

    row: dict[str, Any] | None = None
    weights: dict[str, Tensor] = field(default_factory=dict)
    since: int = 0  # Epochs without a lower loss.


def train(
    model: Any,
    graph: Any,
    stages: Iterable[Stage],
    *,
    seed: int = 0,
    device: str = "auto",
    fabric: lightning_fabric.Fabric | None = None,
    callbacks: Sequence[Callback] = (),
    checkpoint: Path | None = None,
    checkpoint_every: int = 50,
    resume: Path | None = None,
) -> History:
    """Runs the stages in order.

    Args:
        model: Has ``steps(graph, epoch, modules)``, ``begin_epoch(step, modules)`` and ``end_stage(graph)``, as
            `TrainableModel` does.
        graph: A ``torch_geometric.data.Data``; it is not changed.
        stages: The plan.
        seed: Seeds everything random, for the time of the call.
        device: ``auto``, ``cpu`` or ``cuda``, where no ``fabric`` is given.
        fabric: Places tensors and casts, and says which of several processes this is.
        callbacks: Told what happens, by rank 0.
        checkpoint: Where rank 0 writes the state every ``checkpoint_every`` epochs of a stage.
        checkpoint_every: Epochs between checkpoints.
        resume: A checkpoint of the same model and stages to go on from.

    Returns:
        One row per epoch.

    Raises:
        TrainingError: ECO401, if a loss is not finite; it names the stage, the epoch and the component.
    """
    fabric = fabric or make_fabric(device)
    model.to(fabric.device)
    if graph.edge_index.device != fabric.device:
        graph = copy.copy(graph).to(fabric.device)  # Data.to moves in place; the caller's stays where it is.
    if not fabric.is_global_zero:
        callbacks, checkpoint = (), None
    loop = _Loop(model, graph, fabric, seed, callbacks, checkpoint, checkpoint_every)
    state = None if resume is None else load_checkpoint(resume)
    try:
        with seeded(seed):
            for number, stage in enumerate(stages):
                if state is not None and number < state["stage"]:
                    continue
                loop.run(stage, number, state)
                state = None
    finally:
        for callback in callbacks:
            getattr(callback, "close", lambda: None)()
    return loop.history


class _Loop:
    def __init__(
        self,
        model: Any,
        graph: Any,
        fabric: lightning_fabric.Fabric,
        seed: int,
        callbacks: Sequence[Callback],
        checkpoint: Path | None,
        checkpoint_every: int,
    ) -> None:
        self.model, self.graph, self.fabric, self.callbacks = model, graph, fabric, callbacks
        self.seed = seed
        self.checkpoint, self.checkpoint_every = checkpoint, checkpoint_every
        self.history = History()
        self._pending: list[tuple[dict[str, Any], LossOutput]] = []

    def run(self, stage: Stage, number: int, state: dict[str, Any] | None) -> None:
        """Runs one stage, from its start or from a checkpoint within it."""
        if state is None and stage.before is not None:
            call(stage.before, self.model.step_of(self.graph))
        seed_generators(self.seed, number + 1)
        optimizers = [make_optimizer(update) for update in stage.updates]
        modules = tuple(dict.fromkeys(module for update in stage.updates for module in update.modules))
        best, first = _Best(), 0
        if state is not None:
            first = self._restore(state, optimizers, best)
        for callback in self.callbacks:
            callback.on_stage_start(stage, first)
        epoch = first - 1
        for epoch in range(first, stage.epochs):
            if self._patience_is_over(stage, best):
                epoch -= 1
                break
            self._agree()
            self._epoch(stage, number, epoch, modules, optimizers, best)
            if self.checkpoint is not None and (epoch + 1) % self.checkpoint_every == 0 and epoch + 1 < stage.epochs:
                self._save(number, epoch + 1, optimizers, best)
        self._drain(stage)
        if best.weights:
            self.model.load_state_dict(best.weights)
        self.model.end_stage(self.graph)
        self._agree()
        for callback in self.callbacks:
            callback.on_stage_end(stage, epoch + 1, best.row if best.weights else None)

    def _agree(self) -> None:
        """Takes rank 0's weights and buffers: each process had its own batch statistics, and rounds as its machine."""
        if self.fabric.world_size > 1:
            take_from_rank_0(tensors_of(self.model), self.fabric.device)

    def _epoch(
        self,
        stage: Stage,
        number: int,
        epoch: int,
        modules: tuple[nn.Module, ...],
        optimizers: list[torch.optim.Optimizer],
        best: _Best,
    ) -> None:
        start = time.perf_counter()
        self.model.train()
        losses: list[LossOutput] = []
        common: dict[str, Any] | None = None
        steps = iter(self.model.steps(self.graph, epoch, modules))
        step = next(steps, None)
        while step is not None:
            following = next(steps, None)
            if not losses:
                with self.fabric.autocast():
                    self.model.begin_epoch(step, modules)
                if self.fabric.world_size > 1:
                    # The order of the seeds was drawn alike; to the end of the epoch each draws for itself.
                    common = generator_states()
                    seed_generators(self.seed, number + 1, epoch, self.fabric.global_rank)
            parts: list[tuple[str, LossOutput]] = []
            for position, (update, optimizer) in enumerate(zip(stage.updates, optimizers, strict=True)):
                if position:
                    step = step.anew()  # The update before moved the weights.
                loss = self._backward(update, optimizer, step)
                parts.append((update.name, loss.detach()))
                if position == 0 and not losses and following is None:
                    self._judge(stage, epoch, loss, best)  # The only step: these weights gave this loss.
                optimizer.step()
            losses.append(_joined(parts))
            step = following
        if not losses:
            raise TrainingError(
                Problem(
                    "ECO209",
                    f"Stage '{stage.name}', epoch {epoch}: the objective's batches(...) yielded none.",
                    "Yield at least one mapping of names an epoch.",
                )
            )
        if common is not None:
            restore_generators(common)
        mean = mean_loss(losses)
        if len(losses) > 1:
            self._judge(stage, epoch, mean, best)
        row: dict[str, Any] = {"stage": stage.name, "epoch": epoch}
        row["seconds"] = time.perf_counter() - start
        self._pending.append((row, mean))
        if stage.stop is not None or self.fabric.device.type == "cpu" or len(self._pending) >= _DRAIN_EVERY:
            self._drain(stage)

    def _backward(self, update: Update, optimizer: torch.optim.Optimizer, step: Any) -> LossOutput:
        optimizer.zero_grad(set_to_none=True)
        with self.fabric.autocast():
            loss = LossOutput.of(call(update.loss, step), f"The loss {describe(update.loss)}")
        self.fabric.backward(loss.total)
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        if self.fabric.world_size > 1:
            loss = average(parameters, loss, getattr(step.graph, "share", 1 / self.fabric.world_size))
        if update.clip_norm is not None:
            nn.utils.clip_grad_norm_([p for p in parameters if p.grad is not None], update.clip_norm)
        return loss

    def _judge(self, stage: Stage, epoch: int, loss: LossOutput, best: _Best) -> None:
        """Keeps the weights of the lowest loss so far: those that gave it, or those after an epoch of several steps."""
        if stage.stop is None:
            return
        value = float(loss.total.detach())
        if best.row is None or value < best.row["loss"] - stage.stop.min_delta:
            best.row, best.since = {"epoch": epoch, "loss": value}, 0
            if stage.stop.restore_best:
                best.weights = {key: tensor.detach().clone() for key, tensor in self.model.state_dict().items()}
        else:
            best.since += 1

    @staticmethod
    def _patience_is_over(stage: Stage, best: _Best) -> bool:
        return stage.stop is not None and stage.stop.patience is not None and best.since >= stage.stop.patience

    def _drain(self, stage: Stage) -> None:
        """Brings the losses of the last epochs to the host in one transfer, checks and records them."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        values = [torch.as_tensor(v) for _, loss in pending for v in (loss.total, *loss.components.values())]
        figures = iter(torch.stack([value.detach().double().reshape(()).cpu() for value in values]).tolist())
        for row, loss in pending:
            named = {name: next(figures) for name in ("loss", *loss.components)}
            self._check_finite(stage, row["epoch"], named)
            full = {"stage": row["stage"], "epoch": row["epoch"], **named, "seconds": row["seconds"]}
            self.history.append(full)
            for callback in self.callbacks:
                callback.on_epoch_end(stage, full)

    def _check_finite(self, stage: Stage, epoch: int, figures: dict[str, float]) -> None:
        bad = {name: value for name, value in figures.items() if not abs(value) < float("inf")}
        if not bad:
            return
        components = [name for name in bad if name != "loss"] or ["loss"]
        what = ", ".join(f"'{name}' is {bad[name]}" for name in components)
        raise TrainingError(
            Problem(
                "ECO401",
                f"Stage '{stage.name}', epoch {epoch}: loss component {what}.",
                "Lower the learning rate of the stage, clip gradients (clip_norm), or scale the features "
                "(data.normalize_features=row).",
            )
        )

    def _save(self, number: int, epoch: int, optimizers: list[torch.optim.Optimizer], best: _Best) -> None:
        assert self.checkpoint is not None
        state = {
            "stage": number,
            "epoch": epoch,
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
            "best": {"row": best.row, "weights": best.weights, "since": best.since},
            "history": [dict(row) for row in self.history],
            "generators": generator_states(),
        }
        save_checkpoint(self.checkpoint, state)

    def _restore(self, state: dict[str, Any], optimizers: list[torch.optim.Optimizer], best: _Best) -> int:
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        best.row, best.since = state["best"]["row"], state["best"]["since"]
        best.weights = state["best"]["weights"]
        self.history.extend(state["history"])
        restore_generators(state["generators"])
        return state["epoch"]


def _joined(parts: list[tuple[str, LossOutput]]) -> LossOutput:
    """One loss for the record: the first update's, and those of the others as components under their names."""
    first = parts[0][1]
    components = dict(first.components)
    for position, (name, loss) in enumerate(parts[1:], start=2):
        components.update(loss.named(name or f"update{position}").components)
    return LossOutput(first.total, components)
