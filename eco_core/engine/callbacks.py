"""Events of a fit, and the callbacks that listen to them: logs, progress bars and run folders."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import torch
from torch import nn

from eco_core.errors import EcoError, Problem, did_you_mean
from eco_core.parts.stages import Stage

Notified: TypeAlias = Any
"""A `Callback`, or any object that has some of its methods."""


class StopTraining(Exception):  # noqa: N818 (it is no error, as StopIteration is none)
    """Raise it in a callback to end training: the fit goes on with the clustering, and keeps the history so far.

    The running epoch is finished. The stage ends as after early stopping, and the stages that are left have no epochs:
    a joint strategy still places its centres. Callbacks may raise it in ``on_stage_start``, ``on_epoch_end``,
    ``on_checkpoint`` and ``on_stage_end``. Of several processes, all stop.

    Args:
        reason: Why training was stopped; it is added to the notes of the model.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class FitInfo:
    """The facts of a fit that starts: the parts fit the graph, and nothing is trained yet.

    The attributes from ``spec`` on are empty for a model that is not a composition.

    Attributes:
        module: The module that is trained.
        device: The device that it is trained on.
        world_size: The number of processes that train it together.
        seed: The training seed.
        notes: Sentences that a user should read.
        spec: The resolved spec of a composition.
        rerunnable: Whether the spec alone is enough to run again. It is not if a part or a parameter is a Python
            object that a spec cannot name.
        facts: The sizes that the parts were built for: ``in_channels``, ``num_nodes`` and, where known, ``n_clusters``.
        part_names: The names of the parts.
        parts: Maps the kind of each part to its origin: distribution and version, or the class.
        plugins: Maps the distribution of each plugin to its version and status.
        preparation: How the columns of a table became features: an object with a method ``save(folder)``; None for a
            graph that was not made of a table.
        data_fingerprint: A digest of the graph: ids, features, edges and their weights. Empty if it is not known.
    """

    module: nn.Module
    device: torch.device
    world_size: int = 1
    seed: int = 0
    notes: tuple[str, ...] = ()
    spec: Mapping[str, Any] = field(default_factory=dict)
    rerunnable: bool = False
    facts: Mapping[str, int] = field(default_factory=dict)
    part_names: tuple[str, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)
    plugins: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    preparation: Any = None
    data_fingerprint: str = ""


class Callback:
    """Base of objects that listen to a fit; every method may be left out. Callbacks do not change the result.

    Of several processes, only rank 0 calls its callbacks. A callback that raises `StopTraining` ends training and keeps
    the model; any other exception ends the fit. An exception in ``on_fit_end`` or ``close`` comes after the results
    exist, and they stay.
    """

    def on_fit_start(self, info: FitInfo) -> None:
        """The parts fit the graph; nothing is trained yet."""

    def on_stage_start(self, stage: Stage, first_epoch: int) -> None:
        """A stage begins (or goes on, at ``first_epoch``, after a checkpoint)."""

    def on_epoch_end(self, stage: Stage, row: dict[str, Any]) -> None:
        """An epoch ended; ``row`` is a copy of its row of the history.

        On an accelerator the losses of several epochs are read at a time, and their rows then come together.
        """

    def on_checkpoint(self, state: dict[str, Any]) -> None:
        """Called every ``checkpoint_every`` epochs with the state of the training, as tensors and plain Python."""

    def on_stage_end(self, stage: Stage, epochs: int, best: dict[str, Any] | None) -> None:
        """A stage ended after ``epochs``; ``best`` is the row whose weights were restored, if any were."""

    def on_fit_end(self, clustering: Any) -> None:
        """Training and clustering ended.

        Args:
            clustering: The `Clustering` that was found; None for models that only compute embeddings.
        """

    def on_fit_error(self, error: BaseException) -> None:
        """The fit failed, or was interrupted, after its start."""

    def close(self) -> None:
        """Called last in any case, also after an error or an interrupt."""


EVENTS = tuple(name for name in vars(Callback) if not name.startswith("_"))
"""The methods that a callback may have."""


