"""Writing a file whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Writes a file beside its place, syncs it to the disk, and puts it into place in one step.

    Args:
        path: Where the file belongs.
        write: Writes the file to the path that it is given.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8, whole or not at all.

    Args:
        path: Where the file belongs.
        text: All of its content.
    """
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
