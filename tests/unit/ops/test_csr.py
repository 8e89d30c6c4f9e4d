"""Sparse matrices by rows."""

from __future__ import annotations

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eco_core.ops.csr import csr_matrix, rows_of, take_rows


@given(rows=st.integers(1, 6), columns=st.integers(1, 6), count=st.integers(0, 30), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_entries_at_the_same_place_add_up(rows: int, columns: int, count: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    row, column = (torch.randint(size, (count,), generator=generator) for size in (rows, columns))
    value = torch.randn(count, generator=generator, dtype=torch.double)
    dense = torch.zeros(rows, columns, dtype=torch.double)
    for i, j, v in zip(row, column, value, strict=True):
        dense[i, j] += v
    matrix = csr_matrix(row, column, value, (rows, columns))
    torch.testing.assert_close(matrix.to_dense(), dense)
    assert matrix.layout is torch.sparse_csr
    places = list(zip(rows_of(matrix).tolist(), matrix.col_indices().tolist(), strict=True))
    assert places == sorted(set(zip(row.tolist(), column.tolist(), strict=True)))


def test_no_warning_is_shown() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        csr_matrix(torch.tensor([1]), torch.tensor([0]), torch.ones(1), (2, 2))


def test_entries_outside_of_the_matrix_are_refused() -> None:
    with pytest.raises(ValueError, match="at 0 or 2; expected 0 to 1"):
        csr_matrix(torch.tensor([0, 2]), torch.tensor([0, 0]), torch.ones(2), (2, 2))


def test_entries_with_a_gradient_keep_it() -> None:
    value = torch.ones(3, requires_grad=True)
    matrix = csr_matrix(torch.tensor([1, 0, 1]), torch.tensor([0, 0, 0]), value, (2, 2))
    matrix.values().sum().backward()
    assert value.grad is not None
    assert value.grad.tolist() == [1, 1, 1]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 8), st.integers(1, 6), st.integers(0, 30), st.lists(st.integers(0, 7), max_size=12))
def test_rows_are_taken_in_their_order(height, width, entries, rows):
    generator = torch.Generator().manual_seed(height * 100 + entries)
    row = torch.randint(height, (entries,), generator=generator)
    column = torch.randint(width, (entries,), generator=generator)
    matrix = csr_matrix(row, column, torch.rand(entries, generator=generator), (height, width))
    chosen = torch.tensor([number % height for number in rows], dtype=torch.int64)
    taken = take_rows(matrix, chosen)
    assert taken.is_coalesced()
    assert torch.equal(taken.to_dense(), matrix.to_dense()[chosen])
    again = torch.sparse_coo_tensor(taken.indices(), taken.values(), taken.shape).coalesce()
    assert torch.equal(again.indices(), taken.indices())
