"""The one training loop: stages, epochs, alternating updates, early stopping, checkpoints."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import lightning_fabric
import torch
from torch import Tensor, nn

from eco_core.engine.callbacks import Notified, StopTraining, listens, notify
from eco_core.engine.checkpoint import check_identity, load_checkpoint, load_states, save_checkpoint
from eco_core.engine.collectives import average, take_from_rank_0, tensors_of
from eco_core.engine.devices import make_fabric
from eco_core.engine.history import History
from eco_core.engine.optimizers import make_optimizer
from eco_core.engine.seeding import generator_states, restore_generators, seed_generators, seeded
from eco_core.engine.session import TrainingSession
from eco_core.errors import Problem, TrainingError
from eco_core.inject.calls import call, describe
from eco_core.parts.loss import LossOutput, joined_loss, mean_loss
from eco_core.parts.stages import Stage, Update
from eco_core.parts.step import Step

_FLUSH_EVERY = 10  # Epochs between two reads of the losses on an accelerator: each read waits for the device.


@dataclass
class _Best:
    """The best epoch of a stage so far."""

    row: dict[str, Any] | None = None
    weights: dict[str, Tensor] = field(default_factory=dict)
    since: int = 0  # Epochs without a lower loss.


@dataclass(frozen=True)
class _Running:
    """A stage while it runs: its number, its optimisers, the modules that it trains, and its best epoch."""

    stage: Stage
    number: int
    optimizers: list[torch.optim.Optimizer]
    modules: tuple[nn.Module, ...]
    best: _Best


def train(
    session: TrainingSession,
    stages: Iterable[Stage],
    *,
    seed: int = 0,
    device: str = "auto",
    fabric: lightning_fabric.Fabric | None = None,
    callbacks: Sequence[Notified] = (),
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 50,
    resume: str | Path | None = None,
    history: History | None = None,
) -> History:
    """Runs the stages in order.

    Args:
        session: The module, its graph, and the steps of an epoch.
        stages: The stages of the strategy.
        seed: Seeds all random numbers during the call.
        device: ``auto``, ``cpu`` or ``cuda``; used if no ``fabric`` is given.
        fabric: Moves and casts tensors, and knows the rank of this process.
        callbacks: Rank 0 calls them at stages, epochs and checkpoints (see `eco_core.engine.callbacks.Callback`).
        checkpoint: The file that rank 0 writes the state to every ``checkpoint_every`` epochs of a stage.
        checkpoint_every: Epochs between checkpoints.
        resume: A checkpoint of the same session and stages, from which training continues.
        history: The rows are added to this history. If training fails or is interrupted, it keeps the rows so far.

    Returns:
        The history, with one row per epoch.

    Raises:
        TrainingError: ECO401, if a loss is not finite; the message names the stage, the epoch and the component.
        EcoError: ECO404, if the checkpoint belongs to another graph, seed or spec, or cannot be read.
    """
    fabric = fabric or make_fabric(device)
    session.place(fabric.device)
    checkpoint, resume = (None if path is None else Path(path).expanduser() for path in (checkpoint, resume))
    if not fabric.is_global_zero:
        callbacks, checkpoint = (), None
    loop = _Loop(session, fabric, seed, callbacks, checkpoint, checkpoint_every)
    loop.history = loop.history if history is None else history
    state = None if resume is None else load_checkpoint(resume)
    if state is not None and resume is not None:
        check_identity(resume, state, loop.identity())
        loop.resumed_from = resume
    with seeded(seed), loop.keeping_unread_losses():
        for number, stage in enumerate(stages):
            if state is not None and number < state["stage"]:
                continue
            # After a stop, a stage without epochs still runs its hook, which places the centres of a head.
            loop.run(replace(stage, epochs=0) if loop.stopped else stage, number, state)
            state = None
    return loop.history


class _Loop:
    def __init__(
        self,
        session: TrainingSession,
        fabric: lightning_fabric.Fabric,
        seed: int,
        callbacks: Sequence[Notified],
        checkpoint: Path | None,
        checkpoint_every: int,
    ) -> None:
        self.session, self.fabric, self.callbacks = session, fabric, callbacks
        self.seed = seed
        self.checkpoint, self.checkpoint_every = checkpoint, checkpoint_every
        self.saves = checkpoint is not None or listens(callbacks, "on_checkpoint")
        self.resumed_from: Path | None = None
        self.history = History()
        self._pending: list[tuple[dict[str, Any], LossOutput]] = []
        self._rows: list[dict[str, Any]] = []  # Losses that were read, and are not in the history yet.
        self._stop = torch.zeros(1)  # 1 as soon as a callback of rank 0 has stopped the training.

    @property
    def stopped(self) -> bool:
        """Whether a callback stopped the training. All processes agree after each broadcast from rank 0."""
        return bool(self._stop)

    def _notify(self, event: str, stage: Stage, *arguments: Any) -> None:
        """Notifies every callback, also if one of them stops the training."""
        for callback in self.callbacks:
            try:
                notify([callback], event, *arguments)
            except StopTraining as stop:
                if not self.stopped:
                    row = self.history[-1] if self.history else {"stage": stage.name, "epoch": "none"}
                    where = f"stage '{row['stage']}', epoch {row['epoch']}"
                    reason = f": {stop.reason.rstrip('.')}" if stop.reason else ""
                    self.history.stopped = f"A callback stopped the training ({where}){reason}."
                self._stop.fill_(1)

    @contextmanager
    def keeping_unread_losses(self) -> Iterator[None]:
        """If training fails or is interrupted, adds the losses that were not read yet to the history."""
        try:
            yield
        except BaseException:
            with suppress(Exception):  # The device may have failed; the first error is the one to report.
                self._read_losses()
                self.history.extend(self._rows)
            raise

    def identity(self) -> dict[str, str]:
        """The values that must equal a checkpoint's to resume from it."""
        return {**self.session.identity, "seed": str(self.seed)}

    def run(self, stage: Stage, number: int, state: dict[str, Any] | None) -> None:
        """Runs one stage, from its start or from a checkpoint within it."""
        if state is None:
            self.session.before(stage)
        seed_generators(self.seed, number + 1)
        optimizers = [make_optimizer(update) for update in stage.updates]
        modules = tuple(dict.fromkeys(module for update in stage.updates for module in update.modules))
        running = _Running(stage, number, optimizers, modules, _Best())
        first = 0 if state is None else self._restore(running, state)
        self._notify("on_stage_start", stage, stage, first)
        epoch = first - 1
        for epoch in range(first, stage.epochs):
            if _patience_is_over(stage, running.best):
                epoch -= 1
                break
            self._broadcast_from_rank_0()
            if self.stopped:
                epoch -= 1
                break
            self._epoch(running, epoch)
            if self.saves and (epoch + 1) % self.checkpoint_every == 0 and epoch + 1 < stage.epochs:
                self._save(running, epoch + 1)
        self._flush_losses(stage)
        best = running.best
        if best.weights:
            self.session.module.load_state_dict(best.weights)
        self.session.end_stage()
        self._broadcast_from_rank_0()
        self._notify("on_stage_end", stage, stage, epoch + 1, best.row if best.weights else None)
        self._share_stop()

    def _broadcast_from_rank_0(self) -> None:
        """Takes rank 0's weights and buffers: the batch statistics and rounding errors of processes differ."""
        if self.fabric.world_size > 1:
            take_from_rank_0([*tensors_of(self.session.module), self._stop], self.fabric.device)

    def _share_stop(self) -> None:
        if self.fabric.world_size > 1:
            take_from_rank_0([self._stop], self.fabric.device)

    def _epoch(self, running: _Running, epoch: int) -> None:
        start = time.perf_counter()
        self.session.module.train()
        stage = running.stage
        losses: list[LossOutput] = []
        steps = iter(self.session.steps(epoch, running.modules))
        step = next(steps, None)
        following = None if step is None else next(steps, None)
        if step is not None:
            with self.fabric.autocast():
                self.session.begin_epoch(step, running.modules)
        with self._own_random_stream(running.number, epoch):
            while step is not None:
                is_only_step = not losses and following is None
                losses.append(self._updates(running, step, epoch if is_only_step else None))
                step, following = following, None if following is None else next(steps, None)
        if not losses:
            raise TrainingError(
                Problem(
                    "ECO209",
                    f"Stage '{stage.name}', epoch {epoch}: the objective's batches(...) yielded none.",
                    "Yield at least one mapping of names in each epoch.",
                )
            )
        self.session.end_epoch(epoch)
        mean = mean_loss(losses)
        if len(losses) > 1:
            self._track_best(running, epoch, mean)
        row: dict[str, Any] = {"stage": stage.name, "epoch": epoch}
        row["seconds"] = time.perf_counter() - start
        self._pending.append((row, mean))
        if stage.stop is not None or self.fabric.device.type == "cpu" or len(self._pending) >= _FLUSH_EVERY:
            self._flush_losses(stage)

    @contextmanager
    def _own_random_stream(self, number: int, epoch: int) -> Iterator[None]:
        """Gives each of several processes its own random stream, after all drew the same seed nodes of mini-batches."""
        if self.fabric.world_size == 1:
            yield
            return
        common = generator_states()
        seed_generators(self.seed, number + 1, epoch, self.fabric.global_rank)
        yield
        restore_generators(common)

    def _updates(self, running: _Running, step: Step, judged_epoch: int | None) -> LossOutput:
        """Runs the alternating updates of one step.

        Args:
            running: The stage.
            step: The step.
            judged_epoch: The epoch if this is its only step, else None. Then the loss is the loss of the weights before
                the update, and is compared with the best loss before these weights change.
        """
        parts: list[tuple[str, LossOutput]] = []
        for position, (update, optimizer) in enumerate(zip(running.stage.updates, running.optimizers, strict=True)):
            if position:
                step = step.anew()  # The previous update changed the weights.
            loss = self._backward(update, optimizer, step)
            parts.append((update.name, loss.detach()))
            if position == 0 and judged_epoch is not None:
                self._track_best(running, judged_epoch, loss)
            optimizer.step()
        return joined_loss(parts)

    def _backward(self, update: Update, optimizer: torch.optim.Optimizer, step: Step) -> LossOutput:
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

    def _track_best(self, running: _Running, epoch: int, loss: LossOutput) -> None:
        """Keeps the current weights if the loss is the lowest so far.

        In an epoch of one step these weights gave the loss; after several steps they are the weights after the epoch.
        """
        stop, best = running.stage.stop, running.best
        if stop is None:
            return
        value = float(loss.total.detach())
        if best.row is None or value < best.row["loss"] - stop.min_delta:
            best.row, best.since = {"epoch": epoch, "loss": value}, 0
            if stop.restore_best:
                state = self.session.module.state_dict()
                best.weights = {key: tensor.detach().clone() for key, tensor in state.items()}
        else:
            best.since += 1

    def _flush_losses(self, stage: Stage) -> None:
        """Copies the losses of the last epochs to the host in one transfer, checks and records them."""
        self._read_losses()
        while self._rows:
            row = self._rows.pop(0)
            try:
                _check_finite(stage, row)
            except TrainingError:
                self._rows.clear()  # The losses after it are of no use.
                raise
            self.history.append(row)
            self._notify("on_epoch_end", stage, stage, dict(row))

    def _read_losses(self) -> None:
        pending, self._pending = self._pending, []
        if not pending:
            return
        values = [torch.as_tensor(v) for _, loss in pending for v in (loss.total, *loss.components.values())]
        figures = iter(torch.stack([value.detach().double().reshape(()).cpu() for value in values]).tolist())
        for row, loss in pending:
            named = {name: next(figures) for name in ("loss", *loss.components)}
            self._rows.append({"stage": row["stage"], "epoch": row["epoch"], **named, "seconds": row["seconds"]})

    def _save(self, running: _Running, epoch: int) -> None:
        best = running.best
        state = {
            "identity": self.identity(),
            "stage": running.number,
            "epoch": epoch,
            "model": self.session.module.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in running.optimizers],
            "best": {"row": best.row, "weights": best.weights, "since": best.since},
            "history": [dict(row) for row in self.history],
            "generators": generator_states(),
            "session": self.session.state(),
        }
        if self.checkpoint is not None:
            save_checkpoint(self.checkpoint, state)
        self._notify("on_checkpoint", running.stage, state)

    def _restore(self, running: _Running, state: dict[str, Any]) -> int:
        load_states(self.resumed_from, self.session.module, running.optimizers, state)
        best = running.best
        best.row, best.since = state["best"]["row"], state["best"]["since"]
        best.weights = state["best"]["weights"]
        self.history.extend(state["history"])
        self.session.restore(state["session"])
        restore_generators(state["generators"])
        return state["epoch"]


def _patience_is_over(stage: Stage, best: _Best) -> bool:
    return stage.stop is not None and stage.stop.patience is not None and best.since >= stage.stop.patience


def _check_finite(stage: Stage, row: dict[str, Any]) -> None:
    epoch, figures = row["epoch"], {name: row[name] for name in row if name not in ("stage", "epoch", "seconds")}
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


__all__ = ["train"]
