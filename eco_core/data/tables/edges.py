"""Turns an edges table into numbers of nodes and weights, and reports what is unusual in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eco_core.data.tables.columns import entry_of
from eco_core.data.tables.ids import IdColumn, NodeNumbers, ids_of
from eco_core.data.tables.options import TableOptions
from eco_core.data.tables.origin import Origin, shortened
from eco_core.data.tables.roles import EdgeRoles, edge_roles, is_index_name, listed
from eco_core.data.tables.values import numbers_of, texts_of, values_of
from eco_core.errors import Problem

_GEPHI = {"directed", "undirected", "mutual"}


@dataclass
class EdgesRead:
    """The columns of an edges table, before the nodes are known.

    Attributes:
        source: The ids of the sources.
        target: The ids of the targets.
        weight: The weights, float64, if the table has any.
        rows: The rows that are used, as positions in the table.
        columns: Entries of the report.
        notes: Sentences for the log.
        roles: The roles of the columns.
    """

    source: IdColumn
    target: IdColumn
    weight: NDArray[np.float64] | None
    rows: NDArray[np.int64]
    columns: list[dict[str, Any]]
    roles: EdgeRoles
    notes: list[str] = field(default_factory=list)


def read_edges(table: Any, options: TableOptions, origin: Origin, problems: list[Problem]) -> EdgesRead | None:
    """Finds the columns of an edges table and reads them.

    Args:
        table: A ``pandas.DataFrame``.
        options: How it is read.
        origin: Where it comes from.
        problems: Takes the problems.

    Returns:
        The columns; None if the ends of the edges are not known.
    """
    names = [str(column) for column in table.columns]
    table = table.set_axis(names, axis=1)
    roles = edge_roles(names, options, origin.name, problems, lambda name: _may_be_weight(table[name]))
    if roles is None:
        return None
    source, target = ids_of(table[roles.source]), ids_of(table[roles.target])
    weight, rows = None, np.arange(len(table))
    columns, notes = [], []
    if roles.by_position:
        notes.append(
            f"{origin.name}: no column is named source and target; the columns {roles.source!r} and {roles.target!r} "
            f"were taken as the ends of the edges, by their position"
            + (f", and {roles.weight!r} as their weight" if roles.weight is not None else "")
        )
    elif roles.only_weight:
        notes.append(f"{origin.name}: column {roles.weight!r} was taken as the weight, as the only other column")
    if roles.weight is not None:
        weight = _weights(table[roles.weight], roles, options, origin, problems, notes)
    kinds = None if roles.type is None else _types(table[roles.type], roles.type, options, origin, problems)
    if kinds is not None:
        chosen, sentence = kinds
        rows = rows if chosen is None else rows[chosen]
        notes.append(sentence)
    elif options.edge_types:
        problems.append(
            Problem(
                "ECO302",
                f"Edge types {', '.join(options.edge_types)} were asked for, but {origin.name} has no column of types.",
                "Name it with --set data.type_column=COLUMN.",
            )
        )
    how = "by its position" if roles.by_position else "by its name"
    for column in names:
        if column == roles.source:
            columns.append(entry_of(column, "source", f"taken as the sources of the edges, {how}"))
        elif column == roles.target:
            columns.append(entry_of(column, "target", f"taken as the targets of the edges, {how}"))
        elif column == roles.weight and weight is not None:
            columns.append(entry_of(column, "weight", "taken as the weights of the edges"))
        elif column == roles.type and kinds is not None:
            columns.append(entry_of(column, "type", kinds[1].split(": ", 2)[-1]))
        elif column in options.ignore_columns:
            columns.append(entry_of(column, "ignored", "left out, as asked"))
        elif is_index_name(column):
            columns.append(entry_of(column, "id", "left out: the index that pandas wrote"))
        else:
            columns.append(entry_of(column, "ignored", "left out: of edges, only weights and types are used"))
    left = [entry["column"] for entry in columns if entry["kind"] == "ignored" and "asked" not in entry["action"]]
    if left:
        notes.append(f"{origin.name}: not used: {listed(left)}")
    return EdgesRead(source, target, weight, rows, columns, roles, notes)


def numbered(
    edges: EdgesRead,
    nodes: NodeNumbers,
    nodes_name: str,
    ids_said: str,
    better: Callable[[], str],
    options: TableOptions,
    origin: Origin,
    problems: list[Problem],
) -> tuple[NDArray[np.int64], NDArray[np.float32] | None, list[str]]:
    """Gives the ends of the edges their nodes' numbers.

    Args:
        edges: The columns.
        nodes: The nodes.
        nodes_name: The name of their table, for messages.
        ids_said: Which column holds their ids, for messages.
        better: Says which column holds more of the ends of the edges; asked only if edges dangle.
        options: How dangling edges are treated.
        origin: Where the edges come from.
        problems: Takes the problems.

    Returns:
        The edges (2, num_edges), their weights, and notes.
    """
    ends = np.stack([nodes.find(edges.source)[edges.rows], nodes.find(edges.target)[edges.rows]])
    notes = []
    bad = np.asarray((ends < 0).any(axis=0))
    if bad.any():
        if options.dangling == "drop" and bad.all():
            problems.append(
                Problem(
                    "ECO305",
                    f"{origin.name}: none of the {len(bad):,} edges joins two nodes of {nodes_name} ({ids_said}); "
                    "all would be left out.",
                    better() or "Name the nodes' column of ids with --id-column, or give these nodes rows.",
                )
            )
        elif options.dangling == "drop":
            sentence = f"{origin.name}: {int(bad.sum()):,} of {len(bad):,} edges left out: an end is not a node"
            notes.append(f"{sentence} of {nodes_name} ({ids_said})")
            if hint := better():
                notes.append(hint.strip().removesuffix("."))
            ends, edges.rows = ends[:, ~bad], edges.rows[~bad]
        else:
            problems.extend(_dangling(edges, ends, nodes_name, ids_said, better(), origin))
    weight = None if edges.weight is None else edges.weight[edges.rows].astype(np.float32)
    return ends, weight, notes


def _dangling(
    edges: EdgesRead, ends: NDArray[np.int64], nodes_name: str, ids_said: str, better: str, origin: Origin
) -> list[Problem]:
    problems = []
    for place, (word, column, name) in enumerate(
        (("source", edges.source, edges.roles.source), ("target", edges.target, edges.roles.target))
    ):
        absent = np.flatnonzero(ends[place] == -2)
        if len(absent):
            row = int(edges.rows[absent[0]])
            problems.append(
                origin.problem(
                    "ECO305",
                    row,
                    f"the {word} (column {name!r}) is missing",
                    len(absent) - 1,
                    "Complete the rows, or leave them out with --set data.dangling=drop.",
                )
            )
        unknown = np.flatnonzero(ends[place] == -1)
        if len(unknown):
            row = int(edges.rows[unknown[0]])
            text = column.texts[int(column.codes[row])]
            different = len(np.unique(column.codes[edges.rows[unknown]]))
            known = f", {different:,} different ids in all" if different > 1 else ""
            problems.append(
                origin.problem(
                    "ECO305",
                    row,
                    f"{word} {text!r} is not a node of {nodes_name} (column {name!r}{known}; {ids_said})",
                    len(unknown) - 1,
                    f"{better}Give these nodes a row, or leave such edges out with --set data.dangling=drop.",
                )
            )
    return problems


def _may_be_weight(series: Any) -> bool:
    """Whether a column without a name of weights may hold them: mostly numbers, hardly any below 0."""
    values = values_of(series)
    if values.kind not in ("numeric", "boolean", "mixed", "empty"):
        return False
    return values.numbers is None or int((values.numbers < 0).sum()) * 10 <= len(values.numbers)


def _weights(
    series: Any,
    roles: EdgeRoles,
    options: TableOptions,
    origin: Origin,
    problems: list[Problem],
    notes: list[str],
) -> NDArray[np.float64] | None:
    values = values_of(series)
    name = roles.weight
    if values.format:
        notes.append(f"{origin.name}: the weights (column {name!r}) were read as numbers written like {values.format}")
    asked = options.weight_column is not None
    fix = f"Correct it, or leave the column out with --ignore-columns {name}."
    if values.kind == "empty" and not asked:
        return np.zeros(0) if not len(series) else None
    if values.kind not in ("numeric", "boolean", "mixed"):
        row, text = (
            0,
            values.uniques[values.codes[0]] if values.codes is not None and values.uniques else series.iloc[0],
        )
        problems.append(origin.problem("ECO302", row, f"the weight is {shortened(text)}; expected a number", 0, fix))
        return None
    if values.kind == "mixed" and values.odd is not None:
        row, text, count = values.odd
        problems.append(
            origin.problem("ECO302", row, f"the weight is {shortened(text)}; expected a number", count - 1, fix)
        )
        return None
    numbers = numbers_of(series, "numeric")
    code = "ECO303"
    infinite = _infinite(series, numbers)
    for bad, what in ((np.isnan(numbers) & ~infinite, "empty"), (infinite, "infinite"), (numbers < 0, "negative")):
        rows = np.flatnonzero(bad)
        if len(rows):
            shown = what if what != "negative" else f"{numbers[rows[0]]:g}"
            problems.append(
                origin.problem(
                    code,
                    int(rows[0]),
                    f"the weight (column {name!r}) is {shown}; expected a finite number of 0 or more",
                    len(rows) - 1,
                    fix,
                )
            )
    return numbers


def _infinite(series: Any, numbers: NDArray[np.float64]) -> NDArray[np.bool_]:
    import pandas as pd

    if not np.isnan(numbers).any():
        return np.zeros(len(numbers), dtype=bool)
    raw = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.isinf(raw)


def _types(
    series: Any, name: str, options: TableOptions, origin: Origin, problems: list[Problem]
) -> tuple[NDArray[np.bool_] | None, str] | None:
    """Chooses edges by their types; None if the column does not hold types."""
    codes, uniques = texts_of(series)
    if not uniques or (len(uniques) > 100 and options.type_column is None):
        return None
    counts = np.bincount(codes[codes >= 0], minlength=len(uniques))
    order = sorted(range(len(uniques)), key=lambda place: -counts[place])
    shown = ", ".join(f"{uniques[place]} {counts[place]:,}" for place in order[:6]) + (
        ", ..." if len(uniques) > 6 else ""
    )
    if options.edge_types:
        unknown = [kind for kind in options.edge_types if kind not in uniques]
        if unknown:
            problems.append(
                Problem(
                    "ECO302",
                    f"{origin.name} has no edges of type {', '.join(map(repr, unknown))}; column {name!r} holds "
                    f"{shown}.",
                    "Change --set data.edge_types=...",
                )
            )
        chosen = np.isin(codes, [place for place, text in enumerate(uniques) if text in options.edge_types])
        return chosen, (
            f"{origin.name}: column {name!r}: only edges of type {', '.join(options.edge_types)} are used, "
            f"{int(chosen.sum()):,} of {len(codes):,} (there are {shown})"
        )
    if {text.lower() for text in uniques} <= _GEPHI:
        return None
    choice = f"; --set data.edge_types={uniques[order[0]]} takes one" if len(uniques) > 1 else ""
    return None, f"{origin.name}: column {name!r}: edges of every type are used alike ({shown}){choice}"


__all__ = ["EdgesRead", "numbered", "read_edges"]
