"""The multi-layer perceptron."""

from __future__ import annotations

from torch import Tensor

from eco_core.parts import checked
from eco_gnn.prepared import Prepared
from eco_gnn.sparse import SparseInputLinear
from eco_gnn.stack import Activation, ConvolutionStack, Count, Jumping, Norm, Probability, layer_widths


@checked
class MLP(ConvolutionStack):
    r"""Multi-layer perceptron, which ignores the graph: the baseline that shows what the edges are worth.

    Each layer computes :math:`H' = H W + b` (Rumelhart et al., Nature 1986).

    Args:
        in_channels: Width of the features.
        hidden_channels: Width of the hidden layers.
        out_channels: Width of the embeddings; None: ``hidden_channels``.
        num_layers: Number of layers.
        dropout: Probability that an entry is dropped between two layers.
        act: Activation.
        act_first: Whether the activation comes before the normalisation.
        act_last: Whether the last layer is normalised and activated too.
        norm: Normalisation of a layer's output: ``none``, ``batch``, ``layer``, ``graph`` or ``pair``.
        residual: Whether a layer's input is added to its output, through a linear map where their widths differ.
        jk: Jumping knowledge: how the outputs of all layers are joined before a last linear layer: ``last``, ``cat``,
            ``max`` or ``lstm``. None: the last layer's output is the embedding.
        bias: Whether the layers have a bias.
    """

    uses_weights = False
    directed = False

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
        jk: Jumping | None = None,
        bias: bool = True,
    ) -> None:
        out = hidden_channels if out_channels is None else out_channels
        widths = layer_widths(in_channels, hidden_channels, out, num_layers, pre_linear=False, jk=jk)
        super().__init__(
            [SparseInputLinear(*pair, bias=bias) for pair in widths],
            widths,
            in_channels=in_channels,
            out_channels=out,
            dropout=dropout,
            act=act,
            act_first=act_first,
            act_last=act_last,
            norm=norm,
            residual=residual,
            pre_linear=False,
            jk=jk,
        )

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor | None = None,
        edge_weight: Tensor | None = None,
        prepared: Prepared | None = None,
    ) -> Tensor:
        """Encodes the features.

        Args:
            x: Features of shape (num_nodes, in_channels), dense or sparse COO.
            edge_index: Ignored; here so that this encoder is called like the others.
            edge_weight: Ignored.
            prepared: From `prepare`.

        Returns:
            Embeddings of shape (num_nodes, out_channels).
        """
        return self.run(self.read_features(x, prepared), lambda convolution, h, _: convolution(h))
