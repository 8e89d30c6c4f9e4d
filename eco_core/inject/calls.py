"""Calls by name: the parameter names of a function select its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from eco_core.errors import CompositionError, Problem

FILLED_OPTIONAL = ("edge_weight", "n_id", "num_seeds", "sampled")
"""Optional parameters with these names are always passed. None means: no edge weights, or not a mini-batch."""

EMPTY = inspect.Parameter.empty
"""Stands for the default of a parameter without a default, and for the annotation of one without an annotation."""

VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
"""The kinds of ``*args`` and ``**kwargs``; these parameters are not filled by name."""


@dataclass(frozen=True)
class Wanted:
    """The names that a call wants.

    Attributes:
        required: Parameters without a default.
        optional: Parameters with a default.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]


def call_names(function: Callable[..., Any]) -> Wanted:
    """Reads the names that a function, bound method or module (its ``forward``) wants."""
    if hasattr(function, "forward") and not isinstance(function, type):
        function = function.forward
    parameters = [p for p in inspect.signature(function).parameters.values() if p.kind not in VARIADIC]
    required = tuple(p.name for p in parameters if p.default is EMPTY)
    return Wanted(required, tuple(p.name for p in parameters if p.default is not EMPTY))


def method_names(target: Any, method: str) -> Wanted:
    """Reads the names that a method of an instance or of a class wants, without ``self``."""
    function = getattr(target, method)
    if isinstance(target, type) and not isinstance(inspect.getattr_static(target, method), (classmethod, staticmethod)):
        names = call_names(function)
        return Wanted(names.required[1:], names.optional)
    return call_names(function)


def call(function: Callable[..., Any], names: Mapping[str, Any], **explicit: Any) -> Any:
    """Calls a function with the arguments that it names.

    Args:
        function: A function, bound method or module.
        names: The available names. Only the values that the function wants are looked up.
        **explicit: Arguments that are always passed, even if the function's signature does not name them.

    Raises:
        CompositionError: ECO203, if the function requires a name that is not available.
    """
    wanted = call_names(function)
    missing = [name for name in wanted.required if name not in names and name not in explicit]
    if missing:
        raise CompositionError(missing_names(describe(function), missing, names))
    arguments = {name: names[name] for name in wanted.required if name not in explicit}
    own: Any = getattr(names, "own", ())
    for name in wanted.optional:
        if (name in own or (name in FILLED_OPTIONAL and name in names)) and name not in explicit:
            arguments[name] = names[name]
    return function(**arguments, **explicit)


def missing_names(who: str, missing: Iterable[str], available: Iterable[str]) -> Problem:
    """Makes the problem that a call wants names that are not available."""
    asked = ", ".join(repr(name) for name in missing)
    return Problem(
        "ECO203",
        f"{who} asks for {asked}, which nobody provides; available are {', '.join(available)}, and the names that a "
        "part's own prepare(graph) returns.",
        "Rename the parameter, give it a default, return it from prepare(graph), or wrap the module in one whose "
        "forward(self, x, edge_index) calls it.",
    )


def describe(function: Any) -> str:
    """Returns the name of a function or object for messages."""
    owner = getattr(function, "__self__", None)
    if owner is not None and not isinstance(function, type):
        return f"{type(owner).__name__}.{function.__name__}"
    return getattr(function, "__qualname__", None) or type(function).__name__
