"""Finds the function that reads an object of another library; nothing is imported for objects that are not given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch_geometric.data import Data, Dataset, HeteroData


def reader_of_object(source: Any) -> Callable[..., Data] | None:
    """Returns a function ``(source, ...) -> Data`` for an object; its other parameters are the user's.

    Args:
        source: A networkx or igraph graph, a PyG ``HeteroData`` or ``Dataset``, or a SciPy sparse matrix (a square
            one is an adjacency, another one features).

    Returns:
        The function, or None for anything else.
    """
    if isinstance(source, HeteroData):
        return read_hetero
    if isinstance(source, Dataset):
        return read_dataset
    module = type(source).__module__.partition(".")[0]
    names = {cls.__name__ for cls in type(source).__mro__}
    if module == "networkx" or (hasattr(source, "adj") and hasattr(source, "is_multigraph")):
        return read_networkx
    if module == "igraph" or {"Graph", "GraphBase"} <= names:
        return read_igraph
    if hasattr(source, "tocoo") and hasattr(source, "shape"):
        return read_adjacency if source.shape[0] == source.shape[-1] else read_sparse_features
    return None


def read_networkx(
    source: Any,
    label_column: str | None = None,
    weight_column: str | None = None,
    ignore_columns: list[str] | str | None = None,
) -> Data:
    """Reads a networkx graph; node attributes are encoded like the columns of a table."""
    from eco_core.data.objects.networks import graph_of_network, tables_of_networkx
    from eco_core.data.readers.text_table import require_tables

    require_tables("a networkx graph", "formats")
    return graph_of_network(
        tables_of_networkx(source),
        label_column=label_column,
        weight_column=weight_column,
        ignore_columns=ignore_columns,
    )


def read_igraph(
    source: Any,
    label_column: str | None = None,
    weight_column: str | None = None,
    ignore_columns: list[str] | str | None = None,
) -> Data:
    """Reads an igraph graph; vertex attributes are encoded like the columns of a table."""
    from eco_core.data.objects.networks import graph_of_network, tables_of_igraph
    from eco_core.data.readers.text_table import require_tables

    require_tables("an igraph graph", "formats")
    return graph_of_network(
        tables_of_igraph(source),
        label_column=label_column,
        weight_column=weight_column,
        ignore_columns=ignore_columns,
    )


def read_dataset(source: Dataset) -> Any:
    """Reads the only graph of a PyG data set."""
    from eco_core.data.objects.pyg import graph_of_dataset

    return graph_of_dataset(source)


def read_hetero(source: HeteroData, node_type: str | None = None, metapath: Sequence[str] | None = None) -> Data:
    """Reads the nodes of one type of a heterogeneous graph, with their own edges or along a meta-path."""
    from eco_core.data.objects.pyg import graph_of_hetero

    return graph_of_hetero(source, node_type, metapath)


def read_adjacency(source: Any) -> Data:
    """Reads a SciPy sparse matrix as the adjacency of a graph without features."""
    from pathlib import Path

    from eco_core.data.readers.named_arrays import graph_of_arrays

    data = graph_of_arrays({"adjacency": source}, Path("the sparse matrix"))
    data.num_nodes, data.name = int(source.shape[0]), "graph"
    data.notes = [note for note in data.notes if "adjacency" not in note or "self-loop" in note]
    return data


def read_sparse_features(source: Any) -> Data:
    """Reads a SciPy sparse matrix that is not square as features without edges."""
    from eco_core.data.validate import as_tensor

    return Data(x=as_tensor(source), name="graph")


__all__ = ["reader_of_object"]
