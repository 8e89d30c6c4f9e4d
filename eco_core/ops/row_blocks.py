"""Blocks of the rows of a matrix, for computations that would take too much memory or read it too often."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

_BLOCK_ELEMENTS = 2**20
"""Numbers of a block of rows: large enough to keep a device busy, small enough to stay in a processor's cache."""


_MIN_ROWS = 256
"""Rows of a block at least, however wide they are."""


def row_blocks(num_rows: int, num_columns: int, block_elements: int | None = None) -> Iterator[tuple[int, int]]:
    """Yields the first row and the end of blocks of a matrix; only the last one has fewer rows than the others.

    Args:
        num_rows: Rows of the matrix.
        num_columns: Columns of the matrix, at least 1.
        block_elements: Numbers of a block, which has 256 rows at least; None: 2^20.
    """
    size = max(_MIN_ROWS, (_BLOCK_ELEMENTS if block_elements is None else block_elements) // num_columns)
    for start in range(0, num_rows, size):
        yield start, min(start + size, num_rows)


def rows_in_cache(x: Tensor, block_elements: int | None = None) -> list[slice]:
    """Returns blocks of the rows of a matrix that fit into a CPU's cache; on other devices one block of all rows.

    Args:
        x: Shape (num_rows, num_columns).
        block_elements: Numbers of a block on the CPU; see `row_blocks`.
    """
    if x.device.type != "cpu":
        return [slice(len(x))]
    return [slice(*rows) for rows in row_blocks(x.size(0), x.size(1), block_elements)]


__all__ = ["row_blocks", "rows_in_cache"]
