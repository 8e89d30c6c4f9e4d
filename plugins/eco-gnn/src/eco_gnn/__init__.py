"""Graph neural network encoders for ECO. The classes are imported on first use: torch comes with them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eco_gnn.gat import GAT
    from eco_gnn.gcn import GCN

__version__ = "0.1.0"
__all__ = ["GAT", "GCN"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"eco_gnn.{name.lower()}"), name)
    raise AttributeError(f"module 'eco_gnn' has no attribute {name!r}")
