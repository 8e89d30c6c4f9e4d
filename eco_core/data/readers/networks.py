"""Graphs in the formats of network programs: GraphML, GEXF, GML and Pajek by networkx, METIS line by line."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Data

from eco_core.data.objects.networks import graph_of_network, tables_of_networkx
from eco_core.data.readers.paths import existing, unreadable
from eco_core.errors import DataError, Problem


def read_network(
    path: str | Path,
    label_column: str | None = None,
    weight_column: str | None = None,
    ignore_columns: list[str] | str | None = None,
) -> Data:
    """Reads a GraphML, GEXF, GML or Pajek file, packed by gzip or not.

    Args:
        path: The file; its suffix says the format.
        label_column: Node attribute that holds the classes; None: one of the usual names.
        weight_column: Edge attribute that holds the weights; None: one of the usual names.
        ignore_columns: Node attributes that are not used.

    Returns:
        The graph, not yet validated: node attributes are encoded like the columns of a table.

    Raises:
        DataError: ECO301 no such file; ECO302 not such a file, or networkx is not installed.
    """
    path = existing(path)
    try:
        import networkx
    except ImportError:
        raise DataError(
            Problem(
                "ECO302",
                f"Reading {path} needs networkx, which is not installed.",
                "pip install 'eco-core[formats]'",
            )
        ) from None
    kind = Path(path.name.removesuffix(".gz")).suffix.lower()
    readers: dict[str, Callable[[Path], Any]] = {
        ".graphml": networkx.read_graphml,
        ".gexf": networkx.read_gexf,
        ".gml": _read_gml,
        ".net": networkx.read_pajek,
    }
    try:
        network = readers[kind](path)
    except Exception as error:  # The parsers raise many types for a damaged file.
        raise unreadable(path, error, f"Write it again, for example with networkx.write_{kind[1:]}.") from error
    if network.number_of_nodes() == 0:
        raise DataError(Problem("ECO303", f"{path} has no nodes.", "Add nodes before clustering."))
    if kind == ".gexf" and all(attributes.get("label") == node for node, attributes in network.nodes(data=True)):
        for _, attributes in network.nodes(data=True):
            del attributes["label"]  # The format needs it; networkx writes the id.
    data = graph_of_network(
        tables_of_networkx(network),
        label_column=label_column,
        weight_column=weight_column,
        ignore_columns=ignore_columns,
    )
    data.name = path.name.split(".")[0]
    return data


def _read_gml(path: Path) -> Any:
    """Reads GML; ids are the nodes' labels if each node has one of its own, else their numbers."""
    import networkx

    try:
        return networkx.read_gml(path, label="label")
    except networkx.NetworkXError:
        return networkx.read_gml(path, label="id")


def read_metis(path: str | Path) -> Data:
    """Reads a graph in METIS's format: a line with the numbers of nodes and edges, then the neighbours of each node.

    Args:
        path: A ``.metis`` file; ``%`` begins a comment. Weights of edges are read, weights of nodes are skipped.

    Returns:
        The graph without features, not yet validated.

    Raises:
        DataError: ECO301 no such file; ECO302, with the line, for what is not such a file.
    """
    path = existing(path)
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            lines = [(number, line.split()) for number, line in enumerate(file, 1) if not line.startswith("%")]
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise unreadable(path, error, "Write it again.") from error
    fix = "The first line holds the numbers of nodes and edges; each further line the neighbours of one node, from 1."
    try:
        header = lines[0][1]
        num_nodes, code = int(header[0]), (header[2] if len(header) > 2 else "0").zfill(3)
    except (IndexError, ValueError) as error:
        raise unreadable(path, f"line {lines[0][0] if lines else 1} does not hold two numbers", fix) from error
    skipped = (int(code[0] != "0")) + (int(header[3]) if len(header) > 3 else 1) * int(code[1] != "0")
    step = 2 if code[2] != "0" else 1
    rows = lines[1 : num_nodes + 1]
    if len(rows) < num_nodes:
        raise unreadable(path, f"it has {len(rows)} lines of neighbours for {num_nodes} nodes", fix)
    source, target, weight = [], [], []
    for node, (line, cells) in enumerate(rows):
        try:
            values = [float(cell) for cell in cells[skipped:]]
        except ValueError as error:
            raise unreadable(path, f"line {line}: {error}", fix) from error
        neighbors = [int(value) - 1 for value in values[::step]]
        wrong = next((value + 1 for value in neighbors if not 0 <= value < num_nodes), None)
        if wrong is not None:
            raise unreadable(path, f"line {line} names node {wrong}; there are {num_nodes}", fix)
        source += [node] * len(neighbors)
        target += neighbors
        weight += values[1::2] if step == 2 else []
    data = Data(edge_index=torch.from_numpy(np.array([source, target], dtype=np.int64).reshape(2, -1)))
    data.num_nodes, data.name = num_nodes, path.name.split(".")[0]
    if step == 2:
        data.edge_weight = torch.tensor(weight)
    return data


__all__ = ["read_metis", "read_network"]
