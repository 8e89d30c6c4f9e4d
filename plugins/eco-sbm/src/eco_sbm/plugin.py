"""The components that eco-sbm registers with ECO. This module imports no torch."""

from __future__ import annotations

from collections.abc import Iterable

from eco_core import Component, Recipe, hookimpl


@hookimpl
def eco_heads() -> Iterable[Component]:
    """The cluster heads."""
    yield Component(
        "sbm",
        "eco_sbm.head:SBMClusterHead",
        summary="The likelihood of a stochastic block model of soft communities",
        paper="Arliss & Mueller, LoG 2025, https://openreview.net/forum?id=T1vdfm1THf",
        tags=("soft", "inductive", "uses_weights", "minibatch", "deterministic"),
    )


@hookimpl
def eco_recipes() -> Iterable[Recipe]:
    """The published methods."""
    yield Recipe(
        "gcsbm",
        "eco_sbm:recipes/gcsbm.yaml",
        summary="GCSBM: GCN and a softmax head trained jointly by the likelihood of a stochastic block model",
        paper="Arliss & Mueller, LoG 2025, https://openreview.net/forum?id=T1vdfm1THf",
    )


@hookimpl
def eco_api() -> str:
    """The versions of ECO's plugin interface that this plugin works with."""
    return ">=1,<2"
