"""The components that eco-nonparametric registers with ECO. This module imports no torch."""

from __future__ import annotations

from collections.abc import Iterable

from eco_core import Component, Recipe, hookimpl

_SGC = "Wu et al., Simplifying Graph Convolutional Networks, ICML 2019, arXiv 1902.07153"
_SSGC = "Zhu & Koniusz, Simple Spectral Graph Convolution, ICLR 2021"
_NAFS = "Zhang et al., NAFS: A Simple yet Tough-to-beat Baseline, ICML 2022, arXiv 2206.08583"
_SAGSC = "Fettal et al., Scalable Attributed-Graph Subspace Clustering, AAAI 2023"
_S2CAG = "Lin et al., Spectral Subspace Clustering for Attributed Graphs, KDD 2025, arXiv 2411.11074"
_NODE2VEC = "Grover & Leskovec, node2vec, KDD 2016, arXiv 1607.00653"
_LEIDEN = "Traag et al., From Louvain to Leiden, Scientific Reports 2019, arXiv 1810.08473"
_INFOMAP = "Rosvall & Bergstrom, PNAS 2008, arXiv 0707.0609"


_SUBSPACE = ("reads_graph", "supports_sparse_x", "uses_weights", "directed", "deterministic")
"""The tags that the subspace methods of this plugin share."""


@hookimpl
def eco_encoders() -> Iterable[Component]:
    """The encoders."""
    yield Component(
        "sgc",
        "eco_nonparametric.sgc:SGC",
        "The features smoothed K times over the graph",
        _SGC,
        tags=("reads_graph", "supports_sparse_x", "inductive", "uses_weights", "directed", "deterministic"),
    )
    yield Component(
        "ssgc",
        "eco_nonparametric.ssgc:SSGC",
        "The mean of the features smoothed 1 to K times",
        _SSGC,
        tags=("reads_graph", "supports_sparse_x", "inductive", "uses_weights", "directed", "deterministic"),
    )
    yield Component(
        "nafs",
        "eco_nonparametric.nafs:NAFS",
        "Each node smoothed as far as suits it",
        _NAFS,
        tags=("reads_graph", "supports_sparse_x", "inductive", "uses_weights", "deterministic"),
    )
    yield Component(
        "sagsc",
        "eco_nonparametric.sagsc:SAGSC",
        "Scalable attributed-graph subspace clustering",
        _SAGSC,
        tags=_SUBSPACE,
    )
    yield Component(
        "s2cag",
        "eco_nonparametric.s2cag:S2CAG",
        "Spectral subspace clustering: least conductance",
        _S2CAG,
        tags=_SUBSPACE,
    )
    yield Component(
        "ms2cag",
        "eco_nonparametric.s2cag:MS2CAG",
        "Spectral subspace clustering: greatest modularity",
        _S2CAG,
        tags=_SUBSPACE,
    )
    yield Component(
        "embedding",
        "eco_nonparametric.embedding:NodeEmbedding",
        "A trained vector for each node",
        tags=("learns", "supports_sparse_x", "minibatch", "deterministic"),
    )


@hookimpl
def eco_objectives() -> Iterable[Component]:
    """The objectives."""
    yield Component(
        "node2vec",
        "eco_nonparametric.node2vec:Node2Vec",
        "Skip-gram on biased random walks",
        _NODE2VEC,
        tags=("supports_sparse_x", "uses_weights", "directed", "minibatch", "deterministic"),
    )


@hookimpl
def eco_heads() -> Iterable[Component]:
    """The cluster heads."""
    yield Component(
        "snem",
        "eco_nonparametric.snem:SNEMClusterHead",
        "Rounding of spectral embeddings (discrete)",
        _S2CAG,
        tags=("inductive", "deterministic"),
    )
    yield Component(
        "spectral",
        "eco_nonparametric.spectral:SpectralClusterHead",
        "Spectral clustering of the embeddings' nearest neighbours (discrete)",
        "von Luxburg, A Tutorial on Spectral Clustering, 2007, arXiv 0711.0189",
        tags=("inductive", "deterministic"),
    )
    yield Component(
        "leiden",
        "eco_nonparametric.leiden:LeidenClusterHead",
        "Communities by modularity; no features",
        _LEIDEN,
        tags=("finds_k", "uses_weights", "deterministic"),
        requires=("igraph", "leidenalg"),
        extra="leiden",
    )
    yield Component(
        "infomap",
        "eco_nonparametric.infomap:InfomapClusterHead",
        "Communities by codelength; no features",
        _INFOMAP,
        tags=("finds_k", "uses_weights", "deterministic"),
        requires=("infomap",),
        extra="infomap",
    )


@hookimpl
def eco_recipes() -> Iterable[Recipe]:
    """The published methods."""
    for name, summary, paper in (
        ("sgc", "Features smoothed over the graph, then k-means", _SGC),
        ("ssgc", "The mean of features smoothed 1 to K times, then k-means", _SSGC),
        ("nafs", "Features smoothed as far as suits each node, then k-means", _NAFS),
        ("sagsc", "Subspace clustering of smoothed features, then k-means", _SAGSC),
        ("s2cag", "Spectral subspace clustering by conductance, then SNEM rounding", _S2CAG),
        ("ms2cag", "Spectral subspace clustering by modularity, then k-means", _S2CAG),
        ("node2vec", "Skip-gram on biased random walks, then k-means; no features", _NODE2VEC),
        ("leiden", "Communities of the graph by modularity; no features, no number of clusters", _LEIDEN),
        ("infomap", "Communities of the graph by codelength; no features, no number of clusters", _INFOMAP),
    ):
        yield Recipe(name, f"eco_nonparametric:recipes/{name}.yaml", summary=summary, paper=paper)


@hookimpl
def eco_api() -> str:
    """The versions of ECO's plugin interface that this plugin works with."""
    return ">=1,<2"
