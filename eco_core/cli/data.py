"""``eco data``: list data sets, look at a graph."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from eco_core.cli.output import discover, print_json, print_table

app = typer.Typer(help="Data sets and graph files.", no_args_is_help=True)


@app.command("list")
def list_datasets(json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """List the data sets that can be named with --data."""
    registry = discover()
    entries: list[Any] = list(registry.entries("dataset"))
    if json:
        print_json(
            [
                {
                    "name": registry.short_name(entry),
                    "id": entry.id,
                    "summary": entry.item.summary,
                    "size": entry.item.size,
                    "licence": entry.item.licence,
                    "classes": entry.item.classes,
                }
                for entry in entries
            ]
        )
        return
    rows = [
        (registry.short_name(entry), str(entry.item.classes or ""), entry.item.size, entry.item.summary)
        for entry in entries
    ]
    print_table(rows, ("name", "classes", "size", "summary"))


@app.command("info")
def info(
    data: Annotated[str, typer.Argument(metavar="NAME|PATH", help="A data set or a file.")],
    data_root: Annotated[Path | None, typer.Option(help="Folder of downloaded data sets.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A parameter, such as data.k=5.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Load a graph, check it, and say what is in it."""
    from eco_core.data.info import graph_info
    from eco_core.data.load import load_graph
    from eco_core.layers import parse_override

    parameters: dict[str, Any] = {}
    for override in overrides or ():
        key = override if override.startswith("data.") else f"data.{override}"
        parameters.update(parse_override(key)["data"])
    graph = load_graph(data, data_root, registry=discover(), **parameters)
    facts = graph_info(graph)
    if json:
        print_json(facts)
        return
    notes = facts.pop("notes", [])
    print_table(((key.replace("_", " "), _text(value)) for key, value in facts.items()), ("property", "value"))
    for note in notes:
        print(f"note: {note}")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "unknown" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
