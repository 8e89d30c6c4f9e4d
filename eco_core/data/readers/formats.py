"""Reads graphs from files: NumPy archives, torch files and tables.

==================  ============================================================================================
``graph.npz``       arrays ``x`` (or ``x_data, x_indices, x_indptr, x_shape``: CSR), ``edge_index``; optional
                    ``edge_weight, y, node_ids, n_classes``
``graph.pt``        ``torch.save`` of a dict of tensors with the same keys, or of a PyG ``Data``
``folder/``         tables: ``nodes`` (or ``features``), ``edges`` and ``labels``, each as CSV (also ``.tsv`` and
                    packed, such as ``.csv.gz``) or Parquet; nodes or edges may be missing
``nodes.csv``       one of these tables, the others named by the user (`eco_core.data.readers.table_files`)
``x.npy``           features alone: an array with one row for each node
``cells.h5ad``      an AnnData (`eco_core.data.annotated.graph.graph_of_anndata`)
``folder/``         ``manifest.json`` and arrays: a graph on disk (`eco_core.data.on_disk.graph`)
==================  ============================================================================================

Reading a file never runs code from it: archives are read with ``allow_pickle=False``, and torch files with
``weights_only=True``.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from eco_core.data.readers.table_files import read_tables
from eco_core.data.source import FORMATS, KNOWN_SUFFIXES, READERS, suffix_of
from eco_core.errors import DataError, Problem

_KEYS = ("x", "edge_index", "edge_weight", "y", "node_ids", "n_classes")
_CSR_KEYS = ("x_data", "x_indices", "x_indptr", "x_shape")


def reader_for(path: str | Path) -> Callable[..., Data]:
    """Finds the function that reads a file or folder.

    Args:
        path: An existing file or folder.

    Returns:
        A function ``(path, ...) -> Data``; the user may set its other parameters.

    Raises:
        DataError: ECO301 if there is nothing at the path, ECO302 if the format is not known.
    """
    path = Path(path)
    if path.is_dir():
        from eco_core.data.on_disk.graph import is_on_disk, open_graph

        return open_graph if is_on_disk(path) else read_tables
    if not path.exists():
        raise DataError(_not_found(path))
    suffix = suffix_of(path)
    if suffix not in READERS:
        raise DataError(Problem("ECO302", f"The format of {path} is not known (suffix {suffix!r}).", FORMATS))
    module, _, name = READERS[suffix].partition(":")
    return cast("Callable[..., Data]", getattr(importlib.import_module(module), name))


def save_npz(data: Data, path: str | Path) -> Path:
    """Writes a graph as a NumPy archive that `read_npz` reads back exactly.

    Args:
        data: A graph with ``x`` and ``edge_index``; ``edge_weight``, ``y``, ``node_ids`` and ``n_classes`` are written
            if present. Sparse features stay sparse (as CSR).
        path: The file to write; ``.npz`` is appended if it is missing.

    Returns:
        The path of the written file.

    Raises:
        DataError: ECO303, if the graph is invalid.
    """
    from eco_core.data.validate import convert_graph

    path = Path(path)
    if path.suffix.lower() != ".npz":
        path = path.with_name(path.name + ".npz")
    graph = convert_graph(data)
    arrays: dict[str, Any] = {"edge_index": graph.edge_index.cpu().numpy()}
    if graph.x.is_sparse:
        x = graph.x.cpu()
        rows, columns = x.indices().numpy()
        counts = np.bincount(rows, minlength=x.shape[0])
        arrays["x_data"] = x.values().numpy()
        arrays["x_indices"] = columns
        arrays["x_indptr"] = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        arrays["x_shape"] = np.array(x.shape, dtype=np.int64)
    else:
        arrays["x"] = graph.x.cpu().numpy()
    for key in ("edge_weight", "y"):
        if graph.get(key) is not None:
            arrays[key] = graph[key].cpu().numpy()
    if graph.get("node_ids") is not None:
        arrays["node_ids"] = np.array(graph.node_ids, dtype=np.str_)
    if graph.get("n_classes") is not None:
        arrays["n_classes"] = np.array(graph.n_classes, dtype=np.int64)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    return path


def read_npz(path: str | Path) -> Data:
    """Reads a NumPy archive.

    Args:
        path: An ``.npz`` file with the arrays ``x`` ``(num_nodes, num_features)`` or its CSR parts ``x_data``,
            ``x_indices``, ``x_indptr``, ``x_shape``; ``edge_index`` ``(2, num_edges)``; optionally ``edge_weight``
            ``(num_edges,)``, ``y`` ``(num_nodes,)``, ``node_ids`` (strings) and ``n_classes`` (one integer).

    Returns:
        The graph, not yet validated.

    Raises:
        DataError: ECO301, if there is no such file; ECO302, if the file is not such an archive.
    """
    path = _existing(path)
    try:
        if not zipfile.is_zipfile(path):  # Otherwise NumPy takes it for a pickle, and suggests allow_pickle=True.
            raise ValueError("it is not an archive")
        with np.load(path, allow_pickle=False) as archive:
            if not hasattr(archive, "files"):
                raise ValueError("it holds a single array, not an archive")
            arrays = {key: archive[key] for key in archive.files if key in _KEYS + _CSR_KEYS}
            ignored = [key for key in archive.files if key not in arrays]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, pickle.UnpicklingError) as error:
        raise DataError(
            Problem(
                "ECO302",
                f"Cannot read {path}: {_first_line(error)}.",
                "Write it with eco_core.data.save_npz(data, path).",
            )
        ) from error
    return _graph_of(arrays, ignored, path, "eco_core.data.save_npz(data, path)")


def read_pt(path: str | Path) -> Data:
    """Reads a torch file.

    Args:
        path: A ``.pt`` file written by ``torch.save``: a dict of tensors with the keys of `read_npz` (``node_ids`` a
            list of strings), or a PyG ``Data``.

    Returns:
        The graph, on the CPU, not yet validated.

    Raises:
        DataError: ECO301, if there is no such file; ECO302, if the file is not such a file, or holds other objects than
            tensors and plain Python.
    """
    path = _existing(path)
    how_to = 'torch.save({"x": data.x, "edge_index": data.edge_index}, path)'
    try:
        with _plain_data_allowed():
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, ValueError, EOFError, RuntimeError, KeyError, pickle.UnpicklingError) as error:
        raise DataError(
            Problem(
                "ECO302",
                f"Cannot read {path} safely (torch.load with weights_only=True): {_first_line(error)}",
                f"Save a dict of tensors instead: {how_to}, or use eco_core.data.save_npz(data, path).",
            )
        ) from error
    if isinstance(content, Data):
        content = content.clone()
        content.name = content.get("name") or path.stem
        return content
    if not isinstance(content, Mapping):
        raise DataError(
            Problem(
                "ECO302", f"{path} holds a {type(content).__name__}; expected a dict of tensors.", f"Save it: {how_to}."
            )
        )
    known = {key: value for key, value in content.items() if key in _KEYS + _CSR_KEYS and value is not None}
    return _graph_of(known, [str(key) for key in content if key not in _KEYS + _CSR_KEYS], path, how_to)


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.exists():
        raise DataError(_not_found(path))
    return path


def _not_found(path: Path) -> Problem:
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


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")


@contextlib.contextmanager
def _plain_data_allowed() -> Iterator[None]:
    """Context manager: lets ``weights_only`` loading restore PyG's ``Data``, whose classes only hold attributes."""
    safe_globals = getattr(torch.serialization, "safe_globals", None)
    if safe_globals is None:  # torch < 2.5: only dicts of tensors can be read.
        yield
        return
    from torch_geometric.data import data as module
    from torch_geometric.data.storage import GlobalStorage

    with safe_globals([Data, GlobalStorage, module.DataEdgeAttr, module.DataTensorAttr]):
        yield


