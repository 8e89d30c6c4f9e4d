"""How results are printed: tables of plain text, or one JSON document."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from eco_core.engine.world import launched_world
from eco_core.registry.registry import Registry


def print_json(document: Any) -> None:
    """Prints one JSON document on stdout."""
    print(json.dumps(document, indent=2, ensure_ascii=False))


def print_table(rows: Iterable[Sequence[str]], header: Sequence[str]) -> None:
    """Prints columns as wide as their contents; the last one is not padded.

    Not with rich: it fits tables to the width of a terminal, which would cut or wrap columns of piped output.
    """
    table = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_metrics(metrics: Mapping[str, float]) -> None:
    """Prints metrics as a table: counts as they are, fractions with four digits."""
    rows = ((name, str(value) if isinstance(value, int) else f"{value:.4f}") for name, value in metrics.items())
    print_table(rows, ("metric", "value"))


def discover() -> Registry:
    """Scans for plugins, and passes the scan's warnings on to stderr."""
    registry = Registry.discover()
    world = launched_world()
    for warning in registry.warnings if world is None or world.launcher != "eco" else ():  # Else the launcher did.
        print(f"warning: {warning}", file=sys.stderr)
    return registry
