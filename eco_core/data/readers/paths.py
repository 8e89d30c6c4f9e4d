"""Messages about files that a reader cannot use; and readers by their names."""

from __future__ import annotations

import difflib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from eco_core.data.source import FORMATS, KNOWN_SUFFIXES
from eco_core.errors import DataError, Problem

if TYPE_CHECKING:
    from torch_geometric.data import Data


def existing(path: str | Path) -> Path:
    """Returns a path that exists.

    Raises:
        DataError: ECO301, if there is no such file or folder.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(not_found(path))
    return path


def not_found(path: Path) -> Problem:
    """Makes the problem of a missing path: which part does not exist, and similar or readable files beside it."""
    parent = path.parent
    while not parent.is_dir() and parent != parent.parent:
        parent = parent.parent
    message = f"There is no file or folder {str(path)!r}."
    if parent.resolve() != path.parent.resolve():
        return Problem("ECO301", f"{message} The folder {str(path.parent)!r} does not exist either.", FORMATS)
    try:
        names = sorted(entry.name for entry in parent.iterdir())
    except OSError:
        names = []
    close = difflib.get_close_matches(path.name, names, n=3, cutoff=0.6)
    readable = [name for name in names if name.lower().endswith(KNOWN_SUFFIXES)][:5]
    if close:
        fix = "Did you mean " + " or ".join(repr(str(parent / name)) for name in close) + "?\n" + FORMATS
    elif readable:
        fix = f"In {str(parent.resolve())!r} there are: {', '.join(readable)}.\n{FORMATS}"
    else:
        fix = FORMATS
    return Problem("ECO301", message, fix)


def unreadable(path: Path, error: object, fix: str) -> DataError:
    """The error that a file is not what its suffix promises.

    Args:
        path: The file.
        error: What a library raised, or the reason.
        fix: What to do.
    """
    return DataError(Problem("ECO302", f"Cannot read {path}: {first_line(error)}.", fix))


def first_line(error: object) -> str:
    """The first line of a message, without its full stop."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")


def read_function(target: str) -> Callable[..., Data]:
    """Imports the function that ``"module:name"`` names."""
    return cast("Callable[..., Data]", pkgutil.resolve_name(target))


__all__ = ["existing", "first_line", "not_found", "read_function", "unreadable"]
