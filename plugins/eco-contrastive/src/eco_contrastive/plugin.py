"""The components that eco-contrastive registers with ECO. This module imports no torch."""

from __future__ import annotations

from collections.abc import Iterable

from eco_core import Component, Recipe, hookimpl


@hookimpl
def eco_encoders() -> Iterable[Component]:
    """The encoders."""
    yield Component(
        "s3gc",
        "eco_contrastive.s3gc_encoder:S3GCEncoder",
        summary="Two branches, over neighbours and over a diffusion, and a trained vector for each node",
        paper="Devvrit et al., NeurIPS 2022",
        tags=("learns", "reads_graph", "supports_sparse_x", "uses_weights", "directed", "minibatch", "deterministic"),
    )


@hookimpl
def eco_objectives() -> Iterable[Component]:
    """The objectives."""
    yield Component(
        "dgi",
        "eco_contrastive.dgi:DGI",
        summary="Deep graph infomax: a summary of the graph distinguishes its nodes from a corrupted copy's",
        paper="Velickovic et al., ICLR 2019, arXiv 1809.10341",
        tags=("supports_sparse_x", "needs_views", "minibatch", "deterministic"),
    )
    yield Component(
        "ccassg",
        "eco_contrastive.ccassg:CCASSG",
        summary="Canonical correlation: two views agree, and the columns of each are uncorrelated",
        paper="Zhang et al., NeurIPS 2021, arXiv 2106.12484",
        tags=("supports_sparse_x", "needs_views", "minibatch", "deterministic"),
    )
    yield Component(
        "gbt",
        "eco_contrastive.gbt:GBT",
        summary="Graph Barlow Twins: the cross-correlation of two views is the identity",
        paper="Bielak et al., KBS 2022, arXiv 2106.02466",
        tags=("supports_sparse_x", "needs_views", "minibatch", "deterministic"),
    )
    yield Component(
        "ns4gc",
        "eco_contrastive.ns4gc:NS4GC",
        summary="Two views agree, neighbours are alike, and all other nodes are not",
        paper="Liu et al., TKDE 2024, arXiv 2408.03765",
        tags=("supports_sparse_x", "uses_weights", "minibatch", "deterministic"),
    )
    yield Component(
        "magi",
        "eco_contrastive.magi:MAGI",
        summary="Modularity as contrast: nodes that random walks bring together against all others",
        paper="Liu et al., KDD 2024, arXiv 2406.14288",
        tags=("supports_sparse_x", "uses_weights", "directed", "minibatch", "deterministic"),
    )
    yield Component(
        "s3gc",
        "eco_contrastive.s3gc:S3GC",
        summary="Nodes on one random walk are alike, random nodes are not",
        paper="Devvrit et al., NeurIPS 2022",
        tags=("supports_sparse_x", "uses_weights", "directed", "minibatch", "deterministic"),
    )


@hookimpl
def eco_recipes() -> Iterable[Recipe]:
    """The published methods."""
    yield Recipe(
        "dgi",
        "eco_contrastive:recipes/dgi.yaml",
        summary="Deep graph infomax: GCN trained to distinguish nodes from corrupted nodes, then k-means",
        paper="Velickovic et al., ICLR 2019, arXiv 1809.10341",
    )
    yield Recipe(
        "ccassg",
        "eco_contrastive:recipes/ccassg.yaml",
        summary="CCA-SSG: GCN trained to make two views agree without redundant columns, then k-means",
        paper="Zhang et al., NeurIPS 2021, arXiv 2106.12484",
    )
    yield Recipe(
        "gbt",
        "eco_contrastive:recipes/gbt.yaml",
        summary="Graph Barlow Twins: GCN trained to make two views correlate column by column, then k-means",
        paper="Bielak et al., KBS 2022, arXiv 2106.02466",
    )
    yield Recipe(
        "ns4gc",
        "eco_contrastive:recipes/ns4gc.yaml",
        summary="NS4GC: GCN trained by a sparse node similarity, then k-means",
        paper="Liu et al., TKDE 2024, arXiv 2408.03765",
    )
    yield Recipe(
        "magi",
        "eco_contrastive:recipes/magi.yaml",
        summary="MAGI: GCN trained by contrast along the modularity of random walks, then k-means",
        paper="Liu et al., KDD 2024, arXiv 2406.14288",
    )
    yield Recipe(
        "s3gc",
        "eco_contrastive:recipes/s3gc.yaml",
        summary="S3GC: a scalable two-branch encoder trained along random walks, then k-means",
        paper="Devvrit et al., NeurIPS 2022",
    )


@hookimpl
def eco_api() -> str:
    """The versions of ECO's plugin interface that this plugin works with."""
    return ">=1,<2"
