"""What this distribution brings to ECO. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable

from eco_core import Component, Recipe, hookimpl


@hookimpl
def eco_heads() -> Iterable[Component]:
    """The cluster heads."""
    yield Component(
        "dec",
        "eco_prototype.dec:DECClusterHead",
        summary="Deep embedded clustering: Student-t assignments sharpened by self-training",
        paper="Xie et al., ICML 2016, arXiv 1511.06335",
    )


@hookimpl
def eco_recipes() -> Iterable[Recipe]:
    """The published methods."""
    yield Recipe(
        "daegc",
        "eco_prototype:recipes/daegc.yaml",
        summary="Deep attentional embedded graph clustering: GAT, edge reconstruction and DEC, trained jointly",
        paper="Wang et al., IJCAI 2019, arXiv 1906.06532",
    )


@hookimpl
def eco_api() -> str:
    """The plugin interface that this was written for."""
    return ">=1,<2"
