"""The graph convolutional network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.nn import GCNConv
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.utils import add_remaining_self_loops

from eco_core.ops.propagation import normalized_adjacency
from eco_core.ops.sample import SampledEdges
from eco_core.ops.sparse_factor import SparseFactor
from eco_core.parts import checked
from eco_gnn.prepared import Adjacency
from eco_gnn.sparse import adjacency_matrix, is_dense, propagates_first, sparse_product
from eco_gnn.stack import Activation, Count, Jumping, Norm, Probability, PropagationStack, layer_widths

_LARGE = 2**28
"""Entries of an output from which on inference computes it in panels: 1 GB in single precision."""

_PANEL = 32
"""Columns of a panel."""


class SparseGCNConv(GCNConv):
    """PyG's GCN layer on an adjacency that is already normalised, with the product in a safe precision.

    Args:
        in_channels: Width of the input.
        out_channels: Width of the output.
        bias: Whether there is a bias.
        large: Entries of an output above which inference computes it in panels of columns.
    """

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True, large: int = _LARGE) -> None:
        super().__init__(in_channels, out_channels, normalize=False, bias=bias)
        self.large = large

    def forward(self, x: Tensor | SparseFactor, adjacency: Adjacency) -> Tensor:
        """Maps (num_nodes, in_channels) to (num_rows, out_channels), with an adjacency (num_rows, num_nodes)."""
        if propagates_first(x, adjacency, self.out_channels):
            return F.linear(sparse_product(adjacency, x), self.lin.weight, self.bias)
        if is_dense(x) and not torch.is_grad_enabled() and x.size(0) * self.out_channels > self.large:
            return self._in_panels(x, adjacency)
        out = sparse_product(adjacency, self.lin(x))
        return out if self.bias is None else out.add_(self.bias)  # Nobody else has the product.

    def _in_panels(self, x: Tensor, adjacency: Adjacency) -> Tensor:
        """Does so a few columns at a time, so that beside input and output nothing is large."""
        rows = adjacency.size(0) if isinstance(adjacency, Tensor) else adjacency.size[0]
        out = x.new_empty(rows, self.out_channels)
        for columns in torch.arange(self.out_channels, device=x.device).split(_PANEL):
            part = sparse_product(adjacency, F.linear(x, self.lin.weight[columns]))
            out[:, columns[0] : columns[-1] + 1] = part if self.bias is None else part.add_(self.bias[columns])
        return out


@checked
class GCN(PropagationStack):
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
        act_first: Whether the activation comes before the normalisation.
        act_last: Whether the last layer is normalised and activated too.
        norm: Normalisation of a layer's output: ``none``, ``batch``, ``layer``, ``graph`` or ``pair``.
        residual: Whether a layer's input is added to its output, through a linear map where their widths differ.
        pre_linear: Whether a linear layer of width ``hidden_channels`` comes before the first convolution.
        jk: Jumping knowledge: how the outputs of all layers are joined before a last linear layer: ``last``, ``cat``,
            ``max`` or ``lstm``. None: the last layer's output is the embedding.
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
        act_first: bool = False,
        act_last: bool = False,
        norm: Norm = "none",
        residual: bool = False,
        pre_linear: bool = False,
        jk: Jumping | None = None,
        bias: bool = True,
        improved: bool = False,
        add_self_loops: bool = True,
        normalize: bool = True,
    ) -> None:
        out = hidden_channels if out_channels is None else out_channels
        widths = layer_widths(in_channels, hidden_channels, out, num_layers, pre_linear=pre_linear, jk=jk)
        super().__init__(
            [SparseGCNConv(*pair, bias=bias) for pair in widths],
            widths,
            in_channels=in_channels,
            out_channels=out,
            dropout=dropout,
            act=act,
            act_first=act_first,
            act_last=act_last,
            norm=norm,
            residual=residual,
            pre_linear=pre_linear,
            jk=jk,
        )
        self.improved = improved
        self.add_self_loops = add_self_loops
        self.normalize = normalize

    def make_adjacency(
        self, edge_index: Tensor, weight: Tensor, num_nodes: int, sampled: SampledEdges | None = None
    ) -> Adjacency:
        """Makes the propagation matrix, or without normalisation the adjacency."""
        if self.normalize:
            return gcn_matrix(edge_index, weight, num_nodes, self.improved, self.add_self_loops, sampled)
        if sampled is not None:
            weight = weight * sampled.scale
        if self.add_self_loops:
            loop = 2.0 if self.improved else 1.0
            edge_index, weight = add_remaining_self_loops(edge_index, weight, loop, num_nodes)
        return adjacency_matrix(edge_index, weight, num_nodes)


def gcn_matrix(
    edge_index: Tensor,
    weight: Tensor,
    num_nodes: int,
    improved: bool = False,
    add_self_loops: bool = True,
    sampled: SampledEdges | None = None,
) -> Adjacency:
    r"""Returns the propagation matrix :math:`\hat D^{-1/2} \hat A \hat D^{-1/2}`, targets by sources.

    Args:
        edge_index: Edges of shape (2, num_edges), dtype int64.
        weight: Weights of shape (num_edges,), not negative. Gradients flow to them.
        num_nodes: Number of nodes.
        improved: Whether self-loops have weight 2.
        add_self_loops: Whether self-loops are added where there are none; without, a node without edges has a row of
            zeros.
        sampled: What the edges of a batch stand for: then the degrees are those of the graph, and the expectation of
            the matrix over the samples is that of the graph, in the rows whose edges were sampled.
    """
    loop = 2.0 if improved else 1.0
    if sampled is not None:
        return _sampled_matrix(edge_index, weight, num_nodes, loop if add_self_loops else None, sampled)
    if weight.requires_grad:
        edge_index, weight = gcn_norm(edge_index, weight, num_nodes, improved, add_self_loops, dtype=weight.dtype)
        return adjacency_matrix(edge_index, weight, num_nodes)
    matrix = normalized_adjacency(
        edge_index, weight, num_nodes=num_nodes, add_self_loops=add_self_loops, loop_weight=loop
    )
    return SparseFactor.of(matrix)


def _sampled_matrix(
    edge_index: Tensor, weight: Tensor, num_nodes: int, loop: float | None, sampled: SampledEdges
) -> Adjacency:
    scale = sampled.scale
    if loop is not None:
        # A loop that was not sampled is added: it is there in any case, and stands for itself alone.
        scale = scale.masked_fill(edge_index[0] == edge_index[1], 1.0)
    weight = weight * scale.to(weight.dtype)
    if loop is not None:
        edge_index, weight = add_remaining_self_loops(edge_index, weight, loop, num_nodes)
    source, target = edge_index
    loops = weight.new_zeros(num_nodes).index_add(0, target, weight * (source == target))
    root = (sampled.in_degree.to(weight.dtype) + loops).pow(-0.5)
    root = root.masked_fill(root == torch.inf, 0.0)
    return adjacency_matrix(edge_index, root[target] * weight * root[source], num_nodes)
