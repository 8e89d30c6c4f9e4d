"""The graph attention network."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch_geometric.nn import GATConv
from torch_geometric.utils import add_self_loops, remove_self_loops

from eco_core.ops.edge_attention import edge_softmax, edges_by_target, sum_of_neighbors
from eco_core.ops.pairs import SortedPairs
from eco_core.ops.sample import SampledEdges
from eco_core.ops.sparse_factor import SparseFactor
from eco_core.parts import checked
from eco_gnn.attention import AttentionStack
from eco_gnn.prepared import Prepared
from eco_gnn.stack import Activation, Count, Jumping, Norm, Probability


class AttendedEdges(NamedTuple):
    """The edges that attention runs along, self-loops included, and their features.

    Attributes:
        edges: The edges, sorted by target.
        features: Features of shape (num_edges, 1), in the order of ``edges``; None: they have none.
        log_scale: The logarithm of how many edges each stands for, of the same shape; None: for itself alone.
    """

    edges: SortedPairs
    features: Tensor | None
    log_scale: Tensor | None


class _SparseGATConv(GATConv):
    """PyG's GAT layer on prepared edges, without a vector for each edge."""

    def forward(self, x: Tensor | SparseFactor, attended: AttendedEdges) -> Tensor:
        """Maps (num_nodes, in_channels) to (num_nodes, heads * out_channels), or (num_nodes, out_channels)."""
        edges, features, log_scale = attended
        h = self.lin(x).view(-1, self.heads, self.out_channels)
        of_source, of_target = ((h * attention).sum(dim=-1) for attention in (self.att_src, self.att_dst))
        scores = of_source.index_select(0, edges.column) + of_target.index_select(0, edges.row)
        if features is not None:
            of_edge = (self.lin_edge.weight.view(self.heads, self.out_channels) * self.att_edge[0]).sum(dim=-1)
            scores = scores + features * of_edge
        scores = F.leaky_relu(scores, self.negative_slope)
        weight = edge_softmax(scores if log_scale is None else scores + log_scale, edges)
        out = sum_of_neighbors(F.dropout(weight, self.dropout, self.training), h, edges)
        out = out.flatten(1) if self.concat else out.mean(dim=1)
        return out if self.bias is None else out + self.bias


@checked
class GAT(AttentionStack):
    r"""Graph attention network (Velickovic et al., ICLR 2018, arXiv 1710.10903).

    Each head of a layer computes :math:`h'_i = \sum_{j \in N(i) \cup \{i\}} \alpha_{ij} \Theta h_j` with the attention
    :math:`\alpha_{ij} = \mathrm{softmax}_j\, \mathrm{LeakyReLU}(a_s^T \Theta h_j + a_t^T \Theta h_i)`; PyG's `GATConv`.
    Neighbours are summed by products with sparse matrices, one for each head: no vector of each edge is stored.

    As in the paper, hidden layers concatenate their heads and the last layer averages them. ``hidden_channels`` and
    ``out_channels`` are widths *of each head*, so a hidden layer with concatenated heads is ``heads * hidden_channels``
    wide.

    Args:
        in_channels: Width of the features.
        hidden_channels: Width of each head of the hidden layers.
        out_channels: Width of each head of the last layer; None: ``hidden_channels``.
        num_layers: Number of layers.
        heads: Number of attention heads of every layer.
        concat: Whether the heads of the hidden layers are concatenated; otherwise they are averaged.
        concat_last: Whether the heads of the last layer are concatenated. The embeddings are then
            ``heads * out_channels`` wide, with ``jk`` as well.
        dropout: Probability that an entry is dropped between two layers.
        attention_dropout: Probability that an attention coefficient is dropped: a node then sees some neighbours only.
        negative_slope: Slope of the LeakyReLU of the attention, where it is negative.
        act: Activation.
        act_first: Whether the activation comes before the normalisation.
        act_last: Whether the last layer is normalised and activated too.
        norm: Normalisation of a layer's output: ``none``, ``batch``, ``layer``, ``graph`` or ``pair``.
        residual: Whether a layer's input is added to its output, through a linear map where their widths differ.
        pre_linear: Whether a linear layer, as wide as a hidden layer, comes before the first convolution.
        jk: Jumping knowledge: how the outputs of all layers are joined before a last linear layer: ``last``, ``cat``,
            ``max`` or ``lstm``. None: the last layer's output is the embedding.
        bias: Whether the layers have a bias.
        add_self_loops: Whether a node attends to itself; existing self-loops are replaced.
        edge_attention: Whether edge weights enter the attention, as an edge feature of width 1. Otherwise edge weights
            are ignored, as in the paper.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: Count = 64,
        out_channels: Count | None = None,
        num_layers: Count = 2,
        heads: Count = 1,
        concat: bool = True,
        concat_last: bool = False,
        dropout: Probability = 0.0,
        attention_dropout: Probability = 0.0,
        negative_slope: float = 0.2,
        act: Activation = "elu",
        act_first: bool = False,
        act_last: bool = False,
        norm: Norm = "none",
        residual: bool = False,
        pre_linear: bool = False,
        jk: Jumping | None = None,
        bias: bool = True,
        add_self_loops: bool = True,
        edge_attention: bool = False,
    ) -> None:
        super().__init__(
            partial(
                _SparseGATConv,
                heads=heads,
                negative_slope=negative_slope,
                dropout=attention_dropout,
                add_self_loops=add_self_loops,
                edge_dim=1 if edge_attention else None,
                bias=bias,
            ),
            in_channels=in_channels,
            hidden_channels=hidden_channels,
            out_channels=out_channels,
            num_layers=num_layers,
            heads=heads,
            concat=concat,
            concat_last=concat_last,
            edge_attention=edge_attention,
            dropout=dropout,
            act=act,
            act_first=act_first,
            act_last=act_last,
            norm=norm,
            residual=residual,
            pre_linear=pre_linear,
            jk=jk,
        )
        self.add_self_loops = add_self_loops

    def make_adjacency(
        self, edge_index: Tensor, weight: Tensor, num_nodes: int, sampled: SampledEdges | None = None
    ) -> AttendedEdges:
        """Sorts the edges, with self-loops where they are wanted."""
        features = weight.view(-1, 1) if self.edge_attention else None
        scale = None if sampled is None else sampled.scale
        if self.add_self_loops:
            if scale is not None:
                _, scale = remove_self_loops(edge_index, scale)
                scale = torch.cat([scale, scale.new_ones(num_nodes)])
            edge_index, features = remove_self_loops(edge_index, features)
            edge_index, features = add_self_loops(edge_index, features, fill_value="mean", num_nodes=num_nodes)
        edges = edges_by_target(edge_index, num_nodes)
        return AttendedEdges(
            edges,
            None if features is None else features[edges.order],
            None if scale is None else scale.log()[edges.order].view(-1, 1),
        )

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
            edge_weight: Weights of shape (num_edges,), used with ``edge_attention`` only; None: all 1.
            prepared: From `prepare`.
            sampled: What the edges of a batch stand for.

        Returns:
            Embeddings of shape (num_nodes, out_channels).
        """
        attended = self.read_adjacency(x, edge_index, edge_weight, prepared, sampled)
        return self.run(self.read_features(x, prepared), lambda convolution, h, _: convolution(h, attended))
