"""Makes a graph of a nodes table and an edges table."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data

from eco_core.data.tables.columns import check_date_formats, entry_of, fit_columns
from eco_core.data.tables.edges import EdgesRead, numbered, read_edges
from eco_core.data.tables.encoding import TableEncoding
from eco_core.data.tables.id_column import better_column, choose_id_column
from eco_core.data.tables.ids import IdColumn, NodeNumbers, in_order
from eco_core.data.tables.labels import classes_of, label_columns, labels_of_table, order_note
from eco_core.data.tables.options import INDEX, TableOptions
from eco_core.data.tables.origin import Origin
from eco_core.data.tables.roles import check_given
from eco_core.data.tables.typed import typed_table
from eco_core.data.validate import counted
from eco_core.errors import DataError, Problem

_ROLES = ("id_column", "label_column", "ignore_columns", "kinds")
"""Options that say how another nodes table is read in the same way."""


def graph_of_frames(
    nodes: Any = None,
    edges: Any = None,
    options: TableOptions = TableOptions(),
    *,
    name: str = "tables",
    nodes_origin: Origin | None = None,
    edges_origin: Origin | None = None,
    labels: Any = None,
    labels_origin: Origin | None = None,
    encoding: TableEncoding | None = None,
) -> Data:
    """Makes a graph of data frames; the frames are not modified.

    Args:
        nodes: A ``pandas.DataFrame`` with a row for each node. None: the nodes are the ids that the edges name, and
            their features describe their places in the graph.
        edges: A ``pandas.DataFrame`` with a row for each edge. None: the graph has no edges.
        options: Which columns have which role, and how they are encoded.
        name: The graph's name.
        nodes_origin: Where the nodes come from, for messages.
        edges_origin: Where the edges come from.
        labels: A ``pandas.DataFrame`` with the columns node and label.
        labels_origin: Where the labels come from.
        encoding: The encoding of an earlier table, which is applied as it is; None: it is learnt from ``nodes``.

    Returns:
        A graph, not yet validated: ``x`` if a column gives a feature, ``edge_index`` if there is an edges table
        (`eco_core.data.completion` makes what is missing); where there are any, ``edge_weight``, ``y``, ``node_ids``;
        ``notes``; ``node_table`` (the user's columns without the id; row i is node i), ``columns`` (what was done with
        each column) and, if columns became features, ``encoding``.

    Raises:
        DataError: With all problems of both tables: ECO302 for columns that cannot be used, ECO303 for invalid values,
            ECO305 for edges that name unknown nodes.
    """
    problems: list[Problem] = []
    notes: list[str] = []
    nodes_origin, edges_origin = nodes_origin or Origin("the nodes table"), edges_origin or Origin("the edges table")
    if nodes is None and edges is None:
        raise DataError(Problem("ECO302", "There is neither a nodes table nor an edges table.", "Give one of them."))
    if encoding is not None:
        options = _with_roles(options, encoding)
    columns: list[dict[str, Any]] = []
    read = None
    if edges is not None:
        edges = _with_unique_names(_without_index(edges), edges_origin, notes)
        read = read_edges(edges, options, edges_origin, problems)
        if read is None and nodes is None:
            raise DataError(*problems)
    table, numbers, y = None, None, None
    if nodes is not None:
        table, numbers, columns, y = _read_nodes(nodes, read, options, nodes_origin, problems, notes)
    elif read is not None:
        ids = set(read.source.texts) | set(read.target.texts)
        numbers = NodeNumbers(in_order(ids))
        notes.append(f"{edges_origin.name}: the nodes are the {len(ids):,} ids that the edges name")
        if not ids and not problems:
            problems.append(Problem("ECO303", f"{edges_origin.name} has no rows.", "Give at least one edge."))
    if encoding is None and not (nodes is not None and table is None):
        both = [str(c) for frame in (table, edges) if frame is not None for c in frame.columns]
        where = " with ".join(o.name for o, f in ((nodes_origin, table), (edges_origin, edges)) if f is not None)
        for ignored in options.ignore_columns:
            check_given(ignored, both, "ignore_columns", where, problems)
    if labels is not None and numbers is not None:
        y, classes = labels_of_table(
            _with_unique_names(_without_index(labels), labels_origin or Origin("the labels table"), notes),
            numbers,
            options,
            labels_origin or Origin("the labels table"),
            nodes_origin.name,
            problems,
        )
        notes += order_note(classes)
    edge_index, weight = None, None
    if read is not None:
        notes += read.notes
        if numbers is not None:
            chosen = next((entry["column"] for entry in columns if entry["kind"] == "id"), None)
            ids_said = "the ids are the numbers of the rows" if chosen is None else f"the ids are column {chosen!r}"
            ends, weights, more = numbered(
                read,
                numbers,
                nodes_origin.name,
                ids_said,
                partial(better_column, table, chosen, read),
                options,
                edges_origin,
                problems,
            )
            edge_index, weight = torch.from_numpy(ends), None if weights is None else torch.from_numpy(weights)
            notes += more
    others = table is not None and len(table.columns) > len(columns)
    x, table, fitted, entries = _features(table, columns, options, nodes_origin, encoding, problems)
    if others and x is None:
        notes.append(f"{nodes_origin.name}: no column gives a feature")
    if problems:
        raise DataError(*problems)
    assert numbers is not None  # noqa: S101 - otherwise there are problems.
    if edge_index is not None:
        notes.append(f"{edges_origin.name}: {counted(len(edges), 'row')} read, {counted(edge_index.shape[1], 'edge')}")
    data = Data(name=name, notes=list(dict.fromkeys(notes)))
    if x is not None:
        data.x = x
    if edge_index is not None:
        data.edge_index, data.edge_weight = edge_index, weight
    data.num_nodes, data.y = len(numbers), y
    if numbers.ids != [str(number) for number in range(len(numbers))]:
        data.node_ids = numbers.ids
    data.node_table = table
    data.columns = [{**entry, "table": "nodes"} for entry in entries]
    data.columns += [{**entry, "table": "edges"} for entry in (read.columns if read is not None else [])]
    if fitted is not None:
        data.encoding = replace(fitted, report=tuple(data.columns)) if encoding is None else fitted
    return data


def _with_roles(options: TableOptions, encoding: TableEncoding) -> TableOptions:
    """Completes the options of a new table by those that the first table was read with."""
    default = TableOptions()
    known = {
        field.name: encoding.roles[field.name]
        for field in fields(TableOptions)
        if field.name in encoding.roles and getattr(options, field.name) == getattr(default, field.name)
    }
    if "ignore_columns" in known:
        known["ignore_columns"] = tuple(known["ignore_columns"])
    return replace(options, **known)


def _read_nodes(
    nodes: Any,
    edges: EdgesRead | None,
    options: TableOptions,
    origin: Origin,
    problems: list[Problem],
    notes: list[str],
) -> tuple[Any, NodeNumbers | None, list[dict[str, Any]], Tensor | None]:
    """Finds the ids and the classes of the nodes.

    Returns:
        The table without rows that repeat a node, the nodes, entries for the columns with a role, and the classes.
    """
    if not len(nodes):
        problems.append(
            Problem("ECO303", f"{origin.name} has no rows, so the graph has no nodes.", "Give at least one node.")
        )
        return None, None, [], None
    nodes = _with_index(nodes, options)
    nodes = _with_unique_names(nodes, origin, notes)
    names = list(nodes.columns)
    columns: list[dict[str, Any]] = []
    numbers: NodeNumbers | None = None
    before = len(problems)
    column, ids, how = choose_id_column(nodes, edges, options, origin, problems)
    if len(problems) > before:
        return nodes, None, columns, None
    if column is None or ids is None:
        numbers = NodeNumbers([str(row) for row in range(len(nodes))])
        notes.append(f"{origin.name}: {how}")
    else:
        columns.append(entry_of(column, "id", f"taken as the ids of the nodes{how}"))
        if how:
            notes.append(f"{origin.name}: column {column!r} was taken as the ids of the nodes{how}")
        nodes, unique = _without_repeats(nodes, column, ids, origin, problems, notes)
        numbers = None if unique is None else NodeNumbers(unique.rows())
    if numbers is not None:
        notes.append(f"{origin.name}: {counted(len(nodes), 'row')} read")
    y = None
    found = [name for name in label_columns(nodes, options, origin, problems) if name != column]
    for place, name in enumerate(found):
        if place:
            columns.append(entry_of(name, "label", "left out: it may hold classes, like " + repr(found[0])))
            continue
        codes, classes = classes_of(nodes[name])
        y = torch.from_numpy(codes)
        unknown = int((codes < 0).sum())
        columns.append(entry_of(name, "label", f"taken as {len(classes)} classes, for reporting only", missing=unknown))
        notes += order_note(classes)
        if 2 * len(classes) > len(nodes) > 2:
            notes.append(
                f"{origin.name}: column {name!r} holds {len(classes):,} classes for {counted(len(nodes), 'node')}: "
                "it is hardly one of classes, and metrics against it say little"
            )
    for name in options.kinds:
        check_given(name, names, "kinds", origin.name, problems)
    check_date_formats(names, options, origin.name, problems)
    return nodes, numbers, columns, y


def _without_repeats(
    nodes: Any, column: str, ids: IdColumn, origin: Origin, problems: list[Problem], notes: list[str]
) -> tuple[Any, IdColumn | None]:
    """Merges rows that say the same of a node, and reports missing ids and rows that contradict each other."""
    missing = np.flatnonzero(ids.codes < 0)
    if len(missing):
        problems.append(
            origin.problem(
                "ECO302",
                int(missing[0]),
                f"the id (column {column!r}) is missing",
                len(missing) - 1,
                "Give every node an id, or name another column with --id-column.",
            )
        )
        return nodes, None
    if ids.is_unique:
        return nodes, ids
    _, first, inverse = np.unique(ids.codes, return_index=True, return_inverse=True)
    rows = np.arange(len(nodes))
    again = rows[first[inverse] != rows]
    others = nodes.drop(columns=[column])
    differs = _differing(others, again, first[inverse][again])
    if differs.any():
        row = int(again[np.flatnonzero(differs)[0]])
        earlier = int(first[inverse][row])
        text = ids.texts[int(ids.codes[row])]
        word = "on" if origin.line_of is not None else "in"
        problems.append(
            origin.problem(
                "ECO302",
                row,
                f"node {text!r} is already {word} {origin.row(earlier)}, with other values (column {column!r})",
                int(differs.sum()) - 1,
                "Keep one row for each node, or name another column with --id-column.",
            )
        )
        return nodes, None
    notes.append(f"{origin.name}: {counted(len(again), 'row')} merged, since they repeat another row")
    kept = np.sort(first)
    order = np.searchsorted(kept, first)
    codes = np.empty(len(kept), dtype=np.int64)
    codes[order] = np.arange(len(kept))
    unique = np.unique(ids.codes)
    return nodes.iloc[kept].reset_index(drop=True), IdColumn(
        np.arange(len(kept)), tuple(ids.texts[int(unique[code])] for code in codes)
    )


def _differing(table: Any, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.bool_]:
    different = np.zeros(len(one), dtype=bool)
    for column in table.columns:
        left = table[column].iloc[one].astype(object).reset_index(drop=True)
        right = table[column].iloc[other].astype(object).reset_index(drop=True)
        same = [str(a) == str(b) for a, b in zip(left, right, strict=True)]
        different |= ~np.array(same, dtype=bool)
    return different


def _features(
    table: Any,
    taken: list[dict[str, Any]],
    options: TableOptions,
    origin: Origin,
    encoding: TableEncoding | None,
    problems: list[Problem],
) -> tuple[Tensor | None, Any, TableEncoding | None, list[dict[str, Any]]]:
    """Encodes the columns: the features (None: no column gives any), the user's table, the encoding, the report."""
    import pandas as pd

    if table is None:
        return None, pd.DataFrame(), encoding, []
    ids = [entry["column"] for entry in taken if entry["kind"] == "id"]
    if encoding is not None:
        if problems:
            return None, table, encoding, []
        x = torch.from_numpy(encoding.encode(table, origin.name)) if encoding.columns else None
        return (
            x,
            typed_table(table.drop(columns=ids), _forms(encoding)),
            encoding,
            [dict(entry) for entry in encoding.report],
        )
    roles = {entry["column"]: entry for entry in taken}
    fitted = fit_columns(table, options, origin, roles, problems)
    entries = [column.entry for column in fitted]
    if problems:
        return None, table, None, entries
    kept = tuple(column.encoding for column in fitted if column.encoding is not None)
    own = table.drop(columns=ids)
    if not kept:
        return None, typed_table(own), None, entries
    known = {name: getattr(options, name) for name in _ROLES if getattr(options, name)}
    known |= {f"{entry['kind']}_column": entry["column"] for entry in taken if entry["kind"] in ("id", "label")}
    if options.id_column == INDEX:
        known["id_column"] = INDEX
    found = TableEncoding(kept, {**known, **_plain(known)})
    return torch.from_numpy(found.encode(table)), typed_table(own, _forms(found)), found, entries


