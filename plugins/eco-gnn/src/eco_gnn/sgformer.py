"""SGFormer: attention over all pairs of nodes beside graph convolutions."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.nn import Linear

from eco_core.ops.pointwise import Dropout
from eco_core.ops.sample import SampledEdges
from eco_core.ops.sparse_factor import SparseFactor
from eco_core.parts import checked
from eco_gnn.encoder import GraphEncoder
from eco_gnn.gcn import SparseGCNConv, gcn_matrix
from eco_gnn.prepared import Adjacency, Prepared
from eco_gnn.sparse import SparseInputLinear
from eco_gnn.stack import Count, Probability, make_norm


class SimpleAttention(nn.Module):
    r"""Attention over all pairs of nodes without a softmax, in time and memory linear in their number.

    For each head :math:`D^{-1} (V + \frac1N Q (K^T V))` with :math:`D = \mathrm{diag}(1 + \frac1N Q (K^T 1))`, where
    each row of :math:`Q` and :math:`K` has length 1; the heads are averaged. This is PyG's `SGFormerAttention` (of PyG
    2.7 and later), here for any precision and number of heads. (The paper divides :math:`Q` and :math:`K` as a whole by
    their norms, so that the sum over all nodes fades against :math:`V` as graphs grow.)

    Args:
        channels: Width of the input, of each head, and of the output.
        heads: Number of heads.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v = (Linear(channels, heads * channels, bias=False) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (num_nodes, channels) to (num_nodes, channels)."""
        # Sums over all nodes need more than half precision.
        with torch.autocast(device_type=x.device.type, enabled=False):
            x = x.to(self.q.weight.dtype)
            q, k, v = (lin(x).view(x.size(0), self.heads, -1) for lin in (self.q, self.k, self.v))
            q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
            total = v + torch.einsum("nhd,hde->nhe", q, torch.einsum("nhd,nhe->hde", k, v) / x.size(0))
            # Never negative, but 0 where all keys are opposite to a query.
            scale = 1 + torch.einsum("nhd,hd->nh", q, k.mean(dim=0))
            return (total / scale.clamp(min=1e-6).unsqueeze(-1)).mean(dim=1)


@checked
class SGFormer(GraphEncoder):
    r"""Simplified graph transformer (Wu et al., NeurIPS 2023, arXiv 2306.10759).

    Two branches read the features through a linear layer each, with normalisation, ReLU and dropout after every layer:

    * attention over all pairs of nodes (`SimpleAttention`) with layer normalisation; each layer is averaged with its
      input;
    * graph convolutions (as in `GCN`) with batch normalisation; the branch's first output is added to each layer's.

    The embedding is a linear map of :math:`(1 - w) Z_{\mathrm{attention}} + w Z_{\mathrm{graph}}`, or of the two side
    by side. Time and memory are linear in nodes and edges: neither a matrix of pairs of nodes nor a message for each
    edge is stored. In a mini-batch, the nodes of the mini-batch attend to each other.

    Args:
        in_channels: Width of the features.
        hidden_channels: Width of both branches, and of each attention head.
        out_channels: Width of the embeddings; None: ``hidden_channels``.
        trans_num_layers: Number of attention layers; 0: the branch is a single MLP layer.
        trans_num_heads: Number of heads of each attention layer.
        trans_dropout: Probability that an entry is dropped after a layer of the attention branch.
        gnn_num_layers: Number of graph convolutions.
        gnn_dropout: Probability that an entry is dropped after a layer of the graph branch.
        graph_weight: The weight :math:`w` of the graph branch, with ``aggregate="add"`` only.
        aggregate: How the branches are joined: ``add`` or ``cat``.

    Raises:
        ValueError: If a parameter is out of range.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: Count = 64,
        out_channels: Count | None = None,
        trans_num_layers: Annotated[int, Field(ge=0)] = 2,
        trans_num_heads: Count = 1,
        trans_dropout: Probability = 0.0,
        gnn_num_layers: Annotated[int, Field(ge=0)] = 3,
        gnn_dropout: Probability = 0.0,
        graph_weight: Annotated[float, Field(ge=0, le=1)] = 0.5,
        aggregate: Literal["add", "cat"] = "add",
    ) -> None:
        super().__init__(hidden_channels if out_channels is None else out_channels)
        width = hidden_channels
        self.trans_lin = SparseInputLinear(in_channels, width)
        self.attentions = nn.ModuleList(SimpleAttention(width, trans_num_heads) for _ in range(trans_num_layers))
        self.trans_finishes = nn.ModuleList(_finish("layer", width, trans_dropout) for _ in range(trans_num_layers + 1))
        self.gnn_lin = SparseInputLinear(in_channels, width)
        self.convolutions = nn.ModuleList(SparseGCNConv(width, width) for _ in range(gnn_num_layers))
        self.gnn_finishes = nn.ModuleList(_finish("batch", width, gnn_dropout) for _ in range(gnn_num_layers + 1))
        self.lin = Linear(width if aggregate == "add" else 2 * width, self.out_channels)
        self.graph_weight = graph_weight
        self.aggregate = aggregate

    def make_adjacency(
        self, edge_index: Tensor, weight: Tensor, num_nodes: int, sampled: SampledEdges | None = None
    ) -> Adjacency:
        """Makes the propagation matrix of the graph branch."""
        return gcn_matrix(edge_index, weight, num_nodes, sampled=sampled)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_weight: Tensor | None = None,
        prepared: Prepared | None = None,
        sampled: SampledEdges | None = None,
    ) -> Tensor:
        """Encodes a graph.

        Args:
            x: Features of shape (num_nodes, in_channels), dense or sparse COO.
            edge_index: Edges of shape (2, num_edges), dtype int64.
            edge_weight: Weights of shape (num_edges,), not negative, for the graph branch; None: all 1.
            prepared: From `prepare`.
            sampled: The scales of the sampled edges of a mini-batch; None: no edge was left out.

        Returns:
            Embeddings of shape (num_nodes, out_channels).
        """
        features = self.read_features(x, prepared)
        adjacency = self.read_adjacency(x, edge_index, edge_weight, prepared, sampled)
        among_all, among_neighbours = self._attend(features), self._convolve(features, adjacency)
        if self.aggregate == "cat":
            return self.lin(torch.cat([among_all, among_neighbours], dim=1))
        return self.lin(self.graph_weight * among_neighbours + (1 - self.graph_weight) * among_all)

    def _attend(self, x: Tensor | SparseFactor) -> Tensor:
        first, *others = self.trans_finishes
        h = first(self.trans_lin(x))
        for attention, finish in zip(self.attentions, others, strict=True):
            h = finish((attention(h) + h) / 2)
        return h

    def _convolve(self, x: Tensor | SparseFactor, adjacency: Adjacency) -> Tensor:
        first, *others = self.gnn_finishes
        h = start = first(self.gnn_lin(x))
        for convolution, finish in zip(self.convolutions, others, strict=True):
            h = finish(convolution(h, adjacency)) + start
        return h


def _finish(norm: Literal["batch", "layer"], width: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(make_norm(norm, width), nn.ReLU(), Dropout(dropout))
