"""Columns of embeddings, brought to one scale: what objectives of the canonical correlation family compare."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def standardize(z: Tensor) -> Tensor:
    r"""Centres the columns of a matrix and brings each to unit length.

    .. math::
        \tilde z_i = \frac{z_i - \mu}{\sigma \sqrt N}

    where :math:`\mu` and :math:`\sigma` are the means and the standard deviations of the columns over the N rows. So
    :math:`\tilde Z^T \tilde Z` holds the correlations between columns, and 1 on its diagonal.

    A column whose deviation is no more than what rounding makes of a constant has no direction: it becomes zeros, and
    no gradient flows to it. This is each column of a single row.

    Args:
        z: Embeddings of shape (num_nodes, n_features).

    Returns:
        Tensor of that shape, in single precision at least.
    """
    z = z.to(torch.promote_types(z.dtype, torch.float32))
    # Less a row, which changes nothing but the rounding: a constant column is exactly zero then, in any number of rows.
    shifted = z - z[:1].detach()
    centred = shifted - shifted.mean(dim=0)
    squares = centred.square().sum(dim=0)
    precision = torch.finfo(z.dtype)
    with torch.no_grad():
        rounding = (4 * precision.eps * z.abs().amax(dim=0)).square() * z.size(0)
        varies = squares > rounding.clamp(min=precision.tiny)
    # The root is taken of 1 where a column is constant: that of 0 has no finite derivative.
    return centred * (squares.where(varies, squares.new_ones(())).rsqrt() * varies)


def gram(z: Tensor) -> Tensor:
    r"""Returns the inner products of the columns, :math:`Z^T Z`, of shape (n_features, n_features).

    It can be differentiated once: the gradient is one product, where automatic differentiation makes two.

    Args:
        z: Embeddings of shape (num_nodes, n_features).
    """
    return _Gram.apply(z)


class _Gram(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        return z.t() @ z

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return z @ (grad + grad.t())


def off_diagonal(square: Tensor) -> Tensor:
    """Returns a square matrix with zeros on its diagonal."""
    return square - torch.diag(square.diagonal())