def _forms(encoding: TableEncoding) -> dict[str, tuple[str, str]]:
    """How the texts of columns write numbers and dates, so that reports show them as they became features."""
    return {c.column: (c.kind, c.settings["format"]) for c in encoding.columns if c.settings.get("format")}


def _plain(roles: dict[str, Any]) -> dict[str, Any]:
    plain = {"ignore_columns": list(roles["ignore_columns"])} if "ignore_columns" in roles else {}
    return plain | ({"kinds": dict(roles["kinds"])} if "kinds" in roles else {})


def _with_index(frame: Any, options: TableOptions) -> Any:
    """Makes the index of a data frame its first column, if it is asked for or is not just the rows' numbers."""
    import pandas as pd

    plain = isinstance(frame.index, pd.RangeIndex) and frame.index.name is None
    if plain and options.id_column != INDEX:
        return frame
    if isinstance(frame.index, pd.MultiIndex):
        return frame.reset_index()
    names = list(map(str, frame.columns))
    if frame.index.name is None:  # These names say that it is an index, so that it becomes no feature.
        name = next(name for name in ("index", *(f"level_{n}" for n in range(len(names) + 1))) if name not in names)
    else:
        name = str(frame.index.name)
    while name in names:
        name += "_"
    index = frame.index.to_series(name=name).reset_index(drop=True)
    return pd.concat([index, frame.reset_index(drop=True)], axis=1)


def _without_index(frame: Any) -> Any:
    """Edges in a data frame may have their ends in a named index; an unnamed index is not read."""
    named = [name for name in frame.index.names if name is not None]
    return frame.reset_index() if named else frame.reset_index(drop=True)


def _with_unique_names(frame: Any, origin: Origin, notes: list[str]) -> Any:
    """Gives columns texts as names, and a name of its own to each."""
    names: list[str] = []
    for column in frame.columns:
        name = ".".join(map(str, column)) if isinstance(column, tuple) else str(column)
        number = 2
        unique = name
        while unique in names:
            unique, number = f"{name}.{number}", number + 1
        if unique != name:
            notes.append(f"{origin.name}: column {name!r} occurs more than once; it is called {unique!r} here")
        names.append(unique)
    return frame.set_axis(names, axis=1)


__all__ = ["graph_of_frames"]
