"""The compiled part of `eco_core.ops.random_walks`; see `eco_core.ops.compiled`."""

from __future__ import annotations

import numpy as np
from numba import njit

from eco_core.ops.compiled import compiled

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31, _S11 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(11)
_ONE = np.uint64(1)
_TO_UNIT = 2.0**-53
_TOGETHER = 64


@njit(inline="always")
def _mix(value):  # type: ignore[no-untyped-def]
    """The output function of splitmix64 (Steele et al., OOPSLA 2014)."""
    value = (value ^ (value >> _S30)) * _MIX_1
    value = (value ^ (value >> _S27)) * _MIX_2
    return value ^ (value >> _S31)


@njit(inline="always")
def _unit(state):  # type: ignore[no-untyped-def]
    """A double in [0, 1) from a state."""
    # 53 bits; processors turn signed numbers into doubles in one step.
    return np.int64(_mix(state) >> _S11) * _TO_UNIT


@njit(inline="always")
def _first_above(cumulative, low, high, target):  # type: ignore[no-untyped-def]
    """The first position in [low, high) whose running sum is above the target; never an edge of weight 0."""
    last = high - 1
    while low < last:
        middle = (low + last) // 2
        if cumulative[middle] > target:
            last = middle
        else:
            low = middle + 1
    return low


@njit(inline="always")
def _contains(col, low, high, node):  # type: ignore[no-untyped-def]
    """Whether a node is among the sorted entries [low, high)."""
    end = high
    while low < high:
        middle = (low + high) // 2
        if col[middle] < node:
            low = middle + 1
        else:
            high = middle
    return low < end and col[low] == node


@njit(inline="always")
def _bias(rowptr, col, previous, candidate, to_return, to_far):  # type: ignore[no-untyped-def]
    """The unnormalised second-order bias of node2vec: 1/p, 1 or 1/q by the distance from the previous node."""
    if candidate == previous:
        return to_return
    if _contains(col, rowptr[previous], rowptr[previous + 1], candidate):
        return 1.0
    return to_far


@compiled
def fill_walks(rowptr, col, cumulative, walks, seed, to_return, to_far, first, last):  # type: ignore[no-untyped-def]
    """Fills rows [first, last) of ``walks``, whose first column holds the start nodes.

    ``cumulative`` is empty for graphs without weights. ``seed`` is a uint64.
    """
    weighted = cumulative.shape[0] > 0
    second_order = to_return != 1.0 or to_far != 1.0
    largest = max(to_return, 1.0, to_far)
    key = _mix(seed + _GAMMA)
    for walk in range(first, last):
        # Each walk has a stream of its own, from the seed and its number: the result does not depend on threads.
        state = _mix(key ^ _mix((np.uint64(walk) + _ONE) * _GAMMA))
        previous = np.int64(-1)
        node = walks[walk, 0]
        for step in range(1, walks.shape[1]):
            low, high = rowptr[node], rowptr[node + 1]
            total = cumulative[high - 1] if weighted and high > low else float(high - low)
            if total <= 0.0:
                walks[walk, step:] = node
                break
            biased = second_order and previous >= 0 and high - low > 1
            chosen = low
            accepted = False
            # Rejection needs a few proposals on average, whatever the degree. If all edges of a row have a small bias,
            # the loop ends after as many proposals as the row has edges; listing the row then costs no more.
            for _ in range(high - low if biased else 1):
                state += _GAMMA
                target = _unit(state) * total
                chosen = _first_above(cumulative, low, high, target) if weighted else low + np.int64(target)
                if not biased:
                    accepted = True
                    break
                state += _GAMMA
                if _unit(state) * largest < _bias(rowptr, col, previous, col[chosen], to_return, to_far):
                    accepted = True
                    break
            if not accepted:
                mass = 0.0
                for position in range(low, high):
                    weight = 1.0
                    if weighted:
                        weight = cumulative[position] - (cumulative[position - 1] if position > low else 0.0)
                    mass += weight * _bias(rowptr, col, previous, col[position], to_return, to_far)
                state += _GAMMA
                target = _unit(state) * mass
                mass = 0.0
                for position in range(low, high):
                    weight = 1.0
                    if weighted:
                        weight = cumulative[position] - (cumulative[position - 1] if position > low else 0.0)
                    mass += weight * _bias(rowptr, col, previous, col[position], to_return, to_far)
                    if mass > target:
                        chosen = position
                        break
            previous = node
            node = col[chosen]
            walks[walk, step] = node


