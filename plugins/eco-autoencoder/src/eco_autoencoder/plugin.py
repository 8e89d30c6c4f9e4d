"""The components that eco-autoencoder registers with ECO. This module imports no torch."""

from __future__ import annotations

from collections.abc import Iterable

from eco_core import Component, Recipe, hookimpl

_KIPF_WELLING = "Kipf & Welling, NIPS Workshop on Bayesian Deep Learning 2016, arXiv 1611.07308"
_PAN = "Pan et al., IJCAI 2018, arXiv 1802.04407"


@hookimpl
def eco_objectives() -> Iterable[Component]:
    """The objectives."""
    yield Component(
        "gae",
        "eco_autoencoder.gae:GAE",
        summary="Graph auto-encoder: inner products distinguish edges from sampled non-edges",
        paper=_KIPF_WELLING,
        tags=("supports_sparse_x", "minibatch", "deterministic"),
    )
    yield Component(
        "vgae",
        "eco_autoencoder.vgae:VGAE",
        summary="Variational graph auto-encoder: edges reconstructed from normal embeddings near a prior",
        paper=_KIPF_WELLING,
        tags=("supports_sparse_x", "uses_weights", "directed", "minibatch", "deterministic"),
    )
    yield Component(
        "arga",
        "eco_autoencoder.arga:ARGA",
        summary="Graph auto-encoder whose embeddings must pass for draws of a normal prior",
        paper=_PAN,
        tags=("supports_sparse_x", "minibatch", "deterministic"),
    )
    yield Component(
        "argva",
        "eco_autoencoder.argva:ARGVA",
        summary="Variational graph auto-encoder whose drawn embeddings must pass for draws of the prior",
        paper=_PAN,
        tags=("supports_sparse_x", "uses_weights", "directed", "minibatch", "deterministic"),
    )


@hookimpl
def eco_recipes() -> Iterable[Recipe]:
    """The published methods."""
    yield Recipe(
        "gae",
        "eco_autoencoder:recipes/gae.yaml",
        summary="Graph auto-encoder: GCN trained to reconstruct the edges, then k-means",
        paper=_KIPF_WELLING,
    )
    yield Recipe(
        "vgae",
        "eco_autoencoder:recipes/vgae.yaml",
        summary="Variational graph auto-encoder on a GCN, then k-means on the means",
        paper=_KIPF_WELLING,
    )
    yield Recipe(
        "arga",
        "eco_autoencoder:recipes/arga.yaml",
        summary="Adversarially regularised graph auto-encoder on a GCN, then k-means",
        paper=_PAN,
    )
    yield Recipe(
        "argva",
        "eco_autoencoder:recipes/argva.yaml",
        summary="Adversarially regularised variational graph auto-encoder on a GCN, then k-means on the means",
        paper=_PAN,
    )


@hookimpl
def eco_api() -> str:
    """The versions of ECO's plugin interface that this plugin works with."""
    return ">=1,<2"
