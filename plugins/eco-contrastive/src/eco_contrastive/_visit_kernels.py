"""The compiled part of `eco_contrastive.modularity_pairs`; see `eco_core.ops.compiled`."""

from __future__ import annotations

import numpy as np

from eco_core.ops.compiled import compiled


@compiled
def keep_frequent(visits, least, kept, first, last):  # type: ignore[no-untyped-def]
    """Moves, in rows [first, last), the nodes that are visited at least so often to the front, in order.

    ``visits`` of shape (rows, starts and steps) holds the walks of each row's node, which is in its first column and
    does not count; ``kept`` gets the number of nodes of each row. Visits are counted in a hash table that fits into the
    first cache.
    """
    size = 1
    while size < 2 * visits.shape[1]:
        size *= 2
    nodes = np.full(size, -1, np.int64)
    counts = np.zeros(size, np.int64)
    used = np.empty(visits.shape[1], np.int64)
    for row in range(first, last):
        own = visits[row, 0]
        in_use = 0
        for position in range(visits.shape[1]):
            node = visits[row, position]
            if node == own:
                continue
            slot = (node * 0x9E3779B1 >> 7) & (size - 1)
            while nodes[slot] != node and nodes[slot] != -1:
                slot = (slot + 1) & (size - 1)
            if nodes[slot] == -1:
                nodes[slot] = node
                used[in_use] = slot
                in_use += 1
            counts[slot] += 1
        found = 0
        for number in range(in_use):
            slot = used[number]
            if counts[slot] >= least:
                visits[row, found] = nodes[slot]
                found += 1
            nodes[slot] = -1
            counts[slot] = 0
        visits[row, :found].sort()
        kept[row] = found
