"""Compiled functions of `eco_core.data.sampling.node_groups`; see `eco_core.ops.compiled`."""

from __future__ import annotations

import numpy as np

from eco_core.ops.compiled import compiled


@compiled
def propagate_labels(rowptr, col, order, weight, capacity, size, label):  # type: ignore[no-untyped-def]
    """Gives each node, in order, the most frequent label of its neighbours that has room; returns the number of moves.

    ``size`` holds the total weight of the nodes of each label, which must not exceed ``capacity``.
    """
    count = np.zeros(size.shape[0], np.int64)
    touched = np.empty(size.shape[0], np.int64)
    moves = np.int64(0)
    for node in order:
        own = label[node]
        known = 0
        for position in range(rowptr[node], rowptr[node + 1]):
            if col[position] != node:
                other = label[col[position]]
                if count[other] == 0:
                    touched[known] = other
                    known += 1
                count[other] += 1
        best, most = own, count[own]
        for number in range(known):
            candidate = touched[number]
            if count[candidate] > most and size[candidate] + weight[node] <= capacity:
                best, most = candidate, count[candidate]
        for number in range(known):
            count[touched[number]] = 0
        if best != own:
            size[own] -= weight[node]
            size[best] += weight[node]
            label[node] = best
            moves += 1
    return moves


@compiled
def contract(starts, nodes, rowptr, col, label, heads, columns):  # type: ignore[no-untyped-def]
    """Writes the graph of labels as CSR, with an entry for each edge between two labels; returns the number of entries.

    ``nodes`` are sorted by label; the nodes of label c begin at ``starts[c]``.
    """
    total = np.int64(0)
    for own in range(starts.shape[0] - 1):
        heads[own] = total
        for number in range(starts[own], starts[own + 1]):
            node = nodes[number]
            for position in range(rowptr[node], rowptr[node + 1]):
                other = label[col[position]]
                if other != own:
                    columns[total] = other
                    total += 1
    heads[starts.shape[0] - 1] = total
    return total
