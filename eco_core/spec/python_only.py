"""Marks values that YAML cannot hold, such as classes and objects; files show their class in angle brackets."""

from __future__ import annotations

from typing import Any


class PythonOnly(str):
    """The placeholder, in plain data, of a class or an object that a spec cannot hold.

    The placeholder is a text, ``<module.Class>``, which YAML, JSON and tables can print. Its type distinguishes it from
    a user's own text in angle brackets.
    """

    __slots__ = ()

    @classmethod
    def of(cls, value: Any) -> PythonOnly:
        """Makes the placeholder of a class or of an object."""
        kind = value if isinstance(value, type) else type(value)
        return cls(f"<{kind.__module__}.{kind.__qualname__}>")


def has_python_only(value: Any) -> bool:
    """Whether plain data contains a `PythonOnly` at any depth."""
    if isinstance(value, dict):
        return any(has_python_only(item) for item in value.values())
    if isinstance(value, list):
        return any(has_python_only(item) for item in value)
    return isinstance(value, PythonOnly)


def was_python_only(name: str) -> bool:
    """Whether a part's name, read from a file, is a placeholder. Names of components never start with a bracket."""
    return name.startswith("<")
