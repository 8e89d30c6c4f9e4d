"""Sparse matrices by rows (CSR), whose products with dense ones are torch's fastest."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor


def csr_matrix(row: Tensor, column: Tensor, value: Tensor, size: tuple[int, int]) -> Tensor:
    """Makes a sparse matrix of entries in any order; those at the same place add up.

    Args:
        row: Row of each entry, of shape (num_entries,), dtype int64.
        column: Its column, of the same shape and dtype.
        value: Its value, of the same shape.
        size: Numbers of rows and columns.

    Returns:
        Sparse CSR tensor of that size, on the device of the entries.
    """
    entries = torch.sparse_coo_tensor(torch.stack([row, column]), value, size, check_invariants=False).coalesce()
    row, column = entries.indices()
    # Coalesced entries are sorted by row: what is left to do is to count them.
    starts = torch.zeros(size[0] + 1, dtype=torch.int64, device=row.device)
    starts[1:] = torch.bincount(row, minlength=size[0]).cumsum(0)
    return csr_tensor(starts, column, entries.values(), size)


def csr_tensor(starts: Tensor, columns: Tensor, values: Tensor, size: tuple[int, int]) -> Tensor:
    """Makes a sparse CSR tensor of its three parts, without torch's warning that these are in beta.

    Args:
        starts: Where the entries of each row begin, and the end of the last one's, of shape (rows + 1,), int64.
        columns: Columns, of shape (num_entries,), int64, each once in a row.
        values: Values, of shape (num_entries,).
        size: Numbers of rows and columns.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        return torch.sparse_csr_tensor(starts, columns, values, size, check_invariants=False)


def rows_of(matrix: Tensor) -> Tensor:
    """Returns the row of each entry of a sparse CSR tensor, of shape (num_entries,)."""
    counts = matrix.crow_indices().diff()
    return torch.repeat_interleave(torch.arange(counts.numel(), device=counts.device), counts)


__all__ = ["csr_matrix", "csr_tensor", "rows_of"]
