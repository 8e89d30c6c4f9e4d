"""``eco list``: what there is. Imports no component."""

from __future__ import annotations

from typing import Annotated

import typer

from eco_core.cli.output import discover, print_json, print_table
from eco_core.registry import KINDS, kind_of, plural


def list_names(
    kind: Annotated[
        str | None, typer.Argument(help="|".join(plural(kind) for kind in KINDS) + "; default all.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List installed encoders, heads, objectives, strategies, recipes, data sets and metrics."""
    registry = discover()
    kinds = [kind_of(kind)] if kind else list(KINDS)
    entries = [entry for kind in kinds for entry in registry.entries(kind)]
    if json:
        print_json(
            [
                {
                    "kind": entry.kind,
                    "name": registry.short_name(entry),
                    "id": entry.id,
                    "version": entry.version,
                    "summary": entry.item.summary,
                    "paper": getattr(entry.item, "paper", ""),
                }
                for entry in entries
            ]
        )
        return
    if not entries:
        print(f"No {plural(kinds[0])} are installed.")
        return
    rows = [(entry.kind, registry.short_name(entry), entry.distribution, entry.item.summary) for entry in entries]
    print_table(rows, ("kind", "name", "plugin", "summary"))
