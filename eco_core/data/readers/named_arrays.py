"""Graphs of named arrays, as archives and ``.mat`` files hold them; the usual names say which array is what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data

from eco_core.data.validate import as_tensor, id_text
from eco_core.errors import DataError, Problem, did_you_mean

_CSR_PARTS = ("data", "indices", "indptr", "shape")

FEATURES = (
    "x",
    "features",
    "feature",
    "node_features",
    "node_feat",
    "attr_matrix",
    "attr",
    "attributes",
    "attrb",
    "feat",
    "feats",
    "fea",
    "Attributes",
    "X",
    "data_features",
)
"""Names of feature matrices, the most usual first."""

EDGES = (
    "edge_index",
    "edges",
    "edge_list",
    "adj_matrix",
    "adj",
    "adjacency",
    "Adj",
    "A",
    "W",
    "network",
    "Network",
    "net",
    "graph",
    "affinity",
    "adj_t",
)
"""Names of edge lists and adjacency matrices, the most usual first."""

LABELS = (
    "y",
    "labels",
    "label",
    "Label",
    "node_labels",
    "node_label",
    "gnd",
    "group",
    "class",
    "classes",
    "gt",
    "truth",
    "target",
    "targets",
    "Class",
    "Y",
)
"""Names of labels, the most usual first."""

_OTHERS = {"weights": ("edge_weight", "edge_weights", "weight", "weights"), "ids": ("node_ids", "node_names", "ids")}
_DECLARED = "n_classes"


@dataclass
class _Roles:
    """The arrays that a graph is made of.

    Attributes:
        arrays: All arrays by name, CSR parts joined.
        names: From each role that was found to the name of its array.
        notes: What to tell the user.
    """

    arrays: dict[str, Any]
    names: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def get(self, role: str) -> Any:
        """The array of a role, or None."""
        return self.arrays[self.names[role]] if role in self.names else None


def graph_of_arrays(
    arrays: Mapping[str, Any],
    path: Path,
    *,
    features: str | None = None,
    edges: str | None = None,
    labels: str | None = None,
) -> Data:
    """Makes a graph of named arrays.

    Args:
        arrays: NumPy arrays, tensors or SciPy sparse matrices by name. A sparse matrix may be in four parts, such as
            ``x_data``, ``x_indices``, ``x_indptr`` and ``x_shape``.
        path: The file, for messages.
        features: Name of the features; None: the first of `FEATURES` that there is.
        edges: Name of an edge list, of shape (2, num_edges) or (num_edges, 2), or of an adjacency matrix; None: the
            first of `EDGES`.
        labels: Name of the labels: one number or text for each node, or one-hot rows; None: the first of `LABELS`.

    Returns:
        The graph, not yet validated. Its notes say which arrays were taken and which were not.

    Raises:
        DataError: ECO302, if there are no edges and no features, a name is not there, or an array has another shape.
    """
    roles = _Roles(_with_joined_parts(arrays, path))
    for role, named, usual in (("edges", edges, EDGES), ("features", features, FEATURES), ("labels", labels, LABELS)):
        name = _name_of(role, named, usual, roles, path)
        if name is not None:
            roles.names[role] = name
    for role, others in _OTHERS.items():
        name = next((candidate for candidate in others if candidate in roles.arrays), None)
        if name is not None:
            roles.names[role] = name
    if "edges" not in roles.names and "features" not in roles.names:
        raise DataError(
            Problem(
                "ECO302",
                f"{path} has no edges and no features under a usual name; it holds {_listed(roles.arrays)}.",
                "Name them: --set data.edges=NAME --set data.features=NAME.",
            )
        )
    data = Data(name=path.stem)
    x = roles.get("features")
    if x is not None:
        data.x = _numbers(x, roles.names["features"], path)
    if "edges" in roles.names:
        rows = int(data.x.shape[0]) if x is not None and data.x.dim() else None
        edge_index, weight = _edges_of(roles, rows, path)
        data.edge_index = as_tensor(edge_index)
        if weight is not None:
            data.edge_weight = as_tensor(weight)
        if x is None and _is_adjacency(roles.get("edges"), None):
            data.num_nodes = int(roles.get("edges").shape[0])
    if roles.get("labels") is not None:
        data.y = as_tensor(_labels_of(roles))
    if roles.get("ids") is not None:
        values = np.asarray(roles.get("ids")).reshape(-1).tolist()
        data.node_ids = [_text(value) for value in values]
        if any(isinstance(value, bytes) and not _is_utf8(value) for value in values):
            roles.notes.append(f"the ids in {roles.names['ids']!r} are not all UTF-8; the others were read as Latin-1")
    if _DECLARED in roles.arrays:
        declared = np.asarray(roles.arrays[_DECLARED]).reshape(-1)
        data.n_classes = declared[0].item() if len(declared) == 1 else declared.tolist()
    data.notes = _notes(roles, path)
    return data


def _name_of(role: str, named: str | None, usual: Sequence[str], roles: _Roles, path: Path) -> str | None:
    if named is None:
        return next((name for name in usual if name in roles.arrays), None)
    if named not in roles.arrays:
        raise DataError(
            Problem(
                "ECO302",
                f"{path} has no {named!r}; it holds {_listed(roles.arrays)}.",
                did_you_mean(named, roles.arrays) or f"Name the {role} with --set data.{role}=NAME.",
            )
        )
    return named


def _with_joined_parts(arrays: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Joins the four parts of CSR matrices: ``adj_data``, ... becomes ``adj`` (or ``adj_matrix``)."""
    import scipy.sparse as sp

    found = dict(arrays)
    for name in list(arrays):
        stem = name.removesuffix("_indptr").removesuffix(".indptr")
        if stem == name:
            continue
        separator = name[len(stem)]
        parts = [f"{stem}{separator}{part}" for part in _CSR_PARTS]
        missing = [part for part in parts if part not in found]
        if missing:
            raise DataError(
                Problem(
                    "ECO302",
                    f"{path} has {name} but no {' and no '.join(missing)}.",
                    "A sparse matrix needs its data, indices, indptr and shape.",
                )
            )
        values, indices, starts, shape = (np.asarray(found.pop(part)) for part in parts)
        try:
            matrix = sp.csr_matrix((values, indices, starts), shape=tuple(int(size) for size in shape))
            matrix.check_format(full_check=True)
        except (ValueError, TypeError, IndexError) as error:
            raise DataError(
                Problem(
                    "ECO302",
                    f"{', '.join(parts)} in {path} are not a CSR matrix: {_first_line(error)}.",
                    "They are scipy.sparse.csr_matrix's data, indices, indptr and shape.",
                )
            ) from error
        found[stem] = matrix
    return {name: _checked_sparse(value, name, path) for name, value in found.items()}


