"""A graph in a ``.zip``: the file, or the tables, that the archive holds."""

from __future__ import annotations

import functools
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from torch_geometric.data import Data

from eco_core.data.readers.paths import read_function, unreadable
from eco_core.data.source import FORMATS, KNOWN_SUFFIXES, LISTS, READERS, TABLES, suffix_of
from eco_core.errors import DataError, Problem

_ABOUT = ("readme", "licen", "license", "description", "about")


def reader_of_zip(path: Path) -> Callable[..., Data]:
    """Returns the function that reads a ``.zip``: its parameters are those of the reader of the file in it.

    Args:
        path: An archive with one file of a known format, or with tables alone. Other files are not read.

    Raises:
        DataError: ECO302, if it is not such an archive.
    """
    names = _graph_files(path)
    if not names:
        raise DataError(Problem("ECO302", f"{path} holds no file of a known format; it holds {_held(path)}.", FORMATS))
    tables = [name for name in names if suffix_of(name) in (*TABLES, *LISTS)]
    if len(names) > 1 and tables != names:
        raise DataError(
            Problem(
                "ECO302",
                f"{path} holds several graphs: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}.",
                "Unpack it, and name one of these files.",
            )
        )
    inner = read_function(READERS[suffix_of(names[0]) if len(names) == 1 else ".csv"])

    @functools.wraps(inner)
    def read(path: str | Path, **parameters: Any) -> Data:
        return _read(Path(path), names, inner, parameters)

    return read


def _read(path: Path, names: list[str], inner: Callable[..., Data], parameters: dict[str, Any]) -> Data:
    """Unpacks the files into a folder that is removed afterwards; messages name the archive instead."""
    with tempfile.TemporaryDirectory(prefix="eco-zip-") as folder:
        here = Path(folder) / path.stem
        here.mkdir()
        try:
            with zipfile.ZipFile(path) as archive:
                for name in names:
                    with archive.open(name) as packed, (here / PurePosixPath(name).name).open("wb") as file:
                        shutil.copyfileobj(packed, file)
        except Exception as error:  # zipfile raises many types for a damaged archive.
            raise unreadable(
                path, f"the archive is damaged or was cut off ({error})", "Copy or download the file again."
            ) from error
        try:
            data = inner(here / PurePosixPath(names[0]).name if len(names) == 1 else here, **parameters)
        except DataError as error:
            raise DataError(
                *(replace(p, message=p.message.replace(str(here), str(path)), fix=p.fix) for p in error.problems)
            ) from error
    notes = [note.replace(str(here), path.name) for note in data.get("notes") or []]
    data.notes = [f"{path.name}: {', '.join(names)} read", *notes]
    return data


def _graph_files(path: Path) -> list[str]:
    """The files of an archive that may hold the graph."""
    names = [name for name in _members(path) if name.lower().endswith(KNOWN_SUFFIXES) and suffix_of(name) != ".zip"]
    return [name for name in names if not PurePosixPath(name).name.lower().startswith(_ABOUT)]


def _members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    except Exception as error:
        raise unreadable(
            path, f"it is no .zip archive, or was cut off ({error})", "Copy or download the file again."
        ) from error
    return [name for name in names if not name.startswith("__MACOSX/") and not PurePosixPath(name).name.startswith(".")]


def _held(path: Path) -> str:
    names = _members(path)
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") if names else "nothing"


__all__ = ["reader_of_zip"]
