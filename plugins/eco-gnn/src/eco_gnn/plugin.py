"""What this distribution brings to ECO. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable

from eco_core import Component, hookimpl


@hookimpl
def eco_encoders() -> Iterable[Component]:
    """The encoders."""
    yield Component(
        "gcn",
        "eco_gnn.gcn:GCN",
        summary="Graph convolutional network: propagation with the normalised adjacency",
        paper="Kipf & Welling, ICLR 2017, arXiv 1609.02907",
    )
    yield Component(
        "gat",
        "eco_gnn.gat:GAT",
        summary="Graph attention network: neighbours weighted by learned attention",
        paper="Velickovic et al., ICLR 2018, arXiv 1710.10903",
    )


@hookimpl
def eco_api() -> str:
    """The plugin interface that this was written for."""
    return ">=1,<2"
