"""Graphs in NumPy archives and torch files. Nothing here unpickles what could run code."""

from __future__ import annotations

import contextlib
import math
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Data

from eco_core.data.readers.named_arrays import EDGES, FEATURES, graph_of_arrays
from eco_core.data.readers.paths import existing, first_line, unreadable
from eco_core.errors import DataError, Problem

_SAVE_NPZ = "Write it with eco_core.data.save_npz(data, path)."


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


def read_npz(
    path: str | Path, features: str | None = None, edges: str | None = None, labels: str | None = None
) -> Data:
    """Reads a NumPy archive.

    Args:
        path: An ``.npz`` file: ECO's own (`save_npz`), that of the heterophilous benchmarks (``node_features``,
            ``edges``, ``node_labels``), Shchur's (``adj_data``, ..., ``attr_data``, ..., ``labels``) or another one
            with usual names (`eco_core.data.readers.named_arrays`). Arrays of Python objects are left out.
        features: Name of the features in it; None: a usual name.
        edges: Name of the edges or the adjacency matrix.
        labels: Name of the labels.

    Returns:
        The graph, not yet validated.

    Raises:
        DataError: ECO301 no such file; ECO302 not such an archive.
    """
    path = existing(path)
    arrays: dict[str, Any] = {}
    objects: list[str] = []
    key = ""
    try:
        with path.open("rb") as file:
            begins = file.read(2) == b"PK"
        if not begins or not zipfile.is_zipfile(
            path
        ):  # NumPy would take it for a pickle, and advise to load it unsafely.
            raise ValueError("it is not an archive")
        with np.load(path, allow_pickle=False) as archive:
            if not hasattr(archive, "files"):
                raise ValueError("it holds a single array, not an archive")
            for key in archive.files:
                try:
                    _check_size(archive, key)
                    arrays[key] = archive[key]
                except ValueError as error:
                    if "allow_pickle" not in str(error):
                        raise
                    objects.append(key)
    except Exception as error:  # zipfile, zlib and NumPy raise many types for a damaged archive.
        what = f"array {key!r}: " if key else ""
        raise unreadable(path, f"{what}{first_line(error)}", _SAVE_NPZ) from error
    wanted = {*EDGES, *FEATURES, features, edges}
    if unusable := [name for name in objects if name in wanted]:
        raise unreadable(
            path,
            f"{', '.join(unusable)} {'holds' if len(unusable) == 1 else 'hold'} Python objects, which could run code",
            "Save arrays of numbers.",
        )
    data = graph_of_arrays(arrays, path, features=features, edges=edges, labels=labels)
    for role, names in (("x", FEATURES), ("edge_index", EDGES)):
        needed = [key for key in objects if key in names]
        if needed and data.get(role) is None:
            raise unreadable(path, f"{needed[0]} holds Python objects, which could run code", _SAVE_NPZ)
    if objects:
        data.notes = [
            *data.notes,
            f"Python objects in {path.name}, which could run code, left out: {', '.join(objects)}",
        ]
    return data


def _check_size(archive: Any, key: str) -> None:
    """Refuses an array whose header claims more than its file in the archive holds, before NumPy makes room for it."""
    name = key if key in archive.zip.namelist() else f"{key}.npy"
    with archive.zip.open(name) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        held = archive.zip.getinfo(name).file_size
    if not dtype.hasobject and math.prod(shape) * dtype.itemsize > held:
        raise OSError(f"its header claims the shape {shape}, but the file has {held:,} bytes")


def read_pt(path: str | Path, features: str | None = None, edges: str | None = None, labels: str | None = None) -> Data:
    """Reads a torch file.

    Args:
        path: A ``.pt`` file written by ``torch.save``: a dict of tensors with the keys of `read_npz` (``node_ids`` a
            list of strings), or a PyG ``Data``.
        features: Name of the features in a dict; None: a usual name.
        edges: Name of the edges or the adjacency matrix.
        labels: Name of the labels.

    Returns:
        The graph, on the CPU, not yet validated.

    Raises:
        DataError: ECO301, if there is no such file; ECO302, if the file is not such a file, or holds other objects than
            tensors and plain Python.
    """
    path = existing(path)
    how_to = 'torch.save({"x": data.x, "edge_index": data.edge_index}, path)'
    try:
        with _plain_data_allowed():
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for a damaged file.
        raise DataError(
            Problem(
                "ECO302",
                f"Cannot read {path} safely (torch.load with weights_only=True): {first_line(error)}",
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
    arrays = {str(key): value for key, value in content.items() if value is not None}
    return graph_of_arrays(arrays, path, features=features, edges=edges, labels=labels)


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


__all__ = ["read_npz", "read_pt", "save_npz"]
