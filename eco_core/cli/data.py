"""``eco data``: list data sets, look at a graph."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from eco_core.cli.output import discover, print_json, print_table
from eco_core.errors import SpecError
from eco_core.registry import Registry

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

    facts = graph_info(load_data(data, data_root, overrides or (), discover()))
    if json:
        print_json(facts)
        return
    notes = facts.pop("notes", [])
    print_table(((key.replace("_", " "), _text(value)) for key, value in facts.items()), ("property", "value"))
    for note in notes:
        print(f"note: {note}")


def load_data(data: str, data_root: Path | None, overrides: Iterable[str], registry: Registry) -> Any:
    """Loads the graph that ``--data``, ``--data-root`` and ``--set`` name, as ``eco compose`` would.

    Args:
        data: A data set or a path.
        data_root: Folder of downloaded data sets.
        overrides: ``"data.k=5"``; the ``data.`` may be left out.
        registry: Where names are looked up.

    Raises:
        SpecError: For overrides that cannot be read, and values of the wrong type.
        DataError: If there is no such graph, or it is invalid.
    """
    import pydantic

    from eco_core.data.load import load_graph
    from eco_core.layers import parse_override
    from eco_core.specs import DataSpec, problems_of

    section: dict[str, Any] = {"name": data, "root": None if data_root is None else str(data_root)}
    for override in overrides:
        key = override if override.startswith("data.") else f"data.{override}"
        section.update(parse_override(key)["data"])
    try:
        spec = DataSpec.model_validate(section)
    except pydantic.ValidationError as error:
        raise SpecError(*problems_of(error, DataSpec, "data")) from error
    return load_graph(
        spec.name,
        spec.root,
        undirected=spec.undirected,
        normalize_features=spec.normalize_features,
        registry=registry,
        **(spec.model_extra or {}),
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "unknown" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
