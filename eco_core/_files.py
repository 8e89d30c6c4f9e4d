"""Atomic writes: a file is replaced as a whole, or left as it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Writes a temporary file in the folder of ``path``, syncs it to the disk, and renames it to ``path``.

    Args:
        path: The file to write.
        write: Called with the path of the temporary file; it writes the content there.
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
    """Writes a text file in UTF-8, atomically.

    Args:
        path: The file to write.
        text: The whole content of the file.
    """
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
