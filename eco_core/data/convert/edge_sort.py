"""Sorts edges by target and source on disk. Memory holds arrays of the nodes and a part of the edges.

First, edges are written to files in the order of the list. Then, when the number of entries of each node is known, they
are distributed to files of consecutive nodes. Then each of these files is sorted by itself. Files are only read and
written from beginning to end, which is fast on any disk. All entries of one node are always sorted in memory together.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eco_core.data.convert.array_file import ArrayFile, write_entries
from eco_core.data.portions import Portions


class EdgeStatistics(NamedTuple):
    """Statistics of the edges, collected while sorting.

    Attributes:
        rowptr: The start of each node's entries, and the end of the last node's entries.
        max_degree: The largest number of entries with the same source.
        isolated_nodes: Number of nodes without an edge to another node.
        components: Number of weakly connected components.
        self_loops: Number of entries from a node to itself.
        repeated: Number of entries that repeat another entry, whether they are merged or kept.
        weights_differ: Whether a repeated entry differs in weight from the entry that it repeats.
    """

    rowptr: NDArray[np.int64]
    max_degree: int
    isolated_nodes: int
    components: int
    self_loops: int
    repeated: int
    weights_differ: bool


class EdgeSorter:
    """Collects edges, then sorts them.

    Args:
        folder: An empty folder for temporary files, which `sort` removes.
        node: The dtype of node numbers: int32 or int64.
        weighted: Whether the edges have weights.
        portions: How many entries are sorted together.
    """

    def __init__(self, folder: Path, node: Any, weighted: bool, portions: Portions = Portions()) -> None:
        self._portion = portions.sorted_edges
        self.listed = 0
        self.weighted = weighted
        fields = [("source", node), ("target", node), *([("weight", np.float32)] if weighted else [])]
        self._entry = np.dtype(fields)
        self._folder = folder
        self._lists: list[Path] = []

    def add(self, source: NDArray[Any], target: NDArray[Any], weight: NDArray[np.float32] | None) -> None:
        """Writes edges to a temporary file."""
        chunk = np.empty(len(source), dtype=self._entry)
        chunk["source"], chunk["target"] = source, target
        if weight is not None:
            chunk["weight"] = weight
        self.listed += len(chunk)
        self._lists.append(self._folder / f"list-{len(self._lists)}")
        with self._lists[-1].open("wb") as file:
            write_entries(file, chunk)

    def room(self, both_ways: bool) -> int:
        """The most bytes that sorting needs on the disk, in addition to the temporary files so far."""
        # Each temporary file is removed as soon as it has been distributed or sorted.
        return (self.listed if both_ways else 0) * self._entry.itemsize

    def sort(
        self,
        num_nodes: int,
        both_ways: bool,
        col: ArrayFile,
        weight: ArrayFile | None,
        progress: Callable[[str], None],
    ) -> EdgeStatistics:
        """Writes the sorted entries.

        Args:
            num_nodes: Number of nodes.
            both_ways: Whether the graph is undirected: each edge is written in both directions, and repeated entries
                are merged.
            col: The file that the sources are written to.
            weight: The file that the weights are written to; None without weights.
            progress: Called with messages on the progress.

        Returns:
            Statistics of the edges.
        """
        from eco_core.data import _node_id_kernels as kernels

        counts, outgoing = np.zeros(num_nodes, np.int64), np.zeros(num_nodes, np.int64)
        linked, parent = np.zeros(num_nodes, np.bool_), np.arange(num_nodes)
        for path in self._lists:
            fields = self._fields(np.fromfile(path, dtype=self._entry))
            kernels.survey(*fields[:2], both_ways, counts, outgoing, linked, parent)
        bounds = _bounds(counts, self._portion)
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
            # A stable sort keeps the order of a node's entries. For uint16 NumPy uses a radix sort, which is faster.
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
        """Sources, targets and weights as contiguous arrays."""
        fields = [np.ascontiguousarray(entries[name]) for name in entries.dtype.names or ()]
        return fields if self.weighted else [*fields, np.empty(0, dtype=np.float32)]


def _bounds(counts: NDArray[np.int64], portion: int) -> NDArray[np.int64]:
    """The first node of each group of nodes that is sorted together, and the number of all nodes."""
    ends, bounds = np.cumsum(counts), [0]
    while bounds[-1] < len(counts):
        before = int(ends[bounds[-1] - 1]) if bounds[-1] else 0
        following = int(np.searchsorted(ends, before + portion, side="right"))
        bounds.append(min(max(following, bounds[-1] + 1), len(counts)))
    return np.array(bounds, dtype=np.int64)


__all__ = ["EdgeSorter", "EdgeStatistics"]
