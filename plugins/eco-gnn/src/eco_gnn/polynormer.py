"""Polynormer: gated local layers, then attention over all pairs of nodes in linear time."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch_geometric.nn import GATConv, Linear

from eco_core.ops.pointwise import Dropout
from eco_core.ops.sample import SampledEdges
from eco_core.parts import checked
from eco_gnn.encoder import GraphEncoder
from eco_gnn.gcn import SparseGCNConv, gcn_matrix
from eco_gnn.prepared import Adjacency, Prepared
from eco_gnn.sparse import SparseInputLinear
from eco_gnn.stack import Count, Probability, make_norm

Share = Annotated[float, Field(ge=0, le=1)]


class LocalLayer(nn.Module):
    r"""A convolution, gated by its input: :math:`(1 - \beta) \mathrm{LN}(G \odot H) + \beta H`.

    Here :math:`G = \mathrm{ReLU}(X W_g)`, :math:`H = \mathrm{ReLU}(\mathrm{BN}(\mathrm{conv}(X) + X W))`, and X is the
    layer's input, after a layer normalisation with ``pre_ln``.

    Args:
        convolution: Maps features of the width ``channels`` to the same width.
        channels: Width of the input and of the output.
        beta: The :math:`\beta` above.
        dropout: Probability that an entry of H is dropped.
        pre_ln: Whether the input is normalised within each node.
        post_bn: Whether there is the batch normalisation BN.
    """

    def __init__(
        self, convolution: nn.Module, channels: int, beta: float, dropout: float, pre_ln: bool, post_bn: bool
    ) -> None:
        super().__init__()
        self.pre_norm = make_norm("layer" if pre_ln else "none", channels)
        self.gate = Linear(channels, channels)
        self.convolution = convolution
        self.lin = Linear(channels, channels)
        self.finish = nn.Sequential(make_norm("batch" if post_bn else "none", channels), nn.ReLU(), Dropout(dropout))
        self.norm = make_norm("layer", channels)
        self.beta = beta

    def forward(self, x: Tensor, edges: Adjacency) -> Tensor:
        """Maps (num_nodes, channels) to the same shape; ``edges`` is the convolution's second argument."""
        x = self.pre_norm(x)
        gate = self.gate(x).relu()
        h = self.finish(self.convolution(x, edges) + self.lin(x))
        return (1 - self.beta) * self.norm(gate * h) + self.beta * h


class KernelAttention(nn.Module):
    r"""Attention over all pairs of nodes with a sigmoid kernel, in time and memory linear in their number.

    For each head :math:`A = \mathrm{diag}(Q K^T 1)^{-1} Q (K^T V)` with sigmoids of linear maps as Q and K; the output
    is :math:`\mathrm{ReLU}((\mathrm{LN}(A) \odot (X W_g + \beta)) W_o)`. This is PyG's `PolynormerAttention` (of PyG
    2.7 and later), with an input that is as wide as its heads together.

    Args:
        heads: Number of heads.
        head_channels: Width of each head.
        beta: The :math:`\beta` above.
        qk_shared: Whether Q and K are the same.
        dropout: Probability that an entry of the output is dropped.
    """

    def __init__(self, heads: int, head_channels: int, beta: float, qk_shared: bool, dropout: float) -> None:
        super().__init__()
        channels = heads * head_channels
        self.heads = heads
        self.gate = Linear(channels, channels)
        self.q = None if qk_shared else Linear(channels, channels, bias=False)
        self.k = Linear(channels, channels, bias=False)
        self.v = Linear(channels, channels, bias=False)
        self.norm = make_norm("layer", channels)
        self.lin = Linear(channels, channels)
        self.dropout = Dropout(dropout)
        self.beta = beta

    def forward(self, x: Tensor) -> Tensor:
        """Maps (num_nodes, heads * head_channels) to the same shape."""
        attended = self.norm(self._attend(x)) * (self.gate(x) + self.beta)
        return self.dropout(self.lin(attended).relu())

    def _attend(self, x: Tensor) -> Tensor:
        # Sums over all nodes need more than half precision.
        with torch.autocast(device_type=x.device.type, enabled=False):
            x = x.to(self.k.weight.dtype)
            # As in PyG, the heads are the last dimension.
            k = self.k(x).sigmoid().view(x.size(0), -1, self.heads)
            q = k if self.q is None else self.q(x).sigmoid().view_as(k)
            v = self.v(x).view_as(k)
            total = torch.einsum("ndh,dmh->nmh", q, torch.einsum("ndh,nmh->dmh", k, v))
            scale = torch.einsum("ndh,dh->nh", q, k.sum(dim=0)).unsqueeze(1)
            return (total / (scale + 1e-6)).reshape(x.size(0), -1)


