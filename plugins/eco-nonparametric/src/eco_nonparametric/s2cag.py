"""Spectral subspace clustering for attributed graphs: the embeddings before rounding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from eco_core import BaseModel
from eco_core.ops.propagation import column_panels, normalized_adjacency, propagate
from eco_core.parts import checked
from eco_nonparametric.features import affinity_normalized, inverse_root, unit_rows
from eco_nonparametric.svd import Operator, left_singular_vectors

Steps = Annotated[int, Field(ge=0)]
Decay = Annotated[float, Field(gt=0)]
Iterations = Annotated[int, Field(ge=1)]


@checked
class S2CAG(BaseModel):
    r"""S²CAG (Lin et al., KDD 2025, arXiv 2411.11074): subspace clustering that minimises conductance.

    The normalised smoothed representation is

    .. math:: Z = \sum_{t=0}^{T} \frac{(1 - \alpha) \alpha^t}{1 - \alpha^{T+1}} \hat P^t \hat X, \qquad
              \hat X_i = \frac{X_i}{\sqrt{\sum_j X_i X_j^\top}}, \qquad \hat P = \hat D^{-1} (A + I),

    where the rows of the features *X* have unit length, as in the authors' experiments. The embedding is the left
    singular vectors 2 to *k* + 1 of *Z*. (The first one is close to the square roots of the degrees of the affinity
    :math:`Z Z^\top`, and has no information about clusters.) The paper rounds the embedding by the method of ECO's head
    ``snem``.

    It has no parameters to train. Singular vectors are found in double precision, with a basis that is kept
    orthonormal. Features may be sparse; *Z* is stored only if it has at most four columns for each vector.

    Args:
        n_clusters: Number of clusters *k*.
        T: Steps of smoothing.
        alpha: Weight of each further step.
        tau: Largest number of iterations of the search for singular vectors; it ends earlier once they no longer move.
        oversampling: Additional vectors that are iterated.
        seed: Of the random vectors that the search starts from.
    """

    learns = False
    supports_sparse_x = True
    inductive = False  # Singular vectors have an entry for each node, and no axes that another graph shares.
    directed = True

    def __init__(
        self,
        n_clusters: int,
        T: Steps = 10,
        alpha: Decay = 0.9,
        tau: Iterations = 7,
        oversampling: Annotated[int, Field(ge=0)] = 10,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.n_clusters = n_clusters
        self.T = T
        self.alpha = alpha
        self.tau = tau
        self.oversampling = oversampling
        self.seed = seed

    @torch.no_grad()
    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        """Embeds nodes.

        Args:
            x: Features of shape (num_nodes, in_channels), not negative, dense or sparse COO.
            edge_index: Edges of shape (2, num_edges), dtype int64.
            edge_weight: Weights of shape (num_edges,), not negative; None: all 1.

        Returns:
            Embeddings of shape (num_nodes, n_clusters), in the dtype of the features and single precision at least.
            Columns beyond the rank of *Z* are zero.
        """
        dtype = torch.promote_types(x.dtype, torch.float32)
        with torch.autocast(device_type=x.device.type, enabled=False):
            x = affinity_normalized(unit_rows(x.double()))
            smooth, adjoint = _filters(edge_index, edge_weight, x, self.T, self.alpha)
            features = Operator.of(x)
            z = Operator(
                features.shape,
                x.device,
                lambda v: smooth(features.times(v)),
                lambda u: features.transposed_times(adjoint(u)),
            )
            vectors = left_singular_vectors(
                z, self.n_clusters + 1, iterations=self.tau, oversampling=self.oversampling, seed=self.seed
            )
        return vectors[:, 1:].to(dtype)

    def extra_repr(self) -> str:
        """The parameters, for ``repr``."""
        return (
            f"n_clusters={self.n_clusters}, T={self.T}, alpha={self.alpha}, tau={self.tau}, "
            f"oversampling={self.oversampling}, seed={self.seed}"
        )


@checked
class MS2CAG(BaseModel):
    r"""M-S²CAG (Lin et al., KDD 2025, arXiv 2411.11074): subspace clustering that maximises modularity.

    Let :math:`\hat Z` be the representation *Z* of `S2CAG` with rows of unit length, and :math:`\omega = \hat Z \hat
    Z^\top 1`. The embedding is the *k* leading eigenvectors of the modularity matrix

    .. math:: \hat Z \hat Z^\top - \gamma \frac{\omega \omega^\top}{\omega^\top 1}.

    It equals :math:`\hat Z (I - \gamma v v^\top) \hat Z^\top` with the unit vector *v* along :math:`\hat Z^\top 1`. For
    :math:`\gamma \le 1` its eigenvectors are therefore the left singular vectors of
    :math:`\hat Z (I - (1 - \sqrt{1 - \gamma}) v v^\top)`, which is how they are found.

    It has no parameters to train. Singular vectors are found in double precision, with a basis that is kept
    orthonormal. Dense features are smoothed once, in their own precision, and :math:`\hat Z` is stored. For sparse
    features, :math:`\hat Z` is stored only if it has at most four columns for each vector.

    Args:
        n_clusters: Number of clusters *k*.
        T: Steps of smoothing.
        alpha: Weight of each further step.
        gamma: Weight of the affinity that is expected by chance, from 0 to 1.
        tau: Largest number of iterations of the search for eigenvectors; it ends earlier once they no longer move.
        seed: Of the random vectors that the search starts from.
    """

    learns = False
    supports_sparse_x = True
    inductive = False  # Singular vectors have an entry for each node, and no axes that another graph shares.
    directed = True

    def __init__(
        self,
        n_clusters: int,
        T: Steps = 10,
        alpha: Decay = 0.9,
        gamma: Annotated[float, Field(ge=0, le=1)] = 0.9,
        tau: Iterations = 50,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.n_clusters = n_clusters
        self.T = T
        self.alpha = alpha
        self.gamma = gamma
        self.tau = tau
        self.seed = seed

    @torch.no_grad()
    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        """Embeds nodes.

        Args:
            x: Features of shape (num_nodes, in_channels), not negative, dense or sparse COO.
            edge_index: Edges of shape (2, num_edges), dtype int64.
            edge_weight: Weights of shape (num_edges,), not negative; None: all 1.

        Returns:
            Embeddings of shape (num_nodes, n_clusters), in the dtype of the features and single precision at least.
            Columns beyond the rank of the modularity matrix are zero.
        """
        dtype = torch.promote_types(x.dtype, torch.float32)
        with torch.autocast(device_type=x.device.type, enabled=False):
            if x.is_sparse:
                z = self._by_its_products(affinity_normalized(unit_rows(x.double())), edge_index, edge_weight)
            else:  # Z is as large as the features, and the lengths of its rows need all of Z once anyway.
                z = self._at_hand(affinity_normalized(unit_rows(x.to(dtype))), edge_index, edge_weight)
            vectors = left_singular_vectors(z, self.n_clusters, iterations=self.tau, seed=self.seed)
        return vectors.to(dtype)

    def _at_hand(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None) -> Operator:
        """Returns the wanted matrix, stored; the features are smoothed in their own precision."""
        smooth = _filter(_transitions(edge_index, edge_weight, x), self.T, self.alpha)
        z = x.new_empty(x.shape, dtype=torch.float64)
        for columns, panel in column_panels(x):
            z[:, columns] = smooth(panel)
        z *= inverse_root(torch.linalg.vector_norm(z, dim=1, keepdim=True).square_())
        mean = torch.nn.functional.normalize(z.sum(dim=0), dim=0)
        z.addr_(z @ mean, mean, alpha=-self._removed)
        return replace(Operator.of(z), rounding=16 * _rounding(x))

    def _by_its_products(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None) -> Operator:
        """Returns the wanted matrix by its products, from features in double precision."""
        smooth, adjoint = _filters(edge_index, edge_weight, x, self.T, self.alpha)
        inverse = inverse_root(_squared_lengths(edge_index, edge_weight, x, self.T, self.alpha))
        features = Operator.of(x)
        mean = torch.nn.functional.normalize(features.transposed_times(adjoint(inverse)), dim=0)
        return Operator(
            features.shape,
            x.device,
            lambda v: inverse * smooth(features.times(_without(v, mean, self._removed))),
            lambda u: _without(features.transposed_times(adjoint(inverse * u)), mean, self._removed),
            rounding=max(x.shape) * _rounding(x),
        )

    @property
    def _removed(self) -> float:
        """The share of the rows' common direction that is removed from them."""
        return 1 - (1 - self.gamma) ** 0.5

    def extra_repr(self) -> str:
        """The parameters, for ``repr``."""
        return (
            f"n_clusters={self.n_clusters}, T={self.T}, alpha={self.alpha}, gamma={self.gamma}, tau={self.tau}, "
            f"seed={self.seed}"
        )


