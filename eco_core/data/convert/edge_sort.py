"""Sorts edges by target and source on disk, in memory for the nodes and for a part of the edges.

Edges are written down in the order of the list; then, when the number of entries of each node is known, distributed to
files of consecutive nodes; then each of these files is sorted by itself. All but the sorting is reading and writing
from beginning to end, which is what disks do well. One node's entries are sorted in memory, however many they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eco_core.data.convert.array_file import ArrayFile, write_entries

TOGETHER = 2**22
"""Entries that are sorted together."""


class EdgeStatistics(NamedTuple):
    """What sorting finds out about the edges.

    Attributes:
        rowptr: Where each node's entries begin, and the last one's end.
        max_degree: The largest number of entries that one node is the source of.
        isolated_nodes: Nodes that no edge joins to another.
        components: Parts that hang together, whatever the direction of the edges.
        self_loops: Entries from a node to itself.
        repeated: Entries that repeat another; merged, or kept.
        weights_differ: Whether any of these has another weight.
    """

    rowptr: NDArray[np.int64]
    max_degree: int
    isolated_nodes: int
    components: int
    self_loops: int
    repeated: int
    weights_differ: bool


class EdgeSorter:
    """A list of edges that are to be sorted.

    Args:
        folder: An empty folder, for files that are gone in the end.
        node: Of the numbers of nodes: int32 or int64.
        weighted: Whether there are weights.
    """

    def __init__(self, folder: Path, node: Any, weighted: bool) -> None:
        self.listed = 0
        self.weighted = weighted
        fields = [("source", node), ("target", node), *([("weight", np.float32)] if weighted else [])]
        self._entry = np.dtype(fields)
        self._folder = folder
        self._lists: list[Path] = []

    def add(self, source: NDArray[Any], target: NDArray[Any], weight: NDArray[np.float32] | None) -> None:
        """Writes edges down."""
        chunk = np.empty(len(source), dtype=self._entry)
        chunk["source"], chunk["target"] = source, target
        if weight is not None:
            chunk["weight"] = weight
        self.listed += len(chunk)
        self._lists.append(self._folder / f"list-{len(self._lists)}")
        with self._lists[-1].open("wb") as file:
            write_entries(file, chunk)

    def room(self, both_ways: bool) -> int:
        """How many bytes sorting needs on the disk, at most, beside those written already."""
        # The list goes away while it is distributed, and what was distributed while it is sorted.
        return (self.listed if both_ways else 0) * self._entry.itemsize

    def sort(
        self,
        num_nodes: int,
        both_ways: bool,
        col: ArrayFile,
        weight: ArrayFile | None,
        progress: Callable[[str], None],
    ) -> EdgeStatistics:
        """Writes the entries, sorted; with ``both_ways`` each edge in both directions, and repeated ones merged.

        Args:
            num_nodes: Number of nodes.
            both_ways: Whether the graph is undirected.
            col: Gets the sources.
            weight: Gets the weights.
            progress: Told how far this is.
        """
        from eco_core.data import _node_id_kernels as kernels

        counts, outgoing = np.zeros(num_nodes, np.int64), np.zeros(num_nodes, np.int64)
        linked, parent = np.zeros(num_nodes, np.bool_), np.arange(num_nodes)
        for path in self._lists:
            fields = self._fields(np.fromfile(path, dtype=self._entry))
            kernels.survey(*fields[:2], both_ways, counts, outgoing, linked, parent)
        bounds = _bounds(counts)
        self._distribute(bounds, both_ways)
        repeated, loops, differ = 0, 0, False
        for number, (first, last) in enumerate(itertools.pairwise(bounds.tolist())):
            path = self._part(number)
            entries = np.fromfile(path, dtype=self._entry) if path.exists() else np.empty(0, self._entry)
            into = np.empty(len(entries), dtype=col.dtype)
            weight_into = np.empty(len(entries) if self.weighted else 0, dtype=np.float32)
            arguments = (*self._fields(entries), first, counts[first:last], both_ways)
            written, *found = kernels.sort_rows(*arguments, into, weight_into)
            repeated, loops, differ = repeated + found[0], loops + found[1], differ or found[2]
            col.append(into[:written])
            if weight is not None:
                weight.append(weight_into[:written])
            path.unlink(missing_ok=True)
            progress(f"sorted the edges of {last:,} of {num_nodes:,} nodes")
        rowptr = np.concatenate([[0], np.cumsum(counts)])
        components = int(np.count_nonzero(parent == np.arange(num_nodes)))
        max_degree = int((counts if both_ways else outgoing).max())
        isolated = num_nodes - int(np.count_nonzero(linked))
        return EdgeStatistics(rowptr, max_degree, isolated, components, int(loops), int(repeated), bool(differ))

    def _distribute(self, bounds: NDArray[np.int64], both_ways: bool) -> None:
        """Appends the entries of the list to files of consecutive nodes."""
        for path in self._lists:
            chunk = np.fromfile(path, dtype=self._entry)
            if both_ways:
                reverse = chunk[chunk["source"] != chunk["target"]]
                reverse["source"], reverse["target"] = reverse["target"].copy(), reverse["source"].copy()
                chunk = np.concatenate([chunk, reverse])
            part = np.searchsorted(bounds, chunk["target"], side="right") - 1
            # Stable: the entries of a node stay in order. Of numbers this short it is a counting sort.
            order = np.argsort(part.astype(np.uint16 if len(bounds) < 2**16 else np.int64), kind="stable")
            begin = 0
            for number, end in enumerate(np.cumsum(np.bincount(part, minlength=len(bounds) - 1)).tolist()):
                if end > begin:
                    with self._part(number).open("ab") as file:
                        write_entries(file, chunk[order[begin:end]])
                begin = end
            path.unlink()

    def _part(self, number: int) -> Path:
        return self._folder / f"part-{number}"

    def _fields(self, entries: NDArray[Any]) -> list[NDArray[Any]]:
        """Sources, targets and weights, each in one piece."""
        fields = [np.ascontiguousarray(entries[name]) for name in entries.dtype.names or ()]
        return fields if self.weighted else [*fields, np.empty(0, dtype=np.float32)]


def _bounds(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where the nodes that are sorted together begin, and the end of the last ones."""
    ends, bounds = np.cumsum(counts), [0]
    while bounds[-1] < len(counts):
        before = int(ends[bounds[-1] - 1]) if bounds[-1] else 0
        following = int(np.searchsorted(ends, before + TOGETHER, side="right"))
        bounds.append(min(max(following, bounds[-1] + 1), len(counts)))
    return np.array(bounds, dtype=np.int64)


__all__ = ["EdgeSorter", "EdgeStatistics"]
