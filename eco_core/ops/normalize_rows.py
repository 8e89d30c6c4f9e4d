"""Rows of unit length; the gradient allocates one tensor of their size, automatic differentiation nine."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from eco_core.ops.row_blocks import rows_in_cache

_EPS = 1e-12
"""The least divisor of a row, as in ``torch.nn.functional.normalize``."""


def normalize_rows(z: Tensor) -> Tensor:
    """Divides each row by its length, as ``torch.nn.functional.normalize(z, dim=-1)`` does; rows of zeros stay zero.

    Args:
        z: Tensor of shape (num_rows, width), of a float dtype.

    Returns:
        Tensor of the same shape and dtype. It can be differentiated once.
    """
    return _Normalized.apply(z)


class _Normalized(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(z, dim=-1, keepdim=True)
        divisor = length.clamp(min=_EPS)
        out = z / divisor
        ctx.save_for_backward(out, divisor, length > _EPS)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        out, divisor, has_length = ctx.saved_tensors
        total = torch.empty_like(out)
        for rows in rows_in_cache(out):
            along = (grad[rows] * out[rows]).sum(dim=-1, keepdim=True) * has_length[rows]
            torch.addcmul(grad[rows], out[rows], along, value=-1, out=total[rows]).div_(divisor[rows])
        return total


__all__ = ["normalize_rows"]
