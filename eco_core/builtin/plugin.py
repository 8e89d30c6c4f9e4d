"""Registers the core's own components, data sets and metrics through the same hooks as every plugin."""

from __future__ import annotations

from collections.abc import Iterable

from eco_core.data.datasets.catalogue import DATASETS
from eco_core.metrics.catalogue import METRICS
from eco_core.registry.hookspecs import Component, Dataset, Metric, Recipe, hookimpl


@hookimpl
def eco_encoders() -> Iterable[Component]:
    yield Component(
        "identity",
        "eco_core.builtin.identity:IdentityEncoder",
        "The node features as they are",
        tags=("reads_graph", "inductive", "deterministic"),
    )


@hookimpl
def eco_heads() -> Iterable[Component]:
    yield Component(
        "kmeans",
        "eco_core.builtin.kmeans:KMeansClusterHead",
        "k-means on the embeddings (discrete)",
        "Arthur & Vassilvitskii, k-means++, SODA 2007",
        tags=("inductive", "deterministic"),
    )


@hookimpl
def eco_strategies() -> Iterable[Component]:
    yield Component(
        "decoupled",
        "eco_core.builtin.strategies:DecoupledStrategy",
        "Train the encoder by the objective, then cluster its embeddings",
        tags=("deterministic",),
    )
    yield Component(
        "joint",
        "eco_core.builtin.strategies:JointStrategy",
        "Pretrain the encoder, place centres by k-means, then train encoder and head together",
        tags=("trains_head", "deterministic"),
    )


@hookimpl
def eco_recipes() -> Iterable[Recipe]:
    yield Recipe(
        "kmeans",
        "eco_core.builtin:recipes/kmeans.yaml",
        "k-means on the node features: the baseline without a graph",
        "Arthur & Vassilvitskii, k-means++, SODA 2007",
    )


@hookimpl
def eco_datasets() -> Iterable[Dataset]:
    yield from DATASETS


@hookimpl
def eco_metrics() -> Iterable[Metric]:
    yield from METRICS


@hookimpl
def eco_api() -> str:
    return ">=1,<2"
