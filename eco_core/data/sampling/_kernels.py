"""Compiled functions of `eco_core.data.sampling.neighbors` and `batches`; see `eco_core.ops.compiled`."""

from __future__ import annotations

import numpy as np
from numba import njit

from eco_core.ops._random_walk_kernels import _GAMMA, _ONE, _first_above, _mix, _unit
from eco_core.ops.compiled import compiled

_FEW = 64
"""Up to this many sampled edges of a node, each draw is compared with all earlier draws; else one pass chooses them."""


@compiled
def count_edges(rowptr, nodes, fan_out, replace, ends):  # type: ignore[no-untyped-def]
    """Writes the cumulative numbers of edges that are sampled for the nodes; ``fan_out`` -1: all edges."""
    total = np.int64(0)
    for number in range(nodes.shape[0]):
        degree = rowptr[nodes[number] + 1] - rowptr[nodes[number]]
        if fan_out < 0 or (degree <= fan_out and not replace):
            total += degree
        elif degree > 0:
            total += fan_out
        ends[number] = total


@njit(inline="always")
def _draw_one(cumulative, low, high, state):  # type: ignore[no-untyped-def]
    """Draws the position of a neighbour: in proportion to the weights, or uniformly without weights."""
    if cumulative.shape[0] == 0:
        return low + np.int64(_unit(state) * (high - low))
    return _first_above(cumulative, low, high, _unit(state) * cumulative[high - 1])


@njit
def _running_sums(weight, low, high):  # type: ignore[no-untyped-def]
    sums = np.empty(high - low)
    total = 0.0
    for position in range(low, high):
        total += weight[position]
        sums[position - low] = total
    return sums


@njit(inline="always")
def _holds(values, first, last, value):  # type: ignore[no-untyped-def]
    found = False
    for position in range(first, last):
        found |= values[position] == value
    return found


@compiled
def sample_edges(rowptr, cumulative, weight, nodes, fan_out, replace, ends, out, seed, hop, first, last):  # type: ignore[no-untyped-def]
    """Writes the positions of the edges that are sampled for nodes [first, last).

    Each node of each hop has its own stream of random numbers, so that the result does not depend on the number of
    threads. Weights are given either as ``cumulative``, their running sums within each node's entries, or as
    ``weight``. With ``weight``, the running sums of one node at a time are computed, so that a graph on disk needs no
    second array.
    """
    key = _mix(seed + _GAMMA)
    for number in range(first, last):
        low, high = rowptr[nodes[number]], rowptr[nodes[number] + 1]
        begin = ends[number - 1] if number > 0 else np.int64(0)
        end = ends[number]
        if end - begin == high - low and not (replace and fan_out >= 0):
            for position in range(high - low):
                out[begin + position] = low + position
            continue
        sums, shift = cumulative, np.int64(0)
        if weight.shape[0] > 0:
            sums, shift = _running_sums(weight, low, high), low
        state = _mix(key ^ _mix((np.uint64(number) + _ONE) * _GAMMA) ^ _mix((np.uint64(hop) + _ONE) * _GAMMA * _GAMMA))
        if replace:
            for position in range(begin, end):
                state += _GAMMA
                out[position] = _draw_one(sums, low - shift, high - shift, state) + shift
        elif sums.shape[0] > 0:
            _sample_weighted(sums, low - shift, high - shift, begin, end, out, state)
            for position in range(begin, end):
                out[position] += shift
        elif end - begin <= _FEW:
            # Floyd's algorithm (Bentley & Floyd, CACM 1987): one draw for each sampled edge, whatever the degree.
            for position in range(begin, end):
                state += _GAMMA
                last_one = high - (end - position)
                drawn = low + np.int64(_unit(state) * (last_one - low + 1))
                out[position] = last_one if _holds(out, begin, position, drawn) else drawn
        else:
            # Selection sampling (Knuth, TAOCP 2, algorithm S): one pass over the neighbours.
            filled = begin
            for candidate in range(low, high):
                state += _GAMMA
                if _unit(state) * (high - candidate) < end - filled:
                    out[filled] = candidate
                    filled += 1


@njit
def _sample_weighted(cumulative, low, high, begin, end, out, state):  # type: ignore[no-untyped-def]
    """Draws edges one after the other, each in proportion to the weights of the edges that are left.

    The edges with the smallest -log(u) / w are drawn (exponential races; Efraimidis & Spirakis, IPL 2006). Edges of
    weight 0 come last.
    """
    races = np.empty(high - low)
    for position in range(low, high):
        weight = cumulative[position] - (cumulative[position - 1] if position > low else 0.0)
        state += _GAMMA
        races[position - low] = -np.log(1.0 - _unit(state)) / weight if weight > 0 else np.inf
    order = np.argsort(races)
    for position in range(begin, end):
        out[position] = low + order[position - begin]


@compiled
def relabel(neighbors, place, nodes, count, local):  # type: ignore[no-untyped-def]
    """Numbers nodes in the order of their first occurrence; returns the count of numbered nodes.

    ``place`` holds the number of each node of the graph, -1: none yet. ``nodes`` lists the nodes by number; its first
    ``count`` entries are set already.
    """
    for position in range(neighbors.shape[0]):
        node = neighbors[position]
        number = place[node]
        if number < 0:
            number = count
            place[node] = number
            nodes[count] = node
            count += 1
        local[position] = number
    return count


@compiled
def count_induced(rowptr, col, nodes, place, ends):  # type: ignore[no-untyped-def]
    """Writes the cumulative numbers of edges among ``nodes``, by target; ``place`` is -1 for all other nodes."""
    total = np.int64(0)
    for number in range(nodes.shape[0]):
        for position in range(rowptr[nodes[number]], rowptr[nodes[number] + 1]):
            total += place[col[position]] >= 0
        ends[number] = total


@compiled
def fill_induced(rowptr, col, nodes, place, edges, positions):  # type: ignore[no-untyped-def]
    """Writes the edges that `count_induced` counts, as places of source and target, and their positions in ``col``."""
    total = np.int64(0)
    for number in range(nodes.shape[0]):
        for position in range(rowptr[nodes[number]], rowptr[nodes[number] + 1]):
            source = place[col[position]]
            if source >= 0:
                edges[0, total] = source
                edges[1, total] = number
                positions[total] = position
                total += 1


@compiled
def in_degrees(rowptr, col, weight, out):  # type: ignore[no-untyped-def]
    """Writes the sum of the weights of the edges from other nodes to each node; without weights, their number."""
    for node in range(out.shape[0]):
        total = 0.0
        for position in range(rowptr[node], rowptr[node + 1]):
            if col[position] != node:
                total += weight[position] if weight.shape[0] > 0 else 1.0
        out[node] = total
