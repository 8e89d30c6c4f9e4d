"""Dropout and PReLU: torch's values and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from eco_core.ops.pointwise import Dropout, PReLU


@pytest.mark.parametrize("slope", [0.25, 0.0, -0.5])
def test_prelu_has_the_values_and_gradients_of_torchs(slope: float) -> None:
    ours, torchs = PReLU().double(), nn.PReLU(init=slope).double()
    ours.load_state_dict(torchs.state_dict())
    x = torch.randn(7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x[0, 0] = 0.0
    gradients = []
    for module in (ours, torchs):
        leaf = x.clone().requires_grad_()
        out = module(leaf)
        (out * x.cos()).sum().backward()
        gradients.append((out, leaf.grad, module.weight.grad))
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_prelu_keeps_the_dtype_of_its_input(dtype: torch.dtype) -> None:
    x = torch.tensor([-1.0, 2.0], dtype=dtype)
    assert PReLU()(x).tolist() == [-0.25, 2.0]
    assert PReLU()(x).dtype == dtype


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    dropout, x = Dropout(0.3), torch.ones(400, 100, requires_grad=True)
    out = dropout(x)
    out.sum().backward()
    assert (out == 0).double().mean().item() == pytest.approx(0.3, abs=0.01)
    assert out.max().item() == pytest.approx(1 / 0.7)
    torch.testing.assert_close(x.grad, out.detach())
    assert dropout.eval()(x) is x
    assert not torch.equal(dropout.train()(x), out)
