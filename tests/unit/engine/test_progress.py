"""The progress bar on a real terminal: where it ends, and where messages go meanwhile."""

from __future__ import annotations

import io
import re
import sys
import types
from collections.abc import Callable
from typing import Any, TextIO

import pytest

from eco_core.engine.callbacks import Callback, Log
from eco_core.engine.progress import NotebookBar, ProgressBar, current_stderr, progress_for
from eco_core.parts.stages import Stage
from tests.terminal import screen_of

if sys.platform == "win32":
    pytest.skip("needs a pseudo-terminal", allow_module_level=True)

Draw = Callable[[TextIO], Any]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Callable[[Draw], list[str]]:
    """Calls a function with a terminal as ``sys.stderr``; gives the lines that stay on its screen."""
    monkeypatch.setenv("TERM", "xterm")
    return lambda draw: screen_of(draw, monkeypatch)


def train(stage: Stage, callbacks: list[Callback], epochs: int, first: int = 0) -> None:
    """Tells callbacks what the engine tells them."""
    for callback in callbacks:
        callback.on_stage_start(stage, first)
    for epoch in range(first, epochs):
        for callback in callbacks:
            callback.on_epoch_end(stage, {"epoch": epoch, "loss": 1.0})
    for callback in callbacks:
        callback.on_stage_end(stage, epochs, None)


@pytest.mark.parametrize("bar_first", [True, False])
def test_a_bar_ends_at_its_last_epoch_and_messages_start_their_own_lines(
    screen: Callable[[Draw], list[str]], bar_first: bool
) -> None:
    def draw(stream: TextIO) -> None:
        callbacks: list[Callback] = [ProgressBar(), Log(current_stderr())]
        for name in ("pretrain", "train"):
            train(Stage(name, (), epochs=60), callbacks if bar_first else callbacks[::-1], 60)
        print("metric  value", file=stream)

    bar, log, second_bar, second_log, last = screen(draw)
    assert re.match(r"pretrain ━+ 60/60 loss 1\.0000", bar)
    assert re.match(r"train ━+ 60/60 loss 1\.0000", second_bar)
    assert log.startswith("pretrain: 60 epochs in ")
    assert second_log.startswith("train: 60 epochs in ")
    assert last == "metric  value"


def test_a_message_during_a_stage_appears_above_the_bar(screen: Callable[[Draw], list[str]]) -> None:
    class Warns(Callback):
        def on_epoch_end(self, stage: Stage, row: dict[str, object]) -> None:
            if row["epoch"] == 3:
                print("warning: half way", file=sys.stderr)

    lines = screen(lambda stream: train(Stage("train", (), epochs=6), [ProgressBar(stream), Warns()], 6))
    assert lines[0] == "warning: half way"
    assert re.match(r"train ━+ 6/6 loss", lines[1])
    assert len(lines) == 2


def test_a_stage_that_stops_early_is_marked(screen: Callable[[Draw], list[str]]) -> None:
    def draw(stream: TextIO) -> None:
        train(Stage("train", (), epochs=60), [Log(current_stderr()), ProgressBar(stream)], 28)

    log, bar = screen(draw)
    assert log.startswith("train: 28 epochs in ")
    assert "28/60 loss 1.0000 stopped early" in bar


def test_an_interrupted_stage_leaves_its_bar_and_a_clean_line(screen: Callable[[Draw], list[str]]) -> None:
    def draw(stream: TextIO) -> None:
        bar = ProgressBar(stream)
        bar.on_stage_start(Stage("train", (), epochs=60), 0)
        bar.on_epoch_end(Stage("train", (), epochs=60), {"epoch": 16, "loss": 1.0})
        bar.close()
        bar.close()
        print("Interrupted.", file=sys.stderr)

    bar, message = screen(draw)
    assert "17/60" in bar
    assert message == "Interrupted."


def test_a_stage_that_goes_on_after_a_checkpoint_counts_from_there(screen: Callable[[Draw], list[str]]) -> None:
    def draw(stream: TextIO) -> None:
        bar = ProgressBar(stream)
        bar.on_stage_start(Stage("train", (), epochs=60), 40)
        bar.close()

    assert "40/60" in screen(draw)[0]


def test_a_stage_without_epochs_draws_nothing(screen: Callable[[Draw], list[str]]) -> None:
    assert screen(lambda stream: train(Stage("train", (), epochs=0), [ProgressBar(stream)], 0)) == []


def test_terminals_get_a_bar_and_files_and_dumb_terminals_none(
    screen: Callable[[Draw], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[object] = []
    screen(lambda stream: found.extend([progress_for(), progress_for(stream), progress_for(io.StringIO())]))
    assert [type(bar) for bar in found] == [ProgressBar, ProgressBar, type(None)]
    monkeypatch.setenv("FORCE_COLOR", "1")  # As on CI servers: colours are wanted, but nobody looks at a cursor.
    assert progress_for(io.StringIO()) is None
    monkeypatch.setenv("TERM", "dumb")
    screen(lambda stream: found.append(progress_for(stream)))
    assert found[-1] is None


class Shown:
    """The outputs of a notebook's cells, and what replaced each."""

    def __init__(self) -> None:
        self.outputs: list[list[str]] = []

    def display(self, page: str, display_id: bool = False) -> Any:
        assert display_id
        output = [page]
        self.outputs.append(output)
        return types.SimpleNamespace(update=output.append)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """A notebook's kernel without ``ipywidgets``, as far as a progress bar knows it."""
    shown = Shown()
    display = types.ModuleType("IPython.display")
    display.__dict__.update(display=shown.display, HTML=str)
    package = types.ModuleType("IPython")
    package.__dict__.update(display=display)
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    return shown


def test_a_bar_in_a_notebook_ends_at_its_last_epoch(notebook: Shown) -> None:
    bar = progress_for(io.StringIO())
    assert isinstance(bar, NotebookBar)
    train(Stage("pretrain", (), epochs=60), [bar], 60)
    train(Stage("<b>joint</b>", (), epochs=60), [bar], 28)
    first, second = notebook.outputs
    assert "0/60" in first[0]
    assert len(first) < 60  # Not every epoch of a fast training is drawn.
    assert 'value="60" max="60"' in first[-1]
    assert "60/60 · loss 1.0000" in first[-1]
    assert "28/60 · loss 1.0000 · stopped early" in second[-1]
    assert "&lt;b&gt;joint" in second[-1]


def test_an_interrupted_stage_leaves_its_bar_in_a_notebook(notebook: Shown) -> None:
    bar = NotebookBar()
    bar.on_stage_start(Stage("train", (), epochs=60), 10)
    bar.on_epoch_end(Stage("train", (), epochs=60), {"epoch": 16, "loss": 1.0})
    bar.close()
    bar.close()
    assert "17/60" in notebook.outputs[0][-1]
    bar.on_stage_start(Stage("none", (), epochs=0), 0)
    assert len(notebook.outputs) == 1
