"""One part of a plan: a registered component, a class, or an instance."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pydantic_core

from eco_core.errors import CompositionError, EcoError, Problem
from eco_core.inject.parameters import ParameterModel

_WRITTEN = (str, int, float, list, dict, datetime.date, type(None))


@dataclass(frozen=True)
class Part:
    """One part of a plan: a registered component, a class, or an instance.

    Attributes:
        kind: ``encoder``, ``objective``, ``head`` or ``strategy``.
        label: Its name in specs and messages.
        origin: Where it is from: distribution and version, or the class.
        target: The class it is made from, or the instance itself.
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
    def of_instance(cls, kind: str, value: Any) -> Part:
        """The part that an instance is."""
        return cls(kind, _class_of(value), "given from Python", value, registered=False)

    @property
    def short_name(self) -> str:
        """Its name without a distribution or a module."""
        return self.label.strip("<>").rpartition(".")[2].rpartition(":")[2]

    @property
    def is_instance(self) -> bool:
        """Whether the part was given as an instance, which is trained in place."""
        return self.parameters is None

    def __str__(self) -> str:
        return f"{self.kind} '{self.label}' ({self.origin})"

    def wants(self, name: str) -> bool:
        """Whether the constructor, or one nested in its parameters, asks for a provided name."""
        return not self.is_instance and name in _provided_names(self.parameters)

    def build(self, names: Mapping[str, Any]) -> Any:
        """Makes the part, or returns the instance.

        Raises:
            CompositionError: ECO109, if the constructor refuses its parameters.
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
                    f"'eco show {self.label}' shows what it takes." if self.registered else "",
                )
            ) from error

    def spec(self) -> dict[str, Any]:
        """The section of a spec that names this part with all its parameters, as plain data."""
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
    """Parameters as plain data for a spec; what only Python can hold becomes its class's name in angle brackets."""
    if isinstance(value, ParameterModel):
        items = {key: plain(item) for key, item in value.values().items()}
        # A default that only Python can write is written by leaving it out.
        return {key: item for key, item in items.items() if key in value.given() or not _texts(item)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return pydantic_core.to_jsonable_python(value, by_alias=True, fallback=_class_of)


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) and value.startswith("<") else []


def _class_of(value: Any) -> str:
    cls = value if isinstance(value, type) else type(value)
    return f"<{cls.__module__}.{cls.__qualname__}>"
