"""Rows of unit length against torch's own way, values and gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eco_core.ops.normalize_rows import normalize_rows


@given(st.integers(0, 10_000), st.integers(0, 12), st.integers(1, 9))
def test_values_and_gradients_are_those_of_torch(seed: int, rows: int, width: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(rows, width, generator=generator, dtype=torch.float64)
    z = (z * 10.0 ** torch.randint(-14, 6, (rows, 1), generator=generator)).requires_grad_()
    weights = torch.randn(rows, width, generator=generator, dtype=torch.float64)
    found, expected = normalize_rows(z), torch.nn.functional.normalize(z, dim=-1)
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad((out * weights).sum(), z)[0] for out in (found, expected)]
    # That of a row is its change by the length: what is left where it cancels is rounding of that size.
    length = z.detach().norm(dim=1, keepdim=True).clamp(min=1e-12)
    torch.testing.assert_close(length * gradients[0], length * gradients[1])


def test_gradient_does_not_depend_on_the_blocks() -> None:
    z = torch.randn(700, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    weights = torch.randn(700, 3, generator=torch.Generator().manual_seed(1))
    (whole,) = torch.autograd.grad((normalize_rows(z) * weights).sum(), z)
    # A block has 256 rows then, the least.
    (parts,) = torch.autograd.grad((normalize_rows(z, block_elements=1) * weights).sum(), z)
    assert torch.equal(whole, parts)


def test_rows_of_zeros_stay_zero_and_have_a_finite_gradient() -> None:
    z = torch.zeros(2, 3, requires_grad=True)
    normalize_rows(z).sum().backward()
    assert (normalize_rows(z) == 0).all()
    assert z.grad is not None
    assert z.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_precision_stays(dtype: torch.dtype) -> None:
    z = torch.randn(5, 4, dtype=dtype)
    assert normalize_rows(z).dtype is dtype
    torch.testing.assert_close(normalize_rows(z), torch.nn.functional.normalize(z, dim=-1))
