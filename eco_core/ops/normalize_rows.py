"""Rows of unit length; the gradient allocates one tensor of their size, automatic differentiation nine."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from eco_core.ops.row_blocks import rows_in_cache

_EPS = 1e-12
"""The least divisor of a row, as in ``torch.nn.functional.normalize``."""


def normalize_rows(z: Tensor, block_elements: int | None = None) -> Tensor:
    """Divides each row by its length, as ``torch.nn.functional.normalize(z, dim=-1)`` does; rows of zeros stay zero.

    Args:
        z: Tensor of shape (num_rows, width), of a float dtype.
        block_elements: Numbers of a block of rows that the gradient is computed in; see `row_blocks`.

    Returns:
        Tensor of the same shape and dtype. It can be differentiated once.
    """
    return _Normalized.apply(z, block_elements)


class _Normalized(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, block_elements: int | None) -> Tensor:
        length = torch.linalg.vector_norm(z, dim=-1, keepdim=True)
        divisor = length.clamp(min=_EPS)
        out = z / divisor
        ctx.save_for_backward(out, divisor, length > _EPS)
        ctx.block_elements = block_elements
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        out, divisor, has_length = ctx.saved_tensors
        total = torch.empty_like(out)
        for rows in rows_in_cache(out, ctx.block_elements):
            along = (grad[rows] * out[rows]).sum(dim=-1, keepdim=True) * has_length[rows]
            torch.addcmul(grad[rows], out[rows], along, value=-1, out=total[rows]).div_(divisor[rows])
        return total, None


__all__ = ["normalize_rows"]
