"""The graphs of the comparison, by name: two real graphs, and two synthetic graphs of published sizes."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch_geometric.data import Data

_PHYSICS = {
    "num_nodes": 34493,
    "n_blocks": 5,
    "num_features": 8415,
    "average_degree": 495924 / 34493,
    "mixing": 0.1,
    "seed": 0,
    "sparse": True,
    "density": 0.004,
}
_ARXIV = {
    "num_nodes": 169343,
    "n_blocks": 40,
    "num_features": 128,
    "average_degree": 2315598 / 169343,
    "mixing": 0.3,
    "seed": 0,
}
_TINY = {"num_nodes": 120, "n_blocks": 3, "num_features": 64, "average_degree": 6, "sparse": True, "density": 0.1}

_SOURCES: dict[str, dict[str, Any]] = {
    "cora": {"name": "cora", "normalize_features": "row"},
    "photo": {"name": "photo", "normalize_features": "row"},
    "physics": {"name": "sbm", "normalize_features": "row", **_PHYSICS},
    "arxiv": {"name": "sbm", "normalize_features": "none", **_ARXIV},
    "tiny": {"name": "sbm", "normalize_features": "row", **_TINY},
}
NAMES = ("cora", "photo", "physics", "arxiv")
"""The graphs for the command line; not ``tiny``, which only warms a process up."""


def data_spec(name: str, root: str | None = None) -> dict[str, Any]:
    """Returns the section ``data`` of a spec for a graph.

    Args:
        name: One of `NAMES`, or ``tiny``.
        root: Folder of downloaded data sets.
    """
    return {"undirected": True, "root": root, **_SOURCES[name]}


def load(name: str, root: str | None = None) -> Data:
    """Loads a graph with its labels ``y``; features of bags of words may be sparse.

    Args:
        name: One of `NAMES`, or ``tiny``.
        root: Folder of downloaded data sets.
    """
    import eco_core as eco

    options = data_spec(name, root)
    return eco.load_graph(options.pop("name"), **options)


def plain(graph: Data) -> Data:
    """Makes the graph for PyAGC: dense features and edges, and nothing else.

    The features are removed from the given graph, so that they are not kept twice.

    Args:
        graph: A graph from `load`.
    """
    from torch_geometric.data import Data

    x = graph.x.to_dense() if graph.x.is_sparse else graph.x
    edge_index = graph.edge_index.contiguous()
    graph.x = None
    gc.collect()
    return Data(x=x, edge_index=edge_index)
