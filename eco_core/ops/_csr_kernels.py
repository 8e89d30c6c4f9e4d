"""The compiled part of `eco_core.ops.csr`; see `eco_core.ops.compiled`."""

from __future__ import annotations

import numpy as np

from eco_core.ops.compiled import compiled


@compiled
def sort_by(node, order, sorted_order, starts):  # type: ignore[no-untyped-def]
    """Sorts entries by their node, in time linear in the entries: a counting sort that keeps the order within a node.

    ``order`` holds the entries in the given order. Written are ``sorted_order``, the entries by node, and ``starts`` of
    shape (num_nodes + 1,), where the entries of each node begin.
    """
    starts[:] = 0
    for entry in range(node.shape[0]):
        starts[node[entry] + 1] += 1
    for number in range(1, starts.shape[0]):
        starts[number] += starts[number - 1]
    place = starts[:-1].copy()
    for position in range(order.shape[0]):
        entry = order[position]
        own = node[entry]
        sorted_order[place[own]] = entry
        place[own] += 1


@compiled
def merge(starts, column, value, order, merged_starts, merged_column, merged_value):  # type: ignore[no-untyped-def]
    """Writes the entries of each row, sorted by column; adds up entries at the same place; returns their number."""
    count = np.int64(0)
    for row in range(starts.shape[0] - 1):
        merged_starts[row] = count
        last = np.int64(-1)
        for position in range(starts[row], starts[row + 1]):
            entry = order[position]
            if column[entry] == last:
                merged_value[count - 1] += value[entry]
            else:
                last = column[entry]
                merged_column[count] = last
                merged_value[count] = value[entry]
                count += 1
    merged_starts[starts.shape[0] - 1] = count
    return count


@compiled
def count_with_loops(rowptr, col, weight, loop, starts, degree):  # type: ignore[no-untyped-def]
    """Writes where the rows start, and the sums of the rows, after adding loops of the weight ``loop`` (0: none).

    Columns are sorted within a row; equal columns count once. If ``weight`` is empty, each entry weighs 1. A row that
    has a loop gets no second loop.
    """
    total = np.int64(0)
    for row in range(rowptr.shape[0] - 1):
        starts[row] = total
        last, has_loop, weighs = np.int64(-1), False, 0.0
        for position in range(rowptr[row], rowptr[row + 1]):
            column = np.int64(col[position])
            weighs += weight[position] if weight.shape[0] > 0 else 1.0
            has_loop |= column == row
            total += column != last
            last = column
        if loop > 0.0 and not has_loop:
            weighs += loop
            total += 1
        degree[row] = weighs
    starts[rowptr.shape[0] - 1] = total


@compiled
def fill_with_loops(rowptr, col, weight, loop, left, right, starts, columns, values):  # type: ignore[no-untyped-def]
    """Writes columns and values of the rows with loops; values are multiplied by the factors of row and column."""
    for row in range(rowptr.shape[0] - 1):
        entry, end = starts[row], starts[row + 1]
        last = np.int64(-1)
        # A loop is inserted before the first column behind the diagonal.
        waits = loop > 0.0
        for position in range(rowptr[row], rowptr[row + 1]):
            column = np.int64(col[position])
            if column == row:
                waits = False
            if waits and column > row:
                columns[entry] = row
                values[entry] = left[row] * loop * right[row]
                entry += 1
                waits = False
            value = left[row] * (weight[position] if weight.shape[0] > 0 else 1.0) * right[column]
            if column == last:
                values[entry - 1] += value
            else:
                columns[entry] = column
                values[entry] = value
                entry += 1
                last = column
        if waits and entry < end:
            columns[entry] = row
            values[entry] = left[row] * loop * right[row]
