"""``eco plugins``: the status of every installed plugin."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from eco_core.cli.output import discover, print_json, print_table
from eco_core.registry.records import PluginInfo


def plugins(
    verbose: Annotated[bool, typer.Option("--verbose", help="Show components, reasons and tracebacks.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show the status of every plugin: ok, blocked, incompatible, broken or conflict."""
    infos = discover().plugins
    if json:
        print_json([dataclasses.asdict(info) for info in infos])
        return
    rows = [(info.distribution, info.version, info.status, _summary(info)) for info in infos]
    print_table(rows, ("plugin", "version", "status", "reason"))
    if not verbose:
        return
    for info in infos:
        print(f"\n{info.distribution} {info.version} ({info.entry_point} = {info.module}): {info.status}")
        for text in (info.reason, *info.missing, info.traceback.rstrip()):
            if text:
                print("  " + text.replace("\n", "\n  "))
        if info.components:
            print("  offers: " + ", ".join(info.components))


def _summary(info: PluginInfo) -> str:
    return info.reason.splitlines()[0] if info.reason else "; ".join(info.missing)
