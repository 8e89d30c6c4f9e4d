"""Compiled functions of `eco_core.data.convert.edge_sort` and `eco_core.data.node_ids`; see `eco_core.ops.compiled`."""

from __future__ import annotations

import numpy as np
from numba import njit

from eco_core.ops._random_walk_kernels import _mix
from eco_core.ops.compiled import compiled


@compiled
def number_integers(ids, numbers, keys, known, count, add, out):  # type: ignore[no-untyped-def]
    """Writes the number of each id to ``out``, -1 for an unknown id; returns how many ids are known.

    ``numbers`` (-1: free) and ``keys`` are a hash table. Its size is a power of two, at least twice the number of ids.
    With ``add``, a new id gets the next number, and is entered into the table and into ``known``.
    """
    mask = numbers.shape[0] - 1
    for position in range(ids.shape[0]):
        slot = np.int64(_mix(np.uint64(ids[position])) & np.uint64(mask))
        while numbers[slot] != -1 and keys[slot] != ids[position]:
            slot = (slot + 1) & mask
        if numbers[slot] == -1 and add:
            numbers[slot] = count
            keys[slot] = ids[position]
            known[count] = ids[position]
            count += 1
        out[position] = numbers[slot]
    return count


@njit
def _hashed(data, start, end):  # type: ignore[no-untyped-def]
    """The hash of bytes [start, end): FNV-1a, then mixed."""
    value = np.uint64(0xCBF29CE484222325)
    for position in range(start, end):
        value = (value ^ np.uint64(data[position])) * np.uint64(0x100000001B3)
    return _mix(value)


@njit
def _equal(data, start, end, known, known_start, known_end):  # type: ignore[no-untyped-def]
    if end - start != known_end - known_start:
        return False
    for offset in range(end - start):  # noqa: SIM110 (numba does not support all() of a generator)
        if data[start + offset] != known[known_start + offset]:
            return False
    return True


@compiled
def number_texts(data, starts, ends, numbers, known, known_ends, count, add, out):  # type: ignore[no-untyped-def]
    """Does the same as `number_integers` for texts.

    ``known`` gets the bytes of new texts; ``known_ends`` gets the end of each text, after a leading 0.
    """
    mask = numbers.shape[0] - 1
    for position in range(starts.shape[0]):
        start, end = starts[position], ends[position]
        slot = np.int64(_hashed(data, start, end) & np.uint64(mask))
        while numbers[slot] != -1:
            number = numbers[slot]
            if _equal(data, start, end, known, known_ends[number], known_ends[number + 1]):
                break
            slot = (slot + 1) & mask
        if numbers[slot] == -1 and add:
            numbers[slot] = count
            first = known_ends[count]
            for offset in range(end - start):
                known[first + offset] = data[start + offset]
            count += 1
            known_ends[count] = first + end - start
        out[position] = numbers[slot]
    return count


@njit
def _root(parent, node):  # type: ignore[no-untyped-def]
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@compiled
def survey(source, target, both_ways, incoming, outgoing, linked, parent):  # type: ignore[no-untyped-def]
    """Counts the entries of each node, marks nodes that have a neighbour, and joins connected nodes.

    With ``both_ways`` each edge is an entry of both of its nodes; a self-loop is one entry. ``parent`` is a union-find
    forest: nodes with the same root are connected.
    """
    for edge in range(source.shape[0]):
        tail, head = source[edge], target[edge]
        outgoing[tail] += 1
        incoming[head] += 1
        if tail == head:
            continue
        if both_ways:
            incoming[tail] += 1
        linked[tail] = linked[head] = True
        first, second = _root(parent, tail), _root(parent, head)
        # The smaller root stays the root: the trees remain flat enough, and no ranks have to be stored.
        if first < second:
            parent[second] = first
        elif second < first:
            parent[first] = second


@compiled
def sort_rows(source, target, weight, first, counts, merge, col, sorted_weight):  # type: ignore[no-untyped-def]
    """Writes the entries of nodes [first, first + len(counts)), sorted by target and then by source.

    With ``merge``, a repeated entry is written once, with the largest weight. ``counts`` gets the number of entries of
    each node. Returns the number of written entries, the number of repeated entries, the number of written self-loops,
    and whether the weights of repeated entries differ.
    """
    weighted = sorted_weight.shape[0] > 0
    starts = np.zeros(counts.shape[0] + 1, dtype=np.int64)
    for entry in range(target.shape[0]):
        starts[target[entry] - first + 1] += 1
    for row in range(counts.shape[0]):
        starts[row + 1] += starts[row]
    place = starts[:-1].copy()
    sources = np.empty(source.shape[0], dtype=col.dtype)
    weights = np.empty(sorted_weight.shape[0], dtype=sorted_weight.dtype)
    for entry in range(target.shape[0]):
        row = target[entry] - first
        sources[place[row]] = source[entry]
        if weighted:
            weights[place[row]] = weight[entry]
        place[row] += 1
    written, repeated, loops, differ = np.int64(0), np.int64(0), np.int64(0), False
    for row in range(counts.shape[0]):
        low, high = starts[row], starts[row + 1]
        begin = written
        if weighted:
            # A stable sort: repeated edges that are not merged stay in the order of the list.
            order = np.argsort(sources[low:high], kind="mergesort")
        else:
            order = np.empty(0, dtype=np.int64)
            sources[low:high].sort()
        for position in range(high - low):
            entry = low + (order[position] if weighted else position)
            value = sources[entry]
            if written > begin and col[written - 1] == value:
                repeated += 1
                if weighted:
                    differ |= sorted_weight[written - 1] != weights[entry]
                if merge:
                    if weighted:
                        sorted_weight[written - 1] = max(sorted_weight[written - 1], weights[entry])
                    continue
            col[written] = value
            if weighted:
                sorted_weight[written] = weights[entry]
            loops += value == row + first
            written += 1
        counts[row] = written - begin
    return written, repeated, loops, differ
