"""The error of a composition that is asked for something before its parts exist."""

from __future__ import annotations

from eco_core.errors import CompositionError, Problem


class NotBuiltError(CompositionError, AttributeError):
    """A composition was asked for something that exists only when the width of its graph is known."""


def not_built(name: str) -> Problem:
    """The problem that a composition is asked for something that only a built one has."""
    return Problem(
        "ECO208",
        f"{name} was asked for, but this composition is not built: the width of its graph is not known yet.",
        "Call fit(data), or compose(..., data=...) or compose(..., in_channels=...).",
    )
