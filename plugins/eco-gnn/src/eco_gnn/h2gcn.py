"""H2GCN: neighbours at one and two steps, kept apart."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch_geometric.nn import Linear
from torch_geometric.utils import remove_self_loops

from eco_core.ops.csr import csr_matrix, rows_of
from eco_core.ops.pointwise import Dropout
from eco_core.ops.sample import SampledEdges
from eco_core.parts import checked
from eco_gnn.encoder import GraphEncoder
from eco_gnn.gcn import gcn_matrix
from eco_gnn.prepared import Adjacency, Prepared
from eco_gnn.sparse import SparseInputLinear, edge_weights, sparse_product
from eco_gnn.stack import Activation, Count, Probability, make_act


@checked
class H2GCN(GraphEncoder):
    r"""H2GCN, for graphs whose linked nodes may be unlike (Zhu et al., NeurIPS 2020, arXiv 2006.11468).

    :math:`R^{(0)} = \sigma(X W_e)` and :math:`R^{(k)} = [\bar A_1 R^{(k-1)} \,\|\, \bar A_2 R^{(k-1)}]`. Here
    :math:`\bar A_1` is the normalised adjacency without self-loops, and :math:`\bar A_2` is the normalised adjacency of
    the pairs at distance exactly two: two different nodes that a path of two edges joins and no edge links. The
    embedding is a linear map of :math:`[R^{(0)} \| R^{(1)} \| \dots \| R^{(K)}]`, which is ``hidden_channels`` times
    :math:`2^{K+1} - 1` wide; it takes the place of the paper's linear classifier.

    Both matrices are sparse. Memory grows with the number of pairs at distance two, and a hub makes many of them.
    `prepare` makes both matrices once for each graph; without its result, each call makes them anew.

    Args:
        in_channels: Width of the features.
        hidden_channels: Width of :math:`R^{(0)}`.
        out_channels: Width of the embeddings; None: ``hidden_channels``.
        num_layers: The number of rounds K, each of which doubles the width. 0: an MLP layer.
        dropout: Probability that an entry is dropped before the last linear map.
        act: The activation :math:`\sigma`.
        bias: Whether the linear maps have a bias.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: Count = 64,
        out_channels: Count | None = None,
        num_layers: Annotated[int, Field(ge=0)] = 2,
        dropout: Probability = 0.0,
        act: Activation = "relu",
        bias: bool = True,
    ) -> None:
        width = hidden_channels * (2 ** (num_layers + 1) - 1)
        super().__init__(hidden_channels if out_channels is None else out_channels)
        self.num_layers = num_layers
        self.lin_in = SparseInputLinear(in_channels, hidden_channels, bias=bias)
        self.act = make_act(act)
        self.dropout = Dropout(dropout)
        self.lin = Linear(width, self.out_channels, bias=bias)

    def make_adjacency(
        self, edge_index: Tensor, weight: Tensor, num_nodes: int, sampled: SampledEdges | None = None
    ) -> tuple[Adjacency, ...]:
        """Makes the normalised adjacencies of the pairs at distance one and two; empty if ``num_layers`` is 0."""
        if self.num_layers == 0:
            return ()
        links, linked_weight = remove_self_loops(edge_index, weight)
        linked = gcn_matrix(links, linked_weight, num_nodes, add_self_loops=False)
        return linked, distance_two_matrix(edge_index, num_nodes, weight.dtype)

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None, prepared: Prepared | None = None
    ) -> Tensor:
        """Encodes a graph.

        Args:
            x: Features of shape (num_nodes, in_channels), dense or sparse COO.
            edge_index: Edges of shape (2, num_edges), dtype int64.
            edge_weight: Weights of shape (num_edges,), not negative, of the pairs at distance one; None: all 1. Pairs
                at distance two all have the same weight before normalisation.
            prepared: From `prepare`.

        Returns:
            Embeddings of shape (num_nodes, out_channels).
        """
        rounds = [self.act(self.lin_in(self.read_features(x, prepared)))]
        matrices = self.read_adjacency(x, edge_index, edge_weight, prepared)
        for _ in range(self.num_layers):
            rounds.append(torch.cat([sparse_product(matrix, rounds[-1]) for matrix in matrices], dim=1))
        z = torch.cat(rounds, dim=1)
        return self.lin(self.dropout(z))


def distance_two_matrix(edge_index: Tensor, num_nodes: int, dtype: torch.dtype = torch.float32) -> Adjacency:
    r"""Returns the normalised adjacency :math:`D_2^{-1/2} A_2 D_2^{-1/2}` of the pairs at distance two.

    :math:`A_2` is 1 for two different nodes that a path of two edges joins and no edge links.

    Args:
        edge_index: Edges of shape (2, num_edges), dtype int64. Weights do not matter.
        num_nodes: Number of nodes.
        dtype: Dtype of the result.

    Returns:
        A matrix of shape (num_nodes, num_nodes), targets by sources.
    """
    nodes = torch.arange(num_nodes, device=edge_index.device)
    size = (num_nodes, num_nodes)
    adjacency = csr_matrix(edge_index[1], edge_index[0], torch.ones(edge_index.size(1), device=nodes.device), size)
    with torch.autocast(device_type=nodes.device.type, enabled=False):  # Torch has no such product in half precision.
        squared = torch.sparse.mm(adjacency, adjacency)
    paths = torch.stack([rows_of(squared), squared.col_indices()])
    known = torch.cat([edge_index.flip(0), nodes.expand(2, -1)], dim=1)
    # Pairs on a path get 1; edges and pairs of a node with itself get -2. Only pairs at distance two stay above 0.
    found = torch.cat([torch.ones(paths.size(1)), torch.full((known.size(1),), -2.0)]).to(edge_index.device)
    target, source = torch.cat([paths, known], dim=1)
    counts = csr_matrix(target, source, found, size)
    pairs = torch.stack([counts.col_indices(), rows_of(counts)])[:, counts.values() > 0]
    return gcn_matrix(pairs, edge_weights(pairs, None, dtype), num_nodes, add_self_loops=False)
