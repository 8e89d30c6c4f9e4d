"""Prototype cluster heads for ECO. The classes are imported on first use: torch comes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eco_core import lazy_names

if TYPE_CHECKING:
    from eco_prototype.dec import DECClusterHead
    from eco_prototype.dink import DinkClusterHead
    from eco_prototype.discrimination import NodeDiscrimination
    from eco_prototype.inc import INCClusterHead

__version__ = "0.1.0"

_HOMES = {
    "DECClusterHead": "eco_prototype.dec",
    "DinkClusterHead": "eco_prototype.dink",
    "INCClusterHead": "eco_prototype.inc",
    "NodeDiscrimination": "eco_prototype.discrimination",
}

__all__ = ["DECClusterHead", "DinkClusterHead", "INCClusterHead", "NodeDiscrimination"]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
