"""Prints results: tables of plain text, or one JSON document."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from eco_core.engine.world import launched_world
from eco_core.registry.registry import Registry

_GAP = "  "
_NARROWEST = 12  # A column is not made narrower than this.


def print_json(document: Any) -> None:
    """Prints one JSON document on stdout."""
    print(json.dumps(document, indent=2, ensure_ascii=False))


def print_table(rows: Iterable[Sequence[str]], header: Sequence[str]) -> None:
    """Prints columns as wide as their contents; the last column is not padded.

    On a terminal, long columns are wrapped so that the table fits its width. Piped output has one line for each row.
    """
    table = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    if sys.stdout.isatty():
        widths = _fitted(widths, table, shutil.get_terminal_size().columns)
    for row in table:
        cells = [_lines(cell, width) for cell, width in zip(row, widths, strict=True)]
        for line in zip_longest(*cells, fillvalue=""):
            print(_GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _fitted(widths: Sequence[int], table: Sequence[Sequence[str]], available: int) -> list[int]:
    """Makes the widest columns narrower until a table fits; the first column and single words stay whole."""
    fitted = list(widths)
    words = [max(len(word) for row in table for word in (row[column].split() or [""])) for column in range(len(widths))]
    while sum(fitted) + len(_GAP) * (len(fitted) - 1) > available:
        shrinkable = [column for column in range(1, len(fitted)) if fitted[column] > max(words[column], _NARROWEST)]
        if not shrinkable:
            break
        fitted[max(shrinkable, key=lambda column: fitted[column])] -= 1
    return fitted


def _lines(cell: str, width: int) -> list[str]:
    if len(cell) <= width:
        return [cell]
    return textwrap.wrap(cell, width, break_long_words=False, break_on_hyphens=False) or [""]


def print_metrics(metrics: Mapping[str, float]) -> None:
    """Prints metrics as a table: counts as they are, fractions with four digits."""
    rows = ((name, str(value) if isinstance(value, int) else f"{value:.4f}") for name, value in metrics.items())
    print_table(rows, ("metric", "value"))


def print_sizes(sizes: Iterable[tuple[str, int]], width: int = 80, most: int = 20) -> None:
    """Prints the sizes of clusters as a bar chart.

    Args:
        sizes: Label and number of nodes of each cluster, in the order of the chart.
        width: Columns of the terminal.
        most: How many clusters have a bar; the others are counted.
    """
    rows = list(sizes)
    shown = rows[:most]
    if not shown:
        return
    labels = [label if len(label) <= 28 else label[:27] + "…" for label, _ in shown]
    counts = [f"{count:,}" for _, count in shown]
    left, middle = max(map(len, labels)), max(map(len, counts))
    room = max(1, width - left - middle - 4)
    largest = max(count for _, count in shown)
    print()
    for label, text, (_, count) in zip(labels, counts, shown, strict=True):
        print(f"{label:<{left}}  {text:>{middle}}  {_bar(count / largest * room)}")
    if len(rows) > most:
        rest = sum(count for _, count in rows[most:])
        print(f"and {len(rows) - most:,} smaller clusters with {rest:,} nodes")
    print()


def _bar(length: float) -> str:
    """A bar of blocks with a resolution of an eighth; plain signs where the terminal cannot print blocks."""
    eighths = max(1, round(length * 8))
    try:
        "█▏".encode(sys.stdout.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return "#" * max(1, round(length))
    return "█" * (eighths // 8) + ("", *"▏▎▍▌▋▊▉")[eighths % 8]


def discover() -> Registry:
    """Scans for plugins, and prints the warnings of the scan on stderr."""
    registry = Registry.discover()
    world = launched_world()
    if world is not None and world.launcher == "eco":
        return registry  # The launcher has printed the warnings.
    for warning in registry.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return registry
