"""The compiled part of products with sparse matrices; see `eco_core.ops.compiled`.

Sums may be reassociated, so that the compiler can vectorise them. One thread computes each entry of a result, always in
the same order, so the result does not depend on the number of threads.
"""

from __future__ import annotations

from functools import partial

from eco_core.ops.compiled import compiled


@partial(compiled, fastmath={"reassoc", "contract"})
def multiply(starts, columns, values, dense, out, first, last):  # type: ignore[no-untyped-def]
    """Writes rows [first, last) of a CSR matrix times a dense one.

    It reads four entries at a time: a row of the result is then read and written a quarter as often.
    """
    width = dense.shape[1]
    for row in range(first, last):
        entry, end = starts[row], starts[row + 1]
        total = out[row]
        for k in range(width):
            total[k] = 0.0
        while entry + 4 <= end:
            a, b = dense[columns[entry]], dense[columns[entry + 1]]
            c, d = dense[columns[entry + 2]], dense[columns[entry + 3]]
            of_a, of_b, of_c, of_d = values[entry], values[entry + 1], values[entry + 2], values[entry + 3]
            for k in range(width):
                total[k] += of_a * a[k] + of_b * b[k] + of_c * c[k] + of_d * d[k]
            entry += 4
        while entry < end:
            a, of_a = dense[columns[entry]], values[entry]
            for k in range(width):
                total[k] += of_a * a[k]
            entry += 1


@partial(compiled, fastmath={"reassoc", "contract"})
def multiply_transposed(starts, columns, values, dense, out, first, last):  # type: ignore[no-untyped-def]
    """Writes columns [first, last) of a transposed CSR matrix times a dense one.

    It adds to the rows of the result in the order of the matrix's entries; if the result has few rows, they stay in a
    cache.
    """
    for row in range(out.shape[0]):
        total = out[row, first:last]
        for k in range(last - first):
            total[k] = 0.0
    for row in range(starts.shape[0] - 1):
        a = dense[row, first:last]
        for entry in range(starts[row], starts[row + 1]):
            total, of_a = out[columns[entry], first:last], values[entry]
            for k in range(last - first):
                total[k] += of_a * a[k]
