"""Figures that describe a graph, as shown by ``eco data info``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import coalesce, is_undirected

from eco_core.data.on_disk.graph import OnDiskGraph
from eco_core.data.validate import convert_graph
from eco_core.ops.csr import csr_matrix


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
    weight = graph.get("edge_weight")
    adjacency = _adjacency(source, target, weight, num_nodes)
    touched = torch.zeros(num_nodes, dtype=torch.bool)
    loops = source == target
    touched[source[~loops]] = touched[target[~loops]] = True
    # Edges of weight 0 are edges, too.
    entries = (np.ones(adjacency.nnz, dtype=bool), adjacency.indices, adjacency.indptr)
    components, _ = connected_components(sp.csr_matrix(entries, adjacency.shape), directed=True, connection="weak")
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
        "weighted": weight is not None,
        "undirected": _is_symmetric(adjacency, source, target, weight),
        "isolated_nodes": num_nodes - int(touched.sum()),
        "self_loops": int(loops.sum()),
        "duplicate_edges": len(source) - int(adjacency.nnz),
        "components": int(components),
        "average_degree": len(source) / num_nodes,
        "max_degree": int(degree.max()),
        "labels": labelled > 0,
        "labelled_nodes": labelled,
        "declared_classes": graph.get("n_classes"),
        "notes": list(graph.notes),
        "columns": [dict(entry) for entry in graph.get("columns") or []],
    }


def edges_once(facts: Mapping[str, Any]) -> int:
    """The number of edges, where an undirected edge counts once although both its directions are listed.

    Args:
        facts: The description that `graph_info` returns.
    """
    loops = int(facts.get("self_loops") or 0)
    return (int(facts["edges"]) + loops) // 2 if facts.get("undirected") else int(facts["edges"])


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


def _adjacency(source: Tensor, target: Tensor, weight: Tensor | None, num_nodes: int) -> Any:
    """The adjacency matrix, parallel edges added up; counting sorts take a tenth of the time of sorting pairs."""
    import scipy.sparse as sp

    values = torch.ones(len(source)) if weight is None else weight.cpu().reshape(-1).float()
    matrix = csr_matrix(source, target, values, (num_nodes, num_nodes))
    parts = (matrix.values().numpy(), matrix.col_indices().numpy(), matrix.crow_indices().numpy())
    return sp.csr_matrix(parts, (num_nodes, num_nodes))


def _is_symmetric(adjacency: Any, source: Tensor, target: Tensor, weight: Tensor | None) -> bool:
    if weight is not None and adjacency.nnz < len(source):  # Of parallel edges, the heaviest counts.
        edges = torch.stack([source, target])
        merged = coalesce(edges, weight.cpu(), num_nodes=adjacency.shape[0], reduce="max")
        return bool(is_undirected(*merged, num_nodes=adjacency.shape[0]))
    reverse = adjacency.T.tocsr()  # Its columns are sorted, as those of the matrix are.
    return all(
        np.array_equal(getattr(adjacency, part), getattr(reverse, part))
        for part in ("indptr", "indices", *(("data",) if weight is not None else ()))
    )
