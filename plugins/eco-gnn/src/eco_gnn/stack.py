"""The stack of layers that most encoders of this package are: what happens around the convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor, nn
from torch_geometric.nn import BatchNorm, GraphNorm, JumpingKnowledge, LayerNorm, Linear, PairNorm

from eco_core.ops.pointwise import Dropout, PReLU
from eco_core.ops.sample import SampledEdges
from eco_core.ops.sparse_factor import SparseFactor
from eco_gnn.encoder import GraphEncoder
from eco_gnn.prepared import Prepared
from eco_gnn.sparse import SparseInputLinear, layer_matrices, leading_rows

Count = Annotated[int, Field(ge=1)]
"""A width, or a number of layers or heads."""

Probability = Annotated[float, Field(ge=0, lt=1)]
"""The share of entries that dropout sets to zero."""

Activation = Literal["relu", "elu", "prelu", "leaky_relu", "tanh", "gelu", "selu", "none"]
Norm = Literal["none", "batch", "layer", "graph", "pair"]
Jumping = Literal["last", "cat", "max", "lstm"]

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    # In place where their gradient is known from the result: nobody else has what they are given.
    "relu": partial(nn.ReLU, inplace=True),
    "elu": partial(nn.ELU, inplace=True),
    "prelu": PReLU,
    "leaky_relu": partial(nn.LeakyReLU, inplace=True),
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "selu": partial(nn.SELU, inplace=True),
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

_JUMPS: dict[str, Callable[[int, int], nn.Module]] = {
    "last": lambda width, layers: _Last(),  # noqa: ARG005
    "cat": lambda width, layers: JumpingKnowledge("cat"),  # noqa: ARG005
    "max": lambda width, layers: JumpingKnowledge("max"),  # noqa: ARG005
    "lstm": lambda width, layers: JumpingKnowledge("lstm", width, layers),
}


class ConvolutionStack(GraphEncoder):
    """Layers, one after the other.

    Every layer computes, for its input H::

        convolution(H)  ->  + H (residual)  ->  normalisation  ->  activation

    and ``act_first`` swaps the last two. ``pre_linear`` puts a linear layer, with nothing after it, before the first
    convolution. ``jk`` (jumping knowledge, Xu et al., ICML 2018, arXiv 1806.03536) joins the outputs of all
    convolutions and puts a linear layer after them. Whatever is last, a convolution or that linear layer, is
    normalised and activated only with ``act_last``.

    Dropout is applied between layers, these linear ones included: to the input of every layer but the first. So it
    changes nothing in a stack of one layer; the features themselves are never dropped (dropping features is an
    augmentation, which objectives own).

    Args:
        convolutions: The layers. Those linear maps of the first that are its direct children read sparse features.
        widths: For each convolution the widths of its input and its output, from `layer_widths`.
        in_channels: Width of the features.
        out_channels: Width of the embeddings.
        dropout: Probability that an entry is dropped between two layers.
        act: Activation.
        act_first: Whether the activation comes before the normalisation.
        act_last: Whether the last layer is normalised and activated.
        norm: Normalisation: ``batch`` (over the nodes), ``layer`` (within each node), ``graph`` (GraphNorm), ``pair``
            (PairNorm) or ``none``.
        residual: Whether a convolution's input is added to its output, through a linear map where their widths differ.
        pre_linear: Whether a linear layer comes before the first convolution.
        jk: How the outputs of the convolutions are joined before a last linear layer: ``last`` (the last of them),
            ``cat`` (side by side), ``max`` (entry by entry) or ``lstm`` (their sum, weighted for each node by a
            bidirectional LSTM). None: the last convolution's output is the embedding.
    """

    def __init__(
        self,
        convolutions: Sequence[nn.Module],
        widths: Sequence[tuple[int, int]],
        *,
        in_channels: int,
        out_channels: int,
        dropout: float,
        act: Activation,
        act_first: bool,
        act_last: bool,
        norm: Norm,
        residual: bool,
        pre_linear: bool,
        jk: Jumping | None,
    ) -> None:
        super().__init__(out_channels)

        def finish(width: int, wanted: bool) -> nn.Sequential:
            steps = [make_norm(norm, width), make_act(act)] if wanted else []
            return nn.Sequential(*reversed(steps) if act_first else steps)

        last = len(widths) - 1
        self.convolutions = nn.ModuleList(convolutions)
        self.skips = nn.ModuleList(_skip(*pair) for pair in widths) if residual else None
        self.finishes = nn.ModuleList(
            finish(width, number < last or act_last or jk is not None) for number, (_, width) in enumerate(widths)
        )
        self.pre_linear = SparseInputLinear(in_channels, widths[0][0]) if pre_linear else None
        self.jump = None
        if jk is not None:
            width = widths[last][1]
            self.jump = _JUMPS[jk](width, len(widths))
            self.lin = Linear(width * len(widths) if jk == "cat" else width, out_channels)
            self.finish = finish(out_channels, act_last)
        self.dropout = Dropout(dropout)
        _read_sparse_input(self.convolutions[0])

    @property
    def num_layers(self) -> int:
        """The number of convolutions: how many hops away what an embedding depends on can be."""
        return len(self.convolutions)

    def run(self, x: Tensor | SparseFactor, convolve: Callable[[Any, Any, int], Tensor]) -> Tensor:
        """Sends features through the layers.

        Args:
            x: Features of shape (num_nodes, in_channels), dense or a sparse factor.
            convolve: Calls a convolution of this stack on its input, given its number. Where its output has fewer rows
                than its input, these are those of the first nodes.

        Returns:
            Embeddings of shape (num_rows, out_channels): of all nodes, or of the rows of the last convolution's output.
        """
        h: Any = x if self.pre_linear is None else self.dropout(self.pre_linear(x))
        outputs: list[Tensor] = []
        for number, convolution in enumerate(self.convolutions):
            if number > 0:
                h = self.dropout(h)
            out = convolve(convolution, h, number)
            if self.skips is not None:
                out = out + self.skips[number](leading_rows(h, out.size(0)))
            h = self.finishes[number](out)
            del out
            if self.jump is not None:  # Else it would keep the tensors of all layers.
                outputs.append(h)
        if self.jump is None:
            return h
        return self.finish(self.lin(self.dropout(self.jump([leading_rows(output, h.size(0)) for output in outputs]))))


class PropagationStack(ConvolutionStack):
    """Layers that multiply by one sparse matrix, made of the edges by ``make_adjacency``."""

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_weight: Tensor | None = None,
        prepared: Prepared | None = None,
        sampled: SampledEdges | None = None,
        num_seeds: int | None = None,
    ) -> Tensor:
        """Encodes a graph.

        Args:
            x: Features of shape (num_nodes, in_channels), dense or sparse COO.
            edge_index: Edges of shape (2, num_edges), dtype int64.
            edge_weight: Weights of shape (num_edges,), not negative; None: all 1.
            prepared: From `prepare`.
            sampled: What the edges of a batch stand for.
            num_seeds: Of how many nodes, the first ones, embeddings are wanted; None: all. Only what these need is
                computed.

        Returns:
            Embeddings of shape (num_nodes, out_channels), or (num_seeds, out_channels).
        """
        adjacency = self.read_adjacency(x, edge_index, edge_weight, prepared, sampled)
        matrices = layer_matrices(adjacency, self.num_layers, num_seeds)

        def convolve(convolution: Any, h: Any, number: int) -> Tensor:
            matrix = matrices[number]
            # The first layer's input may have more rows than it reads.
            return convolution(leading_rows(h, matrix.size[1]) if isinstance(matrix, SparseFactor) else h, matrix)

        z = self.run(self.read_features(x, prepared), convolve)
        return z if num_seeds is None or len(z) == num_seeds else z[:num_seeds]


def layer_widths(
    in_channels: int, hidden: int, out: int, num_layers: int, *, pre_linear: bool, jk: Jumping | None
) -> list[tuple[int, int]]:
    """Returns the widths of the input and output of every convolution.

    Args:
        in_channels: Width of the features.
        hidden: Width of the hidden layers. With ``pre_linear`` that of the first convolution's input as well, and with
            ``jk`` that of the last one's output.
        out: Width of the embeddings.
        num_layers: Number of convolutions.
        pre_linear: Whether a linear layer comes before the convolutions.
        jk: How a linear layer after the convolutions joins them; None: there is none.
    """
    first, last = hidden if pre_linear else in_channels, out if jk is None else hidden
    return list(pairwise([first, *[hidden] * (num_layers - 1), last]))


def make_act(act: Activation) -> nn.Module:
    """Returns an activation by its name."""
    return _ACTIVATIONS[act]()


def make_norm(norm: Norm, width: int) -> nn.Module:
    """Returns a normalisation by its name."""
    return _NORMS[norm](width)


class _Last(nn.Module):
    """The last of several outputs."""

    def forward(self, outputs: list[Tensor]) -> Tensor:
        return outputs[-1]


class _Dense(nn.Identity):
    """The identity, which makes sparse input dense."""

    def forward(self, x: Tensor | SparseFactor) -> Tensor:
        return x.to_dense()


def _skip(width_in: int, width_out: int) -> nn.Module:
    # Without a bias: the convolution has one.
    if width_in == width_out:
        return _Dense()
    return SparseInputLinear(width_in, width_out, bias=False, weight_initializer="glorot")


def _read_sparse_input(convolution: nn.Module) -> None:
    """Replaces the linear maps of a PyG convolution by ones that also take sparse input."""
    made: dict[nn.Module, SparseInputLinear] = {}
    # With duplicates: GATv2 may use one map under two names, and must do so afterwards.
    for name, module in list(convolution.named_modules(remove_duplicate=False)):
        if type(module) is Linear and "." not in name:
            if module not in made:
                made[module] = SparseInputLinear.like(module)
            setattr(convolution, name, made[module])
