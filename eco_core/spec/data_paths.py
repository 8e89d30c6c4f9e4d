"""Paths of data in a spec file: they may be relative to the file's own folder, so that a run folder can be moved."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eco_core.spec.models import IN_MEMORY

PATH_KEYS = ("name", "edges", "root")
"""Keys of a spec's data section that may hold paths."""


def resolved_data(section: Any, folder: Path) -> Any:
    """Makes the relative paths of a data section relative to the current folder.

    A relative path is looked for in the spec's folder, then in the current folder. One that starts with ``./`` or
    ``../`` and is in neither means the spec's folder. A word alone, such as ``cora``, is a name and stays one.

    Args:
        section: The data section of a spec file: a mapping or a name.
        folder: The folder of the file.

    Returns:
        The section with the paths replaced.
    """
    if isinstance(section, str):
        return _resolved(section, folder)
    if not isinstance(section, Mapping):
        return section
    return {key: _resolved(value, folder) if key in PATH_KEYS else value for key, value in section.items()}


def _resolved(value: Any, folder: Path) -> Any:
    if not isinstance(value, str) or value == IN_MEMORY or value.startswith("~") or Path(value).is_absolute():
        return value
    if not (_has_separator(value) or Path(value).suffix):
        return value
    beside = os.path.normpath(folder / value)
    if Path(beside).exists():
        return _as_path(beside)
    is_dotted = value.replace(os.sep, "/").startswith(("./", "../"))
    return _as_path(beside) if is_dotted and not Path(value).exists() else value


def portable_data(section: Mapping[str, Any], folder: Path, is_path: bool) -> dict[str, Any]:
    """Makes the paths of a data section relative to the folder that the spec is written to.

    Paths on another drive stay absolute; so do texts that are no paths.

    Args:
        section: The data section, with paths that are absolute or relative to the current folder.
        folder: The folder of the spec.
        is_path: Whether ``name`` is a path.

    Returns:
        The section, with forward slashes in its paths.
    """
    portable = dict(section)
    for key in PATH_KEYS:
        value = portable.get(key)
        if isinstance(value, str) and value != IN_MEMORY and (key != "name" or is_path):
            portable[key] = _relative(value, folder)
    return portable


def _relative(value: str, folder: Path) -> str:
    path = Path(value).expanduser()
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:  # Another drive.
        return str(path.absolute())
    return _as_path(relative).replace(os.sep, "/")


def _as_path(path: str) -> str:
    """A path that cannot be taken for the name of a data set."""
    return path if _has_separator(path) else f"{os.curdir}{os.sep}{path}"


def _has_separator(text: str) -> bool:
    return any(separator in text for separator in {"/", os.sep, os.altsep or os.sep})


__all__ = ["PATH_KEYS", "portable_data", "resolved_data"]
