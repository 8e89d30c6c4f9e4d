"""Checks a graph before anything is computed on it, and reports all of its problems at once."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from eco_core.errors import DataError, Problem


def validate_graph(data: Data) -> Data:
    """Checks a graph and brings it into the form that ECO works with.

    Args:
        data: Any PyG graph. It is not modified; the result may share tensors with it.

    Returns:
        A copy with ``x`` float32 ``(num_nodes, num_features)``, dense or coalesced sparse COO; ``edge_index`` int64
        ``(2, num_edges)``; ``edge_weight`` float32 ``(num_edges,)`` and ``y`` int64 ``(num_nodes,)`` (-1 = unknown)
        where they exist; ``name`` and ``notes``; ``n_classes`` and ``node_ids`` where they are known. (PyG keeps no
        attribute whose value is None: read ``n_classes`` and ``node_ids`` with ``data.get("n_classes")``.) The notes
        list self-loops, duplicate edges and isolated nodes, all of which are allowed and kept.

    Raises:
        DataError: ECO303, with all problems of the graph.
    """
    graph = convert_graph(data)
    add_notes(graph, describe_structure(graph))
    return graph


def convert_graph(data: Data) -> Data:
    """Does the same as `validate_graph`, but adds no notes about the edges, since the caller may still change them.

    Args:
        data: Any PyG graph; not modified.

    Returns:
        The checked copy.

    Raises:
        DataError: ECO303, with all problems of the graph.
    """
    graph = copy.copy(data)
    problems: list[Problem] = []
    node_ids = _checked_ids(data.get("node_ids"), problems)
    x = _checked_features(data.get("x"), node_ids, problems)
    num_nodes = None if x is None else int(x.shape[0])
    if num_nodes is not None and node_ids is not None and len(node_ids) != num_nodes:
        problems.append(_lengths("node_ids", len(node_ids), "nodes", num_nodes, "one id for every row of x"))
    edge_index = checked_edges(data.get("edge_index"), num_nodes, node_ids, problems)
    weight = _checked_weights(data.get("edge_weight"), edge_index, problems)
    y = checked_labels(data.get("y"), num_nodes, problems)
    n_classes = checked_classes(data.get("n_classes"), problems)
    if problems:
        raise DataError(*problems)
    graph.x, graph.edge_index, graph.edge_weight, graph.y = x, edge_index, weight, y
    graph.node_ids, graph.n_classes = node_ids, n_classes
    graph.name = str(data.get("name") or "graph")
    graph.notes = [str(note) for note in data.get("notes") or []]
    return graph


def add_notes(data: Data, notes: Sequence[str]) -> None:
    """Appends notes to ``data.notes``; a note that the list already has is not repeated.

    Args:
        data: The graph; its list of notes is replaced.
        notes: Sentences.
    """
    data.notes = [*data.notes, *(note for note in notes if note not in data.notes)]


def describe_structure(data: Data) -> list[str]:
    """Makes notes on what is unusual, but allowed, in the edges of a checked graph.

    Args:
        data: A graph from `convert_graph`.

    Returns:
        Notes about self-loops, duplicate edges, isolated nodes or the lack of edges.
    """
    num_nodes = int(data.x.shape[0])
    if data.edge_index.shape[1] == 0:
        return ["the graph has no edges"]
    loops, duplicates, isolated = count_structure(data.edge_index, num_nodes)
    notes = []
    if loops:
        notes.append(f"{counted(loops, 'self-loop')} kept")
    if duplicates:
        notes.append(f"{counted(duplicates, 'duplicate edge')} kept")
    if isolated:
        notes.append(counted(isolated, "isolated node"))
    return notes


def count_structure(edge_index: Tensor, num_nodes: int) -> tuple[int, int, int]:
    """Counts self-loops, duplicates and isolated nodes.

    Args:
        edge_index: Valid edges, int64 ``(2, num_edges)``.
        num_nodes: Number of nodes.

    Returns:
        The number of entries that are self-loops, of entries that repeat an earlier entry (in the same direction), and
        of nodes without an edge to another node.
    """
    source, target = edge_index
    is_loop = source == target
    keys = (source * num_nodes + target).sort().values
    duplicates = int((keys[1:] == keys[:-1]).sum())
    touched = torch.zeros(num_nodes, dtype=torch.bool, device=edge_index.device)
    touched[edge_index[:, ~is_loop].flatten()] = True
    return int(is_loop.sum()), duplicates, num_nodes - int(touched.sum())


def check_count(num_nodes: int, num_entries: int, where: str) -> None:
    """Refuses a number of nodes that the edges make implausible: memory would be taken for each of them.

    Args:
        num_nodes: The number that a header or the largest id gives.
        num_entries: How many edges there are.
        where: The place of the number, for the message.

    Raises:
        DataError: ECO303, if there are more than 10 million nodes, and more than 100 for each edge.
    """
    if num_nodes > max(10_000_000, 100 * num_entries):
        raise DataError(
            _invalid(
                f"{where}: it would make {num_nodes:,} nodes, but there are only {counted(num_entries, 'edge')}.",
                "Number the nodes from 0 without gaps, or give a table of edges, whose ids may be any numbers.",
            )
        )


def counted(number: int, noun: str) -> str:
    """Writes a number with its noun in the right form: ``"1 self-loop"``, ``"1,200 edges"``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def as_tensor(value: Any) -> Tensor | None:
    """Turns any kind of array into a tensor.

    Args:
        value: A tensor, a NumPy array, a SciPy sparse matrix, or nested lists.

    Returns:
        The tensor, sharing memory where possible, or None if the value is not numeric.
    """
    if isinstance(value, Tensor):
        # PyG's EdgeIndex is a tensor subclass that overrides operations; take the plain tensor.
        return value.as_tensor() if hasattr(value, "as_tensor") else value.detach()
    if hasattr(value, "tocoo"):
        coo = value.tocoo()
        indices = torch.from_numpy(np.stack([coo.row, coo.col]).astype(np.int64))
        return torch.sparse_coo_tensor(indices, torch.from_numpy(np.array(coo.data)), coo.shape, check_invariants=False)
    try:
        array = np.asarray(value)
        if not array.flags.writeable or array.dtype.byteorder not in "=|":
            array = array.astype(array.dtype.newbyteorder("="), copy=True)
        if array.dtype.kind == "u":
            array = array.astype(np.int64)
        return torch.from_numpy(np.ascontiguousarray(array))
    except (TypeError, ValueError):
        return None


