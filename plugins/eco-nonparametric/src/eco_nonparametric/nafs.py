"""Node-adaptive feature smoothing: each node weighs the smoothing steps by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from eco_core import BaseModel
from eco_core.ops.propagation import column_panels, normalized_adjacency
from eco_core.ops.sparse_factor import SparseFactor
from eco_core.parts import checked
from eco_nonparametric.svd import leading_components

Exponent = Annotated[float, Field(ge=0, le=1)]


@checked
class NAFS(BaseModel):
    r"""Node-adaptive feature smoothing (Zhang et al., ICML 2022, arXiv 2206.08583).

    For each exponent *r*, with :math:`\hat A_r = \tilde D^{r-1} \tilde A \tilde D^{-r}` and :math:`\tilde A = A + I`,
    features are smoothed 0 to *K* times, :math:`X^{(k)} = \hat A_r^k X`, and added up with weights that each node has
    of its own,

    .. math:: \hat X_i = \sum_{k=0}^{K} w_i(k) X^{(k)}_i, \qquad
              w_i(k) = \frac{\exp D_i(k)}{\sum_{l=0}^{K} \exp D_i(l)}, \qquad
              D_i(k) = \operatorname{dist}\left(X^{(k)}_i, X^{(\infty)}_i\right).

    :math:`X^{(\infty)}` is the limit of smoothing, where all nodes of a connected component look alike: in a component
    *C*, :math:`X^{(\infty)}_i = d_i^r \sum_{j \in C} d_j^{1-r} X_j / \sum_{j \in C} d_j`. The closer a node is to this
    limit after *k* steps, the less that step counts. The embedding joins :math:`\hat X` of all exponents.

    It has no parameters to train, and keeps no cache; a few columns of the features are smoothed at a time, so that
    little beside the result is stored. The graph is taken as undirected: the weights of an edge's two
    directions are averaged.

    Args:
        K: Largest number of smoothing steps.
        r_list: Exponents.
        ensemble: How the exponents are joined: ``concat``, ``mean`` or ``max``.
        distance: ``cosine`` (1 minus the cosine) or ``euclidean``.
        n_components: Number of components to which features are reduced first, by a truncated singular value
            decomposition: for wide features, which ``concat`` makes still wider. None: features are not reduced.

    Raises:
        ValueError: If a parameter is out of range, or ``r_list`` is empty.
    """

    learns = False
    supports_sparse_x = True

    def __init__(
        self,
        K: Annotated[int, Field(ge=0)] = 20,
        r_list: Annotated[Sequence[Exponent], Field(min_length=1)] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
        ensemble: Literal["concat", "mean", "max"] = "concat",
        distance: Literal["cosine", "euclidean"] = "cosine",
        n_components: Annotated[int, Field(ge=1)] | None = None,
    ) -> None:
        super().__init__()
        self.K = K
        self.r_list = tuple(r_list)
        self.ensemble = ensemble
        self.distance = distance
        self.n_components = n_components
        self.inductive = n_components is None  # The components are those of one graph.

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        """Smooths features.

        Args:
            x: Features of shape (num_nodes, in_channels), dense or sparse COO.
            edge_index: Edges of shape (2, num_edges), dtype int64.
            edge_weight: Weights of shape (num_edges,), not negative; None: all 1.

        Returns:
            Embeddings, dense, of shape (num_nodes, in_channels); for ``concat`` of shape
            (num_nodes, len(r_list) * in_channels). ``n_components``, if given, replaces in_channels.
        """
        if edge_weight is None:
            edge_weight = torch.ones(edge_index.size(1), device=edge_index.device)
        both = torch.cat([edge_index, edge_index.flip(0)], dim=1)
        halves = edge_weight.reshape(-1).repeat(2) / 2
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        if self.n_components is not None:
            x = leading_components(x, self.n_components)
        component = _components(both[:, halves > 0], x.size(0))
        copies = len(self.r_list) if self.ensemble == "concat" else 1
        out = torch.empty(x.size(0), copies, x.size(1), dtype=x.dtype, device=x.device)
        for number, r in enumerate(self.r_list):
            for columns, smoothed in self._smooth(x, both, halves, component, r):
                if self.ensemble == "concat":
                    out[:, number, columns] = smoothed
                elif number == 0:
                    out[:, 0, columns] = smoothed
                elif self.ensemble == "mean":
                    out[:, 0, columns] += smoothed
                else:
                    out[:, 0, columns] = torch.maximum(out[:, 0, columns], smoothed)
        if self.ensemble == "mean":
            out /= len(self.r_list)
        return out.flatten(1)

    def _smooth(
        self, x: Tensor, edge_index: Tensor, weight: Tensor, component: Tensor, r: float
    ) -> Iterator[tuple[slice, Tensor]]:
        """Yields the features smoothed with one exponent, a few columns at a time: (num_nodes, number of columns).

        The weights of the steps depend on all columns: the first pass finds them, the second smooths again.
        """
        num_nodes = x.size(0)
        adjacency = SparseFactor.of(normalized_adjacency(edge_index, weight, num_nodes=num_nodes, r=r, dtype=x.dtype))
        degree = _degrees(edge_index, weight, x)
        shares = _Distances(num_nodes, self.K, self.distance, x)
        for _, step in column_panels(x):
            limit = _stationary(step, degree, component, r)
            for k in range(self.K + 1):
                step = adjacency @ step if k else step
                shares.add(k, step, limit)
        weights = shares.total().softmax(dim=1)
        for columns, step in column_panels(x):
            total = weights[:, :1] * step
            for k in range(1, self.K + 1):
                step = adjacency @ step
                total = total.addcmul_(weights[:, k : k + 1], step)
            yield columns, total

    def extra_repr(self) -> str:
        """The parameters, for ``repr``."""
        return (
            f"K={self.K}, r_list={self.r_list}, ensemble={self.ensemble!r}, distance={self.distance!r}, "
            f"n_components={self.n_components}"
        )


class _Distances:
    """How far each step is from the limit, added up over panels of columns."""

    def __init__(self, num_nodes: int, steps: int, distance: str, like: Tensor) -> None:
        self.distance = distance
        self.products, self.squares = (
            torch.zeros(num_nodes, steps + 1, dtype=like.dtype, device=like.device) for _ in range(2)
        )
        self.limit_squares = torch.zeros(num_nodes, dtype=like.dtype, device=like.device)

    def add(self, k: int, step: Tensor, limit: Tensor) -> None:
        """Adds some columns of step k and of the limit."""
        if self.distance == "euclidean":
            self.squares[:, k] += (step - limit).square_().sum(dim=1)
            return
        self.products[:, k] += (step * limit).sum(dim=1)
        self.squares[:, k] += step.square().sum(dim=1)
        if k == 0:
            self.limit_squares += limit.square().sum(dim=1)

    def total(self) -> Tensor:
        """The distances of all columns, of shape (num_nodes, steps + 1)."""
        if self.distance == "euclidean":
            return self.squares.sqrt()
        lengths = (self.squares * self.limit_squares.unsqueeze(1)).sqrt()
        return 1 - self.products / lengths.clamp(min=1e-8)  # As torch's cosine similarity: 0 for rows of zeros.


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
    degree = torch.zeros(like.size(0), dtype=like.dtype, device=like.device).index_add_(
        0, target, weight.to(like.dtype)
    )
    alone = torch.ones_like(degree, dtype=torch.bool)
    alone[source[source == target]] = False
    return degree + alone


def _stationary(x: Tensor, degree: Tensor, component: Tensor, r: float) -> Tensor:
    """Returns the limit of the features under smoothing: (num_nodes, in_channels)."""
    count = int(component.max()) + 1
    mass = degree.new_zeros(count).index_add_(0, component, degree)
    pooled = x.new_zeros(count, x.size(1)).index_add_(0, component, degree.pow(1 - r).unsqueeze(1) * x)
    return degree.pow(r).unsqueeze(1) * (pooled / mass.unsqueeze(1))[component]
