"""Modularity and codelength heads for ECO. The classes are imported on first use: torch comes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eco_core import lazy_names

if TYPE_CHECKING:
    from eco_modularity.dgcluster import DGClusterHead
    from eco_modularity.dmon import DMoNClusterHead
    from eco_modularity.neuromap import NeuromapClusterHead

__version__ = "0.1.0"

_HOMES = {
    "DGClusterHead": "eco_modularity.dgcluster",
    "DMoNClusterHead": "eco_modularity.dmon",
    "NeuromapClusterHead": "eco_modularity.neuromap",
}

__all__ = ["DGClusterHead", "DMoNClusterHead", "NeuromapClusterHead"]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
