"""``eco explain``: what an error code means and what to do."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from eco_core.cli.output import print_json
from eco_core.errors import CODES, Problem, SpecError, did_you_mean


def explain(
    code: Annotated[str, typer.Argument(metavar="CODE", help="An error code, such as ECO209.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Explain an error code: what is wrong, the causes, and what to do.

    Example: eco explain ECO209
    """
    name = code.strip().upper()
    known = CODES.get(name)
    if known is None:
        raise SpecError(
            Problem("ECO101", f"There is no error code {code!r}.", did_you_mean(name, CODES) or "See docs/errors.md.")
        )
    if json:
        print_json({"code": name, **dataclasses.asdict(known)})
        return
    print(f"{name}: {known.title}")
    print("\ncauses:")
    for cause in known.cause.split("; "):
        print(f"  - {cause}")
    print(f"\nwhat to do: {known.fix}")
