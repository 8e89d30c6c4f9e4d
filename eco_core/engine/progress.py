"""The progress bar of training, on a terminal or in a notebook."""

from __future__ import annotations

import sys
import time
from html import escape
from typing import TYPE_CHECKING, Any, TextIO, cast

from eco_core.engine.callbacks import Callback
from eco_core.parts.stages import Stage

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_SECONDS_A_DRAWING = 0.2


def progress_for(stream: TextIO | None = None) -> ProgressBar | NotebookBar | None:
    """Makes a progress bar if one can be shown.

    Args:
        stream: Where the bar is drawn; default ``sys.stderr``.

    Returns:
        A bar for a terminal or a notebook. None for a pipe, a file, and a terminal that cannot move its cursor.
    """
    target = sys.stderr if stream is None else stream
    if not _is_notebook() and not target.isatty():
        return None
    from rich.console import Console

    console = Console(file=target)
    if console.is_jupyter:
        return NotebookBar()
    return ProgressBar(stream) if target.isatty() and not console.is_dumb_terminal else None


class ProgressBar(Callback):
    """One line for each stage: its name, the epochs done, the last loss and the time.

    While a bar is drawn, rich replaces ``sys.stderr`` by a stream that prints complete lines above the bar. Write
    messages to the current ``sys.stderr``, not to an earlier reference to it (see `current_stderr`).

    Args:
        stream: Where the bar is drawn; default ``sys.stderr``.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def on_stage_start(self, stage: Stage, first_epoch: int) -> None:
        """Draws the bar of the stage."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.close()
        if not stage.epochs:
            return
        target = sys.stderr if self._stream is None else self._stream
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=Console(file=target),
            # Output to a file or a pipe must not be redirected to the terminal of the bar.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._task = self._progress.add_task(stage.name, total=stage.epochs, completed=first_epoch, loss="", note="")
        self._progress.start()

    def on_epoch_end(self, stage: Stage, row: dict[str, Any]) -> None:
        """Moves the bar. The last epoch ends it, before other callbacks report on the stage."""
        self._update(completed=row["epoch"] + 1, loss=f"loss {row['loss']:.4f}")
        if row["epoch"] + 1 == stage.epochs:
            self.close()

    def on_stage_end(self, stage: Stage, epochs: int, best: dict[str, Any] | None) -> None:
        """Ends the bar; if the stage stopped early, the bar shows it."""
        if epochs < stage.epochs:
            self._update(completed=epochs, note="stopped early")
        self.close()

    def close(self) -> None:
        """Draws the last state and releases the terminal, also after an interrupted stage."""
        progress, self._progress = self._progress, None
        if progress is not None:
            progress.stop()

    def _update(self, **fields: Any) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, **fields)


class NotebookBar(Callback):
    """The progress of each stage as an output of a notebook's cell. It needs no widgets, and stays when it is done."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._stage: Stage | None = None
        self._done, self._loss, self._note = 0, "", ""
        self._begin = self._drawn = 0.0
        self._first = 0

    def on_stage_start(self, stage: Stage, first_epoch: int) -> None:
        """Draws the bar of the stage."""
        self.close()
        if not stage.epochs:
            return
        from IPython.display import HTML, display

        self._stage, self._done, self._first, self._loss, self._note = stage, first_epoch, first_epoch, "", ""
        self._begin = self._drawn = time.monotonic()
        self._handle = display(HTML(self._page()), display_id=True)

    def on_epoch_end(self, stage: Stage, row: dict[str, Any]) -> None:
        """Moves the bar, a few times a second. The last epoch is always drawn."""
        self._done, self._loss = row["epoch"] + 1, f"loss {row['loss']:.4f}"
        if self._done == stage.epochs or time.monotonic() - self._drawn > _SECONDS_A_DRAWING:
            self._draw()

    def on_stage_end(self, stage: Stage, epochs: int, best: dict[str, Any] | None) -> None:
        """Draws the last state; if the stage stopped early, the bar shows it."""
        if epochs < stage.epochs:
            self._done, self._note = epochs, "stopped early"
        self.close()

    def close(self) -> None:
        """Draws the last state, also after an interrupted stage."""
        if self._handle is not None:
            self._draw()
        self._handle = self._stage = None

    def _draw(self) -> None:
        if self._handle is None:
            return
        from IPython.display import HTML

        self._drawn = time.monotonic()
        self._handle.update(HTML(self._page()))

    def _page(self) -> str:
        stage = self._stage
        if stage is None:
            return ""
        seconds = time.monotonic() - self._begin
        trained = self._done - self._first
        left = seconds / trained * (stage.epochs - self._done) if trained and not self._note else 0.0
        words = [f"{self._done}/{stage.epochs}", self._loss, self._note, f"{seconds:.0f} s"]
        words += [f"about {left:.0f} s left"] if left >= 1 else []
        return (
            '<div style="display:flex;gap:12px;align-items:center;font:13px system-ui,sans-serif">'
            f"<span>{escape(stage.name)}</span>"
            f'<progress value="{self._done}" max="{stage.epochs}" style="width:220px"></progress>'
            f"<span>{escape(' · '.join(filter(None, words)))}</span></div>"
        )


def current_stderr() -> TextIO:
    """Returns a stream that looks ``sys.stderr`` up at each write, so that messages appear above a progress bar."""
    return cast(TextIO, _CurrentStderr())


class _CurrentStderr:
    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def _is_notebook() -> bool:
    """Whether IPython runs this code. Rich then distinguishes a notebook from IPython's terminal."""
    return "IPython" in sys.modules


__all__ = ["NotebookBar", "ProgressBar", "current_stderr", "progress_for"]
