"""A terminal for tests: what stays on its screen after something was written to it."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO

import pytest


def screen_of(draw: Callable[[TextIO], Any], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Calls a function with a terminal that is also ``sys.stderr``; gives the lines that stay on its screen."""
    monkeypatch.setenv("TERM", os.environ.get("TERM", "xterm"))
    monkeypatch.setenv("COLUMNS", "100")
    for variable in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "LINES"):
        monkeypatch.delenv(variable, raising=False)
    controller, terminal = os.openpty()
    received = bytearray()

    def read() -> None:
        try:
            while data := os.read(controller, 4096):
                received.extend(data)
        except OSError:  # The other end is closed.
            return

    reader = threading.Thread(target=read)
    reader.start()
    with open(terminal, "w", encoding="utf-8") as stream, monkeypatch.context() as patch:  # noqa: PTH123
        patch.setattr(sys, "stderr", stream)
        draw(stream)
    reader.join(timeout=30)
    os.close(controller)
    return _shown(received.decode())


def _shown(output: str) -> list[str]:
    """What a terminal shows: lines, carriage returns, erased lines and cursors that move up."""
    lines, row, column = [""], 0, 0
    for piece in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", output):
        if piece == "\r":
            column = 0
        elif piece == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif piece.endswith("K") and piece.startswith("\x1b"):
            lines[row] = ""
        elif piece.endswith("A") and piece.startswith("\x1b"):
            row -= int(piece[2:-1] or 1)
        elif not piece.startswith("\x1b"):
            lines[row] = lines[row].ljust(column)[:column] + piece + lines[row][column + len(piece) :]
            column += len(piece)
    return [line.rstrip() for line in lines if line.strip()]
