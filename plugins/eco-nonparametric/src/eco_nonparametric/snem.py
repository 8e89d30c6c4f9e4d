"""The SNEM head: rounds a spectral embedding to clusters."""

from __future__ import annotations

import warnings
from typing import Annotated, Any, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from eco_core import BaseClusterHead
from eco_core.errors import EcoWarning
from eco_core.parts import buffers_of_any_size, checked
from eco_nonparametric.checks import checked_embeddings

_RANK_TOLERANCE = 1e-6
"""Directions with a singular value below this share of the largest are rounding errors of float32 embeddings."""

_WIDE = 2048
"""Above this width the leading singular vectors are found iteratively: an eigendecomposition costs its cube."""


@checked
class SNEMClusterHead(BaseClusterHead):
    r"""SNEM rounding of spectral embeddings (Yang & Shi, SIGMOD 2024, arXiv 2312.16926).

    This discrete head is part of the method S2CAG (Lin et al., KDD 2025, arXiv 2411.11074). For a matrix V with
    orthonormal columns, such as singular vectors, it searches for the clusters whose normalised indicators,
    :math:`C_{ik} = 1 / \sqrt{n_k}` for the :math:`n_k` nodes i of cluster k, are near a linear map V Q of V, by
    alternating

    .. math:: Q = V^T C, \qquad \text{cluster}(i) = \arg\max_k (V Q)_{ik}

    until no node changes its cluster. Embeddings of another kind or width are first replaced by their K leading left
    singular vectors, the orthonormal columns that keep most of the embeddings. Embeddings of S2CAG stay the same up to
    a rotation.

    The first clusters come from the method of Damle et al. (Information and Inference 2019, arXiv 1708.07481): a
    pivoted QR decomposition of :math:`V^T` chooses K nodes in nearly orthogonal directions, and Q is the orthogonal
    matrix nearest to their rows. (The published code takes the largest entry of each row of V instead, so that its
    result depends on the arbitrary signs of singular vectors.) Nothing is random. If the embeddings have at most K
    columns, an invertible linear map of the columns does not change the clusters.

    An empty cluster has the score 0: nodes whose scores for all other clusters are negative join it. If clusters are
    empty at the end (for example because the embeddings have fewer than K independent columns), a warning shows how
    many clusters were found.

    Args:
        n_clusters: Number of clusters K.
        max_iter: Largest number of iterations.

    Attributes:
        projection_: Maps embeddings to scores: (n_features, K), float64; of shape (0, K) before `fit`.
        labels_: Clusters of the nodes that were fitted, shape (num_nodes,), int64; None before `fit`.
        n_iter_: Iterations that were needed; None before `fit`.

    Raises:
        ValueError: If ``n_clusters`` or ``max_iter`` is below 1.
    """

    projection_: Tensor

    def __init__(self, n_clusters: Annotated[int, Field(ge=1)], max_iter: Annotated[int, Field(ge=1)] = 100) -> None:
        super().__init__()
        self.n_clusters = n_clusters
        self.max_iter = max_iter
        self.labels_: Tensor | None = None
        self.n_iter_: int | None = None
        self.register_buffer("projection_", torch.empty(0, n_clusters, dtype=torch.float64))
        buffers_of_any_size(self, "projection_")

    @torch.no_grad()
    def fit(self, z: Any) -> SNEMClusterHead:
        """Finds the clusters.

        Args:
            z: Embeddings of shape (num_nodes, n_features): a tensor, dense or sparse, or an array. If they are singular
                vectors, do not centre or scale the columns or normalise the rows.

        Returns:
            This head.

        Raises:
            ValueError: If ``z`` is not a matrix, has fewer than ``n_clusters`` rows, or holds NaN or infinity.
        """
        points = checked_embeddings(z, type(self).__name__, self.n_clusters).double()
        basis = leading_basis(points, self.n_clusters)
        vectors = points @ basis
        rotation, self.n_iter_ = snem_rounding(vectors, self.n_clusters, self.max_iter)
        self.projection_ = basis @ rotation
        self.labels_ = (points @ self.projection_).argmax(1)
        found = len(self.labels_.unique())
        if found < self.n_clusters:
            warnings.warn(
                f"SNEM rounding found {found} of {self.n_clusters} clusters: it could use {vectors.shape[1]} of the "
                f"embeddings' {points.shape[1]} columns, and these do not separate more clusters. Use another head, "
                "such as kmeans, or fewer clusters.",
                EcoWarning,
                stacklevel=2,
            )
        return self

    def fit_predict(self, z: Any) -> Tensor:
        """Finds the clusters and returns the labels of the same embeddings; see `fit`."""
        return cast(Tensor, self.fit(z).labels_)  # `fit` has set them.

    def cluster(self, z: Any, soft: bool = False) -> Tensor:
        """Returns the clusters of embeddings, also of nodes that were not fitted.

        Args:
            z: Embeddings of shape (num_nodes, n_features).
            soft: Whether to return the assignment as probabilities; each row is one-hot.

        Returns:
            Labels of shape (num_nodes,), int64; with ``soft`` shape (num_nodes, K), float32.

        Raises:
            RuntimeError: Before `fit`.
            ValueError: If ``z`` does not have the width that was fitted, or holds NaN or infinity.
        """
        labels = self._scores(z).argmax(1)
        return nn.functional.one_hot(labels, self.n_clusters).float() if soft else labels

    def confidence(self, z: Any) -> Tensor:
        """Returns how clearly each node belongs to its cluster.

        Args:
            z: Embeddings of shape (num_nodes, n_features).

        Returns:
            ``1 - s2 / s1`` with the two highest scores, negative ones taken as 0, from 0 (between two clusters) to 1:
            shape (num_nodes,). 1 if there is one cluster, 0 where no score is positive.

        Raises:
            RuntimeError: Before `fit`.
            ValueError: If ``z`` does not have the width that was fitted, or holds NaN or infinity.
        """
        scores = self._scores(z)
        if self.n_clusters == 1:
            return torch.ones_like(scores[:, 0])
        first, second = scores.topk(2, dim=1).values.clamp(min=0).unbind(1)
        return torch.where(first > 0, 1 - second / first, 0)

    @torch.no_grad()
    def _scores(self, z: Any) -> Tensor:
        width = self.projection_.shape[0]
        if width == 0:
            raise RuntimeError("This SNEMClusterHead has no clusters yet; call fit(z) first, or load a fitted one.")
        points = checked_embeddings(z, type(self).__name__, width=width).double()
        return points @ self.projection_.to(points.device)


