"""Graphs that stay on disk: folders of arrays that are mapped into memory and read when they are needed.

==========================  =====================================================================================
``manifest.json``           format and version, sizes, facts and notes of the conversion, and for each array its file,
                            dtype, shape and SHA-256
``rowptr.npy, col.npy``     the sources of the edges that point to each node, sorted: int64, int32 (int64 from 2^31
                            nodes on)
``edge_weight.npy``         optional: float32, in the order of ``col``
``x.npy``                   features: float32, or float16, whose rows become float32 when they are read
``y.npy``                   optional: labels, int64, -1 where unknown
``node_ids.npy``            optional: the user's ids; integers as int64, texts as UTF-8 bytes with
                            ``node_id_offsets.npy``
==========================  =====================================================================================

`eco_core.data.save_on_disk` and ``eco data convert`` write such a folder; nothing in it is a pickle.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data, EdgeAttr, TensorAttr
from torch_geometric.data.data import DataEdgeAttr, DataTensorAttr
from torch_geometric.data.graph_store import EdgeLayout

from eco_core.data.node_ids import Ids, Texts
from eco_core.data.on_disk.deferred import DeferredTensor
from eco_core.errors import DataError, Problem
from eco_core.ops.csr import CSR, incoming_of

MANIFEST = "manifest.json"
FORMAT, VERSION = "eco-graph", 1
UNFINISHED = ".unfinished"
"""Suffix of the folder that a conversion writes to until it is complete."""

_CONVERT_AGAIN = "Convert the graph again with 'eco data convert'."
_DTYPES: Mapping[str, tuple[str, ...]] = {
    "rowptr": ("int64",),
    "col": ("int32", "int64"),
    "edge_weight": ("float32",),
    "x": ("float32", "float16"),
    "y": ("int64",),
    "node_ids": ("int64", "uint8"),
    "node_id_offsets": ("int64",),
}
_CHECKSUM_BLOCK = 2**22


class OnDiskGraph(Data):
    """A graph in a folder: a PyG ``Data`` whose tensors lie in files.

    It is also a feature store and a graph store of PyG: loaders take ``graph`` or ``(graph, graph)``, and read only the
    rows of a mini-batch. ``x``, ``y`` and ``edge_weight`` are memory maps: reading them reads the file, writing to them
    does not change the file. (The map of an array that is larger than the machine's memory is read-only; writing to it
    ends the process.) ``node_ids`` behaves as a list of texts.

    ``edge_index``, of shape (2, num_edges) and sorted by target, is built when its entries are first used; training on
    the whole graph uses them. It then takes 16 bytes for each edge, and as much again while it is built. For features
    in float16, using ``x`` as a whole converts all of it to float32 once; selecting rows converts only these rows.
    """

    @property
    def incoming(self) -> CSR | None:
        """The stored edges by target; None if ``edge_index`` was replaced, for example in a mini-batch."""
        return incoming_of(self.get("edge_index"), self.get("edge_weight"))

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The content of ``manifest.json``."""
        return self.__dict__["_manifest"]

    @property
    def is_as_stored(self) -> bool:
        """Whether ``x``, ``edge_index``, ``edge_weight`` and ``y`` are the folder's, which its conversion checked."""
        return all(self.get(key) is value for key, value in self.__dict__["_stored"].items())

    def get_all_tensor_attrs(self) -> list[TensorAttr]:
        """The features and all other tensors with a row for each node."""
        # The attributes of PyG's Data have no group name, and PyG's loaders fail to look them up.
        return [DataTensorAttr(attr.attr_name) for attr in super().get_all_tensor_attrs()]

    def get_all_edge_attrs(self) -> list[EdgeAttr]:
        """The edges by target."""
        if self.incoming is None:
            return super().get_all_edge_attrs()
        return [DataEdgeAttr("csc", size=(self.num_nodes, self.num_nodes))]

    def _get_edge_index(self, edge_attr: EdgeAttr) -> Any:
        incoming = self.incoming
        if incoming is not None and edge_attr.layout == EdgeLayout.CSC:
            return incoming.col, incoming.rowptr
        return super()._get_edge_index(edge_attr)


class NodeIds:
    """The user's ids of the nodes as texts, read one by one from arrays.

    This class is not a ``Sequence``: PyG visits each entry of a sequence whenever it copies a graph.

    Args:
        ids: Integers or texts.
    """

    def __init__(self, ids: Ids) -> None:
        self.ids = ids

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, position: int) -> str:
        return str(self.ids[range(len(self))[position]])

    def __iter__(self) -> Iterator[str]:
        return (self[node] for node in range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (list, tuple, NodeIds)) and self.tolist() == list(other)

    __hash__ = None  # type: ignore[assignment]

    def tolist(self) -> list[str]:
        """Returns all ids."""
        return list(self)


def is_on_disk(path: Path) -> bool:
    """Returns whether a path is the folder of a graph on disk, or of an unfinished conversion."""
    if (path / MANIFEST).is_file():
        return not (path / "edges.csv").is_file()  # Other programs also name files manifest.json.
    return path.is_dir() and path.name.endswith(UNFINISHED)


