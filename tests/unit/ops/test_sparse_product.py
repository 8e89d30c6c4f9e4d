"""The compiled product of a sparse matrix with a dense one, and the threads that it runs on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from eco_core.ops.sparse_product import csr_product, transposed_csr_product
from eco_core.ops.threads import number_of_threads, run_in_threads


def random_matrix(seed: int, rows: int, columns: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Rows of no entries and of up to all columns: every remainder of the unrolled loop comes up."""
    generator = torch.Generator().manual_seed(seed)
    kept = torch.rand(rows, columns, generator=generator) < torch.rand(rows, 1, generator=generator)
    return torch.randn(rows, columns, generator=generator, dtype=dtype) * kept


@given(
    st.integers(0, 10_000), st.integers(0, 9), st.integers(1, 12), st.sampled_from([1, 23, 24, 40]), st.integers(1, 3)
)
def test_product_is_the_dense_one_whatever_the_threads(
    seed: int, rows: int, columns: int, width: int, threads: int
) -> None:
    matrix = random_matrix(seed, rows, columns)
    dense = torch.randn(columns, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = csr_product(matrix.to_sparse_csr(), dense, products_a_thread=1)
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(found, matrix @ dense)


@pytest.mark.parametrize("product", [csr_product, transposed_csr_product])
def test_result_is_bitwise_the_same_on_any_number_of_threads(
    product: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix, dense = random_matrix(0, 50, 50, torch.float32).to_sparse_csr(), torch.randn(50, 100)
    alone = product(matrix, dense)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert torch.equal(product(matrix, dense, products_a_thread=1), alone)


def test_indices_of_32_bits_and_tables_that_are_not_contiguous_are_read() -> None:
    matrix, dense = random_matrix(1, 6, 8).to_sparse_csr(), torch.randn(32, 8, dtype=torch.float64).T
    starts, columns = matrix.crow_indices().int(), matrix.col_indices().int()
    narrow = torch.sparse_csr_tensor(starts, columns, matrix.values(), matrix.shape)
    torch.testing.assert_close(csr_product(narrow, dense), matrix.to_dense() @ dense)


def test_infinite_and_missing_values_are_passed_on() -> None:
    matrix = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]).to_sparse_csr()
    dense = torch.ones(2, 32)
    dense[0, 0], dense[1, 1] = torch.inf, torch.nan
    found = csr_product(matrix, dense)
    assert found[0, 0] == torch.inf
    assert found[2, 0] == torch.inf
    assert found[1:, 1].isnan().all()
    assert found[:, 2:].isfinite().all()


@pytest.mark.parametrize(("work", "least", "threads"), [(0, 5, 1), (4, 5, 1), (10, 5, 2), (1000, 5, 3)])
def test_threads_are_started_where_there_is_work_for_them(
    work: int, least: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert number_of_threads(work, least) == threads


def test_threads_share_out_the_ranges() -> None:
    seen: list[tuple[str, int, int]] = []
    run_in_threads(lambda name, start, stop: seen.append((name, start, stop)), ("x",), [0, 2, 5, 9])
    assert sorted(seen) == [("x", 0, 2), ("x", 2, 5), ("x", 5, 9)]


def test_importing_the_module_does_not_import_numba() -> None:
    code = "import sys, eco_core.ops.sparse_product; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
