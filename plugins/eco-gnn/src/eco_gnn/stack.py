"""The stack of graph convolutions that all encoders of this package are: what happens around the convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor, nn
from torch_geometric.nn import BatchNorm, GraphNorm, LayerNorm, PairNorm

from eco_gnn.sparse import SparseInputLinear

Count = Annotated[int, Field(ge=1)]
"""A width, or a number of layers or heads."""

Probability = Annotated[float, Field(ge=0, lt=1)]
"""The share of entries that dropout sets to zero."""

Activation = Literal["relu", "elu", "prelu", "leaky_relu", "tanh", "gelu", "selu", "none"]
Norm = Literal["none", "batch", "layer", "graph", "pair"]

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "prelu": nn.PReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "selu": nn.SELU,
    "none": nn.Identity,
}

_NORMS: dict[str, Callable[[int], nn.Module]] = {
    # The last mini-batch of an epoch may hold a single node.
    "batch": lambda width: BatchNorm(width, allow_single_element=True),
    "layer": lambda width: LayerNorm(width, mode="node"),
    "graph": GraphNorm,
    "pair": lambda width: PairNorm(),  # noqa: ARG005 - it has no parameters
    "none": lambda width: nn.Identity(),  # noqa: ARG005
}


class ConvolutionStack(nn.Module):
    """Graph convolutions, one after the other.

    Every layer computes, for its input H::

        convolution(H)  ->  + H (residual)  ->  normalisation  ->  activation  ->  dropout

    The last layer ends after the residual, unless ``act_last``: then it is normalised and activated too. Dropout is
    applied between layers only, so it changes nothing in a stack of one layer; the features themselves are never
    dropped (dropping features is an augmentation, which objectives own).

    Args:
        convolutions: The layers, PyG convolutions with a ``lin``.
        widths: For each layer the widths of its input and its output.
        dropout: Probability that an entry is dropped between two layers.
        act: Activation.
        act_last: Whether the last layer is normalised and activated.
        norm: Normalisation: ``batch`` (over the nodes), ``layer`` (within each node), ``graph`` (GraphNorm), ``pair``
            (PairNorm) or ``none``.
        residual: Whether a layer's input is added to its output, through a linear map where their widths differ.
    """

    learns = True
    supports_sparse_x = True

    def __init__(
        self,
        convolutions: Sequence[nn.Module],
        widths: Sequence[tuple[int, int]],
        *,
        dropout: float,
        act: Activation,
        act_last: bool,
        norm: Norm,
        residual: bool,
    ) -> None:
        super().__init__()
        _check("act", act, _ACTIVATIONS)
        _check("norm", norm, _NORMS)
        last = len(widths) - 1
        finished = [number < last or act_last for number in range(len(widths))]
        self.convolutions = nn.ModuleList(convolutions)
        self.skips = nn.ModuleList(_skip(*pair) for pair in widths) if residual else None
        self.norms = nn.ModuleList(
            _NORMS[norm if finish else "none"](width) for (_, width), finish in zip(widths, finished, strict=True)
        )
        self.acts = nn.ModuleList(_ACTIVATIONS[act if finish else "none"]() for finish in finished)
        self.dropout = nn.Dropout(dropout)
        self._out_channels = widths[-1][1]
        first: Any = self.convolutions[0]
        first.lin = _reading_sparse_input(first.lin)

    @property
    def out_channels(self) -> int:
        """The width of the embeddings."""
        return self._out_channels

    def reset_parameters(self) -> None:
        """Draws all parameters anew and forgets running statistics."""
        for modules in (self.convolutions, self.skips or (), self.norms, self.acts):
            for module in modules:
                reset = getattr(module, "reset_parameters", None)
                if reset is not None:
                    reset()

    def run(self, x: Tensor, convolve: Callable[[Any, Tensor], Tensor]) -> Tensor:
        """Sends features through the layers.

        Args:
            x: Features of shape (num_nodes, in_channels), dense or sparse COO.
            convolve: Calls a convolution of this stack on its input.

        Returns:
            Embeddings of shape (num_nodes, out_channels).
        """
        h = x
        for number, convolution in enumerate(self.convolutions):
            if number > 0:
                h = self.dropout(h)
            out = convolve(convolution, h)
            if self.skips is not None:
                out = out + self.skips[number](h)
            h = self.acts[number](self.norms[number](out))
        return h


def layer_widths(in_channels: int, hidden: int, out: int, num_layers: int) -> list[tuple[int, int]]:
    """Returns the widths of the input and output of every layer, given those of the hidden and the last layer."""
    widths = [in_channels, *[hidden] * (num_layers - 1), out]
    return list(pairwise(widths))


def _reading_sparse_input(linear: Any) -> SparseInputLinear:
    return SparseInputLinear(
        linear.in_channels, linear.out_channels, bias=linear.bias is not None, weight_initializer="glorot"
    )


class _Dense(nn.Identity):
    """The identity, which makes sparse input dense."""

    def forward(self, x: Tensor) -> Tensor:
        return x.to_dense()


def _skip(width_in: int, width_out: int) -> nn.Module:
    # Without a bias: the convolution has one.
    if width_in == width_out:
        return _Dense()
    return SparseInputLinear(width_in, width_out, bias=False, weight_initializer="glorot")


def _check(parameter: str, value: str, known: dict[str, Any]) -> None:
    if value not in known:
        raise ValueError(f"{parameter} is {value!r}; it must be one of {', '.join(known)}.")
