"""Makes what a graph lacks: edges to nearest neighbours where it has features alone, features where it has edges alone.

Whatever is made is said in the graph's notes.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from eco_core.data.neighbors import NeighborOptions, edges_to_neighbors, merge_edges, nearest_edges
from eco_core.data.structure_features import structure_features
from eco_core.data.validate import add_notes, as_tensor, check_count, checked_edges, convert_graph, counted
from eco_core.errors import DataError, Problem

MADE_FEATURES = "made_features"
"""The attribute that marks a graph whose features were made from its edges."""


def complete_graph(data: Data, options: NeighborOptions) -> Data:
    """Returns a checked graph with features and edges.

    A graph without edges is joined by its coordinates ``pos``, if it has them, else by its features. A graph without
    features gets those of `eco_core.data.structure_features.structure_features`.

    Args:
        data: Any PyG graph; not modified.
        options: How nodes are joined.

    Raises:
        DataError: ECO303, with all problems of the graph.
        SpecError: ECO104, if there are not more nodes than neighbours.
    """
    has_features, has_edges = data.get("x") is not None, data.get("edge_index") is not None
    if has_features and not has_edges:
        return _with_edges(data, options)
    if has_edges and not has_features:
        return _with_features(data)
    return convert_graph(data)


def add_neighbors(graph: Data, options: NeighborOptions) -> None:
    """Adds edges to the nearest neighbours in the features to a checked graph, if the options ask for them.

    An edge that is added has the median weight of the graph's edges.

    Args:
        graph: The graph; its edges are replaced.
        options: ``knn_augment`` is the number of neighbours.

    Raises:
        SpecError: ECO104, if there are not more nodes than neighbours.
    """
    if options.knn_augment == 0:
        return
    if graph.get(MADE_FEATURES):
        add_notes(graph, ["no neighbours in the features were added: the features were made from the edges"])
        return
    found = nearest_edges(graph.x, options.knn_augment, options.metric)
    num_nodes = int(graph.x.shape[0])
    device = graph.edge_index.device
    edges, weight, added = merge_edges(
        graph.edge_index, graph.get("edge_weight"), found.edge_index.to(device), num_nodes
    )
    notes = [f"{counted(added, 'edge')} added: each node joined with {found.how} in the features"]
    if added:
        notes += _drop_edge_attributes(graph)
        graph.edge_index, graph.edge_weight = edges, weight
    add_notes(graph, notes)


def _with_edges(data: Data, options: NeighborOptions) -> Data:
    bare = copy.copy(data)
    bare.edge_index = torch.zeros((2, 0), dtype=torch.int64)
    graph = convert_graph(bare)
    position = data.get("pos")
    if position is None:
        found = edges_to_neighbors(graph.x, options)
        place = " in the features"
    else:
        place = " in space"
        points = _checked_positions(position, int(graph.x.shape[0]))
        found = edges_to_neighbors(points, NeighborOptions(options.knn, "euclidean", options.radius))
    graph.edge_index = found.edge_index.to(graph.x.device)
    number = counted(found.edge_index.shape[1] // 2, "edge")
    add_notes(graph, [f"the data have no edges; each node was joined with {found.how}{place}: {number}"])
    return graph


def _checked_positions(value: Any, num_nodes: int) -> Tensor:
    position = as_tensor(value)
    if position is None or position.dim() != 2 or position.shape[0] != num_nodes or position.layout != torch.strided:
        raise DataError(
            Problem(
                "ECO303",
                "The coordinates (pos) are not an array with one row for each node.",
                f"Give pos as ({num_nodes}, 2) or ({num_nodes}, 3), or leave it out.",
            )
        )
    finite = torch.isfinite(position).all(1)
    if not bool(finite.all()):
        first = int((~finite).nonzero()[0])
        raise DataError(
            Problem(
                "ECO303",
                f"The coordinates (pos) of {counted(int((~finite).sum()), 'node')} are NaN or infinite; the first is "
                f"node {first}.",
                "Leave these nodes out, or give their places.",
            )
        )
    return position


def _with_features(data: Data) -> Data:
    problems: list[Problem] = []
    edges = checked_edges(data.get("edge_index"), None, None, problems)
    if edges is None:
        raise DataError(*problems)
    num_nodes = _number_of_nodes(data, edges)
    bare = copy.copy(data)
    bare.x = torch.ones((num_nodes, 1), device=edges.device)
    graph = convert_graph(bare)
    x, names = structure_features(graph.edge_index, graph.get("edge_weight"), num_nodes)
    graph.x, graph.feature_names = x.to(edges.device), names
    graph[MADE_FEATURES] = True
    vectors = sum(name.startswith("eigenvector") for name in names)
    kinds = [name.replace("_", " ") for name in names if not name.startswith("eigenvector")]
    kinds += [f"{counted(vectors, 'leading eigenvector')} of the normalised adjacency"] if vectors else []
    kinds = [kind.replace("clustering", "clustering coefficient") for kind in kinds]
    made = counted(len(names), "feature")
    add_notes(graph, [f"the data have no features; {made} of each node made from the edges: {', '.join(kinds)}"])
    return graph


def _number_of_nodes(data: Data, edges: Tensor) -> int:
    stated = data._store.get("num_nodes")  # The property guesses where it is not stated, and warns.
    if stated is not None:
        return int(stated)
    for key in ("node_ids", "y"):
        if data.get(key) is not None and len(data[key]):
            return len(data[key])
    if edges.numel() == 0:
        raise DataError(Problem("ECO303", "The graph has neither features nor edges.", "Give x, edge_index, or both."))
    largest = int(edges.max())
    check_count(largest + 1, int(edges.shape[1]), f"edge_index names node {largest:,}")
    return max(largest + 1, 1)


def _drop_edge_attributes(graph: Data) -> list[str]:
    """Removes attributes with one entry for each edge, which would no longer match; returns notes."""
    notes = []
    for key, value in list(graph.to_dict().items()):
        known = key in {"x", "y", "edge_index", "edge_weight", "pos"}
        if isinstance(value, Tensor) and not known and graph.is_edge_attr(key):
            del graph[key]
            if f"edge weights from {key!r}" in graph.notes:
                continue
            notes.append(f"edge attribute {key!r} dropped because the edges changed (weights belong in edge_weight)")
    return notes


__all__ = ["MADE_FEATURES", "add_neighbors", "complete_graph"]
