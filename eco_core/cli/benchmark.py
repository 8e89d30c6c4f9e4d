"""``eco benchmark``: run recipes x data sets x training seeds, and write the table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from eco_core.cli.output import discover, print_json


def benchmark(
    suite: Annotated[Path, typer.Argument(metavar="SUITE.yaml", help="Names the recipes, data sets and seeds.")],
    seeds: Annotated[int | None, typer.Option(min=1, metavar="N", help="Training seeds 0 to N-1.")] = None,
    jobs: Annotated[int, typer.Option(metavar="N", help="Cells that run at the same time.")] = 1,
    backend: Annotated[str, typer.Option(metavar="loky|dask", help="loky: processes here; dask: a cluster.")] = "loky",
    out: Annotated[Path | None, typer.Option(help="The folder; default runs/benchmark-<name>.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of downloaded data sets.")] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where to train.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="Threads of each cell; default cores / jobs.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds after which a cell is stopped.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Run finished cells again.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Run recipes x data sets x training seeds; write results.csv and the table as CSV, Markdown and LaTeX.

    Finished cells are kept: run the same command again to continue after an interruption.

    Example: eco benchmark suite.yaml --seeds 5 --jobs 2
    """
    from eco_core.benchmark.runner import TABLES, run_suite

    document = run_suite(
        suite,
        out,
        seeds=seeds,
        jobs=jobs,
        backend=backend,
        threads=threads,
        timeout=timeout,
        device=device,
        data_root=data_root,
        force=force,
        stream=None if quiet else sys.stderr,
        registry=discover(),
    )
    if json:
        print_json(document)
    else:
        folder = Path(document["out"])
        print((folder / TABLES[1]).read_text(encoding="utf-8"), end="")
        print(f"benchmark folder: {folder}")
    if any(cell["status"] != "done" for cell in document["cells"]):
        raise typer.Exit(1)
