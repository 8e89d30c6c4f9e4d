"""networkx and igraph graphs as two tables: one of the nodes with their attributes, one of the edges with theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch_geometric.data import Data

from eco_core.errors import DataError, Problem


@dataclass(frozen=True)
class NodesAndEdges:
    """The tables of a graph.

    Attributes:
        nodes: A data frame with the column ``id`` and one for each attribute; a node without an attribute has None.
        edges: A data frame with the columns ``source`` and ``target`` and one for each attribute.
        directed: Whether an edge has a direction.
        name: The graph's name, or an empty text.
    """

    nodes: Any
    edges: Any
    directed: bool
    name: str = ""


def tables_of_networkx(graph: Any) -> NodesAndEdges:
    """Reads a networkx graph.

    Args:
        graph: Any networkx graph; of a multigraph each edge is a row. Attributes whose values are lists (such as ``x``)
            become a column for each entry, ``x_0``, ``x_1``, ...

    Raises:
        DataError: ECO303, if it has no nodes.
    """
    import pandas as pd

    if graph.number_of_nodes() == 0:
        raise DataError(Problem("ECO303", "The networkx graph has no nodes.", "Add nodes before clustering."))
    nodes = pd.DataFrame([dict(attributes) for _, attributes in graph.nodes(data=True)])
    nodes = _spread(nodes)
    nodes.insert(0, _free("id", nodes), list(graph.nodes))
    edges = pd.DataFrame([{"source": s, "target": t, **attributes} for s, t, attributes in graph.edges(data=True)])
    if edges.empty:
        edges = pd.DataFrame({"source": [], "target": []})
    return NodesAndEdges(nodes, edges, bool(graph.is_directed()), str(graph.name or ""))


def tables_of_igraph(graph: Any) -> NodesAndEdges:
    """Reads an igraph graph. The attribute ``name`` is the id where it is unique, as in igraph; else the number is.

    Args:
        graph: An ``igraph.Graph``.

    Raises:
        DataError: ECO303, if it has no nodes.
    """
    import pandas as pd

    if graph.vcount() == 0:
        raise DataError(Problem("ECO303", "The igraph graph has no vertices.", "Add vertices before clustering."))
    attributes = {name: graph.vs[name] for name in graph.vs.attributes()}
    names = attributes.get("name")
    if names is not None and len(set(map(str, names))) == len(names):
        ids = list(names)
        del attributes["name"]
    else:
        ids = list(range(graph.vcount()))
    nodes = _spread(pd.DataFrame(attributes, index=range(graph.vcount())))
    nodes.insert(0, _free("id", nodes), ids)
    pairs = graph.get_edgelist()
    edges = pd.DataFrame(
        {
            "source": [ids[source] for source, _ in pairs],
            "target": [ids[target] for _, target in pairs],
            **{name: graph.es[name] for name in graph.es.attributes() if name not in ("source", "target")},
        }
    )
    name = str(graph["name"]) if "name" in graph.attributes() else ""
    return NodesAndEdges(nodes, edges, bool(graph.is_directed()), name)


def graph_of_network(
    tables: NodesAndEdges,
    *,
    label_column: str | None = None,
    weight_column: str | None = None,
    ignore_columns: list[str] | str | None = None,
    where: str = "the network",
) -> Data:
    """Makes a graph of the tables of a network; node attributes are encoded like the columns of a table.

    Args:
        tables: From `tables_of_networkx` or `tables_of_igraph`.
        label_column: Node attribute that holds the classes; None: one of the usual names.
        weight_column: Edge attribute that holds the weights; None: one of the usual names.
        ignore_columns: Node attributes that are not used.
        where: The file, for messages.

    Returns:
        The graph, not yet validated.
    """
    from eco_core.data.tables.graph import graph_of_frames
    from eco_core.data.tables.options import TableOptions, names_of
    from eco_core.data.tables.origin import Origin

    options = TableOptions(
        id_column=str(tables.nodes.columns[0]),
        source_column="source",
        target_column="target",
        label_column=label_column,
        weight_column=weight_column,
        ignore_columns=names_of(ignore_columns),
    )
    return graph_of_frames(
        tables.nodes,
        tables.edges,
        options,
        name=tables.name or "network",
        nodes_origin=Origin(f"the nodes of {where}"),
        edges_origin=Origin(f"the edges of {where}"),
    )


def _spread(frame: Any) -> Any:
    """Splits columns whose values are lists of one length into a column for each entry."""
    import pandas as pd

    parts = []
    for name in frame.columns:
        values = list(frame[name])
        lengths = {len(value) if isinstance(value, (list, tuple, np.ndarray)) else -1 for value in values}
        width = lengths.pop() if len(lengths) == 1 else -1
        if width >= 0:
            names = [f"{name}_{position}" for position in range(width)]
            parts.append(pd.DataFrame([list(value) for value in values], columns=names))
        else:
            parts.append(frame[[name]].reset_index(drop=True))
    return pd.concat(parts, axis=1) if parts else frame


def _free(name: str, frame: Any) -> str:
    while name in frame.columns:
        name = f"{name}_"
    return name


__all__ = ["NodesAndEdges", "graph_of_network", "tables_of_igraph", "tables_of_networkx"]
