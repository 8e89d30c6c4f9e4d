"""The hooks. Listing the plugin's components imports this module, so it imports no torch."""

from __future__ import annotations

from collections.abc import Iterable

from eco_core import Component, hookimpl


@hookimpl
def eco_heads() -> Iterable[Component]:
    """The cluster heads of this package."""
    yield Component(
        "graph-aware",
        "eco_example_head.head:GraphAwareClusterHead",
        summary="Compact clusters whose nodes are linked to each other (an example)",
    )


@hookimpl
def eco_api() -> str:
    """The versions of ECO's plugin interface that this plugin works with."""
    return ">=1,<2"
