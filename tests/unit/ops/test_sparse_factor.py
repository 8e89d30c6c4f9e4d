"""Products with a constant sparse matrix, and their gradients, against dense ones."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from eco_core.ops.sparse_factor import SparseFactor

SHAPES = [(7, 5), (5, 7)]
"""Fewer columns than rows, which needs no transposed matrix, and more."""


def random_matrix(seed: int, rows: int = 7, columns: int = 5, dtype: torch.dtype = torch.float64) -> Tensor:
    """A dense matrix of which two thirds are zeros: rows and columns without entries come up."""
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=dtype).sub(0.4).relu()


def other(seed: int, rows: int = 5, width: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed + 1), dtype=dtype)


@given(st.integers(0, 10_000), st.integers(0, 8), st.integers(1, 8), st.integers(0, 5))
def test_product_and_gradient_are_those_of_dense_matrices(seed: int, rows: int, columns: int, width: int) -> None:
    matrix, dense = random_matrix(seed, rows, columns), other(seed, columns, width).requires_grad_()
    for stored in (matrix.to_sparse(), matrix.to_sparse_csr()):
        found = SparseFactor.of(stored) @ dense
        torch.testing.assert_close(found, matrix @ dense)
        weights = other(seed + 2, rows, width)
        (gradient,) = torch.autograd.grad((found * weights).sum(), dense)
        torch.testing.assert_close(gradient, matrix.T @ weights)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_is_that_of_finite_differences(shape: tuple[int, int]) -> None:
    factor = SparseFactor.of(random_matrix(0, *shape).to_sparse())
    assert torch.autograd.gradcheck(lambda dense: (factor @ dense).tanh(), other(0, shape[1]).requires_grad_())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("width", [1, 24, 50])
def test_product_with_the_transposed_matrix(shape: tuple[int, int], width: int) -> None:
    matrix, dense = random_matrix(5, *shape), other(5, shape[0], width)
    torch.testing.assert_close(SparseFactor.of(matrix.to_sparse()).transposed_product(dense), matrix.T @ dense)


def test_parallel_entries_add_up() -> None:
    twice = torch.sparse_coo_tensor(torch.tensor([[0, 0, 1], [1, 1, 0]]), torch.tensor([1.0, 2.0, 4.0]), (2, 2))
    assert (SparseFactor.of(twice) @ torch.eye(2)).tolist() == [[0, 3], [4, 0]]


def test_a_factor_takes_eight_bytes_an_entry_and_shares_the_values() -> None:
    matrix = random_matrix(0, dtype=torch.float32).to_sparse()
    factor = SparseFactor.of(matrix)
    assert factor.nbytes == 8 * matrix.values().numel() + 4 * (matrix.size(0) + 1)
    assert factor.values.data_ptr() == matrix.values().data_ptr()


@pytest.mark.parametrize("shape", SHAPES)
def test_other_values_at_the_same_places_have_their_own_products_and_gradients(shape: tuple[int, int]) -> None:
    matrix = random_matrix(3, *shape)
    factor = SparseFactor.of(matrix.to_sparse())
    dense = other(3, shape[1]).requires_grad_()
    factor.transposed_product(other(4, shape[0]))
    twin = factor.with_values(2 * factor.values)
    (twin @ dense).sum().backward()
    torch.testing.assert_close(twin @ dense, 2 * matrix @ dense)
    torch.testing.assert_close(dense.grad, 2 * matrix.T @ torch.ones(shape[0], 3, dtype=torch.float64))
    torch.testing.assert_close(factor @ dense, matrix @ dense)
    assert torch.equal(twin.to_dense(), 2 * matrix)


def test_no_gradient_flows_to_the_values() -> None:
    stored = random_matrix(1).to_sparse().requires_grad_()
    assert not SparseFactor.of(stored).values.requires_grad


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype: torch.dtype) -> None:
    matrix, dense = random_matrix(2, dtype=torch.float32), other(2, dtype=torch.float32).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = SparseFactor.of(matrix.to_sparse()) @ dense
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, matrix @ dense.float())


def test_product_has_the_wider_of_both_dtypes() -> None:
    assert (SparseFactor.of(random_matrix(0, dtype=torch.float32).to_sparse()) @ other(0)).dtype == torch.float64
    assert (SparseFactor.of(random_matrix(0).to_sparse()) @ other(0).float()).dtype == torch.float64
