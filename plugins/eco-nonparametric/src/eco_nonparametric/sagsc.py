"""Scalable attributed-graph subspace clustering: the embedding before k-means."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from eco_core import BaseModel
from eco_core.ops.propagation import normalized_adjacency, propagate
from eco_core.parts import checked
from eco_nonparametric.features import inverse_root, unit_rows
from eco_nonparametric.svd import Operator, left_singular_vectors


@checked
class SAGSC(BaseModel):
    r"""Scalable attributed-graph subspace clustering (Fettal et al., AAAI 2023).

    1. Features, brought to unit length as in the authors' experiments, are smoothed: :math:`H = S^p X` with
       :math:`S = \hat D^{-1/2} \hat A \hat D^{-1/2}`, :math:`\hat A = A + I`.
    2. Self-expression by a coefficient matrix of low rank, :math:`C = U U^\top`: *U* are the *k* first left singular
       vectors of *H*.
    3. A quadratic kernel makes an affinity that is not negative, :math:`M = Q Q^\top` with :math:`Q = \Phi(U)` and
       :math:`\langle \Phi(u), \Phi(v) \rangle = (u^\top v + b)^2`.
    4. Spectral clustering of *M* without *M*: with its row sums :math:`D = \operatorname{diag}(Q Q^\top 1)`, the
       embedding is the left singular vectors 2 to *k* + 1 of :math:`D^{-1/2} Q`. (The first is :math:`D^{1/2} 1`.)

    It has no parameters to train. Singular vectors are found in double precision; features may be sparse. Smoothed
    features are stored only if they have at most four columns for each singular vector.

    Args:
        p: Steps of smoothing.
        k: Number of singular vectors; None: ``n_clusters``.
        bias: The kernel's *b*.
        n_clusters: Number of clusters.
        seed: Of the random vectors that the search for singular vectors starts from.

    Raises:
        ValueError: If neither ``k`` nor ``n_clusters`` is given.
    """

    learns = False
    supports_sparse_x = True
    inductive = False  # Singular vectors have an entry for each node, and no axes that another graph shares.
    directed = True

    def __init__(
        self,
        p: Annotated[int, Field(ge=0)] = 2,
        k: Annotated[int, Field(ge=1)] | None = None,
        bias: Annotated[float, Field(gt=0)] = 2**-0.5,
        n_clusters: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if k is None and n_clusters is None:
            raise ValueError("Neither k nor n_clusters is given; give k, the number of singular vectors.")
        self.p = p
        self.k: int = k if k is not None else n_clusters  # type: ignore[assignment]
        self.bias = bias
        self.seed = seed

    @torch.no_grad()
    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        """Embeds nodes.

        Args:
            x: Features of shape (num_nodes, in_channels), dense or sparse COO.
            edge_index: Edges of shape (2, num_edges), dtype int64.
            edge_weight: Weights of shape (num_edges,), not negative; None: all 1.

        Returns:
            Embeddings of shape (num_nodes, k), in the dtype of the features and single precision at least. Columns
            beyond the rank of the smoothed features are zero.
        """
        dtype = torch.promote_types(x.dtype, torch.float32)
        with torch.autocast(device_type=x.device.type, enabled=False):
            h = self._smoothed(unit_rows(x.double()), edge_index, edge_weight)
            u = left_singular_vectors(h, self.k, seed=self.seed)
            # Vectors beyond the rank of the features are zero: their products would add thousands of columns of zeros.
            q = quadratic_features(u[:, u.any(dim=0)], self.bias)
            degree = q @ q.sum(dim=0, keepdim=True).t()
            z = left_singular_vectors(Operator.of(q.mul_(inverse_root(degree))), self.k + 1, seed=self.seed)
        return z[:, 1:].to(dtype)

    def _smoothed(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None) -> Operator:
        """Returns the smoothed features by their products; the order of the factors keeps every product thin."""
        n = x.size(0)
        forward = normalized_adjacency(edge_index, edge_weight, num_nodes=n, dtype=x.dtype)
        backward = forward.t().to_sparse_csr()
        features = Operator.of(x)
        return Operator(
            (n, x.size(1)),
            x.device,
            lambda v: propagate(forward, features.times(v), self.p),
            lambda u: features.transposed_times(propagate(backward, u, self.p)),
        )

    def extra_repr(self) -> str:
        """The parameters, for ``repr``."""
        return f"p={self.p}, k={self.k}, bias={self.bias:.4g}, seed={self.seed}"


def quadratic_features(u: Tensor, bias: float) -> Tensor:
    r"""Maps rows so that their inner products are :math:`(u^\top v + b)^2`.

    Args:
        u: Rows of shape (num_nodes, k).
        bias: The *b*, positive.

    Returns:
        Features of shape (num_nodes, (k + 1)(k + 2) / 2): squares and products of two entries, the entries, a constant.
    """
    extended = torch.cat([u, u.new_full((u.size(0), 1), bias**0.5)], dim=1).t().contiguous()
    width = len(extended)
    features = u.new_empty(width * (width + 1) // 2, u.size(0))
    # Each column times the columns after it, in place: this matrix is by far the largest, and is made only once.
    for column, products in enumerate(features.split(list(range(width, 0, -1)))):
        torch.mul(extended[column:], 2**0.5 * extended[column], out=products)
        products[0] = extended[column] ** 2
    return features.t()


__all__ = ["SAGSC", "quadratic_features"]
