"""What the attention networks share: the heads of their layers, and edge weights as features of the edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from eco_gnn.sparse import edge_weights
from eco_gnn.stack import ConvolutionStack, Jumping, layer_widths


class AttentionStack(ConvolutionStack):
    """A stack of attention layers with several heads.

    Args:
        convolution: Makes a layer from its ``in_channels``, the width ``out_channels`` of each head, and ``concat``.
        in_channels: Width of the features.
        hidden_channels: Width of each head of the hidden layers.
        out_channels: Width of each head of the last layer; None: ``hidden_channels``.
        num_layers: Number of layers.
        heads: Number of heads.
        concat: Whether the heads of the hidden layers are concatenated; otherwise they are averaged.
        concat_last: Whether the embeddings are ``heads`` times wider.
        edge_attention: Whether edge weights enter the attention.
        pre_linear: Whether a linear layer comes before the first convolution.
        jk: How the outputs of all layers are joined before a last linear layer.
        **around: The other parameters of `ConvolutionStack`.
    """

    def __init__(
        self,
        convolution: Callable[..., nn.Module],
        *,
        in_channels: int,
        hidden_channels: int,
        out_channels: int | None,
        num_layers: int,
        heads: int,
        concat: bool,
        concat_last: bool,
        edge_attention: bool,
        pre_linear: bool,
        jk: Jumping | None,
        **around: Any,
    ) -> None:
        out = hidden_channels if out_channels is None else out_channels
        out_width = out * (heads if concat_last else 1)
        hidden_width = hidden_channels * (heads if concat else 1)
        widths = layer_widths(in_channels, hidden_width, out_width, num_layers, pre_linear=pre_linear, jk=jk)
        hidden_layer = (hidden_channels, concat)
        # Where a linear layer follows, the last convolution is a hidden one.
        layers = [hidden_layer] * (num_layers - 1) + [(out, concat_last) if jk is None else hidden_layer]
        super().__init__(
            [
                convolution(in_channels=width, out_channels=channels, concat=join)
                for (width, _), (channels, join) in zip(widths, layers, strict=True)
            ],
            widths,
            in_channels=in_channels,
            out_channels=out_width,
            pre_linear=pre_linear,
            jk=jk,
            **around,
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
        edge_attr = None
        if self.edge_attention:
            edge_attr = edge_weights(edge_index, edge_weight, next(self.parameters()).dtype).view(-1, 1)
        return self.run(x, lambda convolution, h, _: convolution(h, edge_index, edge_attr))
