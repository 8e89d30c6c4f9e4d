"""Graph neural network encoders for ECO. The classes are imported on first use: torch comes with them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eco_gnn.gat import GAT
    from eco_gnn.gatv2 import GATv2
    from eco_gnn.gcn import GCN
    from eco_gnn.gin import GIN
    from eco_gnn.h2gcn import H2GCN
    from eco_gnn.mlp import MLP
    from eco_gnn.polynormer import Polynormer
    from eco_gnn.sage import SAGE
    from eco_gnn.sgformer import SGFormer
    from eco_gnn.tuned import create_tuned_gnn

__version__ = "0.1.0"
__all__ = ["GAT", "GCN", "GIN", "H2GCN", "MLP", "SAGE", "GATv2", "Polynormer", "SGFormer", "create_tuned_gnn"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        home = "tuned" if name == "create_tuned_gnn" else name.lower()
        return getattr(import_module(f"eco_gnn.{home}"), name)
    raise AttributeError(f"module 'eco_gnn' has no attribute {name!r}")
