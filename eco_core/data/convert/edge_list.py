"""Lists of edges, in chunks: from tables, from arrays, and from graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch_geometric.data import Data

from eco_core.data.node_ids import Ids, as_ids
from eco_core.data.on_disk.graph import OnDiskGraph
from eco_core.data.portions import Portions
from eco_core.data.readers.tables import Table, open_array, open_table, unreadable
from eco_core.data.tables.options import TableOptions
from eco_core.data.tables.roles import edge_roles
from eco_core.errors import DataError, Problem

Chunks: TypeAlias = "Iterator[tuple[int, Ids, Ids, NDArray[np.float32] | None]]"
"""Yields chunks of edges: the row of the first edge, the sources, the targets and the weights."""


class EdgeList(NamedTuple):
    """A list of edges that can be read once.

    Attributes:
        name: The name of the list in messages.
        weighted: Whether the edges have weights; weights are finite and not negative.
        chunks: Yields some edges at a time.
        unused: The columns of the table that are not read.
    """

    name: str
    weighted: bool
    chunks: Chunks
    unused: tuple[str, ...] = ()


def edges_of_file(path: Path, are_nodes: Callable[[Ids], bool], portions: Portions = Portions()) -> EdgeList:
    """Opens the edges of a table or an array.

    Args:
        path: CSV, Parquet or ``.npy``; see `eco_core.data.save_on_disk`.
        are_nodes: Returns whether texts are ids of nodes. It detects a missing header: column names are no ids.
        portions: How much is read together.

    Raises:
        DataError: ECO302, if the file does not hold edges; ECO303 for invalid weights, raised when their chunk is read.
    """
    if path.suffix.lower() == ".npy":
        array = open_array(path)
        if array.ndim != 2 or 2 not in array.shape or array.dtype.kind not in "iu":
            expected = "expected integers of shape (2, num_edges) or (num_edges, 2)"
            raise unreadable(path, f"it holds {array.dtype} of shape {array.shape}; {expected}")
        return EdgeList(str(path), False, _chunks_of_array(array if array.shape[0] == 2 else array.T, portions.rows))
    table = open_table(path, portions)
    columns = _columns_of(table, path)
    unused = tuple(name for place, name in enumerate(table.columns) if place not in columns)
    if path.suffix.lower() == ".csv" and are_nodes(as_ids(table.columns[:2])):
        raise unreadable(path, "its first line is an edge, not a header; expected source,target[,weight]")
    return EdgeList(str(path), len(columns) == 3, _chunks_of_table(table, columns), unused)


def _columns_of(table: Table, path: Path) -> list[int]:
    """The positions of source, target and weight: by their names, else the only two or three columns there are."""
    names = list(table.columns)
    roles = None
    if len(set(names)) == len(names):
        roles = edge_roles(names, TableOptions(), str(path), [], lambda name: _may_be_weight(table, names.index(name)))
    if roles is not None and not roles.by_position:
        return [names.index(name) for name in (roles.source, roles.target, roles.weight) if name is not None]
    if len(names) not in (2, 3):
        raise unreadable(path, f"it has {len(names)} columns; expected source, target and, optionally, weight")
    return list(range(len(names)))


def _may_be_weight(table: Table, place: int) -> bool:
    """Whether a column without a name of weights may hold them, by its first rows."""
    try:
        first = next(table.chunks([], [place]), None)
    except DataError:
        return False
    return first is None or (first.numbers.shape[1] == 1 and int((first.numbers < 0).sum()) * 10 <= len(first.numbers))


def edges_of_graph(data: Data, portions: Portions = Portions()) -> EdgeList:
    """Reads the edges of a checked graph as node numbers. For a graph on disk, ``edge_index`` is not built.

    Args:
        data: The graph.
        portions: How many edges are read together.
    """
    return EdgeList(data.name, data.get("edge_weight") is not None, _chunks_of_graph(data, portions.rows))


def _chunks_of_array(array: NDArray[Any], rows: int) -> Chunks:
    for first in range(0, array.shape[1], rows):
        source, target = array[:, first : first + rows].astype(np.int64)
        yield first, source, target, None


def _chunks_of_table(table: Table, columns: Sequence[int]) -> Chunks:
    for first, (source, target), numbers in table.chunks(columns[:2], columns[2:]):
        weight = _checked(numbers[:, 0], table.path, first) if len(columns) == 3 else None
        yield first, source, target, weight


def _checked(values: NDArray[np.float64], path: Path, first: int) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # Values that are too large become infinite, and are refused below.
        weight = values.astype(np.float32)
    bad = ~(np.isfinite(weight) & (weight >= 0))
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        raise DataError(
            Problem(
                "ECO303",
                f"{path}, row {first + at}: the weight is {values[at]}; expected a finite number of 0 or more.",
                "Correct these edges, or leave them out.",
            )
        )
    return weight


def _chunks_of_graph(data: Data, rows: int) -> Chunks:
    incoming = data.incoming if isinstance(data, OnDiskGraph) else None
    weight = data.get("edge_weight")
    for first in range(0, int(data.num_edges), rows):
        part = slice(first, first + rows)
        if incoming is None:
            source, target = data.edge_index[:, part].numpy()
        else:
            source = incoming.col[part].long().numpy()
            positions = np.arange(first, first + len(source))
            target = np.searchsorted(incoming.rowptr.numpy(), positions, side="right") - 1
        yield first, source, target, None if weight is None else weight[part].numpy()


__all__ = ["EdgeList", "edges_of_file", "edges_of_graph"]
