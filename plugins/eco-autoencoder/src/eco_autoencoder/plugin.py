"""What this distribution brings to ECO. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable

from eco_core import Component, Recipe, hookimpl


@hookimpl
def eco_objectives() -> Iterable[Component]:
    """The objectives."""
    yield Component(
        "gae",
        "eco_autoencoder.gae:GAE",
        summary="Graph auto-encoder: tell edges from sampled non-edges by inner products",
        paper="Kipf & Welling, NIPS Workshop on Bayesian Deep Learning 2016, arXiv 1611.07308",
    )


@hookimpl
def eco_recipes() -> Iterable[Recipe]:
    """The published methods."""
    yield Recipe(
        "gae",
        "eco_autoencoder:recipes/gae.yaml",
        summary="Graph auto-encoder: GCN trained to reconstruct the edges, then k-means",
        paper="Kipf & Welling, NIPS Workshop on Bayesian Deep Learning 2016, arXiv 1611.07308",
    )


@hookimpl
def eco_api() -> str:
    """The plugin interface that this was written for."""
    return ">=1,<2"
