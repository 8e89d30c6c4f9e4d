"""The graph isomorphism network."""

from __future__ import annotations

from torch import Tensor, nn
from torch_geometric.nn import GINConv, Linear

from eco_core.ops.sample import SampledEdges
from eco_core.ops.sparse_factor import SparseFactor
from eco_core.parts import checked
from eco_gnn.prepared import Adjacency
from eco_gnn.sparse import SparseInputLinear, adjacency_matrix, sparse_product
from eco_gnn.stack import (
    Activation,
    Count,
    Jumping,
    Norm,
    Probability,
    PropagationStack,
    layer_widths,
    make_act,
    make_norm,
)


class _SparseGINConv(GINConv):
    """PyG's GIN layer on a sparse adjacency, for a network that begins with a linear map."""

    def forward(self, x: Tensor | SparseFactor, adjacency: Adjacency) -> Tensor:
        """Maps (num_nodes, in_channels) to (num_nodes, out_channels)."""
        first, *rest = self.nn
        # Sums and linear maps commute, and a layer's input is mostly wider than its output.
        product = first.product(x)
        total = sparse_product(adjacency, product)
        h = first.shifted(total + (1 + self.eps) * product[: total.size(0)])
        for step in rest:
            h = step(h)
        return h


@checked
class GIN(PropagationStack):
    r"""Graph isomorphism network (Xu et al., ICLR 2019, arXiv 1810.00826).

    Each layer computes :math:`h'_i = \mathrm{MLP}((1 + \epsilon) h_i + \sum_{j \in N(i)} w_{ij} h_j)`; PyG's `GINConv`.
    Neighbours are summed by a product with a sparse matrix: no message of each edge is stored. Edges point from source
    to target; parallel edges add up.

    Args:
        in_channels: Width of the features.
        hidden_channels: Width of the hidden layers.
        out_channels: Width of the embeddings; None: ``hidden_channels``.
        num_layers: Number of layers.
        mlp_layers: Number of linear layers of the MLP within each layer. Between them are the normalisation ``norm``
            and the activation ``act``, in the order of ``act_first``.
        eps: The :math:`\epsilon` above, or what it begins with.
        train_eps: Whether each layer learns its :math:`\epsilon` (the paper's GIN-ε; GIN-0 is ``False``).
        dropout: Probability that an entry is dropped between two layers.
        act: Activation.
        act_first: Whether the activation comes before the normalisation.
        act_last: Whether the last layer is normalised and activated too.
        norm: Normalisation of a layer's output: ``none``, ``batch``, ``layer``, ``graph`` or ``pair``.
        residual: Whether a layer's input is added to its output, through a linear map where their widths differ.
        pre_linear: Whether a linear layer of width ``hidden_channels`` comes before the first convolution.
        jk: Jumping knowledge: how the outputs of all layers are joined before a last linear layer: ``last``, ``cat``,
            ``max`` or ``lstm``. None: the last layer's output is the embedding.
        bias: Whether the linear layers of the MLPs have a bias.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: Count = 64,
        out_channels: Count | None = None,
        num_layers: Count = 2,
        mlp_layers: Count = 2,
        eps: float = 0.0,
        train_eps: bool = True,
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

        def mlp(width_in: int, width_out: int) -> nn.Sequential:
            steps: list[nn.Module] = [SparseInputLinear(width_in, width_out, bias=bias)]
            for _ in range(mlp_layers - 1):
                between = [make_norm(norm, width_out), make_act(act)]
                steps += [*(reversed(between) if act_first else between), Linear(width_out, width_out, bias=bias)]
            return nn.Sequential(*steps)

        super().__init__(
            [_SparseGINConv(mlp(*pair), eps=eps, train_eps=train_eps) for pair in widths],
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

    def make_adjacency(
        self, edge_index: Tensor, weight: Tensor, num_nodes: int, sampled: SampledEdges | None = None
    ) -> Adjacency:
        """Makes the adjacency."""
        if sampled is not None:
            weight = weight * sampled.scale
        return adjacency_matrix(edge_index, weight, num_nodes)
