"""The components that eco-spectral registers with ECO. This module imports no torch."""

from __future__ import annotations

from collections.abc import Iterable

from eco_core import Component, Recipe, hookimpl


@hookimpl
def eco_heads() -> Iterable[Component]:
    """The cluster heads."""
    yield Component(
        "mincut",
        "eco_spectral.mincut:MinCutClusterHead",
        summary="The relaxed normalised cut, with clusters kept orthogonal",
        paper="Bianchi et al., ICML 2020, arXiv 1907.00481",
        tags=("soft", "inductive", "uses_weights", "minibatch", "deterministic"),
    )


@hookimpl
def eco_recipes() -> Iterable[Recipe]:
    """The published methods."""
    yield Recipe(
        "mincut",
        "eco_spectral:recipes/mincut.yaml",
        summary="MinCut: GCN and a softmax head trained jointly by the relaxed normalised cut",
        paper="Bianchi et al., ICML 2020, arXiv 1907.00481",
    )


@hookimpl
def eco_api() -> str:
    """The versions of ECO's plugin interface that this plugin works with."""
    return ">=1,<2"
