"""The log of a run: the file ``log.txt``, and the same lines on a terminal."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import IO, Any

from eco_core.data.tables.summary import columns_text
from eco_core.engine.callbacks import FitInfo, Log
from eco_core.results.folder import LOG, files_of
from eco_core.results.recorder import RunFolder

_OF_ALL_COLUMNS = (" as the ends of the edges, by their position", ": not used: ")
"""Parts of notes that name several columns, whose rows in the table say the same."""


def repeats_columns(note: str, columns: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a note says only what the table of the columns says.

    Args:
        note: A note on the graph.
        columns: What was done with each column of the graph's tables.
    """
    named = [entry for entry in columns if str(entry["column"]) in note]
    return any(part in note for part in _OF_ALL_COLUMNS if named) or any(
        len(str(entry["action"])) > len(str(entry["column"])) and str(entry["action"]) in note for entry in named
    )


class RunLog(Log):
    """Writes notes, a line for each stage, and errors to the run folder's log and to a terminal.

    Args:
        recorder: The callback that makes the folder; it must come before this callback.
        terminal: A stream that gets the same lines; None: they go only to the file.
        columns: What was done with each column of the graph's tables, to be written first.
        early: Sentences that the terminal has shown already; they are written to the file when it is opened.
    """

    def __init__(
        self,
        recorder: RunFolder,
        terminal: IO[str] | None,
        columns: Sequence[Mapping[str, Any]] | None = None,
        early: Sequence[str] = (),
    ) -> None:
        super().__init__(self)
        self._columns = columns
        self._recorder = recorder
        self._terminal = terminal
        self._file: IO[str] | None = None
        self._early = list(early)

    def say(self, text: str) -> None:
        """Writes a sentence to the terminal now, and to the file now or when it is opened."""
        if self._file is None:
            self._early.append(text)
        self.write(f"{text}\n")
        self.flush()

    def write(self, text: str) -> None:
        """Writes text to the file and to the terminal."""
        for stream in (self._terminal, self._file):
            if stream is not None:
                stream.write(text)

    def flush(self) -> None:
        """Flushes the file and the terminal."""
        for stream in (self._terminal, self._file):
            if stream is not None:
                stream.flush()

    def on_fit_start(self, info: FitInfo) -> None:
        """Opens the file and writes the notes."""
        if self._recorder.path is None:
            raise RuntimeError("The run folder does not exist yet: put its callback before the log's callback.")
        self._file = (self._recorder.path / LOG).open("w", encoding="utf-8")
        self._file.writelines(f"{text}\n" for text in self._early)
        if self._columns:
            self.write(columns_text(self._columns, shutil.get_terminal_size((100, 24)).columns))
        for note in dict.fromkeys(info.notes):
            if not repeats_columns(note, self._columns or ()):
                self.write(f"{note}\n")
        self.flush()

    def on_fit_error(self, error: BaseException) -> None:
        """Writes the error to the file, and the names of the folder's files to the file and the terminal."""
        folder = self._recorder.path
        if self._file is None or folder is None:
            return
        self._file.write(f"{type(error).__name__}: {error}\n")
        self._file.flush()
        self.write(f"Unfinished: {folder} keeps {', '.join(files_of(folder))}.\n")

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


__all__ = ["RunLog", "repeats_columns"]
