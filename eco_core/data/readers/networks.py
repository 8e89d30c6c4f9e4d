"""Graphs in the formats of network programs: GraphML, GEXF, GML and Pajek by networkx, METIS line by line."""

from __future__ import annotations

import io
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Data

from eco_core.data.objects.networks import graph_of_network, tables_of_networkx
from eco_core.data.readers.paths import existing, unreadable
from eco_core.data.readers.text_table import require_tables
from eco_core.data.readers.texts import bytes_of, check_pajek, check_xml, text_of
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
        import networkx  # noqa: F401
    except ImportError:
        raise DataError(
            Problem(
                "ECO302",
                f"Reading {path} needs networkx, which is not installed.",
                "pip install 'eco-core[formats]'",
            )
        ) from None
    require_tables(str(path), "formats")
    kind = Path(path.name.lower().removesuffix(".gz")).suffix
    notes: list[str] = []
    try:
        network = _PARSERS[kind](path, notes)
    except DataError:
        raise
    except Exception as error:  # The parsers raise many types for a damaged file.
        raise unreadable(path, error, f"Write it again, for example with networkx.write_{_WRITERS[kind]}.") from error
    if network.number_of_nodes() == 0:
        raise unreadable(path, "it has no nodes", "Write a graph with nodes.")
    data = graph_of_network(
        tables_of_networkx(_without_ids(network)),
        label_column=label_column,
        weight_column=weight_column,
        ignore_columns=ignore_columns,
        where=str(path),
    )
    data.name, data.notes = path.name.split(".")[0], [*notes, *data.notes]
    return data


_WRITERS = {".graphml": "graphml", ".gexf": "gexf", ".gml": "gml", ".net": "pajek"}


def _read_graphml(path: Path, notes: list[str]) -> Any:
    import networkx

    raw = bytes_of(path)
    notes += check_xml(path, raw)
    return networkx.read_graphml(io.BytesIO(raw))


def _read_gexf(path: Path, notes: list[str]) -> Any:
    import networkx

    raw = bytes_of(path)
    notes += check_xml(path, raw)
    version = "1.1draft" if b"1.1draft" in raw[:2000] else "1.2draft"
    return networkx.read_gexf(io.BytesIO(raw), version=version)


def _read_gml(path: Path, notes: list[str]) -> Any:
    """Reads GML; ids are the nodes' labels if each node has one of its own, else their numbers."""
    import networkx

    # networkx reads ASCII, and other letters as entities.
    lines = text_of(path, notes).encode("ascii", "xmlcharrefreplace").decode().splitlines()
    network = networkx.parse_gml(lines, label="id")
    labels = [label for _, label in network.nodes(data="label")]
    if all(isinstance(label, (str, int)) for label in labels) and len(set(map(str, labels))) == len(labels):
        return networkx.relabel_nodes(network, dict(zip(network, labels, strict=True)), copy=True)
    if any(label is not None for label in labels):
        notes.append(f"{path}: the labels are not different for all nodes; the ids are the nodes' numbers")
    return network


def _read_pajek(path: Path, notes: list[str]) -> Any:
    import networkx

    text = text_of(path, notes)
    count = check_pajek(path, text)
    network = networkx.parse_pajek(text)
    if network.number_of_nodes() != count:
        found = network.number_of_nodes()
        raise unreadable(path, f"its {count} vertices have only {found} different labels", "Give each its own label.")
    return network


_PARSERS: dict[str, Callable[[Path, list[str]], Any]] = {
    ".graphml": _read_graphml,
    ".gexf": _read_gexf,
    ".gml": _read_gml,
    ".net": _read_pajek,
}


def _without_ids(network: Any) -> Any:
    """Leaves out the attributes by which formats repeat a node's id: its label, and its number in Pajek's."""
    for name in ("label", "id"):
        values = {node: attributes.get(name) for node, attributes in network.nodes(data=True)}
        own = all(str(value) == str(node) for node, value in values.items())
        numbers = name == "id" and set(map(str, values.values())) == {str(n) for n in range(1, len(values) + 1)}
        if own or numbers:
            for node in network:
                del network.nodes[node][name]
    return network


