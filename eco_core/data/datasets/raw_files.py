"""Raw files of published graphs: found below the data root, or downloaded whole or not at all."""

from __future__ import annotations

import contextlib
import pickle
import socket
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import yaml
from torch_geometric.data import Data

from eco_core.data.source import default_root
from eco_core.errors import DataError, EcoError, Problem

_UNREADABLE = (
    *(OSError, EOFError, ValueError, KeyError, IndexError, RuntimeError, TypeError, AttributeError, AssertionError),
    *(pickle.UnpicklingError, zipfile.BadZipFile, zlib.error, yaml.YAMLError),
)
"""Exceptions that reading a damaged file may raise."""

_SECONDS = 60
"""How long a download waits for an answer: PyG's functions set no limit of their own."""


_LARGE = 2**25
"""Features of more numbers than this (128 MB) are large. Smaller ones are dense, which is what users expect; training
takes the same time, because it holds mostly-zero features sparse anyway where its parts can read them."""

_SPARSE_SHARE = 0.1
"""Up to this share of non-zero numbers, sparse features take less memory and their products less time."""


def are_wide_bags(nonzero: int, shape: tuple[int, int]) -> bool:
    """Whether features are large, and mostly zero: such as those of the co-author graphs."""
    numbers = shape[0] * shape[1]
    return numbers > _LARGE and nonzero <= _SPARSE_SHARE * numbers


class RawFiles(NamedTuple):
    """The raw files of a data set: where they belong, and where they come from.

    Attributes:
        name: The name of the data set, for messages.
        folder: Their folder below the data root, such as ``Cora/raw``.
        files: The names of the files (or folders) that must be in it.
        url: The address that they are downloaded from, for messages.
        download: Downloads them into ``folder`` below the root that it is given, where there is nothing else.
        size: How much is downloaded, in words; may be empty.
        unasked: Whether they are downloaded when they are missing; very large ones are not.
    """

    name: str
    folder: str
    files: tuple[str, ...]
    url: str
    download: Callable[[Path], None]
    size: str = ""
    unasked: bool = True


def load_raw(raw: RawFiles, root: str | Path | None, read: Callable[[Path], Data]) -> Data:
    """Reads a graph from its raw files, which are downloaded if they are missing.

    The files are looked for in `root`, then in `default_root()`. Downloads go to `root`, or to `default_root()` if
    `root` cannot be written. They are moved into place only when all are complete and could be read: a page that says
    "try again later" is no data set.

    Args:
        raw: The files.
        root: The data root; None: `default_root`.
        read: Reads the graph, given the root that holds ``raw.folder``.

    Returns:
        What `read` returns.

    Raises:
        DataError: ECO304, if the files are missing and cannot be downloaded; ECO302, if they cannot be read.
    """
    roots = list(dict.fromkeys([Path(root).expanduser() if root is not None else default_root(), default_root()]))
    for place in roots:
        if not _missing(raw, place):
            with _reading(raw, place):
                return read(place)
    if not raw.unasked:
        raise _not_downloaded(raw, roots[0], f"They are {raw.size}, and are not downloaded unasked.")
    target = next((place for place in roots if _writable(place)), None)
    reason = "no folder for it can be written"
    if target is not None:
        number = f"{len(raw.files)} files" if len(raw.files) != 1 else "1 file"
        size = raw.size or number
        print(f"Downloading {raw.name} ({size}) from {raw.url} to {target / raw.folder}", file=sys.stderr)
        try:
            return _download(raw, target, read)
        except Exception as error:  # PyG's downloads fail in many ways: network, name resolution, optional packages.
            reason = f"{type(error).__name__}: {error}"
    raise _not_downloaded(raw, roots[0], f"Downloading them from {raw.url} failed: {reason}")


def _not_downloaded(raw: RawFiles, root: Path, reason: str) -> DataError:
    place, files = root / raw.folder, ", ".join(_missing(raw, root))
    return DataError(
        Problem(
            "ECO304",
            f"The raw files of data set {raw.name!r} are missing in {place}: {files}.\n{reason}",
            f"Get the files from {raw.url} and put them into {place},\n"
            f"or name the folder that holds {raw.folder} with --data-root DIR or ECO_DATA_ROOT=DIR.",
        )
    )


@contextlib.contextmanager
def _reading(raw: RawFiles, root: Path) -> Iterator[None]:
    """Turns whatever a damaged file raises into an error that names the data set and the folder."""
    try:
        yield
    except EcoError:
        raise
    except _UNREADABLE as error:
        raise DataError(
            Problem(
                "ECO302",
                f"Cannot read the raw files of {raw.name} in {root / raw.folder}: {type(error).__name__}: {error}.",
                "Delete them so that they are downloaded anew, or choose another folder with --data-root.",
            )
        ) from error


def _missing(raw: RawFiles, root: Path) -> list[str]:
    return [file for file in raw.files if not (root / raw.folder / file).exists()]


def _download(raw: RawFiles, root: Path, read: Callable[[Path], Data]) -> Data:
    with tempfile.TemporaryDirectory(dir=root, prefix=".download-") as folder:
        scratch = Path(folder)
        (scratch / raw.folder).mkdir(parents=True)
        with _time_limit():
            raw.download(scratch)
        absent = _missing(raw, scratch)
        if absent:
            raise FileNotFoundError(f"the download holds no {', '.join(absent)}")
        graph = read(scratch)
        place = root / raw.folder
        place.mkdir(parents=True, exist_ok=True)
        for entry in sorted((scratch / raw.folder).iterdir()):
            entry.replace(place / entry.name)
    return graph


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(before or _SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
