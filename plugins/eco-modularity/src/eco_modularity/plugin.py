"""The components that eco-modularity registers with ECO. This module imports no torch."""

from __future__ import annotations

from collections.abc import Iterable

from eco_core import Component, Recipe, hookimpl


@hookimpl
def eco_heads() -> Iterable[Component]:
    """The cluster heads."""
    yield Component(
        "dmon",
        "eco_modularity.dmon:DMoNClusterHead",
        summary="Soft modularity, with clusters kept from collapsing into one",
        paper="Tsitsulin et al., JMLR 2023, arXiv 2006.16904",
        tags=("soft", "inductive", "uses_weights", "minibatch", "deterministic"),
    )
    yield Component(
        "neuromap",
        "eco_modularity.neuromap:NeuromapClusterHead",
        summary="The map equation of soft communities: the codelength of a random walk",
        paper="Bloecker et al., NeurIPS 2024, arXiv 2310.01144",
        tags=("soft", "inductive", "uses_weights", "directed", "minibatch", "deterministic"),
    )
    yield Component(
        "dgcluster",
        "eco_modularity.dgcluster:DGClusterHead",
        summary="Modularity of similarities instead of clusters: finds the number of clusters",
        paper="Bhowmick et al., AAAI 2024, arXiv 2312.12697",
        tags=("finds_k", "inductive", "uses_weights", "minibatch", "deterministic"),
    )


@hookimpl
def eco_recipes() -> Iterable[Recipe]:
    """The published methods."""
    yield Recipe(
        "dmon",
        "eco_modularity:recipes/dmon.yaml",
        summary="DMoN: GCN and a softmax head trained jointly by modularity",
        paper="Tsitsulin et al., JMLR 2023, arXiv 2006.16904",
    )
    yield Recipe(
        "neuromap",
        "eco_modularity:recipes/neuromap.yaml",
        summary="Neuromap: GCN and a softmax head trained jointly by the map equation",
        paper="Bloecker et al., NeurIPS 2024, arXiv 2310.01144",
    )
    yield Recipe(
        "dgcluster",
        "eco_modularity:recipes/dgcluster.yaml",
        summary="DGCluster: GCN trained by the modularity of similarities; BIRCH then finds the clusters",
        paper="Bhowmick et al., AAAI 2024, arXiv 2312.12697",
    )


@hookimpl
def eco_api() -> str:
    """The versions of ECO's plugin interface that this plugin works with."""
    return ">=1,<2"