def _graph_of(arrays: dict[str, Any], ignored: list[str], path: Path, how_to: str) -> Data:
    """Makes a graph from named arrays or tensors."""
    from eco_core.data.validate import as_tensor

    has_csr = [key for key in _CSR_KEYS if key in arrays]
    missing = [key for key in _CSR_KEYS if key not in arrays] if has_csr and "x" not in arrays else []
    if not ({"x", "edge_index"} & set(arrays) or has_csr):  # Either is enough: the other is made.
        missing = ["edge_index", "x"]
    if missing:
        found = ", ".join([*arrays, *ignored]) or "nothing"
        raise DataError(
            Problem(
                "ECO302", f"{path} has no {' and no '.join(missing)}; it holds {found}.", f"Write it with {how_to}."
            )
        )
    data = Data(name=path.stem, notes=[f"ignored in {path.name}: {', '.join(ignored)}"] if ignored else [])
    if "x" in arrays or has_csr:
        data.x = arrays["x"] if "x" in arrays else _csr_features(arrays, path)
    for key in ("x", "edge_index", "edge_weight", "y"):
        value = data.get("x") if key == "x" else arrays.get(key)
        if value is None:
            continue
        tensor = as_tensor(value)
        if tensor is None:
            kind = getattr(value, "dtype", type(value).__name__)
            raise DataError(Problem("ECO302", f"{key} in {path} is not numeric ({kind}).", "Store numbers."))
        data[key] = tensor
    if "node_ids" in arrays:
        ids = arrays["node_ids"]
        data.node_ids = ids.tolist() if hasattr(ids, "tolist") else list(ids)
    if "n_classes" in arrays:
        declared = arrays["n_classes"]
        data.n_classes = declared.tolist() if hasattr(declared, "tolist") else declared
    return data


def _csr_features(arrays: dict[str, Any], path: Path) -> Tensor:
    import scipy.sparse as sp

    from eco_core.data.validate import as_tensor

    try:
        parts = [np.asarray(arrays[key]) for key in _CSR_KEYS]
        shape = tuple(int(size) for size in parts[3])
        matrix = sp.csr_matrix((parts[0], parts[1], parts[2]), shape=shape)
        matrix.check_format(full_check=True)
    except (ValueError, TypeError, IndexError) as error:
        raise DataError(
            Problem(
                "ECO302",
                f"x_data, x_indices, x_indptr and x_shape in {path} are not a CSR matrix: {_first_line(error)}.",
                "They are scipy.sparse.csr_matrix's data, indices, indptr and shape.",
            )
        ) from error
    return cast(Tensor, as_tensor(matrix))  # as_tensor never returns None for a sparse matrix.
