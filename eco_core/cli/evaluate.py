"""``eco evaluate``: the metrics of an assignments file on a data set."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from eco_core.cli.output import discover, print_json, print_metrics
from eco_core.cli.table_flags import with_table_flags


@with_table_flags
def evaluate(
    assignments: Annotated[Path, typer.Argument(help="A CSV file with the columns node and cluster.")],
    data: Annotated[str, typer.Option(metavar="NAME|PATH", help="The graph that was clustered.")],
    *,
    tables: dict[str, Any],
    data_root: Annotated[Path | None, typer.Option(help="Folder of downloaded data sets.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A parameter of the data, such as data.k=5.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Compute the metrics of an assignment of nodes to clusters."""
    from eco_core.cli.data import load_data
    from eco_core.results.assignments import read_assignments
    from eco_core.runs.evaluate import evaluate_assignments

    registry = discover()
    clusters = {node: cluster for node, (cluster, _) in read_assignments(assignments).items()}
    graph = load_data(data, data_root, overrides or (), registry, tables)
    # The figures are those of this graph: a reader has to see if its edges were made and not read.
    for note in dict.fromkeys(graph.get("notes") or ()):
        print(note, file=sys.stderr)
    metrics = evaluate_assignments(clusters, graph, registry)
    if json:
        print_json({"metrics": metrics})
    else:
        print_metrics(metrics)