def _invalid(message: str, fix: str = "") -> Problem:
    return Problem("ECO303", message, fix)


def _lengths(what: str, found: int, unit: str, expected: int, meaning: str) -> Problem:
    return _invalid(f"{what} has {found:,} entries, but the graph has {expected:,} {unit}.", f"Give {meaning}.")


def _shape(tensor: Tensor) -> str:
    return "(" + ", ".join(str(size) for size in tensor.shape) + ("," if tensor.dim() == 1 else "") + ")"


def _node(position: int, node_ids: list[str] | None) -> str:
    return f" (node {node_ids[position]!r})" if node_ids is not None and position < len(node_ids) else ""


def id_text(identifier: Any) -> str:
    """A node id as text; bytes are read as UTF-8, or as Latin-1 where they are not UTF-8."""
    if not isinstance(identifier, bytes):
        return str(identifier)
    try:
        return identifier.decode("utf-8")
    except UnicodeDecodeError:
        return identifier.decode("latin-1")


def _checked_ids(value: Any, problems: list[Problem]) -> list[str] | None:
    if value is None:
        return None
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, str) or not isinstance(value, Sequence):
        problems.append(
            _invalid(f"node_ids is a {type(value).__name__}, not a list.", "Give one id (a string) per node.")
        )
        return None
    ids = [id_text(identifier) for identifier in value]
    if len(set(ids)) < len(ids):
        first: dict[str, int] = {}
        for position, identifier in enumerate(ids):
            if first.setdefault(identifier, position) != position:
                problems.append(
                    _invalid(
                        f"node_ids has {len(ids) - len(set(ids)):,} repeated entries; the first is {identifier!r}, at "
                        f"positions {first[identifier]} and {position}.",
                        "Give every node an id of its own.",
                    )
                )
                break
    return ids


_NO_FEATURES = (
    "Give features with one row per node. Without attributes of your own, use the identity (x = torch.eye(num_nodes)) "
    "or node degrees (torch_geometric.transforms.LocalDegreeProfile)."
)


