"""The components that eco-gnn registers with ECO. This module imports no torch."""

from __future__ import annotations

from collections.abc import Iterable

from eco_core import Component, hookimpl

_GRAPH_ENCODER = (
    "learns",
    "reads_graph",
    "supports_sparse_x",
    "inductive",
    "uses_weights",
    "directed",
    "minibatch",
    "deterministic",
)
"""The tags of all encoders of this plugin that read the edges."""


@hookimpl
def eco_encoders() -> Iterable[Component]:
    """The encoders."""
    yield Component(
        "gcn",
        "eco_gnn.gcn:GCN",
        summary="Graph convolutional network: propagation with the normalised adjacency",
        paper="Kipf & Welling, ICLR 2017, arXiv 1609.02907",
        tags=_GRAPH_ENCODER,
    )
    yield Component(
        "gat",
        "eco_gnn.gat:GAT",
        summary="Graph attention network: neighbours weighted by learned attention",
        paper="Velickovic et al., ICLR 2018, arXiv 1710.10903",
        tags=_GRAPH_ENCODER,
    )
    yield Component(
        "gatv2",
        "eco_gnn.gatv2:GATv2",
        summary="Graph attention network whose attention ranks neighbours differently for different nodes",
        paper="Brody et al., ICLR 2022, arXiv 2105.14491",
        tags=_GRAPH_ENCODER,
    )
    yield Component(
        "sage",
        "eco_gnn.sage:SAGE",
        summary="GraphSAGE: a node's own vector beside the mean, sum or maximum of its neighbours'",
        paper="Hamilton et al., NeurIPS 2017, arXiv 1706.02216",
        tags=_GRAPH_ENCODER,
    )
    yield Component(
        "gin",
        "eco_gnn.gin:GIN",
        summary="Graph isomorphism network: sums over neighbours through a multi-layer perceptron",
        paper="Xu et al., ICLR 2019, arXiv 1810.00826",
        tags=_GRAPH_ENCODER,
    )
    yield Component(
        "mlp",
        "eco_gnn.mlp:MLP",
        summary="Multi-layer perceptron: ignores the graph",
        paper="Rumelhart et al., Nature 1986",
        tags=("learns", "reads_graph", "supports_sparse_x", "inductive", "minibatch", "deterministic"),
    )
    yield Component(
        "sgformer",
        "eco_gnn.sgformer:SGFormer",
        summary="Graph transformer: attention over all nodes in linear time beside graph convolutions",
        paper="Wu et al., NeurIPS 2023, arXiv 2306.10759",
        tags=_GRAPH_ENCODER,
    )
    yield Component(
        "polynormer",
        "eco_gnn.polynormer:Polynormer",
        summary="Graph transformer: gated convolutions, then attention over all nodes in linear time",
        paper="Deng et al., ICLR 2024, arXiv 2403.01232",
        tags=_GRAPH_ENCODER,
    )
    yield Component(
        "h2gcn",
        "eco_gnn.h2gcn:H2GCN",
        summary="Neighbours at one and two steps kept apart, for graphs whose linked nodes may be unlike",
        paper="Zhu et al., NeurIPS 2020, arXiv 2006.11468",
        tags=_GRAPH_ENCODER,
    )


@hookimpl
def eco_api() -> str:
    """The versions of ECO's plugin interface that this plugin works with."""
    return ">=1,<2"
