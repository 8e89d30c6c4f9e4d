"""Modularity and codelength heads for ECO. The classes are imported on first use: torch comes with them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eco_modularity.dgcluster import DGClusterHead
    from eco_modularity.dmon import DMoNClusterHead
    from eco_modularity.neuromap import NeuromapClusterHead

__version__ = "0.1.0"
__all__ = ["DGClusterHead", "DMoNClusterHead", "NeuromapClusterHead"]

_MODULES = {"DGClusterHead": "dgcluster", "DMoNClusterHead": "dmon", "NeuromapClusterHead": "neuromap"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"eco_modularity.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'eco_modularity' has no attribute {name!r}")
