"""``eco data``: list data sets, show the facts of a graph, write a graph to disk."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from eco_core.cli.output import discover, print_json, print_table
from eco_core.cli.table_flags import with_table_flags
from eco_core.registry.registry import Registry

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
                    "missing": bool(entry.missing),
                    "install": entry.install_command,
                }
                for entry in entries
            ]
        )
        return
    rows = [
        (registry.short_name(entry), str(entry.item.classes or ""), entry.item.size, _summary(entry))
        for entry in entries
    ]
    print_table(rows, ("name", "classes", "size", "summary"))


def _summary(entry: Any) -> str:
    command = entry.install_command
    return f"missing ({command}): {entry.item.summary}" if command else entry.item.summary


@app.command("info")
@with_table_flags
def info(
    data: Annotated[str, typer.Argument(metavar="NAME|PATH", help="A data set or a file.")],
    *,
    tables: dict[str, Any],
    data_root: Annotated[Path | None, typer.Option(help="Folder of downloaded data sets.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A parameter, such as data.k=5.")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Compare the checksums of a graph on disk.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Load a graph, check it, and show its facts."""
    from eco_core.data.info import graph_info

    # Show a graph on disk as it is stored: do not add reverse edges.
    settings = [*(["data.undirected=false"] if _is_on_disk(data) else []), *(overrides or ())]
    settings += ["data.verify=true"] if verify else []
    facts = graph_info(load_data(data, data_root, settings, discover(), tables))
    _print_facts(facts, json)


@app.command("convert")
@with_table_flags
def convert(
    source: Annotated[
        str, typer.Argument(metavar="EDGES|NAME|PATH", help="Edges (.csv, .parquet, .npy), or a whole graph.")
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="The folder to write.")],
    features: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Features of the nodes (.csv, .parquet, .npy).")
    ] = None,
    no_features: Annotated[
        bool, typer.Option("--no-features", help="Use the logarithm of 1 + each node's degree instead.")
    ] = False,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Labels of the nodes (.csv, .parquet, .npy).")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(metavar="K", help="The number of classes: the default of --clusters.")
    ] = None,
    directed: Annotated[
        bool, typer.Option("--directed", help="Keep the edges as they are: add no reverse, merge no duplicates.")
    ] = False,
    normalize_features: Annotated[
        str, typer.Option(metavar="none|row", help="row: divide each row by the sum of its absolute values.")
    ] = "none",
    *,
    tables: dict[str, Any],
    data_root: Annotated[Path | None, typer.Option(help="Folder of downloaded data sets.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A parameter of a data set, such as k=5.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a graph that is in the folder already.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write a graph as a folder of arrays, which ECO reads from disk instead of loading it into memory."""
    from eco_core.data.convert.convert import save_on_disk
    from eco_core.data.info import graph_info
    from eco_core.data.on_disk.graph import open_graph
    from eco_core.spec.overrides import data_parameters, graph_section

    begin = time.perf_counter()
    folder = save_on_disk(
        source,
        out,
        features=features,
        no_features=no_features,
        labels=labels,
        n_classes=classes,
        undirected=not directed,
        normalize_features=normalize_features,
        force=force,
        progress=_Progress(),
        root=data_root,
        registry=discover(),
        **graph_section(overrides or ()).model_dump(exclude_defaults=True),
        **{**tables, **data_parameters(overrides or ())},
    )
    facts = {
        "folder": str(out),
        "bytes": sum(file.stat().st_size for file in folder.iterdir()),
        "seconds": time.perf_counter() - begin,
        **graph_info(open_graph(folder)),
    }
    _print_facts(facts, json)


class _Progress:
    """Prints messages on stderr, at most one a second."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, message: str) -> None:
        now = time.monotonic()
        if now >= self._last + 1:
            self._last = now
            print(message, file=sys.stderr)


def _print_facts(facts: dict[str, Any], json: bool) -> None:
    if json:
        print_json(facts)
        return
    from eco_core.data.info import edges_once

    notes, columns = facts.pop("notes", []), facts.pop("columns", [])
    if facts.get("undirected"):
        facts["edges"] = f"{edges_once(facts):,} undirected ({facts['edges']:,} entries)"
    print_table(((key.replace("_", " "), _text(value)) for key, value in facts.items()), ("property", "value"))
    if columns:
        from eco_core.data.tables.summary import columns_text

        print("\n" + columns_text(columns), end="\n")
    for note in notes:
        print(f"note: {note}")


def _is_on_disk(data: str) -> bool:
    from eco_core.data.on_disk.graph import is_on_disk

    return is_on_disk(Path(data).expanduser())


def load_data(
    data: str,
    data_root: Path | None,
    overrides: Iterable[str],
    registry: Registry,
    tables: Mapping[str, Any] | None = None,
) -> Any:
    """Loads the graph that ``--data``, ``--data-root`` and ``--set`` name, as ``eco compose`` would.

    Args:
        data: A data set or a path.
        data_root: Folder of downloaded data sets.
        overrides: Texts such as ``"data.k=5"``; the prefix ``data.`` may be left out.
        registry: Where names are looked up.
        tables: More keys of the section ``data``, from flags such as ``--id-column``.

    Raises:
        SpecError: If an override cannot be read, or a value has the wrong type.
        DataError: If there is no such graph, or it is invalid.
    """
    from eco_core.plan.graph import load_planned
    from eco_core.spec.overrides import data_section, graph_section

    overrides = list(overrides)
    section = data_section(data, None if data_root is None else str(data_root), overrides)
    if tables:
        section = section.model_copy(update={**tables, **(section.model_extra or {})})
    return load_planned(section, registry, neighbors=graph_section(overrides))[0]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "unknown" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
