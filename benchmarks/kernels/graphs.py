"""Generated graphs of the sizes of published graphs, so that nothing has to be downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from eco_core.data.datasets.sbm import sbm
from eco_core.ops.propagation import normalized_adjacency
from eco_core.ops.random_walks import Neighbors, neighbors_of
from eco_core.ops.sparse_factor import SparseFactor

_SBM: dict[str, dict[str, Any]] = {
    "cora": {
        "num_nodes": 2708,
        "n_blocks": 7,
        "num_features": 1433,
        "average_degree": 3.9,
        "sparse": True,
        "density": 0.0127,
    },
    "photo": {"num_nodes": 7650, "n_blocks": 8, "num_features": 745, "average_degree": 31.1, "mixing": 0.2},
    "physics": {
        "num_nodes": 34493,
        "n_blocks": 5,
        "num_features": 8415,
        "average_degree": 495924 / 34493,
        "mixing": 0.1,
        "sparse": True,
        "density": 0.004,
    },
    "tiny": {
        "num_nodes": 150,
        "n_blocks": 3,
        "num_features": 60,
        "average_degree": 6.0,
        "sparse": True,
        "density": 0.1,
    },
}
NAMES = ("cora", "photo", "physics")
"""The measured graphs; ``tiny`` only checks that nothing is broken."""


@dataclass
class Graph:
    """A graph, and the values that several kernels share.

    Attributes:
        name: One of `NAMES`, or ``tiny``.
        x: Features, dense or sparse COO.
        edge_index: Edges, both directions, sorted by their first node.
        n_classes: Number of its blocks.
    """

    name: str
    x: Tensor
    edge_index: Tensor
    n_classes: int

    @property
    def num_nodes(self) -> int:
        """Number of nodes."""
        return self.x.size(0)

    @property
    def num_edges(self) -> int:
        """Number of edges: an undirected edge counts twice."""
        return self.edge_index.size(1)

    @cached_property
    def adjacency(self) -> Tensor:
        """The propagation matrix of GCN, a sparse CSR tensor."""
        return normalized_adjacency(self.edge_index, num_nodes=self.num_nodes)

    @cached_property
    def neighbors(self) -> Neighbors:
        """The neighbours of every node, for walks."""
        return neighbors_of(self.edge_index, self.num_nodes)

    def embeddings(self, width: int) -> Tensor:
        """Returns features projected at random, propagated twice and scaled to a variance of about 1.

        Args:
            width: Width of the projection.
        """
        weight = torch.randn(self.x.size(1), width, generator=torch.Generator().manual_seed(0))
        z = SparseFactor.of(self.x) @ weight if self.x.is_sparse else self.x @ weight
        factor = SparseFactor.of(self.adjacency)
        z = factor @ (factor @ z)
        return z / z.std()


def load(name: str) -> Graph:
    """Generates a graph.

    Args:
        name: One of `NAMES`, or ``tiny``.
    """
    data = sbm(**_SBM[name])
    return Graph(name, data.x, data.edge_index, data.n_classes)


def normal(*size: int, seed: int = 0) -> Tensor:
    """Returns standard normal numbers, the same in each call.

    Args:
        *size: Shape.
        seed: Seed.
    """
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))
