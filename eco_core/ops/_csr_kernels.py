"""The compiled part of `eco_core.ops.csr`; see `eco_core.ops.compiled`."""

from __future__ import annotations

import numpy as np

from eco_core.ops.compiled import compiled


@compiled
def sort_by(node, order, sorted_order, starts):  # type: ignore[no-untyped-def]
    """Sorts entries by their node, those of a node staying in order: a counting sort, in time of the entries.

    ``order`` numbers the entries as they come, ``sorted_order`` gets them by node, and ``starts`` of shape
    (num_nodes + 1,) where the entries of each node begin.
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
    """Writes the entries of each row, sorted by column, with those at one place added up; returns their number."""
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
