"""``eco report``: make the report of a run anew, or compare several runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="A run folder; several are compared.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where a comparison is written; default comparison.html.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file in --out.")] = False,
    open_it: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Make report.html of a run anew, or compare several runs of the same nodes.

    Only the run folders are read: the data and the plugins may be gone.

    Example: eco report runs/first runs/second --open
    """
    from eco_core.errors import EcoError, Problem
    from eco_core.report import write_comparison, write_report

    if len(runs) == 1:
        if out is not None:
            raise EcoError(
                Problem("ECO104", "--out is for comparisons; a report lies in its run folder.", "Leave --out out.")
            )
        page = write_report(runs[0])
    else:
        page = write_comparison(runs, out or Path("comparison.html"), force=force)
    print(f"{'report' if len(runs) == 1 else 'comparison'}: {page}")
    if open_it:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