def _transitions(edge_index: Tensor, edge_weight: Tensor | None, x: Tensor) -> Tensor:
    """The transition matrix of a graph with self-loops, a sparse CSR tensor in the dtype of the features."""
    return normalized_adjacency(edge_index, edge_weight, num_nodes=x.size(0), r=0.0, dtype=x.dtype)


def _filter(matrix: Tensor, T: int, alpha: float) -> Callable[[Tensor], Tensor]:
    """The weighted sum of powers of a matrix, as a map of (num_nodes, width)."""
    weights = torch.tensor(alpha, dtype=torch.float64) ** torch.arange(T + 1)
    decay = (weights / weights.sum()).tolist()

    def smooth(h: Tensor) -> Tensor:
        total = decay[0] * h
        for weight in decay[1:]:
            h = propagate(matrix, h)
            total.add_(h, alpha=weight)
        return total

    return smooth


def _filters(
    edge_index: Tensor, edge_weight: Tensor | None, x: Tensor, T: int, alpha: float
) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """The weighted sum of powers of the transition matrix, and its transpose."""
    forward = _transitions(edge_index, edge_weight, x)
    return _filter(forward, T, alpha), _filter(forward.t().to_sparse_csr(), T, alpha)


def _squared_lengths(edge_index: Tensor, edge_weight: Tensor | None, x: Tensor, T: int, alpha: float) -> Tensor:
    """The squared lengths of the rows of the smoothed features, (num_nodes, 1), in the dtype of the features.

    Computed in single precision: sums of squares have no cancellation.
    """
    single = x.float()
    smooth = _filter(_transitions(edge_index, edge_weight, single), T, alpha)
    squares = torch.zeros(x.size(0), 1, dtype=x.dtype, device=x.device)
    for _, panel in column_panels(single):
        squares += smooth(panel).square_().sum(dim=1, keepdim=True)
    return squares


def _rounding(x: Tensor) -> float:
    """The rounding error of all unit rows together; it is all that is left where they equal their common direction."""
    return torch.finfo(x.dtype).eps * x.size(0) ** 0.5


def _without(v: Tensor, direction: Tensor, share: float) -> Tensor:
    """Removes a share of the component along a unit vector from columns (in_channels, width)."""
    return v - share * direction @ (direction.t() @ v)


__all__ = ["MS2CAG", "S2CAG"]
