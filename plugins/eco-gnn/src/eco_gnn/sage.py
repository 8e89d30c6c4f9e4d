"""GraphSAGE."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor
from torch.nn import functional as F
from torch_geometric.nn import SAGEConv
from torch_geometric.utils import scatter

from eco_core.ops.sample import SampledEdges
from eco_core.ops.sparse_factor import SparseFactor
from eco_core.parts import checked
from eco_gnn.prepared import Adjacency
from eco_gnn.sparse import SparseInputLinear, adjacency_matrix, leading_rows, sparse_max, sparse_product
from eco_gnn.stack import Activation, Count, Jumping, Norm, Probability, PropagationStack, layer_widths

Aggregation = Literal["mean", "sum", "max"]


class _SparseSAGEConv(SAGEConv):
    """PyG's SAGE layer on an adjacency whose rows are already divided by their sums where a mean is wanted."""

    def __init__(self, in_channels: int, out_channels: int, aggr: Aggregation, **options: Any) -> None:
        super().__init__(in_channels, out_channels, aggr=aggr, **options)
        self.lin_l: SparseInputLinear = SparseInputLinear.like(self.lin_l)
        self.takes_maxima = aggr == "max"

    def forward(self, x: Tensor | SparseFactor, adjacency: Adjacency) -> Tensor:
        """Maps (num_nodes, in_channels) to (num_nodes, out_channels)."""
        source = self.lin(x).relu() if self.project else x
        if self.takes_maxima:
            out = self.lin_l(sparse_max(adjacency, source.to_dense()))
        else:
            # Sums and linear maps commute, and a layer's input is mostly wider than its output.
            out = self.lin_l.shifted(sparse_product(adjacency, self.lin_l.product(source)))
        if self.root_weight:
            out = out + self.lin_r(leading_rows(x, out.size(0)))
        return F.normalize(out, dim=-1) if self.normalize else out


@checked
class SAGE(PropagationStack):
    r"""GraphSAGE (Hamilton et al., NeurIPS 2017, arXiv 1706.02216).

    Each layer computes :math:`h'_i = W_1 h_i + W_2\, \mathrm{aggr}_{j \in N(i)} h_j + b`; PyG's `SAGEConv`. Neighbours
    are aggregated by a product with a sparse matrix (on a GPU, ``max`` alone stores a vector for each edge). A node
    without neighbours aggregates to 0. Edges point from source to target.

    Args:
        in_channels: Width of the features.
        hidden_channels: Width of the hidden layers.
        out_channels: Width of the embeddings; None: ``hidden_channels``.
        num_layers: Number of layers.
        aggr: How neighbours are aggregated: ``mean``, :math:`\sum_j w_{ij} h_j / \sum_j w_{ij}`, ``sum``,
            :math:`\sum_j w_{ij} h_j`, or ``max``, entry by entry, which ignores edge weights.
        root_weight: Whether a node's own vector is added, through :math:`W_1`.
        project: Whether neighbours go through a linear layer and a ReLU before they are aggregated.
        normalize: Whether a layer divides each of its rows by its Euclidean norm.
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

    Raises:
        ValueError: If a parameter is out of range.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: Count = 64,
        out_channels: Count | None = None,
        num_layers: Count = 2,
        aggr: Aggregation = "mean",
        root_weight: bool = True,
        project: bool = False,
        normalize: bool = False,
        dropout: Probability = 0.0,
        act: Activation = "relu",
        act_first: bool = False,
        act_last: bool = False,
        norm: Norm = "none",
        residual: bool = False,
        pre_linear: bool = False,
        jk: Jumping | None = None,
        bias: bool = True,
    ) -> None:
        out = hidden_channels if out_channels is None else out_channels
        widths = layer_widths(in_channels, hidden_channels, out, num_layers, pre_linear=pre_linear, jk=jk)
        options = {"aggr": aggr, "root_weight": root_weight, "project": project, "normalize": normalize, "bias": bias}
        super().__init__(
            [_SparseSAGEConv(*pair, **options) for pair in widths],  # type: ignore[arg-type]
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
        self.aggr = aggr

    def make_adjacency(
        self, edge_index: Tensor, weight: Tensor, num_nodes: int, sampled: SampledEdges | None = None
    ) -> Adjacency:
        """Makes the adjacency; where a mean is wanted, its rows sum to 1."""
        if sampled is not None:
            weight = weight * sampled.scale
        if self.aggr == "mean":
            total = scatter(weight, edge_index[1], dim_size=num_nodes, reduce="sum")
            # Nodes whose edges all weigh nothing have no neighbours, and must not divide by 0.
            weight = weight / total.masked_fill(total == 0, 1)[edge_index[1]]
        return adjacency_matrix(edge_index, weight, num_nodes)
