"""Turns pydantic's errors into problems that name the key, the value and the fix."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Annotated, Any, Union

import pydantic
from pydantic import BaseModel

from eco_core.errors import Problem, did_you_mean


def problems_of(
    error: pydantic.ValidationError, model: type[BaseModel], where: str = "", also_known: Iterable[str] = ()
) -> list[Problem]:
    """Turns a pydantic error into problems that name the key, the value and the fix.

    Args:
        error: The error that validation raised.
        model: The model that was validated.
        where: Dotted prefix of the keys, such as ``"head"``.
        also_known: Further keys, besides the model's own, that may be suggested for a misspelt key.
    """
    problems: list[Problem] = []
    details = error.errors(include_url=False)
    paths = dict.fromkeys(_path(detail, model) for detail in details)
    for path in paths:
        same = [d for d in details if _path(d, model) == path]
        if isinstance(same[0]["input"], (Mapping, list)) and any(p[: len(path)] == path != p for p in paths):
            continue  # The value fits another branch of a union better; the errors inside that branch are reported.
        detail = next((d for d in same if d["type"] not in ("is_instance_of", "callable_type")), same[0])
        key = ".".join(part for part in (where, *path) if part)
        if detail["type"] in ("extra_forbidden", "invalid_key"):
            owner_model = _model_at(model, path[:-1])
            known = parameter_names(owner_model)
            if len(path) == 1:
                known += list(also_known)
            owner = ".".join(part for part in (where, *path[:-1]) if part) or "the spec"
            message = f"{owner} has no parameter '{path[-1]}'."
            fix = did_you_mean(path[-1], known) or "It has no parameters."
            if path[-1] in getattr(owner_model, "provided", ()):
                fix = _PROVIDED_BY.get(path[-1], fix)
            problems.append(Problem("ECO103", message, fix))
        elif detail["type"] == "missing":
            fix = f"Give it in the spec, or with --set {key}=VALUE."
            problems.append(Problem("ECO105", f"{key} is required but not given.", fix))
        else:
            expected = _model_at(model, path)
            meant = [d for d in same if d is detail or d["type"] != "is_instance_of"]
            reasons = list(dict.fromkeys(reason_of(d, expected) for d in meant))
            message = f"{key} is {shown(detail['input'])}: {'; or '.join(reasons)}."
            flag = f"--{key} VALUE" if key in ("clusters", "seed") else f"--set {key}=VALUE"
            problems.append(Problem("ECO104", message, f"Change it, or use {flag}."))
    return problems


_PROVIDED_BY = {
    "in_channels": "The core provides it: the width of the data's features.",
    "n_features": "The core provides it: the width of the embeddings.",
    "n_clusters": "The core provides it: use --clusters K, the key 'clusters' of the spec.",
    "num_nodes": "The core provides it: the size of the graph.",
    "seed": "The core provides it: use --seed, the key 'seed' of the spec.",
    "random_state": "The core provides it: use --seed, the key 'seed' of the spec.",
}


def reason_of(detail: Any, expected: type[BaseModel] | None = None) -> str:
    """Says in words why a value was refused.

    Args:
        detail: One of the errors that pydantic lists.
        expected: The model whose mapping was expected, if one was.
    """
    if detail["type"] == "model_type" and expected is not None:
        return f"it should be a mapping with the keys {', '.join(parameter_names(expected))}"
    reason = detail["msg"].removeprefix("Value error, ")
    return reason[0].lower() + reason[1:] if " should " in reason else reason


def shown(value: Any) -> str:
    """Returns a value as Python writes it, in at most 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _path(detail: Any, model: type[BaseModel]) -> tuple[str, ...]:
    """The keys of an error's location, without the tags that pydantic adds for the branches of unions."""
    keys: list[str] = []
    branches: list[Any] = [model]
    tagged = False
    for part in detail["loc"]:
        if not tagged and part != "[key]":
            keys.append(str(part))
            branches = _inside(branches, part)
        tagged = not tagged and len(branches) > 1
    return tuple(keys)


def _inside(allowed: Iterable[Any], key: str | int) -> list[Any]:
    """The types that the value at ``key`` may have, if its container has one of the ``allowed`` types."""
    for container in allowed:
        if isinstance(container, type) and issubclass(container, BaseModel):
            if str(key) in _fields(container):
                return _branches(_fields(container)[str(key)].annotation)
            continue
        origin, arguments = typing.get_origin(container), typing.get_args(container)
        if not isinstance(origin, type) or not arguments:
            continue
        if issubclass(origin, Mapping):
            return _branches(arguments[-1])
        if issubclass(origin, (Sequence, Set)) and isinstance(key, int):
            return _branches(arguments[0] if arguments[-1] is ... else arguments[min(key, len(arguments) - 1)])
    return []


def _branches(annotation: Any) -> list[Any]:
    """The types that an annotation allows, without None."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _branches(arguments[0])
    if origin in (Union, types.UnionType):
        return [branch for option in arguments if option is not types.NoneType for branch in _branches(option)]
    return [annotation]


def _fields(model: type[BaseModel] | None) -> dict[str, Any]:
    return {} if model is None else {field.alias or name: field for name, field in model.model_fields.items()}


def parameter_names(model: type[BaseModel] | None) -> list[str]:
    """The keys of a model."""
    return list(_fields(model))


def _model_at(model: type[BaseModel], path: tuple[str, ...]) -> type[BaseModel] | None:
    found: list[Any] = [model]
    for key in path:
        found = _inside(found, int(key) if key.isdigit() else key)
    return next((option for option in found if isinstance(option, type) and issubclass(option, BaseModel)), None)


def nested_model(annotation: Any) -> type[BaseModel] | None:
    """The pydantic model within an annotation such as ``Model | None``, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for m in map(nested_model, typing.get_args(annotation)) if m is not None), None)
