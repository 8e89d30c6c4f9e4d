"""Prototype cluster heads for ECO. The classes are imported on first use: torch comes with them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eco_prototype.dec import DECClusterHead
    from eco_prototype.dink import DinkClusterHead
    from eco_prototype.discrimination import NodeDiscrimination
    from eco_prototype.inc import INCClusterHead

__version__ = "0.1.0"
__all__ = ["DECClusterHead", "DinkClusterHead", "INCClusterHead", "NodeDiscrimination"]

_MODULES = {
    "DECClusterHead": "dec",
    "DinkClusterHead": "dink",
    "INCClusterHead": "inc",
    "NodeDiscrimination": "discrimination",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"eco_prototype.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'eco_prototype' has no attribute {name!r}")
