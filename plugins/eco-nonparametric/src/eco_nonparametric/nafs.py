"""Node-adaptive feature smoothing: each node is smoothed as far as it is from over-smoothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cosine_similarity

from eco_core.bases import BaseModel
from eco_core.ops.propagation import normalized_adjacency, propagate

Exponent = Annotated[float, Field(ge=0, le=1)]


class NAFS(BaseModel):
    r"""Node-adaptive feature smoothing (Zhang et al., ICML 2022, arXiv 2206.08583).

    For each exponent *r*, with :math:`\hat A_r = \tilde D^{r-1} \tilde A \tilde D^{-r}` and
    :math:`\tilde A = A + I`, features are smoothed 0 to *K* times, :math:`X^{(k)} = \hat A_r^k X`, and added up with
    weights of each node's own,

    .. math:: \hat X_i = \sum_{k=0}^{K} w_i(k) X^{(k)}_i, \qquad
              w_i(k) = \frac{\exp D_i(k)}{\sum_{l=0}^{K} \exp D_i(l)}, \qquad
              D_i(k) = \operatorname{dist}\left(X^{(k)}_i, X^{(\infty)}_i\right).

    :math:`X^{(\infty)}` is what endless smoothing leads to, where all nodes of a connected component look alike: in a
    component *C*, :math:`X^{(\infty)}_i = d_i^r \sum_{j \in C} d_j^{1-r} X_j / \sum_{j \in C} d_j`. The closer a node
    is to it after *k* steps, the less that step counts. The embedding joins :math:`\hat X` of all exponents.

    It has no parameters to train, and keeps no cache. The graph is taken as undirected: the weights of an edge's two
    directions are averaged.

    Args:
        K: Steps of smoothing at most.
        r_list: Exponents.
        ensemble: How the exponents are joined: ``concat``, ``mean`` or ``max``.
        distance: ``cosine`` (1 minus the cosine) or ``euclidean``.

    Raises:
        ValueError: If ``r_list`` is empty, or ``ensemble`` or ``distance`` is unknown.
    """

    learns = False

    def __init__(
        self,
        K: Annotated[int, Field(ge=0)] = 20,
        r_list: Annotated[Sequence[Exponent], Field(min_length=1)] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
        ensemble: Literal["concat", "mean", "max"] = "concat",
        distance: Literal["cosine", "euclidean"] = "cosine",
    ) -> None:
        super().__init__()
        if len(r_list) == 0:
            raise ValueError("r_list is empty; give one exponent at least, such as 0.5.")
        if ensemble not in ("concat", "mean", "max"):
            raise ValueError(f"ensemble is {ensemble!r}; expected 'concat', 'mean' or 'max'.")
        if distance not in ("cosine", "euclidean"):
            raise ValueError(f"distance is {distance!r}; expected 'cosine' or 'euclidean'.")
        self.K = K
        self.r_list = tuple(r_list)
        self.ensemble = ensemble
        self.distance = distance

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        """Smooths features.

        Args:
            x: Features of shape (num_nodes, in_channels), dense or sparse COO.
            edge_index: Edges of shape (2, num_edges), dtype int64.
            edge_weight: Weights of shape (num_edges,), not negative; None: all 1.

        Returns:
            Embeddings, dense, of shape (num_nodes, in_channels); for ``concat`` of shape
            (num_nodes, len(r_list) * in_channels).
        """
        if edge_weight is None:
            edge_weight = torch.ones(edge_index.size(1), device=edge_index.device)
        both = torch.cat([edge_index, edge_index.flip(0)], dim=1)
        halves = edge_weight.reshape(-1).repeat(2) / 2
        x = x.to_dense() if x.layout is not torch.strided else x
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        component = _components(both[:, halves > 0], x.size(0))
        smoothed = [self._smooth(x, both, halves, component, r) for r in self.r_list]
        if self.ensemble == "concat":
            return torch.cat(smoothed, dim=1)
        stacked = torch.stack(smoothed)
        return stacked.mean(dim=0) if self.ensemble == "mean" else stacked.amax(dim=0)

    def _smooth(self, x: Tensor, edge_index: Tensor, weight: Tensor, component: Tensor, r: float) -> Tensor:
        """Returns the features smoothed with one exponent: (num_nodes, in_channels)."""
        adjacency = normalized_adjacency(edge_index, weight, num_nodes=x.size(0), r=r, dtype=x.dtype)
        degree = _degrees(edge_index, weight, x)
        limit = _stationary(x, degree, component, r)
        # A softmax over the steps that is updated step by step: keeping all K + 1 feature matrices would take too much.
        total, norm = torch.zeros_like(x), x.new_zeros(x.size(0), 1)
        highest = x.new_full((x.size(0), 1), -torch.inf)
        step = x
        for k in range(self.K + 1):
            step = propagate(adjacency, step) if k else step
            distance = self._distance(step, limit).unsqueeze(1)
            top = torch.maximum(highest, distance)
            before, now = (highest - top).exp(), (distance - top).exp()
            total, norm, highest = before * total + now * step, before * norm + now, top
        return total / norm

    def _distance(self, z: Tensor, other: Tensor) -> Tensor:
        if self.distance == "cosine":
            return 1 - cosine_similarity(z, other, dim=1)
        return (z - other).norm(dim=1)

    def extra_repr(self) -> str:
        """The parameters, for ``repr``."""
        return f"K={self.K}, r_list={self.r_list}, ensemble={self.ensemble!r}, distance={self.distance!r}"


def _components(edge_index: Tensor, num_nodes: int) -> Tensor:
    """Returns the number of each node's connected component: (num_nodes,), int64."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    row, column = edge_index.cpu().numpy()
    graph = coo_matrix((torch.ones(len(row)).numpy(), (row, column)), shape=(num_nodes, num_nodes))
    labels = connected_components(graph, directed=False)[1]
    return torch.from_numpy(labels).to(edge_index.device, torch.int64)


def _degrees(edge_index: Tensor, weight: Tensor, like: Tensor) -> Tensor:
    """Returns degrees, with a self-loop of weight 1 where there is none: (num_nodes,)."""
    source, target = edge_index
    degree = like.new_zeros(like.size(0)).index_add_(0, target, weight.to(like.dtype))
    alone = torch.ones_like(degree, dtype=torch.bool)
    alone[source[source == target]] = False
    return degree + alone


def _stationary(x: Tensor, degree: Tensor, component: Tensor, r: float) -> Tensor:
    """Returns what the features become when they are smoothed without end: (num_nodes, in_channels)."""
    count = int(component.max()) + 1
    mass = degree.new_zeros(count).index_add_(0, component, degree)
    pooled = x.new_zeros(count, x.size(1)).index_add_(0, component, degree.pow(1 - r).unsqueeze(1) * x)
    return degree.pow(r).unsqueeze(1) * (pooled / mass.unsqueeze(1))[component]
