"""Figures that describe a graph, as shown by ``eco data info``."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import coalesce, is_undirected

from eco_core.data.on_disk.graph import OnDiskGraph
from eco_core.data.validate import convert_graph, count_structure


def graph_info(data: Data) -> dict[str, Any]:
    """Describes a graph.

    Args:
        data: A PyG graph; it is checked, not modified. For a graph on disk the figures are read from its manifest.

    Returns:
        Plain Python values, ready for JSON: ``name``; ``nodes``; ``edges`` (directed entries of ``edge_index``);
        ``features``; ``feature_density`` (fraction of non-zero entries of ``x``); ``sparse_features``; ``weighted``;
        ``undirected`` (after merging duplicates, every entry has a reverse with the same weight); ``isolated_nodes``;
        ``self_loops``; ``duplicate_edges``; ``components`` (weakly connected); ``average_degree`` and ``max_degree``
        (entries per source node); ``labels``; ``labelled_nodes``; ``declared_classes`` (None if not declared);
        ``notes``; ``columns`` (what was done with each column; empty for graphs that were not made of tables).

    Raises:
        DataError: ECO303, if the graph is invalid.
    """
    if isinstance(data, OnDiskGraph) and data.is_as_stored:
        return _info_on_disk(data)
    import scipy.sparse as sp
    from scipy.sparse.csgraph import connected_components

    graph = convert_graph(data)
    num_nodes, num_features = (int(size) for size in graph.x.shape)
    source, target = graph.edge_index.cpu()
    loops, duplicates, isolated = count_structure(graph.edge_index, num_nodes)
    adjacency = sp.coo_matrix(
        (np.ones(len(source), dtype=bool), (source.numpy(), target.numpy())), (num_nodes, num_nodes)
    )
    components, _ = connected_components(adjacency, directed=True, connection="weak")
    degree = torch.bincount(source, minlength=num_nodes)
    labelled = 0 if graph.y is None else int((graph.y >= 0).sum())
    nonzero = int((graph.x.values() if graph.x.is_sparse else graph.x).count_nonzero())
    return {
        "name": graph.name,
        "nodes": num_nodes,
        "edges": len(source),
        "features": num_features,
        "feature_density": nonzero / (num_nodes * num_features),
        "sparse_features": bool(graph.x.is_sparse),
        "weighted": graph.get("edge_weight") is not None,
        "undirected": _is_symmetric(graph.edge_index, graph.get("edge_weight"), num_nodes),
        "isolated_nodes": isolated,
        "self_loops": loops,
        "duplicate_edges": duplicates,
        "components": int(components),
        "average_degree": len(source) / num_nodes,
        "max_degree": int(degree.max()),
        "labels": labelled > 0,
        "labelled_nodes": labelled,
        "declared_classes": graph.get("n_classes"),
        "notes": list(graph.notes),
        "columns": [dict(entry) for entry in graph.get("columns") or []],
    }


def _info_on_disk(graph: OnDiskGraph) -> dict[str, Any]:
    manifest, facts = graph.manifest, graph.manifest["facts"]
    num_nodes, num_edges, num_features = (manifest[f"num_{key}"] for key in ("nodes", "edges", "features"))
    return {
        "name": graph.name,
        "nodes": num_nodes,
        "edges": num_edges,
        "features": num_features,
        "feature_density": facts["feature_nonzeros"] / (num_nodes * num_features),
        "sparse_features": False,
        "weighted": graph.get("edge_weight") is not None,
        "undirected": manifest["undirected"],
        "isolated_nodes": facts["isolated_nodes"],
        "self_loops": facts["self_loops"],
        "duplicate_edges": facts["duplicate_edges"],
        "components": facts["components"],
        "average_degree": num_edges / num_nodes,
        "max_degree": facts["max_degree"],
        "labels": facts["labelled_nodes"] > 0,
        "labelled_nodes": facts["labelled_nodes"],
        "declared_classes": manifest["n_classes"],
        "notes": list(graph.notes),
        "columns": [],
    }


def _is_symmetric(edge_index: Tensor, weight: Tensor | None, num_nodes: int) -> bool:
    # Merge duplicates first: PyG calls a graph directed if one direction of an edge is listed twice.
    if weight is None:
        return bool(is_undirected(coalesce(edge_index, num_nodes=num_nodes), num_nodes=num_nodes))
    return bool(is_undirected(*coalesce(edge_index, weight, num_nodes=num_nodes, reduce="max"), num_nodes=num_nodes))
