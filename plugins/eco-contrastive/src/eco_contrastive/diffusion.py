"""Features spread over a graph: over the neighbours of each node, and over several hops with falling weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from eco_core.ops.origin import Origin
from eco_core.ops.propagation import normalized_adjacency
from eco_core.ops.sparse_factor import SparseFactor

Diffusion = Literal["ppr", "heat"]


def diffusion_weights(kind: Diffusion, k_hop: int, alpha: float = 0.2, heat_t: float = 5.0) -> tuple[float, ...]:
    r"""Returns the weights :math:`\theta_0, \dots, \theta_k` of a diffusion (Gasteiger et al., NeurIPS 2019).

    Args:
        kind: ``ppr``, personalised PageRank: :math:`\theta_i = \alpha (1 - \alpha)^i`; or ``heat``, the heat kernel:
            :math:`\theta_i = e^{-t} t^i / i!`.
        k_hop: The last hop k, at least 0. Later hops are left out, so the weights add up to less than 1.
        alpha: Probability that PageRank's walk goes back to its start.
        heat_t: The time t of the heat kernel, above 0.
    """
    if kind == "ppr":
        return tuple(alpha * (1 - alpha) ** hop for hop in range(k_hop + 1))
    return tuple(math.exp(hop * math.log(heat_t) - heat_t - math.lgamma(hop + 1)) for hop in range(k_hop + 1))


def diffuse(adjacency: SparseFactor, x: Tensor, weights: Sequence[float]) -> Tensor:
    r"""Returns :math:`\sum_i \theta_i \tilde A^i X`, by one product for each hop.

    Args:
        adjacency: Matrix of shape (num_nodes, num_nodes).
        x: Dense features of shape (num_nodes, width). Gradients flow to them.
        weights: :math:`\theta_0, \dots, \theta_k`.
    """
    # Horner's scheme keeps only the features and the sum, no power of the matrix.
    total = weights[-1] * x
    for weight in reversed(weights[:-1]):
        total = (adjacency @ total).add(x, alpha=weight)
    return total


class PropagatedGraph:
    r"""The propagated features of a graph: :math:`\tilde A X` and :math:`S_k X = \sum_i \theta_i \tilde A^i X`.

    :math:`\tilde A` is the symmetrically normalised adjacency with self-loops; see
    `eco_core.ops.propagation.normalized_adjacency`. Dense features are propagated once, here. Sparse features would
    become dense: they are kept as they are, and `first_layers` propagates the outputs of its linear maps instead, which
    gives the same result.

    Args:
        graph: Has ``x`` of shape (num_nodes, in_channels), dense or sparse COO, ``edge_index`` of shape (2, num_edges)
            and perhaps ``edge_weight`` of shape (num_edges,), not negative. Features move from sources to targets.
        weights: :math:`\theta_0, \dots, \theta_k`.
    """

    def __init__(self, graph: Any, weights: Sequence[float]) -> None:
        x, edge_index, edge_weight = _tensors_of(graph)
        self._origin = Origin(x, edge_index, edge_weight)
        self._weights = weights
        dtype = torch.promote_types(x.dtype, torch.float32)
        adjacency = SparseFactor.of(normalized_adjacency(edge_index, edge_weight, num_nodes=x.size(0), dtype=dtype))
        self._dense: tuple[Tensor, Tensor] | None = None
        if x.layout is torch.strided:
            self._dense = adjacency @ x, diffuse(adjacency, x.to(dtype), weights)
        else:
            self._adjacency, self._sparse_x = adjacency, SparseFactor.of(x.to(dtype))

    def is_of(self, graph: Any) -> bool:
        """Whether this object was made of the graph's very tensors (features, edges, weights), unchanged since."""
        return self._origin.is_of(*_tensors_of(graph))

    def first_layers(self, near: nn.Linear, far: nn.Linear) -> tuple[Tensor, Tensor]:
        r"""Returns :math:`\tilde A X W_1^T + b_1` and :math:`S_k X W_2^T + b_2`, each of shape (num_nodes, width).

        Args:
            near: The linear map of the neighbours.
            far: The linear map of the diffusion.
        """
        if self._dense is not None:
            return near(self._dense[0]), far(self._dense[1])
        of_near, of_far = (self._sparse_x @ layer.weight.t() for layer in (near, far))
        return self._adjacency @ of_near + near.bias, diffuse(self._adjacency, of_far, self._weights) + far.bias


def _tensors_of(graph: Any) -> tuple[Tensor, Tensor, Tensor | None]:
    return graph.x, graph.edge_index, getattr(graph, "edge_weight", None)
