"""The error of using a composition's parts before they exist."""

from __future__ import annotations

from eco_core.errors import CompositionError, Problem


class NotBuiltError(CompositionError, AttributeError):
    """An attribute was read that exists only after the parts of a composition are built."""


def not_built(name: str) -> Problem:
    """Makes the problem that an attribute was read before the parts are built."""
    return Problem(
        "ECO208",
        f"{name} was asked for, but this composition is not built: the width of its graph is not known yet.",
        "Call fit(data), or compose(..., data=...) or compose(..., in_channels=...).",
    )