def check_callbacks(callbacks: Sequence[Notified]) -> None:
    """Refuses what cannot listen, before anything is trained.

    Args:
        callbacks: The callbacks.

    Raises:
        EcoError: ECO104, if it is no list, or one of them is a class, has no method of `Callback`, or has a method
            ``on_...`` that is no event: most likely a slip, which would never be called.
    """
    if isinstance(callbacks, (str, bytes)) or not isinstance(callbacks, Iterable):
        raise EcoError(
            Problem("ECO104", f"callbacks is {callbacks!r}; expected a list of callbacks.", "Use callbacks=[...].")
        )
    problems = [problem for callback in callbacks if (problem := _wrong_callback(callback)) is not None]
    if problems:
        raise EcoError(*problems)


def _wrong_callback(callback: Any) -> Problem | None:
    if isinstance(callback, type):
        return Problem("ECO104", f"callbacks has the class {callback.__name__}.", f"Use {callback.__name__}().")
    others = [name for name in dir(callback) if name.startswith("on_") and name not in EVENTS]
    slips = [name for name in others if callable(getattr(callback, name, None))]
    if slips:
        fix = did_you_mean(slips[0], EVENTS) or f"The events are {', '.join(EVENTS)}."
        return Problem("ECO104", f"The callback {type(callback).__name__} has a method {slips[0]!r}, no event.", fix)
    if not any(callable(getattr(callback, name, None)) for name in EVENTS):
        return Problem(
            "ECO104",
            f"The callback {callback!r} has no method that a fit calls.",
            f"Give it one of {', '.join(EVENTS)}.",
        )
    return None


def notify(callbacks: Sequence[Notified], event: str, *arguments: Any) -> None:
    """Calls the method ``event`` of each callback that has such a method.

    Args:
        callbacks: The callbacks, in the order in which they are called.
        event: Name of the method, such as ``on_epoch_end``.
        *arguments: The arguments of the method.
    """
    for callback in callbacks:
        method = getattr(callback, event, None)
        if method is not None:
            method(*arguments)


def listens(callbacks: Sequence[Notified], event: str) -> bool:
    """Returns whether a callback overrides the method of an event.

    Args:
        callbacks: The callbacks.
        event: Name of the method.
    """
    own = (getattr(type(callback), event, None) or getattr(callback, event, None) for callback in callbacks)
    return any(method is not None and method is not getattr(Callback, event) for method in own)


@contextmanager
def fit_events(callbacks: Sequence[Notified], info: FitInfo) -> Iterator[None]:
    """Context manager around a fit: notifies the callbacks of its start and its failure, and closes them at the end.

    Args:
        callbacks: The callbacks.
        info: The argument of ``on_fit_start``.
    """
    with ExitStack() as closing:
        for callback in callbacks:
            closing.callback(notify, [callback], "close")
        try:
            notify(callbacks, "on_fit_start", info)
            yield
        except BaseException as error:
            notify(callbacks, "on_fit_error", error)
            raise


class Writable(Protocol):
    """A stream that messages are written to."""

    def write(self, text: str, /) -> Any:
        """Writes text."""

    def flush(self) -> None:
        """Flushes the written text."""


class Log(Callback):
    """Writes a line for each stage.

    Args:
        stream: The lines are written to it.
    """

    def __init__(self, stream: Writable) -> None:
        self._stream = stream
        self._start = 0.0
        self._last: dict[str, Any] = {}

    def on_stage_start(self, stage: Stage, first_epoch: int) -> None:
        self._start = time.perf_counter()
        self._last = {}

    def on_epoch_end(self, stage: Stage, row: dict[str, Any]) -> None:
        self._last = row

    def on_stage_end(self, stage: Stage, epochs: int, best: dict[str, Any] | None) -> None:
        if not self._last:
            return
        text = (
            f"{stage.name}: {epochs} epochs in {time.perf_counter() - self._start:.1f} s, loss {self._last['loss']:.4f}"
        )
        if best is not None:
            text += f", weights of epoch {best['epoch']} (loss {best['loss']:.4f})"
        self._stream.write(text + "\n")
        self._stream.flush()
