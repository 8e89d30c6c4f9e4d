"""Scaling of the rows of node features, dense or sparse."""

from __future__ import annotations

import torch
from torch import Tensor


def unit_rows(x: Tensor) -> Tensor:
    """Divides each row by its length.

    Args:
        x: Features of shape (num_nodes, in_channels), dense or sparse COO.

    Returns:
        Features of the same shape and layout; rows of zeros stay zero.
    """
    if not x.is_sparse:
        return inverse_root(torch.linalg.vector_norm(x, dim=1, keepdim=True).square()) * x
    x = x.coalesce()
    squares = x.values().new_zeros(x.size(0)).index_add_(0, x.indices()[0], x.values().square())
    return scale_rows(x, inverse_root(squares.unsqueeze(1)))


def affinity_normalized(x: Tensor) -> Tensor:
    r"""Divides each row by the root of its sum of inner products: :math:`X_i / \sqrt{\sum_j X_i X_j^\top}`.

    The affinity :math:`X X^\top` becomes :math:`D^{-1/2} X X^\top D^{-1/2}` with the degrees *D* of its nodes.

    Args:
        x: Features of shape (num_nodes, in_channels), dense or sparse COO.

    Returns:
        Features of the same shape and layout; rows whose sum is not positive become zero.
    """
    total = torch.sparse.sum(x, dim=0).to_dense() if x.is_sparse else x.sum(dim=0)
    return scale_rows(x, inverse_root(x @ total.unsqueeze(1)))


def scale_rows(x: Tensor, scale: Tensor) -> Tensor:
    """Multiplies the rows of dense or sparse features by a column of shape (num_nodes, 1)."""
    if not x.is_sparse:
        return scale * x
    x = x.coalesce()
    values = scale.squeeze(1)[x.indices()[0]] * x.values()
    return torch.sparse_coo_tensor(x.indices(), values, x.shape, is_coalesced=True, check_invariants=False)


def inverse_root(values: Tensor) -> Tensor:
    """Returns 1 / sqrt(values), and 0 where they are not positive."""
    return torch.where(values > 0, values, torch.inf).rsqrt()


__all__ = ["affinity_normalized", "inverse_root", "scale_rows", "unit_rows"]
