"""Reads the classes of nodes from a column or from a table. They are used for reporting only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eco_core.data.tables.ids import NodeNumbers, ids_of, in_order
from eco_core.data.tables.options import TableOptions
from eco_core.data.tables.origin import Origin
from eco_core.data.tables.roles import LABELS, check_given, id_candidates, is_index_name, listed, plain_name
from eco_core.data.tables.values import texts_of
from eco_core.errors import Problem

_UNKNOWN = re.compile(r"-1(\.0*)?")
_WHOLE = re.compile(r"-?\d+\.0+")


def label_columns(table: Any, options: TableOptions, origin: Origin, problems: list[Problem]) -> list[str]:
    """Finds the columns of a nodes table that hold classes, the one to use first.

    A column is taken by its name if its values are groups: whole numbers or texts of which at most half are different.
    """
    names = [str(column) for column in table.columns]
    if options.label_column is not None:
        check_given(options.label_column, names, "label_column", origin.name, problems)
        return [options.label_column] if options.label_column in names else []
    free = [n for n in names if n not in options.ignore_columns and n not in options.kinds]
    by_name = {plain_name(name): name for name in reversed(free)}
    found = []
    for word in LABELS:
        name = by_name.get(word)
        if name is None or (word == "y" and "x" in by_name):
            continue
        if _are_groups(table[name]):
            found.append(name)
    return found


def _are_groups(series: Any) -> bool:
    import pandas as pd

    if pd.api.types.is_float_dtype(series.dtype):
        present = series.dropna()
        if len(present) and not bool((present == np.floor(present)).all()):
            return False
    codes, texts = texts_of(series)
    unknown = [place for place, text in enumerate(texts) if _UNKNOWN.fullmatch(text)]
    known = int((~np.isin(codes, [-1, *unknown])).sum())
    uniques = [text for text in texts if not _UNKNOWN.fullmatch(text)]
    numbers = [text for text in uniques if re.fullmatch(r"-?\d*\.\d*[1-9]\d*", text)]
    return 0 < len(uniques) <= max(2, known // 2) and not numbers


def classes_of(series: Any) -> tuple[NDArray[np.int64], list[str]]:
    """Numbers the classes of a column from 0, in the order of their names.

    Args:
        series: A ``pandas.Series``; missing values, ``-1`` and ``-1.0`` mean that the class is unknown.

    Returns:
        The number of each row's class (-1: unknown), and the names of the classes.
    """
    codes, uniques = texts_of(series)
    whole = [_WHOLE.fullmatch(text) is not None or text.lstrip("-").isdigit() for text in uniques]
    plain = [text.partition(".")[0] if all(whole) else text for text in uniques]
    names = in_order({text for text in plain if not _UNKNOWN.fullmatch(text)})
    number = {name: place for place, name in enumerate(names)}
    table = np.array([*(number.get(text, -1) for text in plain), -1], dtype=np.int64)
    return table[codes], names


def labels_of_table(
    table: Any, nodes: NodeNumbers, options: TableOptions, origin: Origin, nodes_name: str, problems: list[Problem]
) -> tuple[Tensor, list[str]]:
    """Reads a table of labels: the node, then the label.

    Args:
        table: A ``pandas.DataFrame``.
        nodes: The nodes.
        options: How it is read.
        origin: Where it comes from.
        nodes_name: The name of the nodes table, for messages.
        problems: Takes the problems.

    Returns:
        ``y`` (num_nodes,), -1 for nodes without a label, and the names of the classes.
    """
    y = torch.full((len(nodes),), -1, dtype=torch.int64)
    names = [str(column) for column in table.columns]
    table = table.set_axis(names, axis=1)
    columns = [name for name in names if not is_index_name(name)] if len(names) > 2 else names
    by_name = {plain_name(name): name for name in reversed(columns)}
    label = options.label_column if options.label_column in names else None
    label = label or next((by_name[word] for word in LABELS if word in by_name), None)
    rest = [name for name in columns if name != label]
    if len(columns) != 2 and (label is None or not rest):
        problems.append(
            Problem(
                "ECO302",
                f"{origin.place(-1) if origin.line_of is not None else origin.name}: the header has {len(columns)} "
                f"columns ({listed(names)}); expected node,label.",
                "Name the column with --label-column.",
            )
        )
        return y, []
    given = options.id_column if options.id_column in rest else None
    identifier = given or id_candidates(rest)[0]
    label = label or next(name for name in columns if name != identifier)
    ids = ids_of(table[identifier])
    numbers = nodes.find(ids)
    unknown = np.flatnonzero(numbers < 0)
    if len(unknown):
        row = int(unknown[0])
        shown = ids.texts[int(ids.codes[row])] if ids.codes[row] >= 0 else ""
        problems.append(
            origin.problem(
                "ECO305",
                row,
                f"node {shown!r} is not a node of {nodes_name}",
                len(unknown) - 1,
                "Give these nodes a row, or leave their labels out.",
            )
        )
        return y, []
    classes, class_names = classes_of(table[label])
    _, first = np.unique(numbers, return_index=True)
    again = np.setdiff1d(np.arange(len(numbers)), first)
    if len(again):
        row = int(again[0])
        problems.append(
            origin.problem(
                "ECO302",
                row,
                f"node {ids.texts[int(ids.codes[row])]!r} has a label already",
                len(again) - 1,
                "Give each node one label.",
            )
        )
    y[torch.from_numpy(numbers)] = torch.from_numpy(classes)
    return y, class_names


def order_note(names: Sequence[str]) -> list[str]:
    """A note on the numbers of the classes; none if they are called 0, 1, 2 and so on."""
    if not names or list(names) == [str(number) for number in range(len(names))]:
        return []
    shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    return [f"labels numbered from 0 in this order: {shown}"]


__all__ = ["classes_of", "label_columns", "labels_of_table", "order_note"]