def read_metis(path: str | Path) -> Data:
    """Reads a graph in METIS's format: a line with the numbers of nodes and edges, then the neighbours of each node.

    Args:
        path: A ``.metis`` or ``.graph`` file; ``%`` begins a comment. Weights of edges are read, weights of nodes are
            skipped.

    Returns:
        The graph without features, not yet validated.

    Raises:
        DataError: ECO301 no such file; ECO302, with the line, for what is not such a file; ECO305, with the line, for a
            neighbour that is not a node.
    """
    path = existing(path)
    notes: list[str] = []
    text = text_of(path, notes)
    lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1) if not line.startswith("%")]
    fix = "The first line holds the numbers of nodes and edges; each further line the neighbours of one node, from 1."
    at, header = next(((number, cells) for number, cells in lines if cells), (1, []))
    lines = [(number, cells) for number, cells in lines if number > at]
    if not 2 <= len(header) <= 4 or not all(cell.isdecimal() for cell in header):
        raise unreadable(path, f"line {at} does not hold two numbers", fix)
    num_nodes, num_edges, code = int(header[0]), int(header[1]), (header[2] if len(header) > 2 else "0").zfill(3)
    if num_nodes < 1 or not set(code) <= {"0", "1"} or len(code) > 3:
        raise unreadable(path, f"line {at}: expected at least one node, and weights as 001, 010, 011 or 0", fix)
    skipped = int(code[0] != "0") + (int(header[3]) if len(header) > 3 else 1) * int(code[1] != "0")
    step = 2 if code[2] != "0" else 1
    rows = lines[:num_nodes]
    if len(rows) < num_nodes:
        raise unreadable(path, f"it has {len(rows)} lines of neighbours for {num_nodes} nodes", fix)
    more = next((number for number, cells in lines[num_nodes:] if cells), None)
    if more is not None:
        raise unreadable(path, f"line {more}: there are more lines than the {num_nodes} nodes of line {at}", fix)
    source, target, weight = array("q"), array("q"), array("d")
    for node, (line, cells) in enumerate(rows):
        names, weights = cells[skipped::step], cells[skipped + 1 :: 2] if step == 2 else []
        wrong = next((cell for cell in names if not cell.isdecimal()), None)
        if wrong is not None or (step == 2 and len(weights) != len(names)):
            what = f"{wrong!r} is not a node" if wrong is not None else "a neighbour has no weight"
            raise unreadable(path, f"line {line}: {what}", fix)
        neighbors = [int(name) for name in names]
        outside = next((name for name in neighbors if not 1 <= name <= num_nodes), None)
        if outside is not None:
            raise DataError(Problem("ECO305", f"{path}, line {line} names node {outside}; there are {num_nodes}.", fix))
        source.extend([node] * len(neighbors))
        target.extend(neighbors)
        for cell in weights:
            try:
                weight.append(float(cell))
            except ValueError as error:
                raise unreadable(path, f"line {line}: the weight is {cell!r}; expected a number", fix) from error
            if not 0 <= weight[-1] < float("inf"):
                raise unreadable(path, f"line {line}: the weight is {cell}; expected a finite number of 0 or more", fix)
    ends = np.stack([np.array(source, dtype=np.int64), np.array(target, dtype=np.int64) - 1])
    if len(source) != 2 * num_edges:
        said = f"line {at} says {num_edges:,} edges; the lines name {len(source):,} ends, not twice as many"
        notes.append(f"{path}: {said}")
    data = Data(edge_index=torch.from_numpy(ends), notes=notes)
    data.num_nodes, data.name = num_nodes, path.name.split(".")[0]
    if step == 2:
        data.edge_weight = torch.tensor(weight, dtype=torch.float32)
    return data


__all__ = ["read_metis", "read_network"]
