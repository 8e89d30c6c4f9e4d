"""networkx and igraph graphs as two tables: one of the nodes with their attributes, one of the edges with theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
    nodes = pd.DataFrame([{**attributes} for _, attributes in graph.nodes(data=True)])
    nodes = _spread(nodes)
    nodes.insert(0, _free("id", nodes), [node for node in graph.nodes])
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
    return NodesAndEdges(nodes, edges, bool(graph.is_directed()), str(graph["name"]) if "name" in graph.attributes() else "")


def _spread(frame: Any) -> Any:
    """Columns of lists of equal length become a column for each entry."""
    import numpy as np
    import pandas as pd

    parts = []
    for name in frame.columns:
        first = next((value for value in frame[name] if value is not None), None)
        lengths = {len(v) for v in frame[name] if isinstance(v, (list, tuple, np.ndarray))}
        if isinstance(first, (list, tuple, np.ndarray)) and len(lengths) == 1 and None not in set(map(type, frame[name])):
            width = lengths.pop()
            values = [v if isinstance(v, (list, tuple, np.ndarray)) else [None] * width for v in frame[name]]
            parts.append(pd.DataFrame(values, columns=[f"{name}_{position}" for position in range(width)]))
        else:
            parts.append(frame[[name]].reset_index(drop=True))
    return pd.concat(parts, axis=1) if parts else frame


def _free(name: str, frame: Any) -> str:
    while name in frame.columns:
        name = f"{name}_"
    return name


__all__ = ["NodesAndEdges", "tables_of_igraph", "tables_of_networkx"]