def leading_basis(points: Tensor, rank: int, wide: int = _WIDE) -> Tensor:
    """Returns the map from embeddings to their leading left singular vectors.

    Args:
        points: Embeddings Z of shape (num_nodes, n_features), float64.
        rank: Largest number of vectors.
        wide: Width above which they are found iteratively.

    Returns:
        B of shape (n_features, r), such that the columns of Z B are orthonormal; r is at most ``rank`` and the rank of
        Z, or one column of zeros where Z is 0.
    """
    width = points.shape[1]
    if width <= wide or rank >= min(points.shape):
        squares, directions = torch.linalg.eigh(points.T @ points)
        squares, directions = squares.flip(0)[:rank], directions.flip(1)[:, :rank]
    else:
        import numpy as np
        from scipy.sparse.linalg import svds

        # A fixed first vector: ARPACK's own is drawn from NumPy's global generator.
        _, values, rows = svds(
            points.cpu().numpy(), k=rank, v0=np.ones(min(points.shape)), return_singular_vectors="vh"
        )
        squares = points.new_tensor(values[::-1].copy()).square()
        directions = points.new_tensor(rows[::-1].T.copy())
    kept = squares > squares[0] * _RANK_TOLERANCE**2
    if not kept.any():
        return points.new_zeros(width, 1)
    return directions[:, kept] / squares[kept].sqrt()


def snem_rounding(vectors: Tensor, n_clusters: int, max_iter: int = 100) -> tuple[Tensor, int]:
    """Rounds orthonormal vectors to clusters; see `SNEMClusterHead`.

    Args:
        vectors: V of shape (num_nodes, r), float64, with r of at most ``n_clusters``.
        n_clusters: Number of clusters K.
        max_iter: Iterations at most.

    Returns:
        Q of shape (r, K): the clusters are the largest entries of the rows of V Q; and the number of iterations.
    """
    labels = (vectors @ _pivot_rotation(vectors)).argmax(1)
    iteration = 0
    while iteration < max_iter:
        iteration += 1
        sums = vectors.new_zeros(n_clusters, vectors.shape[1]).index_add_(0, labels, vectors)
        sizes = torch.bincount(labels, minlength=n_clusters).clamp(min=1)
        rotation = (sums / sizes.sqrt().unsqueeze(1)).T
        before, labels = labels, (vectors @ rotation).argmax(1)
        if torch.equal(before, labels):
            break
    return rotation, iteration


def _pivot_rotation(vectors: Tensor) -> Tensor:
    """Returns the orthogonal matrix (r, r) nearest to the rows of the r nodes that pivoted QR chooses, as columns."""
    from scipy.linalg import qr

    pivots = qr(vectors.T.cpu().numpy(), mode="r", pivoting=True)[-1][: vectors.shape[1]]
    left, _, right = torch.linalg.svd(vectors[torch.as_tensor(pivots, dtype=torch.long, device=vectors.device)].T)
    return left @ right
