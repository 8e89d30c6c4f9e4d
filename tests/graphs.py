"""Small graphs that tests share."""

from __future__ import annotations

import torch
from torch_geometric.data import Data

from eco_core.data.datasets.sbm import sbm
from eco_core.data.load import load_graph


def blocks(num_nodes: int = 60, n_blocks: int = 3, seed: int = 0, sparse: bool = False) -> Data:
    """A graph with clear clusters: dense blocks with informative features."""
    graph = sbm(
        num_nodes=num_nodes,
        n_blocks=n_blocks,
        num_features=12,
        average_degree=8.0,
        mixing=0.05,
        seed=seed,
        sparse=sparse,
        **({"density": 0.3} if sparse else {}),
    )
    return load_graph(graph)


def ring(num_nodes: int = 12, width: int = 4) -> Data:
    """A ring with random features and no labels."""
    source = torch.arange(num_nodes)
    edges = torch.stack([source, (source + 1) % num_nodes])
    generator = torch.Generator().manual_seed(0)
    return Data(
        x=torch.rand(num_nodes, width, generator=generator), edge_index=torch.cat([edges, edges.flip(0)], dim=1)
    )
