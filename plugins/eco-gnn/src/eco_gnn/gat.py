"""The graph attention network."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.nn import GATConv

from eco_gnn.stack import Activation, ConvolutionStack, Count, Norm, Probability, layer_widths


class GAT(ConvolutionStack):
    r"""Graph attention network (Velickovic et al., ICLR 2018, arXiv 1710.10903).

    Each head of a layer computes :math:`h'_i = \sum_{j \in N(i) \cup \{i\}} \alpha_{ij} \Theta h_j` with the attention
    :math:`\alpha_{ij} = \mathrm{softmax}_j\, \mathrm{LeakyReLU}(a_s^T \Theta h_j + a_t^T \Theta h_i)`; PyG's `GATConv`.
    Memory is proportional to edges times the width of a layer: attention differs from edge to edge.

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
        concat_last: Whether the heads of the last layer are concatenated: the embeddings are then
            ``heads * out_channels`` wide.
        dropout: Probability that an entry is dropped between two layers.
        attention_dropout: Probability that an attention coefficient is dropped: a node then sees some neighbours only.
        negative_slope: Slope of the LeakyReLU of the attention, where it is negative.
        act: Activation.
        act_last: Whether the last layer is normalised and activated too.
        norm: Normalisation of a layer's output: ``none``, ``batch``, ``layer``, ``graph`` or ``pair``.
        residual: Whether a layer's input is added to its output, through a linear map where their widths differ.
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
        act_last: bool = False,
        norm: Norm = "none",
        residual: bool = False,
        bias: bool = True,
        add_self_loops: bool = True,
        edge_attention: bool = False,
    ) -> None:
        out = hidden_channels if out_channels is None else out_channels
        hidden_width = hidden_channels * (heads if concat else 1)
        widths = layer_widths(in_channels, hidden_width, out * (heads if concat_last else 1), num_layers)
        of_each_head = [hidden_channels] * (num_layers - 1) + [out]
        joined = [concat] * (num_layers - 1) + [concat_last]
        convolutions = [
            GATConv(
                width_in,
                channels,
                heads=heads,
                concat=join,
                negative_slope=negative_slope,
                dropout=attention_dropout,
                add_self_loops=add_self_loops,
                edge_dim=1 if edge_attention else None,
                bias=bias,
            )
            for (width_in, _), channels, join in zip(widths, of_each_head, joined, strict=True)
        ]
        super().__init__(
            convolutions, widths, dropout=dropout, act=act, act_last=act_last, norm=norm, residual=residual
        )
        self.edge_attention = edge_attention

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        """Encodes a graph.

        Args:
            x: Features of shape (num_nodes, in_channels), dense or sparse COO.
            edge_index: Edges of shape (2, num_edges), dtype int64.
            edge_weight: Weights of shape (num_edges,), used with ``edge_attention`` only; None: all 1.

        Returns:
            Embeddings of shape (num_nodes, out_channels).
        """
        edge_attr = self._edge_features(edge_index, edge_weight) if self.edge_attention else None
        return self.run(x, lambda convolution, h: convolution(h, edge_index, edge_attr))

    def _edge_features(self, edge_index: Tensor, edge_weight: Tensor | None) -> Tensor:
        parameter = next(self.parameters())
        if edge_weight is None:
            return torch.ones(edge_index.size(1), 1, dtype=parameter.dtype, device=edge_index.device)
        return edge_weight.to(parameter.dtype).view(-1, 1)
