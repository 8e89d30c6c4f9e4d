"""Merges edges of the same pair of nodes, and adds missing reverse edges; says what was changed."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import coalesce, is_undirected, to_undirected

from eco_core.data.validate import add_notes, counted


def merge_duplicates(graph: Data, how: str, undirected: bool) -> Data:
    """Merges edges of the same pair of nodes by the sum or the mean of their weights; adds a note."""
    edge_index, weight = graph.edge_index, graph.get("edge_weight")
    if edge_index.shape[1] == 0 or (weight is None and how == "mean"):
        return graph
    num_nodes = int(graph.x.shape[0])
    ones = torch.ones(edge_index.shape[1], device=edge_index.device) if weight is None else weight
    merged, total = coalesce(edge_index, ones, num_nodes=num_nodes, reduce=how)
    if undirected and not is_undirected(merged, total, num_nodes=num_nodes):
        # All rows of a pair count alike, whichever direction they name.
        pair = torch.stack([edge_index.min(dim=0).values, edge_index.max(dim=0).values])
        once, total = coalesce(pair, ones, num_nodes=num_nodes, reduce=how)
        loops = once[0] == once[1]
        merged = torch.cat([once, once[:, ~loops].flip(0)], dim=1)
        merged, total = coalesce(merged, torch.cat([total, total[~loops]]), num_nodes=num_nodes)
    if weight is None and bool((total == 1).all()):
        return graph
    fewer = int(edge_index.shape[1]) - int((edge_index[0] * num_nodes + edge_index[1]).unique().numel())
    graph = _without_edge_attributes(graph)
    graph.edge_index, graph.edge_weight = merged, total
    verb = "added" if how == "sum" else "averaged"
    what = "the numbers of rows are the weights" if weight is None else f"weights {verb}"
    add_notes(graph, [f"edges of the same pair merged ({counted(fewer, 'duplicate')} of the same direction): {what}"])
    return graph


def _without_edge_attributes(graph: Data) -> Data:
    """Drops other edge attributes, which would no longer match changed edges; adds a note on each."""
    notes = []
    for key, value in list(graph.to_dict().items()):
        own = key in {"x", "y", "edge_index", "edge_weight"}
        if isinstance(value, Tensor) and not own and graph.is_edge_attr(key):
            del graph[key]
            if f"edge weights from {key!r}" in graph.notes:
                continue
            notes.append(f"edge attribute {key!r} dropped because the edges changed (weights belong in edge_weight)")
    add_notes(graph, notes)
    return graph


def make_undirected(graph: Data) -> Data:
    """Adds missing reverse edges and merges duplicates with their largest weight; adds notes on the changes."""
    edge_index, weight = graph.edge_index, graph.get("edge_weight")
    num_nodes = int(graph.x.shape[0])
    before = int(edge_index.shape[1])
    if before == 0:
        return graph
    distinct = int((edge_index[0] * num_nodes + edge_index[1]).unique().numel())
    if weight is None:
        symmetric, symmetric_weight = to_undirected(edge_index, num_nodes=num_nodes), None
    else:
        symmetric, symmetric_weight = to_undirected(edge_index, weight, num_nodes=num_nodes, reduce="max")
    after = int(symmetric.shape[1])
    notes = []
    if distinct < before:
        notes.append(f"{counted(before - distinct, 'duplicate edge')} merged")
    if after > distinct:
        notes.append(f"made undirected: {distinct:,} edges became {after:,}")
    if weight is not None and _have_several_weights(edge_index, weight, num_nodes):
        notes.append("where an edge had several weights, the largest is kept")
    if before == after and not notes:
        return graph  # Keep the order of the user's edges.
    add_notes(graph, notes)
    graph = _without_edge_attributes(graph)
    graph.edge_index, graph.edge_weight = symmetric, symmetric_weight
    return graph


def _have_several_weights(edge_index: Tensor, weight: Tensor, num_nodes: int) -> bool:
    """Whether edges of the same pair of nodes have different weights."""
    keys, order = torch.sort(edge_index.min(dim=0).values * num_nodes + edge_index.max(dim=0).values)
    weight = weight[order]
    return bool(((keys[1:] == keys[:-1]) & (weight[1:] != weight[:-1])).any())


__all__ = ["make_undirected", "merge_duplicates"]
