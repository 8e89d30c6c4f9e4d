"""``eco show``: the parameters, paper and usage of a component, recipe, data set or metric."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from eco_core.cli.formulas import without_tex
from eco_core.cli.output import discover, print_json, print_table
from eco_core.errors import Problem, SpecError, did_you_mean
from eco_core.plan.describe import describe

_FLAGS = ("encoder", "head", "objective", "strategy", "recipe")


def show(
    name: Annotated[str, typer.Argument(help="A component, recipe, data set or metric.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show parameters with defaults and ranges, the paper, and a command that works."""
    registry = discover()
    entries = registry.find_any(name)
    if not entries:
        known = [entry.name for entry in registry.entries()]
        raise SpecError(
            Problem("ECO101", f"Nothing is named {name!r}.", f"{did_you_mean(name, known)}\n'eco list' shows all.")
        )
    documents = [describe(entry, registry) for entry in entries]
    if json:
        print_json(documents[0] if len(documents) == 1 else documents)
        return
    for number, document in enumerate(documents):
        if number:
            print()
        _print(document)


def _print(document: dict[str, Any]) -> None:
    from eco_core.spec.yaml_io import dump_yaml

    print(f"{document['name']}: {document['kind']} of {document['id'].partition(':')[0]} {document['version']}")
    for key in ("summary", "paper", "size", "licence"):
        if document.get(key):
            print(f"{key}: {document[key]}")
    if document.get("description"):
        print(f"\n{without_tex(document['description'], sys.stdout.encoding or 'utf-8')}")
    if document.get("parameters"):
        print()
        rows = [
            (p["name"], p["type"], "required" if p["required"] else _default_text(p["default"]), p["range"])
            for p in document["parameters"]
        ]
        print_table(rows, ("parameter", "type", "default", "range"))
    if document.get("missing"):
        print(f"\nnot installed: {', '.join(document['missing'])}")
        if document.get("install"):
            print(f"install: {document['install']}")
    for key in ("spec", "overrides"):
        if document.get(key):
            print(f"\n{key}:\n{dump_yaml(document[key])}", end="")
    print(f"\ncommand: {document['command']}")


def _default_text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={_default_text(item)}" for key, item in value.items() if item is not None)
    return "none" if value is None else str(value)
