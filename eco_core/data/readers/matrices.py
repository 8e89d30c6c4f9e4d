"""Graphs in matrix files: MATLAB's ``.mat`` and MatrixMarket's ``.mtx``."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from torch_geometric.data import Data

from eco_core.data.readers.matlab_check import check_mat
from eco_core.data.readers.named_arrays import graph_of_arrays
from eco_core.data.readers.paths import existing, unreadable
from eco_core.data.readers.texts import bytes_of, text_of
from eco_core.data.validate import check_count
from eco_core.errors import DataError, Problem


def read_mat(
    path: str | Path, features: str | None = None, edges: str | None = None, labels: str | None = None
) -> Data:
    """Reads a MATLAB file.

    Args:
        path: A ``.mat`` file, up to version 7.2 by SciPy, 7.3 (which is HDF5) by h5py.
        features: Name of the features in it; None: a usual name (`eco_core.data.readers.named_arrays`).
        edges: Name of the edges or the adjacency matrix.
        labels: Name of the labels: numbers, texts or one-hot rows.

    Returns:
        The graph, not yet validated.

    Raises:
        DataError: ECO301 no such file; ECO302 not such a file, or without edges and features.
    """
    from scipy.io import loadmat

    path = existing(path)
    fix = "Save it in MATLAB with save(file, '-v7'), or from Python with scipy.io.savemat."
    try:
        check_mat(path.read_bytes())
        arrays = loadmat(path, squeeze_me=False)
    except NotImplementedError:  # Version 7.3.
        arrays = _hdf5_arrays(path, fix)
    except Exception as error:  # SciPy raises whatever the bytes of a damaged file lead to.
        raise unreadable(path, error, fix) from error
    arrays = {name: value for name, value in arrays.items() if not name.startswith("__")}
    return graph_of_arrays(arrays, path, features=features, edges=edges, labels=labels)


def _hdf5_arrays(path: Path, fix: str) -> dict[str, Any]:
    """The arrays of a version 7.3 file; MATLAB stores columns first, so that all of them are transposed."""
    try:
        import h5py
    except ImportError:
        raise DataError(
            Problem(
                "ECO302",
                f"{path} is a MATLAB 7.3 file, and reading it needs h5py, which is not installed.",
                "pip install 'eco-core[formats]', or save the file with save(file, '-v7').",
            )
        ) from None
    try:
        with h5py.File(path) as file:
            return _arrays_in(file, h5py.Dataset)
    except Exception as error:  # h5py raises many types for a damaged file.
        raise unreadable(path, error, fix) from error


def _arrays_in(file: Any, dataset: Any) -> dict[str, Any]:
    import scipy.sparse as sp

    found: dict[str, Any] = {}
    for name, entry in file.items():
        if name.startswith("#"):
            continue
        if isinstance(entry, dataset):
            found[name] = entry[()].T
        elif {"ir", "jc"} <= set(entry):  # A sparse matrix, by columns.
            starts, rows = entry["jc"][()], entry["ir"][()]
            values = entry["data"][()] if "data" in entry else [1.0] * len(rows)
            shape = (int(entry.attrs["MATLAB_sparse"]), len(starts) - 1)
            found[name] = sp.csc_matrix((values, rows, starts), shape=shape)
    return found


def read_mtx(path: str | Path, features: str | None = None, labels: str | None = None) -> Data:
    """Reads an adjacency matrix in MatrixMarket's format.

    Args:
        path: A ``.mtx`` file (or ``.mtx.gz``) with a square matrix: its entries are the edges.
        features: A second ``.mtx`` file with one row for each node, beside the first; None: there are no features.
        labels: A text file beside it with one label a line, in the order of the rows.

    Returns:
        The graph, not yet validated.

    Raises:
        DataError: ECO301 no such file; ECO302 not such a file, or a matrix that is not square.
    """
    path = existing(path)
    matrix = _matrix(path)
    if matrix.shape[0] != matrix.shape[1]:
        raise DataError(
            Problem(
                "ECO302",
                f"The matrix in {path} has the shape {tuple(matrix.shape)}; an adjacency matrix is square.",
                "Name the adjacency matrix, and this one with --set data.features=FILE.",
            )
        )
    arrays: dict[str, Any] = {"adj": matrix}
    if features is not None:
        arrays["x"] = _matrix(existing(path.parent / features))
    if labels is not None:
        arrays["y"] = text_of(existing(path.parent / labels), []).split()
    data = graph_of_arrays(arrays, path)
    if features is None:
        data.num_nodes = matrix.shape[0]
    data.name = path.name.split(".")[0]
    return data


def _matrix(path: Path) -> Any:
    from scipy.io import mmread

    raw = bytes_of(path)
    _check_matrix_market(path, raw)
    try:
        return mmread(io.BytesIO(raw))
    except Exception as error:  # SciPy raises several types, down to UnicodeDecodeError.
        raise unreadable(path, error, _WRITE) from error


def _check_matrix_market(path: Path, raw: bytes) -> None:
    """Checks a MatrixMarket file: SciPy makes room for what the header claims, and a torn line can crash Python."""
    first, _, _ = raw.partition(b"\n")
    first = first.lower()
    if first.startswith(b"\xef\xbb\xbf"):
        raise unreadable(path, "line 1: it begins with a byte order mark", "Save it as ASCII or as UTF-8 without one.")
    if not first.startswith(b"%%matrixmarket"):
        raise unreadable(path, "line 1: it does not begin with %%MatrixMarket", _WRITE)
    if b"complex" in first:
        raise unreadable(path, "line 1: its entries are complex numbers, which are no weights", _WRITE)
    begin, number = 0, 0
    while True:
        end = raw.find(b"\n", begin)
        line = raw[begin : end if end >= 0 else None]
        number += 1
        if line.strip() and not line.startswith(b"%"):
            break
        if end < 0:
            raise unreadable(path, "it has no line with the numbers of rows, columns and entries", _WRITE)
        begin = end + 1
    sizes = line.split()
    coordinate = b"coordinate" in first
    if len(sizes) != (3 if coordinate else 2) or not all(size.isdigit() for size in sizes):
        raise unreadable(path, f"line {number}: expected the numbers of rows, columns and entries", _WRITE)
    rows, columns = int(sizes[0]), int(sizes[1])
    if coordinate:
        entries, cells = int(sizes[2]), 2 if b"pattern" in first else 3
    else:
        below = rows * (rows - 1) // 2
        half = below if b"skew" in first else below + rows if b"symmetric" in first else rows * columns
        entries, cells = half, 1
    body = raw[end + 1 :] if end >= 0 else b""
    if 2 * cells * entries > len(body) + 1:  # "1 1\n" is the shortest entry.
        raise unreadable(path, f"line {number}: it claims {entries:,} entries, more than the file holds", _WRITE)
    check_count(rows, entries, f"{path}, line {number}")
    found = body.count(b"\n") + (not body.endswith(b"\n") and len(body) > 0)
    if found == entries and not body.translate(None, _SIGNS) and len(body.split()) == entries * cells:
        return
    found = 0
    for place, text in enumerate(body.split(b"\n"), number + 1):
        found += bool(text.strip())
        if text.strip() and (len(text.split()) != cells or text.translate(None, _SIGNS)):
            shown = text.decode(errors="replace").strip()[:40]
            kind = "a row, a column and a number" if cells == 3 else "a row and a column" if cells == 2 else "a number"
            raise unreadable(path, f"line {place} is {shown!r}; expected {kind}", _WRITE)
    if found != entries:
        raise unreadable(path, f"line {number}: it claims {entries:,} entries; there are {found:,}", _WRITE)


_SIGNS = b"0123456789.+-eE \t\r\nnaifNAIFtyTY"
_WRITE = "Write it with scipy.io.mmwrite(path, matrix)."

__all__ = ["read_mat", "read_mtx"]
