"""Graph neural network encoders for ECO. The classes are imported on first use: torch comes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eco_core import lazy_names

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

_HOMES = {
    "GAT": "eco_gnn.gat",
    "GATv2": "eco_gnn.gatv2",
    "GCN": "eco_gnn.gcn",
    "GIN": "eco_gnn.gin",
    "H2GCN": "eco_gnn.h2gcn",
    "MLP": "eco_gnn.mlp",
    "Polynormer": "eco_gnn.polynormer",
    "SAGE": "eco_gnn.sage",
    "SGFormer": "eco_gnn.sgformer",
    "create_tuned_gnn": "eco_gnn.tuned",
}

__all__ = ["GAT", "GCN", "GIN", "H2GCN", "MLP", "SAGE", "GATv2", "Polynormer", "SGFormer", "create_tuned_gnn"]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
