"""One part of a plan: a registered component, a class, or an instance."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pydantic_core

from eco_core.errors import CompositionError, EcoError, Problem
from eco_core.inject.parameters import ParameterModel
from eco_core.spec.python_only import PythonOnly, has_python_only


@dataclass(frozen=True)
class Part:
    """One part of a plan: a registered component, a class, or an instance.

    Attributes:
        kind: ``encoder``, ``objective``, ``head`` or ``strategy``.
        label: The name of the part in specs and messages.
        origin: The origin of the part: distribution and version, or that it was given from Python.
        target: The class that the part is made from, or the instance itself.
        parameters: The validated constructor parameters; None for instances.
        registered: Whether a spec can name it.
    """

    kind: str
    label: str
    origin: str
    target: Any
    parameters: ParameterModel | None = None
    registered: bool = True

    @classmethod
    def of_instance(cls, kind: str, instance: Any) -> Part:
        """Makes the part for an instance that was given from Python."""
        return cls(kind, PythonOnly.of(instance), "given from Python", instance, registered=False)

    @property
    def short_name(self) -> str:
        """The name without distribution or module, as in columns of the history."""
        if self.registered:
            return self.label.rpartition(":")[2]
        return (self.target if isinstance(self.target, type) else type(self.target)).__name__

    @property
    def is_instance(self) -> bool:
        """Whether the part was given as an instance, which is trained in place."""
        return self.parameters is None

    def __str__(self) -> str:
        return f"{self.kind} '{self.label}' ({self.origin})"

    def wants(self, name: str) -> bool:
        """Whether the constructor, or a constructor nested in its parameters, asks for a provided name."""
        return not self.is_instance and name in _provided_names(self.parameters)

    def build(self, names: Mapping[str, Any]) -> Any:
        """Makes the part, or returns the instance.

        Raises:
            CompositionError: ECO109, if the constructor raises on its parameters.
        """
        if self.parameters is None:
            return self.target
        try:
            return self.parameters.construct_target(names)
        except EcoError:
            raise
        except Exception as error:
            raise CompositionError(
                Problem(
                    "ECO109",
                    f"{self} refused its parameters: {type(error).__name__}: {error}",
                    f"'eco show {self.label}' shows its parameters." if self.registered else "",
                )
            ) from error

    def spec(self) -> dict[str, Any]:
        """The section of a spec for this part: its name and all its parameters, as plain data."""
        if self.parameters is None:
            return {"name": self.label}
        return {"name": self.label, **plain(self.parameters)}


def _provided_names(value: Any) -> set[str]:
    if isinstance(value, ParameterModel):
        return set(value.provided).union(*(_provided_names(item) for item in value.values().values()), ())
    if isinstance(value, (list, tuple)):
        return set().union(*(_provided_names(item) for item in value), ())
    return set()


def plain(value: Any) -> Any:
    """Returns parameters as plain data for a spec; a value that YAML cannot hold becomes a `PythonOnly`."""
    if isinstance(value, ParameterModel):
        items = {key: plain(item) for key, item in value.values().items()}
        # Leave out a default that YAML cannot hold: a run of this spec then has the same default.
        return {key: item for key, item in items.items() if key in value.given() or not has_python_only(item)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return _to_jsonable(value)


def _to_jsonable(value: Any) -> Any:
    """Returns enumerations, dates, data classes and the like as plain data."""
    marked: dict[str, PythonOnly] = {}

    def mark(item: Any) -> str:
        # pydantic turns a PythonOnly into an ordinary text. Return a unique key instead; _put_back replaces it.
        key = uuid.uuid4().hex
        marked[key] = PythonOnly.of(item)
        return key

    return _put_back(pydantic_core.to_jsonable_python(value, by_alias=True, fallback=mark), marked)


def _put_back(value: Any, marked: Mapping[str, PythonOnly]) -> Any:
    if not marked:
        return value
    if isinstance(value, dict):
        return {_put_back(key, marked): _put_back(item, marked) for key, item in value.items()}
    if isinstance(value, list):
        return [_put_back(item, marked) for item in value]
    return marked.get(value, value) if isinstance(value, str) else value
