"""Standardised columns of embeddings and their inner products, for objectives of the canonical correlation family."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from eco_core.ops.row_blocks import rows_in_cache


def standardize(z: Tensor, block_elements: int | None = None) -> Tensor:
    r"""Centres the columns of a matrix and brings each to unit length.

    .. math::
        \tilde z_i = \frac{z_i - \mu}{\sigma \sqrt N}

    where :math:`\mu` and :math:`\sigma` are the means and the standard deviations of the columns over the N rows. So
    :math:`\tilde Z^T \tilde Z` holds the correlations between columns, and 1 on its diagonal.

    A column whose deviation is no larger than the rounding error counts as constant: it becomes zeros, and no gradient
    flows to it. Every column of a matrix with a single row is constant.

    Args:
        z: Embeddings of shape (num_nodes, n_features).
        block_elements: Numbers of a block of rows that are worked on together; see `eco_core.ops.row_blocks`.

    Returns:
        Tensor of the same shape, in single precision at least.
    """
    return _Standardized.apply(z.to(torch.promote_types(z.dtype, torch.float32)), block_elements)


class _Standardized(torch.autograd.Function):
    """`standardize` in blocks of rows: forward and backward each allocate one tensor of the matrix's size."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, block_elements: int | None) -> Tensor:
        out = torch.empty_like(z)
        total, squares, largest = z.new_zeros(3, z.size(1))
        blocks = rows_in_cache(z, block_elements)
        for rows in blocks:
            # Subtracting the first row changes only the rounding: a constant column becomes exactly zero.
            total += torch.sub(z[rows], z[:1], out=out[rows]).sum(dim=0)
            torch.maximum(largest, z[rows].abs().amax(dim=0), out=largest)
        mean = total / z.size(0)
        for rows in blocks:
            squares += out[rows].sub_(mean).square().sum(dim=0)
        precision = torch.finfo(z.dtype)
        rounding = (4 * precision.eps * largest).square() * z.size(0)
        # Scale 0 for a constant column, so that it gets no gradient: the root of 0 has no finite derivative.
        scale = squares.rsqrt().where(squares > rounding.clamp(min=precision.tiny), 0)
        out *= scale
        ctx.save_for_backward(out, scale)
        ctx.block_elements = block_elements
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        out, scale = ctx.saved_tensors
        mean = grad.mean(dim=0)
        total, along = torch.empty_like(out), torch.zeros_like(scale)
        blocks = rows_in_cache(out, ctx.block_elements)
        for rows in blocks:
            along += (grad[rows] * out[rows]).sum(dim=0)
        for rows in blocks:
            torch.sub(grad[rows], mean, out=total[rows]).addcmul_(out[rows], along, value=-1).mul_(scale)
        return total, None


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