def _checked_sparse(value: Any, name: str, path: Path) -> Any:
    """Refuses a sparse matrix whose entries lie outside of it: SciPy would read memory that is not its own."""
    try:
        if hasattr(value, "check_format"):
            value.check_format(full_check=True)
        elif hasattr(value, "tocoo") and len(value.row):
            if value.row.min() < 0 or value.col.min() < 0:
                raise ValueError("negative position")
            if value.row.max() >= value.shape[0] or value.col.max() >= value.shape[1]:
                raise ValueError("a position lies outside of its shape")
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        raise DataError(
            Problem("ECO302", f"{name} in {path} is no sound sparse matrix: {_first_line(error)}.", "Write it again.")
        ) from error
    return value


def _numbers(value: Any, name: str, path: Path) -> Any:
    tensor = as_tensor(value)
    if tensor is None:
        kind = getattr(value, "dtype", type(value).__name__)
        raise DataError(Problem("ECO302", f"{name} in {path} is not numeric ({kind}).", "Store numbers."))
    return tensor


def _edges_of(roles: _Roles, num_nodes: int | None, path: Path) -> tuple[NDArray[np.int64], NDArray[Any] | None]:
    """The edges as (2, num_edges), and their weights: an adjacency matrix whose entries are all equal has none."""
    value = roles.get("edges")
    name = roles.names["edges"]
    weight = roles.get("weights")
    value = _as_matrix(value, name, path)
    if hasattr(value, "tocoo") or _is_adjacency(value, num_nodes):
        wrong = value.shape[0] != value.shape[1] or (num_nodes is not None and value.shape[0] != num_nodes)
        if wrong:
            rows = "" if num_nodes is None else f", and the features have {num_nodes} rows"
            raise DataError(
                Problem(
                    "ECO302",
                    f"The adjacency matrix {name} in {path} has the shape {tuple(value.shape)}{rows}.",
                    "It is square, with a row for each node. Name another one with --set data.edges=NAME.",
                )
            )
        edges, weight, notes = edges_of_matrix(value, repr(name))
        roles.notes += notes
        return edges, weight
    listed = np.asarray(value)
    if listed.size == 0:
        return np.zeros((2, 0), dtype=np.int64), None
    if listed.ndim != 2 or 2 not in listed.shape:
        raise DataError(
            Problem(
                "ECO302",
                f"{name} in {path} has the shape {tuple(listed.shape)}; expected (2, num_edges), (num_edges, 2) or a "
                "square adjacency matrix.",
                "Name other edges with --set data.edges=NAME.",
            )
        )
    if listed.shape[0] != 2:
        listed = listed.T
    if listed.dtype.kind == "f" and (listed == np.floor(listed)).all():
        listed = listed.astype(np.int64)  # MATLAB has no other numbers by default.
    if num_nodes is not None and listed.min() == 1 and listed.max() == num_nodes:
        listed = listed.astype(np.int64) - 1
        roles.notes.append(f"nodes in {name!r} are numbered from 1")
    return listed, None if weight is None else np.asarray(weight).reshape(-1)


