"""``eco export``: write the clusters with the graph and the user's columns, for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eco_core.cli.output import discover, print_json


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    to: Annotated[str, typer.Option("--to", metavar="graphml|gexf|parquet|h5ad|csv", help="The format.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The file; for csv and parquet the folder. Default: in the run folder."),
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="NAME|PATH", help="The graph, if it has moved since the run.")
    ] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of downloaded data sets.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Export a run: ids, clusters, confidence, your own columns, and the edges.

    Example: eco export runs/first --to graphml --out clusters.graphml
    """
    from eco_core.runs.export import export_run

    files = export_run(run, to, out, data=data, data_root=data_root, force=force, registry=discover())
    if json:
        print_json({"files": [str(file) for file in files]})
        return
    for file in files:
        print(f"{to}: {file}")
