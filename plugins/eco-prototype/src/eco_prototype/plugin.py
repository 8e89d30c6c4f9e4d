"""The components that eco-prototype registers with ECO. This module imports no torch."""

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
        tags=("soft", "inductive", "minibatch", "deterministic"),
    )
    yield Component(
        "dink",
        "eco_prototype.dink:DinkClusterHead",
        summary="Dink-Net's centres: dilation pushes them apart, shrink pulls the nodes towards them",
        paper="Liu et al., ICML 2023, arXiv 2305.18405",
        tags=("soft", "inductive", "minibatch", "deterministic"),
    )
    yield Component(
        "inc",
        "eco_prototype.inc:INCClusterHead",
        summary="Interpretable neural clustering: k-means on the unit sphere as a differentiable layer",
        paper="Peng et al., JMLR 23(6), 2022, https://jmlr.org/papers/v23/19-497.html",
        tags=("soft", "inductive", "minibatch", "deterministic"),
    )


@hookimpl
def eco_objectives() -> Iterable[Component]:
    """The objectives."""
    yield Component(
        "dink",
        "eco_prototype.discrimination:NodeDiscrimination",
        summary="Node discrimination: distinguish the nodes of the graph from the nodes of a corrupted copy",
        paper="Liu et al., ICML 2023, arXiv 2305.18405",
        tags=("supports_sparse_x", "needs_views", "uses_weights", "directed", "minibatch", "deterministic"),
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
    yield Recipe(
        "dinknet",
        "eco_prototype:recipes/dinknet.yaml",
        summary="Dink-Net: GCN and node discrimination, then centres that dilate and shrink, trained jointly",
        paper="Liu et al., ICML 2023, arXiv 2305.18405",
    )


@hookimpl
def eco_api() -> str:
    """The versions of ECO's plugin interface that this plugin works with."""
    return ">=1,<2"
