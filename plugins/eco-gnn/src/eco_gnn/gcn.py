"""The graph convolutional network."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.nn import GCNConv
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.utils import add_remaining_self_loops

from eco_gnn.sparse import sparse_product
from eco_gnn.stack import Activation, ConvolutionStack, Count, Norm, Probability, layer_widths


class _SparseGCNConv(GCNConv):
    """PyG's GCN layer on an adjacency that is already normalised, with the product in a safe precision."""

    def message_and_aggregate(self, adj_t: Tensor, x: Tensor) -> Tensor:
        return sparse_product(adj_t, x)


class GCN(ConvolutionStack):
    r"""Graph convolutional network (Kipf & Welling, ICLR 2017, arXiv 1609.02907).

    Each layer computes :math:`H' = \hat D^{-1/2} \hat A \hat D^{-1/2} H \Theta + b` with :math:`\hat A = A + I` and
    :math:`\hat D` its degrees; PyG's `GCNConv`. The adjacency is normalised once for all layers and multiplied as a
    sparse matrix: no message of each edge is stored. Edges point from source to target; parallel edges add up.

    Args:
        in_channels: Width of the features.
        hidden_channels: Width of the hidden layers.
        out_channels: Width of the embeddings; None: ``hidden_channels``.
        num_layers: Number of layers; with one, ``hidden_channels`` is the width of the embeddings unless
            ``out_channels`` says otherwise.
        dropout: Probability that an entry is dropped between two layers.
        act: Activation.
        act_last: Whether the last layer is normalised and activated too.
        norm: Normalisation of a layer's output: ``none``, ``batch``, ``layer``, ``graph`` or ``pair``.
        residual: Whether a layer's input is added to its output, through a linear map where their widths differ.
        bias: Whether the layers have a bias.
        improved: Whether self-loops have weight 2 (:math:`\hat A = A + 2I`).
        add_self_loops: Whether self-loops are added where there are none.
        normalize: Whether the adjacency is normalised; without, neighbours are summed.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: Count = 64,
        out_channels: Count | None = None,
        num_layers: Count = 2,
        dropout: Probability = 0.0,
        act: Activation = "relu",
        act_last: bool = False,
        norm: Norm = "none",
        residual: bool = False,
        bias: bool = True,
        improved: bool = False,
        add_self_loops: bool = True,
        normalize: bool = True,
    ) -> None:
        out = hidden_channels if out_channels is None else out_channels
        widths = layer_widths(in_channels, hidden_channels, out, num_layers)
        super().__init__(
            [_SparseGCNConv(*pair, normalize=False, bias=bias) for pair in widths],
            widths,
            dropout=dropout,
            act=act,
            act_last=act_last,
            norm=norm,
            residual=residual,
        )
        self.improved = improved
        self.add_self_loops = add_self_loops
        self.normalize = normalize

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        """Encodes a graph.

        Args:
            x: Features of shape (num_nodes, in_channels), dense or sparse COO.
            edge_index: Edges of shape (2, num_edges), dtype int64.
            edge_weight: Weights of shape (num_edges,), not negative; None: all 1.

        Returns:
            Embeddings of shape (num_nodes, out_channels).
        """
        adjacency = self._adjacency(x.size(0), edge_index, edge_weight)
        return self.run(x, lambda convolution, h: convolution(h, adjacency))

    def _adjacency(self, num_nodes: int, edge_index: Tensor, edge_weight: Tensor | None) -> Tensor:
        """The propagation matrix, targets by sources: sparse COO of shape (num_nodes, num_nodes)."""
        dtype = next(self.parameters()).dtype
        # Given explicitly because PyG's gcn_norm overlooks `improved` for a graph without weights.
        if edge_weight is None:
            edge_weight = torch.ones(edge_index.size(1), device=edge_index.device)
        weight = edge_weight.to(dtype)
        if self.normalize:
            edge_index, weight = gcn_norm(
                edge_index, weight, num_nodes, self.improved, self.add_self_loops, dtype=dtype
            )
        elif self.add_self_loops:
            loop = 2.0 if self.improved else 1.0
            edge_index, weight = add_remaining_self_loops(edge_index, weight, loop, num_nodes)
        size = (num_nodes, num_nodes)
        return torch.sparse_coo_tensor(edge_index.flip(0), weight, size, check_invariants=False).coalesce()