def _checked_features(value: Any, node_ids: list[str] | None, problems: list[Problem]) -> Tensor | None:
    if value is None:
        problems.append(_invalid("The graph has no node features (x is missing).", _NO_FEATURES))
        return None
    x = as_tensor(value)
    if x is None or x.is_complex():
        kind = type(value).__name__ if x is None else str(x.dtype)
        problems.append(_invalid(f"x is not numeric ({kind}).", "Give x as a float array (num_nodes, num_features)."))
        return None
    if x.dim() != 2:
        fix = "Give x as (num_nodes, num_features)."
        if x.dim() == 1:
            fix += " For a single feature, use x.reshape(-1, 1)."
        problems.append(_invalid(f"x has {x.dim()} dimensions, shape {_shape(x)}; expected 2.", fix))
        return None
    if x.shape[0] == 0:
        problems.append(_invalid(f"The graph has no nodes: x has shape {_shape(x)}.", "Give at least one node."))
        return None
    if x.shape[1] == 0:
        problems.append(_invalid(f"The graph has no node features: x has shape {_shape(x)}.", _NO_FEATURES))
        return x
    if x.layout != torch.strided:
        x = x if x.layout == torch.sparse_coo else x.to_sparse_coo()
        x = x.coalesce()
    if x.dtype != torch.float32:
        x = x.to(torch.float32)
    finite = torch.isfinite(x.values() if x.is_sparse else x)
    if not bool(finite.all()):
        if x.is_sparse:
            bad = (~finite).nonzero().flatten()
            row, column = x.indices()[:, bad[0]].tolist()
            shown = float(x.values()[bad[0]])
        else:
            bad = (~finite).nonzero()
            row, column = bad[0].tolist()
            shown = float(x[row, column])
        number = counted(int(bad.shape[0]), "value")
        problems.append(
            _invalid(
                f"x has {number} that {'is' if bad.shape[0] == 1 else 'are'} NaN or infinite (as float32); the first "
                f"is {shown} at row {row}, column {column}{_node(row, node_ids)}.",
                "Replace missing values before loading, for example by the column's mean or 0.",
            )
        )
    return x


def checked_edges(
    value: Any, num_nodes: int | None, node_ids: list[str] | None, problems: list[Problem]
) -> Tensor | None:
    """Returns edges as int64 (2, num_edges), and appends what is wrong with them to ``problems``."""
    if value is None:
        problems.append(
            _invalid(
                "The graph has no edge_index.",
                "Give edge_index as an int64 array (2, num_edges); a graph without edges has shape (2, 0).",
            )
        )
        return None
    edges = as_tensor(value)
    if edges is None:
        problems.append(
            _invalid(f"edge_index is not numeric ({type(value).__name__}).", "Give an int64 (2, num_edges).")
        )
        return None
    if edges.layout != torch.strided:
        problems.append(
            _invalid(
                f"edge_index is a sparse matrix of shape {_shape(edges)}; expected the list of its entries.",
                "Use torch_geometric.utils.to_edge_index(adjacency).",
            )
        )
        return None
    if edges.numel() == 0:
        return torch.zeros((2, 0), dtype=torch.int64, device=edges.device)
    if edges.dim() != 2 or edges.shape[0] != 2:
        fix = "Give edge_index as (2, num_edges): sources in the first row, targets in the second."
        if edges.dim() == 2 and edges.shape[1] == 2:
            fix = "It looks transposed: use edge_index.T."
        problems.append(_invalid(f"edge_index has shape {_shape(edges)}; expected (2, num_edges).", fix))
        return None
    if edges.is_floating_point() or edges.is_complex() or edges.dtype == torch.bool:
        problems.append(
            _invalid(
                f"edge_index has type {str(edges.dtype).removeprefix('torch.')}; node numbers are integers.",
                "Convert it: edge_index.long(). (Edge weights belong in edge_weight.)",
            )
        )
        return None
    edges = edges.to(torch.int64)
    if num_nodes is None:
        return edges
    for bad, what in ((edges < 0, "negative"), (edges >= num_nodes, "out of range")):
        number = int(bad.sum())
        if number:
            row, column = bad.nonzero()[0].tolist()
            entries = "entry that is" if number == 1 else "entries that are"
            problems.append(
                _invalid(
                    f"edge_index has {number:,} {entries} {what}; the first is {int(edges[row, column])} at position "
                    f"[{row}, {column}] ({'target' if row else 'source'} of edge {column}), but the graph has "
                    f"{counted(num_nodes, 'node')}, numbered 0 to {num_nodes - 1}.",
                    "Number the nodes from 0 in the order of the rows of x."
                    + (" (Edges use these numbers, not node_ids.)" if node_ids is not None else ""),
                )
            )
    return edges


