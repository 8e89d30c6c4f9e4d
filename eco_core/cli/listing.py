"""``eco list``: what there is. Imports no component."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from eco_core.cli.output import discover, print_json, print_table
from eco_core.errors import EcoError
from eco_core.registry.registry import KINDS, Entry, Registry, kind_of, plural


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
        print_json([_document(entry, registry) for entry in entries])
        return
    if not entries:
        print(f"No {plural(kinds[0])} are installed.")
        return
    if kind is None:
        rows = [(entry.kind, registry.short_name(entry), entry.distribution, entry.item.summary) for entry in entries]
        print_table(rows, ("kind", "name", "plugin", "summary"))
        return
    columns = {"recipe": ("name", "parts", "paper", "plugin"), "dataset": ("name", "summary", "plugin")}
    header = columns.get(kinds[0], ("name", "summary", "paper", "plugin"))
    documents = [{**_document(entry, registry), "plugin": entry.distribution} for entry in entries]
    print_table([[_cell(document[column]) for column in header] for document in documents], header)


def _document(entry: Entry, registry: Registry) -> dict[str, Any]:
    document: dict[str, Any] = {
        "kind": entry.kind,
        "name": registry.short_name(entry),
        "id": entry.id,
        "version": entry.version,
        "summary": entry.item.summary,
        "paper": getattr(entry.item, "paper", ""),
    }
    if entry.kind == "recipe":
        document["parts"] = _parts(entry, registry)
    return document


def _parts(entry: Entry, registry: Registry) -> dict[str, str]:
    """The names of a recipe's parts; none where its file cannot be read, which ``eco show`` tells."""
    from eco_core.spec.recipes import part_names, read_recipe

    try:
        return part_names(read_recipe(entry.id, registry)[0])
    except EcoError:
        return {}


def _cell(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    return " + ".join(name.rpartition(":")[2] for name in value.values() if name != "none")
