"""The report of a table's columns as rows of text. Light: no torch, no pandas."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

HEADER = ("column", "kind", "features", "missing", "what was done")


def column_rows(columns: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, str, str, str]]:
    """Makes a row for each column; neighbouring columns with the same kind and action share a row.

    Args:
        columns: ``data.columns``.

    Returns:
        Rows of text, as named by `HEADER`.
    """
    groups: list[list[Mapping[str, Any]]] = []
    for entry in columns:
        last = groups[-1] if groups else []
        if last and _alike(last[-1], entry):
            groups[-1].append(entry)
        else:
            groups.append([entry])
    rows = []
    for group in groups:
        if len(group) < 4:
            rows += [_row(entry, str(entry["column"]), str(entry["action"])) for entry in group]
            continue
        first, features = group[0], sum(int(entry["features"]) for entry in group)
        name = f"{first['column']} ... {group[-1]['column']} ({len(group):,})"
        joined = {**first, "features": features, "missing": sum(int(entry["missing"]) for entry in group)}
        rows.append(_row(joined, name, _plain(str(first["action"]))))
    return rows


def columns_text(columns: Iterable[Mapping[str, Any]], width: int = 100) -> str:
    """Writes the report as a table of at most ``width`` characters a line, where names and numbers allow it."""
    rows = [HEADER, *column_rows(columns)]
    rows = [(_cut(row[0], 32), *row[1:]) for row in rows]
    widths = [max(len(row[place]) for row in rows) for place in range(4)]
    room = max(24, width - sum(widths) - 8)
    lines = []
    for row in rows:
        head = "  ".join(row[place].ljust(widths[place]) for place in range(4))
        for number, part in enumerate(textwrap.wrap(row[4], room) or [""]):
            lines.append(f"{head if number == 0 else ' ' * len(head)}  {part}".rstrip())
    return "\n".join(lines) + "\n"


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return (
        one["kind"] == other["kind"]
        and one.get("table") == other.get("table")
        and one["kind"] in ("numeric", "boolean", "constant", "ignored")
        and _plain(str(one["action"])) == _plain(str(other["action"]))
    )


def _plain(action: str) -> str:
    """An action without the numbers that differ from column to column."""
    return action.partition(" (")[0].partition(";")[0].partition(", ")[0]


def _row(entry: Mapping[str, Any], name: str, action: str) -> tuple[str, str, str, str, str]:
    return name, str(entry["kind"]), str(entry["features"] or ""), str(entry["missing"] or ""), action


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


__all__ = ["HEADER", "column_rows", "columns_text"]
