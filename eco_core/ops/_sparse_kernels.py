"""The compiled part of products with sparse matrices; see `eco_core.ops.compiled`.

Sums may be reassociated: that is what lets them be vectorised. Each row of a result is computed by one thread, in an
order of its own, so that it does not depend on the number of threads.
"""

from __future__ import annotations

from functools import partial

from eco_core.ops.compiled import compiled


@partial(compiled, fastmath={"reassoc", "contract"})
def multiply(starts, columns, values, dense, out, first, last):  # type: ignore[no-untyped-def]
    """Writes rows [first, last) of a CSR matrix times a dense one.

    Four entries at a time: a row of the result is then read and written a quarter as often.
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
