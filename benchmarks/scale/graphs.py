"""Synthetic attributed graphs of the size of large published graphs, written as arrays to be converted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

_CHUNK = 1 << 22
_INSIDE = 0.75
"""Share of the edges that stay within their community."""


@dataclass(frozen=True)
class Size:
    """The size of a graph.

    Attributes:
        num_nodes: Number of nodes.
        num_pairs: Number of drawn pairs of nodes; each becomes two directed edges, and repeated pairs are merged.
        num_features: Width of the features.
        n_classes: Number of communities.
    """

    num_nodes: int
    num_pairs: int
    num_features: int
    n_classes: int


SIZES = {
    "small": Size(100_000, 2_500_000, 100, 47),
    "products": Size(2_449_029, 62_900_000, 100, 47),
    "large": Size(10_000_000, 151_500_000, 32, 50),
}
"""``products`` has the size of ogbn-products. It draws more pairs than that has, because repeated pairs are merged."""


def write_arrays(size: Size, folder: Path, seed: int = 0) -> None:
    """Writes ``edges.npy`` (num_pairs, 2), ``x.npy`` and ``y.npy``, in chunks.

    Nodes of a community have degrees with a heavy tail, and features around the community's own.

    Args:
        size: The size of the graph.
        folder: Folder for the arrays.
        seed: Seed of the random numbers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    number = generator.permutation(size.num_nodes).astype(np.int32)  # Communities must not be ranges of ids.
    bounds = np.linspace(0, size.num_nodes, size.n_classes + 1).astype(np.int64)
    edges = np.lib.format.open_memmap(folder / "edges.npy", "w+", np.int32, (size.num_pairs, 2))
    for first in range(0, size.num_pairs, _CHUNK):
        count = min(_CHUNK, size.num_pairs - first)
        source = generator.integers(size.n_classes, size=count)
        elsewhere = generator.integers(size.n_classes, size=count)
        target = np.where(generator.random(count) < _INSIDE, source, elsewhere)
        for column, community in enumerate((source, target)):
            start, width = bounds[community], bounds[community + 1] - bounds[community]
            # Squared, so that a node of rank r in its community is drawn with a probability proportional to r ** -0.5.
            rank = (width * generator.random(count) ** 2).astype(np.int64)
            edges[first : first + count, column] = number[start + rank]
    edges.flush()
    y = np.empty(size.num_nodes, dtype=np.int64)
    for label in range(size.n_classes):
        y[number[bounds[label] : bounds[label + 1]]] = label
    np.save(folder / "y.npy", y)
    centers = generator.normal(size=(size.n_classes, size.num_features)).astype(np.float32)
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", np.float32, (size.num_nodes, size.num_features))
    for first in range(0, size.num_nodes, _CHUNK // 8):
        rows = slice(first, min(first + _CHUNK // 8, size.num_nodes))
        noise = generator.standard_normal((rows.stop - rows.start, size.num_features), dtype=np.float32)
        x[rows] = centers[y[rows]] + 2 * noise
    x.flush()
