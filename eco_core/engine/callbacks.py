"""What can be told while the engine trains."""

from __future__ import annotations

import time
from typing import Any, Protocol, TextIO

from eco_core.parts.stages import Stage


class Callback:
    """Told by the engine what happens; every method may be left out. Callbacks never change the result."""

    def on_stage_start(self, stage: Stage, first_epoch: int) -> None:
        """A stage begins (or goes on, at ``first_epoch``, after a checkpoint)."""

    def on_epoch_end(self, stage: Stage, row: dict[str, Any]) -> None:
        """An epoch's row of the history is known."""

    def on_stage_end(self, stage: Stage, epochs: int, best: dict[str, Any] | None) -> None:
        """A stage ended after ``epochs``; ``best`` is the row whose weights were restored, if any were."""


class Writable(Protocol):
    """What messages are written to."""

    def write(self, text: str, /) -> Any:
        """Writes text."""

    def flush(self) -> None:
        """Makes it visible."""


class Log(Callback):
    """Writes a line for each stage.

    Args:
        stream: Where to.
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


class ProgressBar(Callback):
    """A bar on a terminal: stage, epochs done, and the loss.

    Args:
        stream: The terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            TimeRemainingColumn(),
            console=Console(file=stream),
            transient=True,
        )
        self._task: Any = None

    def on_stage_start(self, stage: Stage, first_epoch: int) -> None:
        self._progress.start()
        self._task = self._progress.add_task(stage.name, total=stage.epochs, completed=first_epoch, loss="")

    def on_epoch_end(self, stage: Stage, row: dict[str, Any]) -> None:
        self._progress.update(self._task, completed=row["epoch"] + 1, loss=f"loss {row['loss']:.4f}")

    def on_stage_end(self, stage: Stage, epochs: int, best: dict[str, Any] | None) -> None:
        self._progress.remove_task(self._task)
        self._progress.stop()

    def close(self) -> None:
        """Gives the terminal back, also after an interrupted stage."""
        self._progress.stop()