@checked
class Polynormer(GraphEncoder):
    r"""Polynomial-expressive graph transformer (Deng et al., ICLR 2024, arXiv 2403.01232).

    A linear layer, then ``local_layers`` gated convolutions (`LocalLayer`), whose outputs are added up. Their sum,
    after a layer normalisation, goes through ``global_layers`` of attention over all nodes (`KernelAttention`) and a
    linear map. All layers are ``heads * hidden_channels`` wide. Time and memory are linear in nodes and edges: there is
    no matrix of pairs of nodes. In a mini-batch, the nodes of the mini-batch attend to each other.

    The authors train the local layers alone first (``global_layers=0`` is that model), and learn a :math:`\beta` for
    each channel; here it is a constant, as in PyG's `Polynormer`.

    Args:
        in_channels: Width of the features.
        hidden_channels: Width of each head.
        out_channels: Width of the embeddings; None: ``hidden_channels``.
        local_layers: Number of local layers.
        global_layers: Number of global layers; 0: the embedding is a linear map of the sum of the local layers'
            outputs.
        dropout: Probability that an entry is dropped after the first linear layer and in the local layers.
        global_dropout: Probability that an entry is dropped after a global layer.
        heads: Number of heads of the attentions.
        beta: The weight :math:`\beta` of a layer's ungated part.
        qk_shared: Whether queries and keys of the global attention are the same.
        pre_ln: Whether a local layer begins with layer normalisation.
        post_bn: Whether a local layer's convolution is followed by batch normalisation.
        local_attn: Whether the local convolutions use attention, as in `GAT` (without self-loops): they ignore edge
            weights and store a vector for each edge. Otherwise they are products with a sparse matrix, as in `GCN`.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: Count = 64,
        out_channels: Count | None = None,
        local_layers: Count = 7,
        global_layers: Annotated[int, Field(ge=0)] = 2,
        dropout: Probability = 0.0,
        global_dropout: Probability = 0.0,
        heads: Count = 1,
        beta: Share = 0.9,
        qk_shared: bool = False,
        pre_ln: bool = False,
        post_bn: bool = True,
        local_attn: bool = False,
    ) -> None:
        super().__init__(hidden_channels if out_channels is None else out_channels)
        width = heads * hidden_channels

        def convolution() -> nn.Module:
            if local_attn:
                return GATConv(width, hidden_channels, heads=heads, add_self_loops=False, bias=False)
            return SparseGCNConv(width, width)

        self.lin_in = SparseInputLinear(in_channels, width)
        self.dropout = Dropout(dropout)
        self.locals = nn.ModuleList(
            LocalLayer(convolution(), width, beta, dropout, pre_ln, post_bn) for _ in range(local_layers)
        )
        self.norm = make_norm("layer" if global_layers else "none", width)
        self.globals = nn.ModuleList(
            KernelAttention(heads, hidden_channels, beta, qk_shared, global_dropout) for _ in range(global_layers)
        )
        self.lin = Linear(width, self.out_channels)
        self.local_attn = local_attn

    def make_adjacency(
        self, edge_index: Tensor, weight: Tensor, num_nodes: int, sampled: SampledEdges | None = None
    ) -> Adjacency | None:
        """Makes the propagation matrix; None with local attention, which does not use it."""
        return None if self.local_attn else gcn_matrix(edge_index, weight, num_nodes, sampled=sampled)

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
            edge_weight: Weights of shape (num_edges,), not negative, ignored with ``local_attn``; None: all 1.
            prepared: From `prepare`.
            sampled: The scales of the sampled edges of a mini-batch; None: no edge was left out.

        Returns:
            Embeddings of shape (num_nodes, out_channels).
        """
        edges: Adjacency = edge_index
        if not self.local_attn:
            edges = self.read_adjacency(x, edge_index, edge_weight, prepared, sampled)
        h = self.dropout(self.lin_in(self.read_features(x, prepared)))
        total: Tensor | None = None
        for layer in self.locals:
            h = layer(h, edges)
            total = h if total is None else total + h
        h = self.norm(total)
        for layer in self.globals:
            h = layer(h)
        return self.lin(h)
