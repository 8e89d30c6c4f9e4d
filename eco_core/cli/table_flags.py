"""The flags that say how the tables of ``--data`` are read, for every verb that reads a graph."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

_Verb = TypeVar("_Verb", bound=Callable[..., None])

_FLAGS: dict[str, Any] = {
    "edges": Annotated[
        str | None, typer.Option("--edges", metavar="FILE", help="The edges, if --data is a nodes table.")
    ],
    "id_column": Annotated[str | None, typer.Option("--id-column", metavar="NAME", help="The nodes' column of ids.")],
    "source_column": Annotated[str | None, typer.Option("--source-column", metavar="NAME", help="The edges' sources.")],
    "target_column": Annotated[str | None, typer.Option("--target-column", metavar="NAME", help="The edges' targets.")],
    "weight_column": Annotated[str | None, typer.Option("--weight-column", metavar="NAME", help="The edges' weights.")],
    "label_column": Annotated[
        str | None, typer.Option("--label-column", metavar="NAME", help="The nodes' classes, for reporting only.")
    ],
    "ignore_columns": Annotated[
        list[str] | None, typer.Option("--ignore-columns", metavar="A,B", help="Columns of the tables to leave out.")
    ],
}
"""The flags by their keys in a spec's section ``data``."""


def with_table_flags(verb: _Verb) -> _Verb:
    """Gives a verb the flags of tables, in the place of its parameter ``tables``.

    Args:
        verb: A function for Typer. It gets as ``tables`` a dictionary of the keys of the spec's section ``data`` for
            the flags that were given.
    """
    signature = inspect.signature(verb, eval_str=True)

    @functools.wraps(verb)
    def with_flags(*arguments: Any, **options: Any) -> None:
        flags = {key: options.pop(key, None) for key in _FLAGS}
        verb(*arguments, **options, tables=_settings(flags))

    flags = [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for key, annotation in _FLAGS.items()
    ]
    parameters = [
        parameter for own in signature.parameters.values() for parameter in (flags if own.name == "tables" else [own])
    ]
    with_flags.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    with_flags.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_flags  # type: ignore[return-value]


def _settings(flags: dict[str, Any]) -> dict[str, Any]:
    ignored = [name.strip() for text in flags["ignore_columns"] or () for name in text.split(",") if name.strip()]
    return {key: value for key, value in {**flags, "ignore_columns": ignored or None}.items() if value is not None}


__all__ = ["with_table_flags"]
