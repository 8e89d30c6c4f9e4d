"""The compiled part of `eco_core.ops.kmeans`; see `eco_core.ops.compiled`."""

from __future__ import annotations

from eco_core.ops.compiled import compiled


@compiled
def move(points, old, new, sums, first, last):  # type: ignore[no-untyped-def]
    """Moves points between the sums of their clusters, in the columns [first, last), for several restarts at once.

    ``old`` and ``new`` are the clusters of each point (rows) in each restart (columns), -1 for none; ``sums`` of shape
    (restarts, K, width) is in double precision, so that adding a point and removing it again leaves almost no rounding
    error.
    """
    for i in range(points.shape[0]):
        point = points[i, first:last]
        for restart in range(new.shape[1]):
            here, there = old[i, restart], new[i, restart]
            if here == there:
                continue
            total = sums[restart, there, first:last]
            for k in range(last - first):
                total[k] += point[k]
            if here >= 0:
                rest = sums[restart, here, first:last]
                for k in range(last - first):
                    rest[k] -= point[k]


@compiled
def least(block, values, where, first, last):  # type: ignore[no-untyped-def]
    """Finds the minima of ``block`` (rows, restarts, K) along the last dimension, and the first place of each.

    Only rows [first, last) are searched. NumPy's and torch's minima also check each entry for NaN, which takes four
    times as long.
    """
    for i in range(first, last):
        for restart in range(block.shape[1]):
            row = block[i, restart]
            value, place = row[0], 0
            for k in range(1, block.shape[2]):
                if row[k] < value:
                    value, place = row[k], k
            values[i, restart] = value
            where[i, restart] = place
