"""The graph attention network with dynamic attention."""

from __future__ import annotations

from functools import partial

from torch_geometric.nn import GATv2Conv

from eco_core.parts import checked
from eco_gnn.attention import AttentionStack
from eco_gnn.stack import Activation, Count, Jumping, Norm, Probability


@checked
class GATv2(AttentionStack):
    r"""Graph attention network with dynamic attention (Brody et al., ICLR 2022, arXiv 2105.14491).

    Each head of a layer computes :math:`h'_i = \sum_{j \in N(i) \cup \{i\}} \alpha_{ij} \Theta_s h_j` with the
    attention :math:`\alpha_{ij} = \mathrm{softmax}_j\, a^T \mathrm{LeakyReLU}(\Theta_s h_j + \Theta_t h_i)`, which,
    unlike that of `GAT`, can rank neighbours differently for different nodes; PyG's `GATv2Conv`. It cannot avoid a
    vector for each edge: the nonlinearity acts on the sum of the two ends' vectors. Memory is proportional to edges
    times the width of a layer.

    As in `GAT`, hidden layers concatenate their heads and the last layer averages them; ``hidden_channels`` and
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
        share_weights: Whether the source and the target of an edge have the same matrix,
            :math:`\Theta_s = \Theta_t`.
        add_self_loops: Whether a node attends to itself; existing self-loops are replaced.
        edge_attention: Whether edge weights enter the attention, as an edge feature of width 1. Otherwise edge weights
            are ignored.
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
        share_weights: bool = False,
        add_self_loops: bool = True,
        edge_attention: bool = False,
    ) -> None:
        super().__init__(
            partial(
                GATv2Conv,
                heads=heads,
                negative_slope=negative_slope,
                dropout=attention_dropout,
                share_weights=share_weights,
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
