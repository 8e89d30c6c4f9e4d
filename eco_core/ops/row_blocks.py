"""Blocks of the rows of a matrix, for computations that would take too much memory or read it too often."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

_BLOCK_ELEMENTS = 2**20
"""Numbers of a block of rows: large enough to keep a device busy, small enough to stay in a processor's cache."""


def row_blocks(num_rows: int, num_columns: int) -> Iterator[tuple[int, int]]:
    """Yields the first row and the end of blocks of a matrix; only the last one has fewer rows than the others."""
    size = max(256, _BLOCK_ELEMENTS // num_columns)
    for start in range(0, num_rows, size):
        yield start, min(start + size, num_rows)


def rows_in_cache(x: Tensor) -> list[slice]:
    """Returns blocks of the rows of a matrix that fit into a CPU's cache; on other devices one block of all rows.

    Args:
        x: Shape (num_rows, num_columns).
    """
    return [slice(*rows) for rows in row_blocks(*x.shape)] if x.device.type == "cpu" else [slice(len(x))]


__all__ = ["row_blocks", "rows_in_cache"]
