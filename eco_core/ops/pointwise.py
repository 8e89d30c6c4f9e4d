"""Pointwise modules with torch's interface that take less time on a CPU."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from eco_core.ops.row_blocks import rows_in_cache


class Dropout(nn.Dropout):
    """Dropout in a quarter of the time of torch's on a CPU, which draws several numbers for each entry."""

    def forward(self, input: Tensor) -> Tensor:
        """Sets random entries to zero in training, and scales the others."""
        if not self.training or self.p == 0 or input.device.type != "cpu":
            return super().forward(input)
        return input * (torch.rand(input.shape) >= self.p).to(input.dtype).div_(1 - self.p)


class PReLU(nn.PReLU):
    """The parametric ReLU; the gradient of its slope takes a fraction of torch's time on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """Multiplies negative entries by the slope."""
        if x.device.type == "cpu" and x.dtype == self.weight.dtype:
            return _OneSlope.apply(x, self.weight)
        return F.prelu(x, self.weight.to(x.dtype))


class _OneSlope(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        ctx.slope = slope.item()  # On the CPU, `item` does not wait for a device.
        ctx.save_for_backward(x)
        return F.leaky_relu(x, ctx.slope)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        (x,) = ctx.saved_tensors
        grad = grad.contiguous()
        of_x, of_slope = torch.empty_like(grad), grad.new_zeros(1)
        of_leaky_relu = torch.ops.aten.leaky_relu_backward.grad_input
        for rows in rows_in_cache(x):
            of_slope += torch.dot(grad[rows].flatten(), x[rows].clamp(max=0).flatten())
            of_leaky_relu(grad[rows], x[rows], ctx.slope, False, grad_input=of_x[rows])
        return of_x, of_slope


__all__ = ["Dropout", "PReLU"]
