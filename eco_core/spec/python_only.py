"""Values that only Python can give: in plain data they are marked, and a file shows their class in angle brackets."""

from __future__ import annotations

from typing import Any


class PythonOnly(str):
    """Stands in plain data for a class or an object that no spec can write.

    It is a text, ``<module.Class>``, so that YAML, JSON and tables print it as such. Its type marks it: a user's own
    text that looks alike is an ordinary text.
    """

    __slots__ = ()

    @classmethod
    def of(cls, value: Any) -> PythonOnly:
        """Marks a class, or an object of a class."""
        kind = value if isinstance(value, type) else type(value)
        return cls(f"<{kind.__module__}.{kind.__qualname__}>")


def has_python_only(value: Any) -> bool:
    """Whether there is a value that only Python can give somewhere in plain data."""
    if isinstance(value, dict):
        return any(has_python_only(item) for item in value.values())
    if isinstance(value, list):
        return any(has_python_only(item) for item in value)
    return isinstance(value, PythonOnly)


def was_python_only(name: str) -> bool:
    """Whether the name of a part was written for one that only Python can give: no component's name has a bracket."""
    return name.startswith("<")