def open_graph(path: str | Path, verify: bool = False) -> OnDiskGraph:
    """Opens a graph on disk; only its manifest and the sizes of its arrays are read.

    Args:
        path: A folder that ``eco data convert`` wrote.
        verify: Whether to read all arrays and compare their checksums.

    Returns:
        The graph. Its ``notes`` are the notes of the conversion.

    Raises:
        DataError: ECO301, if there is no such folder; ECO302, if files are missing, damaged or of another format.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    if verify:
        _verify(folder, manifest)
    arrays = {name: _mapped(folder, name, entry) for name, entry in manifest["arrays"].items()}
    _check_sizes(folder, manifest, arrays)
    tensors = {name: _tensor(array) for name, array in arrays.items() if not name.startswith("node_id")}
    rowptr, col = tensors["rowptr"], tensors["col"]
    graph = OnDiskGraph()
    graph.x = _features(tensors["x"])
    graph.edge_index = DeferredTensor((2, col.numel()), torch.int64, lambda: _edge_index(rowptr, col))
    # Code that can use the edges by target finds them here, without building the entries of edge_index.
    graph.edge_index.incoming = CSR(rowptr, col, symmetric=manifest["undirected"])
    graph.edge_weight, graph.y = tensors.get("edge_weight"), tensors.get("y")
    if "node_ids" in arrays:
        ids, offsets = arrays["node_ids"], arrays.get("node_id_offsets")
        graph.node_ids = NodeIds(ids if offsets is None else Texts(ids, offsets[:-1], offsets[1:]))
    graph.n_classes = manifest["n_classes"]
    graph.name, graph.notes = manifest["name"], list(manifest["notes"])
    stored = {key: graph.get(key) for key in ("x", "edge_index", "edge_weight", "y")}
    graph.__dict__.update(_stored=stored, _manifest=manifest)
    return graph


def read_manifest(folder: Path) -> dict[str, Any]:
    """Reads the manifest of a folder and checks that this version can read the format that it describes.

    Raises:
        DataError: ECO301, if there is no graph in the folder; ECO302, if the manifest is damaged, of another format, or
            of an unfinished conversion.
    """
    path = folder / MANIFEST
    if not path.is_file():
        if folder.name.endswith(UNFINISHED):
            raise _damaged(f"The conversion to {folder} was not finished", "Give the same 'eco data convert' again.")
        raise DataError(Problem("ECO301", f"There is no graph on disk in {folder}: no {MANIFEST}.", _CONVERT_AGAIN))
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        found = manifest["format"], manifest["version"]
        known = [manifest[key] for key in ("num_nodes", "num_edges", "arrays", "n_classes", "name", "notes", "facts")]
        files = [entry["file"] for entry in known[2].values()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(f"{path} is not the manifest of a graph: {type(error).__name__}: {error}") from error
    if found != (FORMAT, VERSION):
        raise _damaged(f"{path} describes format {found[0]!r} version {found[1]!r}; expected {FORMAT!r} {VERSION}")
    for file in files:
        if Path(file).name != file:
            raise _damaged(f"{path} names {file!r}, which is not a file of the folder")
    return manifest


def checksum(path: Path) -> str:
    """Returns the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_CHECKSUM_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _verify(folder: Path, manifest: Mapping[str, Any]) -> None:
    for entry in manifest["arrays"].values():
        path = folder / entry["file"]
        if not path.is_file():
            raise _damaged(f"{path} is missing")
        if checksum(path) != entry["sha256"]:
            raise _damaged(f"{path} has changed since it was written: its checksum is not the manifest's")


def _mapped(folder: Path, name: str, entry: Mapping[str, Any]) -> NDArray[Any]:
    path = folder / entry["file"]
    try:
        array = _map(path)
    except (OSError, ValueError, EOFError) as error:
        reason = "it is missing" if not path.exists() else f"{type(error).__name__}: {error}"
        raise _damaged(f"{path} cannot be read: {reason}") from error
    found, expected = (str(array.dtype), list(array.shape)), (entry["dtype"], entry["shape"])
    if found != expected or found[0] not in _DTYPES.get(name, (found[0],)):
        raise _damaged(f"{path} holds {found[0]} of shape {found[1]}; expected {expected[0]} of shape {expected[1]}")
    return array


def _map(path: Path) -> NDArray[Any]:
    try:
        # Copy on write: changes of the tensor stay in this process.
        return np.load(path, mmap_mode="c", allow_pickle=False)
    except OSError:
        if not path.exists():
            raise
        # The system reserves memory for a copy-on-write map, and refuses a map that is larger than its memory.
        return np.load(path, mmap_mode="r", allow_pickle=False)


def _check_sizes(folder: Path, manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    num_nodes, num_edges = manifest["num_nodes"], manifest["num_edges"]
    lengths = {"rowptr": num_nodes + 1, "col": num_edges, "x": num_nodes}
    missing = [name for name in lengths if name not in arrays]
    if missing:
        raise _damaged(f"The manifest of {folder} lists no {' and no '.join(missing)}")
    lengths.update(edge_weight=num_edges, y=num_nodes, node_id_offsets=num_nodes + 1)
    if "node_id_offsets" not in arrays:
        lengths["node_ids"] = num_nodes
    for name, array in arrays.items():
        if name in lengths and (len(array) != lengths[name] or array.ndim != (2 if name == "x" else 1)):
            sizes = f"{num_nodes} nodes and {num_edges} edges"
            raise _damaged(f"{name} of {folder} has shape {array.shape}, which does not fit {sizes}")
    if (int(arrays["rowptr"][0]), int(arrays["rowptr"][-1])) != (0, num_edges):
        raise _damaged(f"rowptr of {folder} does not end at the number of edges, {num_edges}")


def _tensor(array: NDArray[Any]) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(array)


def _features(x: Tensor) -> Tensor:
    if x.dtype == torch.float32:
        return x
    return DeferredTensor(x.shape, torch.float32, x.float, lambda index: x[index].float())


def _edge_index(rowptr: Tensor, col: Tensor) -> Tensor:
    target = torch.arange(rowptr.numel() - 1).repeat_interleave(rowptr.diff())
    return torch.stack([col.long(), target])


def _damaged(message: str, fix: str = _CONVERT_AGAIN) -> DataError:
    return DataError(Problem("ECO302", f"{message}.", fix))


__all__ = ["NodeIds", "OnDiskGraph", "open_graph"]
