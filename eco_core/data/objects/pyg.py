"""PyG's objects as one plain graph: data sets, batches, adjacencies, edge attributes, heterogeneous graphs."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data, Dataset, HeteroData

from eco_core.data.validate import as_tensor
from eco_core.errors import DataError, Problem

_WEIGHT_NAMES = ("edge_attr", "weight", "weights")
"""Attributes that hold edge weights where there is no ``edge_weight``: PyG's transforms write the first one,
``from_networkx`` the second."""


def graph_of_dataset(dataset: Dataset) -> Any:
    """Returns the graph of a data set that has just one.

    Raises:
        DataError: ECO303, if it has none or several.
    """
    if len(dataset) == 1:
        return dataset[0]
    raise DataError(
        Problem(
            "ECO303",
            f"{type(dataset).__name__} has {len(dataset):,} graphs; nodes of one graph are clustered.",
            "Give one of them: dataset[0].",
        )
    )


def plain_graph(data: Data) -> Data:
    """Reads what PyG stores under other names; the graph itself is not changed.

    Args:
        data: A graph, or a batch of graphs: these are then the components of one graph.

    Returns:
        A graph with ``edge_index`` and, if there are usable weights, ``edge_weight``; its notes say what was taken and
        what is not used.
    """
    notes = list(data.get("notes") or [])
    if isinstance(data, Batch):
        batch, data = data, Data(**data.to_dict())
        notes.append(f"a batch of {batch.num_graphs:,} graphs taken as one graph")
    graph = copy.copy(data)
    if graph.get("edge_index") is None and graph.get("adj_t") is not None:
        graph.edge_index, weight = _edges_of_transposed(graph.adj_t)
        del graph["adj_t"]
        notes.append("edges from adj_t")
        if weight is not None and graph.get("edge_weight") is None:
            graph.edge_weight = weight
    if graph.get("edge_weight") is None and graph.get("edge_index") is not None:
        notes += _take_weights(graph)
    if graph.get("x") is not None and (wrong := _wrong_num_nodes(graph)):
        raise DataError(wrong)
    graph.notes = notes
    return graph


def _wrong_num_nodes(graph: Data) -> Problem | None:
    stated, rows = graph._store.get("num_nodes"), graph.x.shape[0]  # The property computes it where it is not stated.
    if stated is None or int(stated) == int(rows):
        return None
    return Problem(
        "ECO303",
        f"num_nodes is {int(stated):,}, but x has {int(rows):,} rows.",
        "Give x a row for every node, or leave num_nodes out.",
    )


def _edges_of_transposed(adjacency: Any) -> tuple[Tensor, Tensor | None]:
    """Edges and weights of ``adj_t``, whose rows are targets."""
    if hasattr(adjacency, "coo"):  # torch_sparse.SparseTensor.
        target, source, weight = adjacency.coo()
        return torch.stack([source, target]), weight
    coo = adjacency.to_sparse_coo().coalesce()
    target, source = coo.indices()
    values = coo.values()
    return torch.stack([source, target]), None if bool((values == 1).all()) else values


def _take_weights(graph: Data) -> list[str]:
    """Takes the first usable attribute as edge weights; returns notes."""
    notes = []
    num_edges = int(as_tensor(graph.edge_index).shape[-1])  # type: ignore[union-attr]
    for name in _WEIGHT_NAMES:
        value = as_tensor(graph.get(name)) if graph.get(name) is not None else None
        if value is None or value.shape[:1] != (num_edges,) or num_edges == 0:
            continue
        columns = value.shape[1] if value.dim() == 2 else 1
        numbers = value.reshape(num_edges, -1).float()
        usable = (
            value.dim() <= 2 and columns == 1 and bool(torch.isfinite(numbers).all()) and bool((numbers >= 0).all())
        )
        if usable and graph.get("edge_weight") is None:
            graph.edge_weight = numbers[:, 0]
            notes.append(f"edge weights from {name!r}")
        else:
            why = f"it has {columns} columns" if columns > 1 else "it holds negative or infinite values"
            notes.append(f"edge attribute {name!r} not used: {why}, and weights are one number an edge")
    return notes


def graph_of_hetero(data: HeteroData, node_type: str | None = None, metapath: Sequence[str] | None = None) -> Data:
    """Projects a heterogeneous graph to the nodes of one type.

    Args:
        data: The graph.
        node_type: Type of the nodes to cluster; None: the only one with edges among its own nodes, or the only one.
        metapath: Node types from ``node_type`` back to it, such as ``("paper", "author", "paper")``: two nodes are
            joined by an edge for which a path of these types exists, with the number of such paths as its weight. None:
            the edges among nodes of the type.

    Returns:
        The graph of that type; its notes say how it was made.

    Raises:
        DataError: ECO303, if a type is not there, the type is not clear, or it has no edges of its own and no meta-path
            is named.
    """
    types = list(data.node_types)
    own = {t for t in types if any(source == target == t for source, _, target in data.edge_types)}
    if node_type is None and metapath:
        node_type = metapath[0]
    if node_type is None:
        candidates = sorted(own) if own else types
        if len(candidates) != 1:
            raise DataError(
                Problem(
                    "ECO303",
                    f"The graph has the node types {', '.join(types)}; it is not clear which one to cluster.",
                    f"Name it: --set data.node_type={candidates[0] if candidates else 'TYPE'}, or a meta-path: --set "
                    "data.metapath='[paper, author, paper]'.",
                )
            )
        node_type = candidates[0]
    unknown = [name for name in (node_type, *(metapath or ())) if name not in types]
    if unknown:
        raise DataError(
            Problem(
                "ECO303", f"There is no node type {unknown[0]!r}; there are {', '.join(types)}.", "Name one of them."
            )
        )
    store = data[node_type]
    graph = Data(**{key: value for key, value in store.items() if key not in ("num_nodes",)})
    count = int(store.num_nodes)
    notes = []
    if metapath:
        if metapath[0] != node_type or metapath[-1] != node_type or len(metapath) < 2:
            raise DataError(
                Problem(
                    "ECO303",
                    f"The meta-path {' - '.join(metapath)} does not lead from {node_type!r} to {node_type!r}.",
                    "A meta-path starts and ends with the node type that is clustered.",
                )
            )
        graph.edge_index, graph.edge_weight = _projected(data, metapath)
        notes.append(f"edges along {' - '.join(metapath)}; the weight is the number of paths")
    else:
        parts = [data[kind].edge_index for kind in data.edge_types if kind[0] == kind[2] == node_type]
        if not parts:
            raise DataError(
                Problem(
                    "ECO303",
                    f"The nodes of type {node_type!r} have no edges among themselves; the graph has the edges "
                    + ", ".join("-".join(kind) for kind in data.edge_types)
                    + ".",
                    f"Name a meta-path from it to itself: --set data.metapath='[{node_type}, ..., {node_type}]'.",
                )
            )
        graph.edge_index = torch.cat(parts, dim=1)
        if len(types) > 1 or len(parts) > 1:
            relations = ", ".join(kind[1] for kind in data.edge_types if kind[0] == kind[2] == node_type)
            notes.append(f"nodes of type {node_type!r} with the edges {relations}")
        others = [name for name in types if name != node_type]
        unused = ["-".join(kind) for kind in data.edge_types if not kind[0] == kind[2] == node_type]
        if others:
            edges = f", and the edges {', '.join(unused)}" if unused else ""
            notes.append(f"left out: the nodes of type {', '.join(map(repr, others))}{edges}")
    if graph.get("x") is None:
        graph.num_nodes = count
    graph.notes = notes
    return graph


def _projected(data: HeteroData, metapath: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Edges along a meta-path, without self-loops, and how many paths each has."""
    product: Any = None
    for source, target in itertools.pairwise(metapath):
        step = _between(data, source, target)
        product = step if product is None else product @ step
    coo = product.tocoo()
    kept = coo.row != coo.col
    edges = torch.from_numpy(np.stack([coo.row[kept], coo.col[kept]]).astype(np.int64))
    return edges, torch.from_numpy(coo.data[kept].astype(np.float32))


def _between(data: HeteroData, source: str, target: str) -> Any:
    import scipy.sparse as sp

    shape = (int(data[source].num_nodes), int(data[target].num_nodes))
    for kind in data.edge_types:
        if (kind[0], kind[2]) == (source, target):
            row, column = data[kind].edge_index.numpy()
            return sp.csr_matrix((np.ones(len(row)), (row, column)), shape=shape)
    for kind in data.edge_types:
        if (kind[2], kind[0]) == (source, target):
            row, column = data[kind].edge_index.numpy()
            return sp.csr_matrix((np.ones(len(row)), (column, row)), shape=shape)
    raise DataError(
        Problem(
            "ECO303",
            f"No edges join {source!r} and {target!r}; the graph has the edges "
            + ", ".join("-".join(kind) for kind in data.edge_types)
            + ".",
            "Name a meta-path along edges that exist.",
        )
    )


__all__ = ["graph_of_dataset", "graph_of_hetero", "plain_graph"]