def _as_matrix(value: Any, name: str, path: Path) -> Any:
    """Edges as an array of numbers or a SciPy matrix; sparse tensors become the latter."""
    import scipy.sparse as sp

    if hasattr(value, "tocoo"):
        return value
    if isinstance(value, Tensor):
        if value.layout == torch.strided:
            return value.detach().numpy()
        coo = value.to_sparse_coo().coalesce()
        return sp.coo_matrix((coo.values().numpy(), coo.indices().numpy()), shape=tuple(coo.shape))
    try:
        array = np.asarray(value)
    except ValueError:  # Lists of different lengths.
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "biuf":
        raise DataError(Problem("ECO302", f"{name} in {path} is not numeric ({array.dtype}).", "Store numbers."))
    return array


def _is_adjacency(value: Any, num_nodes: int | None) -> bool:
    shape: tuple[int, ...] = getattr(value, "shape", ())
    return len(shape) == 2 and shape[0] == shape[1] and (shape[0] > 2 or num_nodes == shape[0])


def edges_of_matrix(matrix: Any, name: str) -> tuple[NDArray[np.int64], NDArray[np.float32] | None, list[str]]:
    """Reads the entries of an adjacency matrix.

    Args:
        matrix: A square matrix, dense or sparse; entry (i, j) is the edge from i to j.
        name: Its name, for the notes.

    Returns:
        Edges (2, num_edges); their weights, or None if all are equal; and notes. A matrix with an entry at every place
        of its diagonal is A + I, as preprocessed files store it: these self-loops are left out.
    """
    import scipy.sparse as sp

    coo = sp.coo_matrix(matrix)
    entries = coo.nnz
    coo.sum_duplicates()
    kept = coo.data != 0
    row, column, values = coo.row[kept].astype(np.int64), coo.col[kept].astype(np.int64), coo.data[kept]
    loops, notes = row == column, []
    if coo.nnz < entries:
        more = entries - coo.nnz
        notes.append(f"{more:,} duplicate {'entry' if more == 1 else 'entries'} of {name} added to the others")
    if loops.sum() == coo.shape[0] > 0 and loops.sum() < len(row):
        row, column, values = row[~loops], column[~loops], values[~loops]
        notes.append(f"a self-loop at every node of {name} left out")
    weighted = len(values) > 0 and bool((values != values[0]).any())
    return np.stack([row, column]), values.astype(np.float32) if weighted else None, notes


def _labels_of(roles: _Roles) -> NDArray[np.int64]:
    """One class for each node: one-hot rows and texts become numbers; -1 stands for none."""
    value, name = roles.get("labels"), roles.names["labels"]
    if hasattr(value, "toarray"):
        value = value.toarray()
    array = np.asarray(value)
    if array.ndim == 2 and 1 in array.shape:
        array = array.reshape(-1)
    if array.ndim == 2:
        hot = array != 0
        if (hot.sum(axis=1) > 1).any():
            roles.notes.append(f"nodes with several labels in {name!r} have the first one")
        return np.where(hot.any(axis=1), hot.argmax(axis=1), -1).astype(np.int64)
    if array.dtype.kind in "OSU":
        texts = [_text(item) for item in array.tolist()]
        known = sorted({text for text in texts if text not in ("", "nan", "None")})
        code = {text: number for number, text in enumerate(known)}
        return np.array([code.get(text, -1) for text in texts], dtype=np.int64)
    return array  # Numbers are checked with the rest of the graph.


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):  # MATLAB's cells.
        value = value.reshape(-1)[0] if value.size else ""
    return id_text(value)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _notes(roles: _Roles, path: Path) -> list[str]:
    unusual = {"edges": "edge_index", "features": "x", "labels": "y"}
    taken = [f"{role} from {name!r}" for role, name in roles.names.items() if unusual.get(role, name) != name]
    used = {*roles.names.values(), _DECLARED}
    left = [name for name in roles.arrays if name not in used]
    return [
        *([f"{path.name}: {', '.join(taken)}"] if taken else []),
        *([f"ignored in {path.name}: {', '.join(left)}"] if left else []),
        *roles.notes,
    ]


def _listed(arrays: Mapping[str, Any]) -> str:
    shown = [f"{name} {tuple(getattr(value, 'shape', ()))}" for name, value in arrays.items()]
    return ", ".join(shown[:12]) + (", ..." if len(shown) > 12 else "") or "nothing"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")


__all__ = ["EDGES", "FEATURES", "LABELS", "edges_of_matrix", "graph_of_arrays"]
