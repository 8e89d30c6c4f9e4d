"""Flags that say how the tables of ``--data`` are read."""

from __future__ import annotations

from typing import Annotated, Any

import typer

Edges = Annotated[str | None, typer.Option("--edges", metavar="FILE", help="The edges, if --data is a nodes table.")]
IdColumn = Annotated[str | None, typer.Option("--id-column", metavar="NAME", help="The nodes' column of ids.")]
SourceColumn = Annotated[str | None, typer.Option("--source-column", metavar="NAME", help="The edges' sources.")]
TargetColumn = Annotated[str | None, typer.Option("--target-column", metavar="NAME", help="The edges' targets.")]
WeightColumn = Annotated[str | None, typer.Option("--weight-column", metavar="NAME", help="The edges' weights.")]
LabelColumn = Annotated[
    str | None, typer.Option("--label-column", metavar="NAME", help="The nodes' classes, for reporting only.")
]
IgnoreColumns = Annotated[
    list[str] | None, typer.Option("--ignore-columns", metavar="A,B", help="Columns of the tables to leave out.")
]


def table_settings(
    edges: str | None,
    id_column: str | None,
    source_column: str | None,
    target_column: str | None,
    weight_column: str | None,
    label_column: str | None,
    ignore_columns: list[str] | None,
) -> dict[str, Any]:
    """Returns the keys of the spec's section ``data`` for the flags that were given."""
    ignored = [name.strip() for text in ignore_columns or () for name in text.split(",") if name.strip()]
    values = {
        "edges": edges,
        "id_column": id_column,
        "source_column": source_column,
        "target_column": target_column,
        "weight_column": weight_column,
        "label_column": label_column,
        "ignore_columns": ignored or None,
    }
    return {key: value for key, value in values.items() if value is not None}


__all__ = [
    "Edges",
    "IdColumn",
    "IgnoreColumns",
    "LabelColumn",
    "SourceColumn",
    "TargetColumn",
    "WeightColumn",
    "table_settings",
]