@compiled
def fill_uniform_walks(rowptr, col, walks, seed, first, last):  # type: ignore[no-untyped-def]
    """Fills rows [first, last) as `fill_walks` does, where every neighbour is as likely as any other.

    Several walks advance together: while one waits for memory, the others go on.
    """
    key = _mix(seed + _GAMMA)
    states = np.empty(_TOGETHER, np.uint64)
    for start in range(first, last, _TOGETHER):
        count = min(_TOGETHER, last - start)
        for walk in range(count):
            states[walk] = _mix(key ^ _mix((np.uint64(start + walk) + _ONE) * _GAMMA))
        for step in range(1, walks.shape[1]):
            for walk in range(count):
                node = walks[start + walk, step - 1]
                low = rowptr[node]
                degree = rowptr[node + 1] - low
                states[walk] += _GAMMA
                if degree > 0:
                    node = col[low + np.int64(_unit(states[walk]) * degree)]
                walks[start + walk, step] = node


@compiled
def keep_frequent_visits(  # type: ignore[no-untyped-def]
    rowptr, col, cumulative, start, walks, length, seed, least, before, found, kept, first, last
):
    """Finds the nodes that the walks from each start visit at least ``least`` times, without the start itself.

    It walks as `fill_walks` does without bias: ``walks`` walks of ``length`` steps from each of the rows [first, last)
    of ``start``. The nodes are written to ``found`` one after the other, in the order of first visits. The first place
    leaves room for as many nodes as there are visits from the rows ``before`` to ``first``. ``kept`` gets the number of
    nodes of each row.

    Visits are counted in a hash table that fits into the first cache.
    """
    size = 1
    while size < 2 * walks * length:
        size *= 2
    nodes = np.full(size, -1, np.int64)
    counts = np.zeros(size, np.int64)
    used = np.empty(size, np.int64)
    states, here = np.empty(walks, np.uint64), np.empty(walks, np.int64)
    weighted = cumulative.shape[0] > 0
    key = _mix(seed + _GAMMA)
    end = (first - before) * walks * length
    for row in range(first, last):
        own = start[row]
        for walk in range(walks):
            states[walk] = _mix(key ^ _mix((np.uint64(row * walks + walk) + _ONE) * _GAMMA))
            here[walk] = own
        in_use = 0
        for _ in range(length):
            for walk in range(walks):
                node = here[walk]
                low, high = rowptr[node], rowptr[node + 1]
                states[walk] += _GAMMA
                if not weighted:
                    if high > low:
                        here[walk] = col[low + np.int64(_unit(states[walk]) * (high - low))]
                elif high > low and cumulative[high - 1] > 0.0:
                    here[walk] = col[_first_above(cumulative, low, high, _unit(states[walk]) * cumulative[high - 1])]
            for walk in range(walks):
                node = here[walk]
                slot = (node * 0x9E3779B1 >> 7) & (size - 1)
                while nodes[slot] != node:
                    if nodes[slot] == -1:
                        nodes[slot] = node
                        used[in_use] = slot
                        in_use += 1
                        break
                    slot = (slot + 1) & (size - 1)
                counts[slot] += 1
        begin = end
        for number in range(in_use):
            slot = used[number]
            if counts[slot] >= least and nodes[slot] != own:
                found[end] = nodes[slot]
                end += 1
            nodes[slot] = -1
            counts[slot] = 0
        kept[row] = end - begin


@compiled
def row_sums(rowptr, weight, out):  # type: ignore[no-untyped-def]
    """Writes the running sum of the weights of each row; it starts at 0 in each row, so rows do not affect others."""
    for row in range(rowptr.shape[0] - 1):
        total = 0.0
        for position in range(rowptr[row], rowptr[row + 1]):
            total += weight[position]
            out[position] = total
