"""Reads a graph from CSV tables of ids and numbers, with the core's own means: it needs neither pandas nor pyarrow.

Where these are installed, `eco_core.data.readers.table_files` reads the same tables, and many more.
"""

from __future__ import annotations

import contextlib
import csv
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from eco_core.data.source import FORMATS
from eco_core.data.tables.scaling import facts_of, scaled, to_be_standardised
from eco_core.errors import DataError, Problem

_MAX_PROBLEMS = 10

UNKNOWN_LABELS = frozenset({"", "-1", "-1.0", "nan", "na", "n/a", "null", "none", "<na>"})
"""Labels, in lower case, which mean that the class of a node is not known."""


class _Findings:
    """Collects problems of tables: keeps the first few, and counts the rest."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.more = 0

    def add(self, code: str, path: Path, line: int, message: str, fix: str = "") -> None:
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(Problem(code, f"{path}, line {line}: {message}", fix))
        else:
            self.more += 1

    def raise_any(self) -> None:
        if self.problems:
            rest = [Problem("ECO302", f"... and {self.more:,} more problems like these.")] if self.more else []
            raise DataError(*self.problems, *rest)


def graph_of_tables(edges: Path, features: Path, labels: Path | None, name: str) -> Data:
    """Reads a graph from a feature table, an edge list and, if given, a label table.

    Args:
        edges: The edge list: columns source, target and, optionally, weight.
        features: The feature table: the node's id, then numbers.
        labels: The label table: node, label.
        name: The graph's name.

    Returns:
        The graph, not yet validated; see `eco_core.data.readers.formats.read_csv`.

    Raises:
        DataError: ECO302 for malformed lines, each with file and line; ECO305 for ids that the feature table lacks.
    """
    findings = _Findings()
    ids, x = _read_features(features, findings)
    # Stop here if the feature table has problems: with wrong ids, every line of the other tables would be reported.
    findings.raise_any()
    position = {identifier: index for index, identifier in enumerate(ids)}
    edge_index, weight = _read_edges(edges, features, position, findings)
    y, notes = (None, []) if labels is None else _read_labels(labels, features, position, findings)
    findings.raise_any()
    x, more = _scaled(x)
    notes = [*more, *notes]
    numbered = all(identifier == str(index) for index, identifier in enumerate(ids))
    data = Data(x=x, edge_index=edge_index, name=name, notes=notes)
    data.edge_weight, data.y, data.node_ids = weight, y, None if numbered else ids
    return data


def _scaled(x: Tensor) -> tuple[Tensor, list[str]]:
    """Scales features as `eco_core.data.tables` does, so that results do not depend on whether pandas is installed."""
    numbers = x.numpy().astype(np.float64)
    if not numbers.size or not np.isfinite(numbers).all():
        return x, []
    columns = [numbers[:, place] for place in range(numbers.shape[1])]
    facts = [facts_of(column) for column in columns]
    kept = [place for place, fact in enumerate(facts) if fact.deviation > 0]
    if not kept:
        return x, []
    standard = to_be_standardised([facts[place] for place in kept], "auto", others=False)
    values = [
        scaled(columns[place], 0.0, facts[place].mean, facts[place].deviation)
        if chosen
        else scaled(columns[place], 0.0, 0.0, 1.0)
        for place, chosen in zip(kept, standard, strict=True)
    ]
    notes = [f"{sum(standard):,} columns of very different scale standardised"] if any(standard) else []
    if len(kept) < len(facts):
        notes.append(f"{len(facts) - len(kept):,} columns left out, since all their values are the same")
    return torch.from_numpy(np.stack(values, axis=1)), notes


@contextlib.contextmanager
def csv_table(path: Path) -> Iterator[tuple[list[str], Any]]:
    """Context manager: opens a table; yields its header and a csv reader for the lines after it."""
    try:
        # utf-8-sig: spreadsheets write a byte order mark, which must not become part of the first column name.
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, skipinitialspace=True)
            header = next(reader, None)
            if not header or not any(cell.strip() for cell in header):
                raise DataError(
                    Problem("ECO302", f"{path}, line 1: the file is empty; expected a header line.", FORMATS)
                )
            if len(header) == 1 and any(separator in header[0] for separator in ";\t"):
                raise DataError(
                    Problem(
                        "ECO302",
                        f"{path}, line 1: the columns of {header[0]!r} are not separated by commas.",
                        "Export the table with commas.",
                    )
                )
            yield header, reader
    except UnicodeDecodeError as error:
        raise DataError(Problem("ECO302", f"{path} is not UTF-8 text: {error}.", "Save it as UTF-8.")) from error
    except csv.Error as error:
        raise DataError(Problem("ECO302", f"{path}, line {reader.line_num}: {error}.", "Check the quotes.")) from error
    except OSError as error:
        raise DataError(Problem("ECO302", f"Cannot read {path}: {error}.")) from error


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def looks_like_data(header: list[str]) -> bool:
    """Whether the first line of a feature table is a node instead of a header."""
    if not all(_is_number(cell) for cell in header[1:]):
        return False
    # Consecutive numbers are column names ("node,0,1,2"), unless the first cell is a number as well.
    numbers = [float(cell) for cell in header[1:]]
    in_order = numbers in ([float(i) for i in range(len(numbers))], [float(i + 1) for i in range(len(numbers))])
    return _is_number(header[0]) or not in_order


def _read_features(path: Path, findings: _Findings) -> tuple[list[str], Tensor]:
    ids: list[str] = []
    values = array("f")
    with csv_table(path) as (header, reader):
        width = len(header)
        if width < 2:
            findings.add("ECO302", path, 1, f"the header has {width} column; expected the node's id and its features.")
            findings.raise_any()
        if looks_like_data(header):
            findings.add(
                "ECO302",
                path,
                1,
                "this is a line of numbers, not a header.",
                "Put a header first: node,name1,name2,...",
            )
            findings.raise_any()
        lines: dict[str, int] = {}
        for row in reader:
            if len(row) != width:
                if row:
                    findings.add("ECO302", path, reader.line_num, f"{_cells(row)}; the header has {width}.")
                continue
            identifier = row[0]
            first = lines.setdefault(identifier, reader.line_num)
            if first != reader.line_num:
                findings.add("ECO302", path, reader.line_num, f"node {identifier!r} is already on line {first}.")
                continue
            ids.append(identifier)
            try:
                values.extend(map(float, row[1:]))
            except ValueError:
                column = next(index for index in range(1, width) if not _is_number(row[index]))
                findings.add("ECO302", path, reader.line_num, f"column {header[column]!r} is {_shown(row[column])}.")
    x = np.frombuffer(values, dtype=np.float32) if len(values) else np.zeros(0, dtype=np.float32)
    if findings.problems:
        return ids, torch.zeros((0, width - 1))
    return ids, torch.from_numpy(x.reshape(len(ids), width - 1).copy())


def _read_edges(
    path: Path, features: Path, position: dict[str, int], findings: _Findings
) -> tuple[Tensor, Tensor | None]:
    sources, targets, weights = array("q"), array("q"), array("f")
    with csv_table(path) as (header, reader):
        width = len(header)
        if width not in (2, 3):
            findings.add(
                "ECO302", path, 1, f"the header has {width} columns; expected source,target or source,target,weight."
            )
            findings.raise_any()
        if header[0] in position and header[1] in position:
            findings.add(
                "ECO302", path, 1, "this is an edge, not a header.", "Put a header first: source,target[,weight]"
            )
        for row in reader:
            if len(row) != width:
                if row:
                    findings.add("ECO302", path, reader.line_num, f"{_cells(row)}; the header has {width}.")
                continue
            try:
                source, target = position[row[0]], position[row[1]]
            except KeyError:
                for cell, end in zip(row, ("source", "target"), strict=False):
                    if cell not in position:
                        findings.add("ECO305", path, reader.line_num, f"{end} {cell!r} is not a node of {features}.")
                continue
            if width == 3:
                try:
                    weights.append(float(row[2]))
                except ValueError:
                    findings.add("ECO302", path, reader.line_num, f"the weight is {_shown(row[2])}.")
                    continue
            sources.append(source)
            targets.append(target)
    edge_index = np.stack([np.array(sources, dtype=np.int64), np.array(targets, dtype=np.int64)])
    weight = torch.from_numpy(np.array(weights, dtype=np.float32)) if width == 3 else None
    return torch.from_numpy(edge_index), weight


def _read_labels(path: Path, features: Path, position: dict[str, int], findings: _Findings) -> tuple[Tensor, list[str]]:
    label_of: dict[int, str] = {}
    with csv_table(path) as (header, reader):
        if len(header) != 2:
            findings.add("ECO302", path, 1, f"the header has {len(header)} columns; expected node,label.")
            findings.raise_any()
        if header[0] in position:
            findings.add("ECO302", path, 1, "this is a labelled node, not a header.", "Put a header first: node,label")
        for row in reader:
            if len(row) != 2:
                if row:
                    findings.add("ECO302", path, reader.line_num, f"{_cells(row)}; the header has 2.")
                continue
            index = position.get(row[0])
            if index is None:
                findings.add("ECO305", path, reader.line_num, f"node {row[0]!r} is not a node of {features}.")
            elif index in label_of:
                findings.add("ECO302", path, reader.line_num, f"node {row[0]!r} has a label already.")
            else:
                label_of[index] = row[1].strip()
    classes = sorted_classes({label for label in label_of.values() if label.lower() not in UNKNOWN_LABELS})
    code = {label: number for number, label in enumerate(classes)}
    y = torch.full((len(position),), -1, dtype=torch.int64)
    if label_of:
        y[torch.tensor(list(label_of))] = torch.tensor([code.get(label, -1) for label in label_of.values()])
    if classes == [str(number) for number in range(len(classes))]:
        return y, []
    shown = ", ".join(classes[:10]) + (", ..." if len(classes) > 10 else "")
    return y, [f"labels numbered from 0 in this order: {shown}"] if classes else []


def sorted_classes(labels: set[str]) -> list[str]:
    """Sorts labels: as integers if all are integers, else as texts."""
    try:
        return sorted(labels, key=lambda label: (int(label), label))
    except ValueError:
        return sorted(labels)


def _cells(row: list[str]) -> str:
    return f"this line has {len(row)} column{'' if len(row) == 1 else 's'}"


def _shown(cell: str) -> str:
    return "empty; expected a number" if not cell.strip() else f"{cell!r}; expected a number"
