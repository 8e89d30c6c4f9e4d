"""The encoder of S3GC: neighbours, a diffusion, and a trained vector for each node."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch_geometric.nn.inits import reset

from eco_contrastive.diffusion import Diffusion, PropagatedGraph, diffusion_weights
from eco_core.errors import DataError, Problem
from eco_core.ops.normalize_rows import normalize_rows
from eco_core.parts import checked

Scale = Literal["small", "medium", "large"]

_MEDIUM, _LARGE = 50_000, 3_000_000  # Numbers of nodes from which ``auto`` chooses these scales.
_LARGE_RANK_SHARE = 8  # The rank of a large table is its width divided by this: it takes an eighth of the memory.


@checked
class S3GCEncoder(nn.Module):
    r"""The encoder of S3GC (Devvrit et al., NeurIPS 2022).

    .. math::
        Z = f(\tilde A X) + g(S_k X) + I, \qquad S_k = \sum_{i=0}^{k} \theta_i \tilde A^i

    and then each row is divided by its length. :math:`\tilde A` is the symmetrically normalised adjacency with
    self-loops, :math:`\theta` the weights of a diffusion, f and g are two networks, and I is a table with a trained
    vector for each node. The products with :math:`\tilde A` are made once for each graph, not in each step. A graph
    with other features or edges, such as an augmented view or a mini-batch, is propagated anew by its own edges.

    The values of ``scale``:

    - ``small``: f and g are linear.
    - ``medium``: f and g are networks of two layers with a PReLU between them.
    - ``large``: as ``medium``, with a table of low rank, which takes an eighth of the memory, gradients and state of
      the optimiser included. This is not published: other implementations keep a whole table, and each step changes
      only the rows of its mini-batch. Here each step encodes the whole graph, so this would save nothing.

    Features move along edges from sources to targets, multiplied by the edge weights if there are any. The table
    belongs to the graph that it was trained on: other graphs must have the same number of nodes, or be mini-batches of
    it.

    Args:
        in_channels: Width of the features.
        num_nodes: Number of nodes.
        hidden_channels: Width of hidden layers and of the embeddings.
        scale: ``small``, ``medium`` or ``large``; ``auto``: medium from 50,000 nodes, large from 3,000,000.
        diffusion: ``ppr``, personalised PageRank: :math:`\theta_i = \alpha (1 - \alpha)^i`; or ``heat``:
            :math:`\theta_i = e^{-t} t^i / i!`.
        k_hop: The number of hops k of the diffusion.
        alpha: Probability that PageRank's walk goes back to its start.
        heat_t: The time t of the heat kernel.
        normalize: Whether embeddings have unit length, as published. Otherwise the table's vectors are long at first,
            and they alone can lower a loss of inner products.
        table_rank: Rank of the table, which is then a product of (num_nodes, table_rank) and (table_rank,
            hidden_channels). None: not limited, but with ``large`` an eighth of ``hidden_channels``.

    Attributes:
        scale: The scale chosen.
        table: Shape (num_nodes, hidden_channels), from N(0, 1) at first; or (num_nodes, table_rank).
        basis: Shape (table_rank, hidden_channels); None where the rank is not limited.
    """

    learns = True
    supports_sparse_x = True
    directed = True
    uses_weights = True
    prepared_for_batches = False

    def __init__(
        self,
        in_channels: int,
        num_nodes: int,
        hidden_channels: Annotated[int, Field(ge=1)] = 256,
        scale: Literal["auto", "small", "medium", "large"] = "auto",
        diffusion: Diffusion = "ppr",
        k_hop: Annotated[int, Field(ge=0)] = 3,
        alpha: Annotated[float, Field(gt=0, le=1)] = 0.2,
        heat_t: Annotated[float, Field(gt=0)] = 5.0,
        normalize: bool = True,
        table_rank: Annotated[int, Field(ge=1)] | None = None,
    ) -> None:
        super().__init__()
        self.num_nodes = num_nodes
        self.scale: Scale = _scale_of(num_nodes) if scale == "auto" else scale
        self.weights = diffusion_weights(diffusion, k_hop, alpha, heat_t)
        self.normalize = normalize
        if table_rank is None and self.scale == "large":
            table_rank = max(1, hidden_channels // _LARGE_RANK_SHARE)
        self.near, self.far = (_Branch(in_channels, hidden_channels, self.scale) for _ in range(2))
        self.table = nn.Parameter(torch.empty(num_nodes, hidden_channels if table_rank is None else table_rank))
        self.basis = None if table_rank is None else nn.Parameter(torch.empty(table_rank, hidden_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws all parameters anew: biases are 0, and the table's vectors have entries of variance 1."""
        self.near.reset_parameters()
        self.far.reset_parameters()
        nn.init.normal_(self.table)
        if self.basis is not None:
            nn.init.normal_(self.basis, std=self.basis.size(0) ** -0.5)

    def prepare(self, graph: Any) -> dict[str, PropagatedGraph]:
        """Propagates the features of a graph, once: the value of ``propagated`` in `forward`."""
        return {"propagated": PropagatedGraph(graph, self.weights)}

    def forward(self, graph: Any, propagated: PropagatedGraph | None = None) -> Tensor:
        """Encodes a graph.

        Args:
            graph: The whole graph, a view of it, or a mini-batch of it with ``n_id``: its nodes' numbers in the whole
                graph. Its features ``x`` are dense or sparse COO, of shape (graph.num_nodes, in_channels).
            propagated: From `prepare`. It is used only for the graph that it was made of.

        Returns:
            Embeddings of shape (graph.num_nodes, hidden_channels).

        Raises:
            DataError: ECO303, if the graph does not have the nodes that the table was made for.
        """
        rows = self._rows(graph)
        if propagated is None or not propagated.is_of(graph):
            propagated = PropagatedGraph(graph, self.weights)
        near, far = propagated.first_layers(self.near.first, self.far.first)
        z = self.near.rest(near) + self.far.rest(far) + rows
        return normalize_rows(z) if self.normalize else z

    def _rows(self, graph: Any) -> Tensor:
        """The trained vectors of a graph's nodes, of shape (graph.num_nodes, hidden_channels)."""
        n_id = getattr(graph, "n_id", None)
        if n_id is None and graph.x.size(0) != self.num_nodes:
            raise DataError(
                Problem(
                    "ECO303",
                    f"This encoder has a vector for each of {self.num_nodes} nodes, and the graph has "
                    f"{graph.x.size(0)}: it cannot embed nodes that it was not trained on.",
                    "Train on the graph itself, or use an encoder of features alone, such as 'gcn'.",
                )
            )
        rows = self.table if n_id is None else F.embedding(n_id, self.table)
        return rows if self.basis is None else rows @ self.basis

    def extra_repr(self) -> str:
        """Returns the size of the table and the scale."""
        return f"{self.num_nodes}, {self.near.first.out_features}, scale={self.scale}, k_hop={len(self.weights) - 1}"


def _scale_of(num_nodes: int) -> Scale:
    if num_nodes < _MEDIUM:
        return "small"
    return "medium" if num_nodes < _LARGE else "large"


class _Branch(nn.Module):
    """One of the two networks. `PropagatedGraph.first_layers` calls ``first``; ``rest`` holds the other layers."""

    def __init__(self, in_channels: int, width: int, scale: Scale) -> None:
        super().__init__()
        self.first = nn.Linear(in_channels, width)
        self.rest = nn.Sequential(*([] if scale == "small" else [nn.PReLU(width), nn.Linear(width, width)]))

    def reset_parameters(self) -> None:
        for layer in (self.first, *self.rest):
            reset(layer)
            if isinstance(layer, nn.Linear):
                nn.init.zeros_(layer.bias)