def _checked_weights(value: Any, edge_index: Tensor | None, problems: list[Problem]) -> Tensor | None:
    if value is None:
        return None
    weight = as_tensor(value)
    if weight is None or weight.is_complex() or weight.layout != torch.strided:
        problems.append(
            _invalid("edge_weight is not a numeric array.", "Give one number per edge, float32 (num_edges,).")
        )
        return None
    if weight.dim() == 2 and weight.shape[1] == 1:
        weight = weight.flatten()
    if weight.dim() != 1:
        problems.append(
            _invalid(f"edge_weight has shape {_shape(weight)}; expected (num_edges,).", "Give one per edge.")
        )
        return None
    if edge_index is not None and weight.shape[0] != edge_index.shape[1]:
        problems.append(
            _lengths("edge_weight", weight.shape[0], "edges", edge_index.shape[1], "one weight for every edge")
        )
    weight = weight.to(torch.float32)
    for bad, what in ((~torch.isfinite(weight), "NaN or infinite"), (weight < 0, "negative")):
        positions = bad.nonzero().flatten()
        if len(positions):
            first = int(positions[0])
            problems.append(
                _invalid(
                    f"edge_weight has {counted(len(positions), 'value')} that {'is' if len(positions) == 1 else 'are'} "
                    f"{what}; the first is {float(weight[first])} at edge {first}.",
                    "Give finite weights of 0 or more, or leave these edges out.",
                )
            )
    return weight


def checked_labels(value: Any, num_nodes: int | None, problems: list[Problem]) -> Tensor | None:
    """Returns labels as int64, and appends what is wrong with them to ``problems``."""
    if value is None:
        return None
    y = as_tensor(value)
    if y is None or y.is_complex() or y.layout != torch.strided:
        problems.append(
            _invalid(f"y is not numeric ({type(value).__name__}).", "Number the classes 0, 1, ...; -1 means unknown.")
        )
        return None
    if y.dim() == 2 and y.shape[1] == 1:
        y = y.flatten()
    if y.dim() != 1:
        fix = "Give one class number per node."
        if y.dim() == 2:
            fix += " For one-hot rows, use y.argmax(1)."
        problems.append(_invalid(f"y has shape {_shape(y)}; expected (num_nodes,).", fix))
        return None
    if num_nodes is not None and y.shape[0] != num_nodes:
        problems.append(_lengths("y", y.shape[0], "nodes", num_nodes, "one label for every row of x, -1 where unknown"))
    if y.is_floating_point():
        y = torch.where(torch.isnan(y), torch.full_like(y, -1.0), y)
        if not bool((torch.isfinite(y) & (y == y.floor())).all()):
            first = int((~torch.isfinite(y) | (y != y.floor())).nonzero()[0])
            problems.append(
                _invalid(
                    f"y is {float(y[first])} at node {first}; labels are integers.", "Number the classes 0, 1, ..."
                )
            )
            return None
    y = y.to(torch.int64)
    below = (y < -1).nonzero().flatten()
    if len(below):
        first = int(below[0])
        problems.append(
            _invalid(
                f"y has {counted(len(below), 'label')} below -1; the first is {int(y[first])} at node {first}.",
                "Number the classes 0, 1, ...; -1 means unknown.",
            )
        )
    return y


def checked_classes(value: Any, problems: list[Problem]) -> int | None:
    """Returns the declared number of classes, and appends what is wrong with it to ``problems``."""
    if value is None:
        return None
    try:
        number = int(value)
        if number != value or isinstance(value, bool) or number < 1:
            raise ValueError
    except (TypeError, ValueError):
        problems.append(
            _invalid(f"n_classes is {value!r}.", "Give the declared number of classes, 1 or more, or None.")
        )
        return None
    return number
