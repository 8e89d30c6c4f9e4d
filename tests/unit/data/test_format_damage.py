"""Damaged files of every format but tables: a message with the file and the place, or a repair that is said.

`test_table_damage.py` does the same for CSV and Parquet.
"""

from __future__ import annotations

import gzip
import importlib.util
import io
import re
import resource
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp
import torch
from torch_geometric.data import Data

from eco_core.cli import main
from eco_core.data import graph_info, load_graph
from eco_core.errors import EcoError

N = 12
PAIRS = [(node, (node + 1) % N) for node in range(N)] + [(0, 6)]
EDGES = np.array(PAIRS).T
X = np.stack([np.arange(N) * 1.5, (np.arange(N) * 5 % N) + 0.5], axis=1)
Y = np.arange(N) // 6
BOTH = {*PAIRS, *((target, source) for source, target in PAIRS)}

Arrays = dict[str, Any]


def adjacency() -> sp.csr_matrix:
    source, target = np.array(sorted(BOTH)).T
    return sp.csr_matrix((np.ones(len(source)), (source, target)), shape=(N, N))


def csr(name: str, matrix: Any) -> Arrays:
    matrix = sp.csr_matrix(matrix)
    parts = {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr, "shape": matrix.shape}
    return {f"{name}_{part}": np.asarray(value) for part, value in parts.items()}


def network() -> nx.Graph:
    graph = nx.Graph()
    for node in range(N):
        graph.add_node(f"n{node}", age=float(X[node, 0]), size=float(X[node, 1]))
    for source, target in PAIRS:
        graph.add_edge(f"n{source}", f"n{target}", weight=2.0)
    return graph


def written(write: Callable[..., None], *arguments: Any) -> bytes:
    stream = io.BytesIO()
    write(*arguments, stream)
    return stream.getvalue()


def npz(arrays: Arrays) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def mat(arrays: Arrays) -> bytes:
    stream = io.BytesIO()
    scipy.io.savemat(stream, arrays)
    return stream.getvalue()


def pt(arrays: Arrays) -> bytes:
    stream = io.BytesIO()
    content = {
        name: torch.from_numpy(np.ascontiguousarray(value)) if isinstance(value, np.ndarray) else value
        for name, value in arrays.items()
    }
    torch.save(content, stream)
    return stream.getvalue()


def packed(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
        archive.writestr("readme.html", "<p>about</p>")
    return stream.getvalue()


def pajek() -> bytes:
    vertices = "".join(f'{node + 1} "n{node}" 0.1 0.2 0.5 age {X[node, 0]}\n' for node in range(N))
    return f"*Vertices {N}\n{vertices}*Edges\n{''.join(f'{a + 1} {b + 1} 2.0{chr(10)}' for a, b in PAIRS)}".encode()


def metis() -> bytes:
    lines = [" ".join(str(b + 1) for b in sorted(b for a, b in BOTH if a == node)) for node in range(N)]
    return ("\n".join([f"{N} {len(PAIRS)}", *lines]) + "\n").encode()


def matrix_market() -> bytes:
    return written(lambda matrix, stream: scipy.io.mmwrite(stream, matrix, symmetry="general"), adjacency())


def snap(names: str = "# FromNodeId\tToNodeId\n") -> bytes:
    rows = "".join(f"{source}\t{target}\n" for source, target in PAIRS)
    return f"# Directed graph: ring.txt\n# Nodes: {N} Edges: {len(PAIRS)}\n{names}{rows}".encode()


def spaced() -> bytes:
    return ("source target weight\n" + "".join(f"n{a}  n{b} 2.0\n" for a, b in PAIRS)).encode()


def cells() -> Any:
    anndata = pytest.importorskip("anndata")
    pandas = pytest.importorskip("pandas")
    names = [f"n{node}" for node in range(N)]
    adata = anndata.AnnData(X.astype(np.float32), obs=pandas.DataFrame({"age": X[:, 0]}, index=names))
    adata.obsp["connectivities"] = adjacency()
    return adata


def h5ad(adata: Any, folder: Path) -> bytes:
    path = folder / "written.h5ad"
    adata.write_h5ad(path)
    raw = path.read_bytes()
    path.unlink()
    return raw


OWN = {"x": X, "edge_index": EDGES, "y": Y}
HETEROPHILOUS = {"node_features": X, "edges": EDGES.T, "node_labels": Y}
SHCHUR = {**csr("adj_matrix", adjacency()), **csr("attr_matrix", X), "labels": Y}
MATLAB = {"W": adjacency(), "fea": X, "gnd": Y[None]}

WHOLE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "npz": ("graph.npz", lambda: npz(OWN)),
    "npz, heterophilous": ("graph.npz", lambda: npz(HETEROPHILOUS)),
    "npz, Shchur": ("graph.npz", lambda: npz(SHCHUR)),
    "mat": ("graph.mat", lambda: mat(MATLAB)),
    "pt": ("graph.pt", lambda: pt(OWN)),
    "mtx": ("graph.mtx", matrix_market),
    "mtx.gz": ("graph.mtx.gz", lambda: gzip.compress(matrix_market())),
    "graphml": ("graph.graphml", lambda: written(lambda g, s: nx.write_graphml(g, s), network())),
    "gexf": ("graph.gexf", lambda: written(lambda g, s: nx.write_gexf(g, s), network())),
    "gml": ("graph.gml", lambda: written(lambda g, s: nx.write_gml(g, s), network())),
    "gml.gz": ("graph.gml.gz", lambda: gzip.compress(written(lambda g, s: nx.write_gml(g, s), network()))),
    "pajek": ("graph.net", pajek),
    "metis": ("graph.graph", metis),
    "snap": ("graph.txt", snap),
    "snap.gz": ("graph.txt.gz", lambda: gzip.compress(snap())),
    "edges": ("graph.edges", spaced),
    "zip": ("graph.zip", lambda: packed("ring/graph.txt", snap())),
    "zip of graphml": (
        "graph.zip",
        lambda: packed("graph.graphml", written(lambda g, s: nx.write_graphml(g, s), network())),
    ),
}


def write(folder: Path, form: str, content: bytes | None = None) -> Path:
    name, whole = WHOLE[form] if form != "h5ad" else ("graph.h5ad", lambda: h5ad(cells(), folder))
    path = folder / name
    path.write_bytes(whole() if content is None else content)
    return path


def pairs_by_id(graph: Data) -> set[tuple[int, int]]:
    """The edges by the numbers in the nodes' ids, whatever the order of the nodes."""
    ids = [int(name.removeprefix("n")) for name in graph.get("node_ids") or map(str, range(graph.num_nodes))]
    return {(ids[int(a)], ids[int(b)]) for a, b in graph.edge_index.t()}


FORMATS = [*WHOLE, "h5ad"]


@pytest.mark.parametrize("form", FORMATS)
def test_a_whole_file_is_read_and_what_it_holds_is_said(tmp_path: Path, form: str) -> None:
    path = write(tmp_path, form)
    graph = load_graph(path)
    assert pairs_by_id(graph) == BOTH
    assert any("read" in note and path.name in note for note in graph.notes), graph.notes


# --------------------------------------------------------------------------------------------------------------- table


@dataclass(frozen=True)
class Cell:
    """What must come of a damaged file.

    Attributes:
        damage: Makes the file's bytes; a function of the whole file's bytes, or of none.
        refused: Words of the error besides the path; empty: the file is read.
        said: Words of the notes or of the columns' report.
        pairs: The edges of the graph that is read.
    """

    damage: Callable[[bytes], bytes]
    refused: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    pairs: frozenset[tuple[int, int]] | None = frozenset(BOTH)


def refuses(damage: Callable[[bytes], bytes], *words: str) -> Cell:
    return Cell(damage, refused=words)


def repairs(damage: Callable[[bytes], bytes], *words: str, pairs: Any = frozenset(BOTH)) -> Cell:
    return Cell(damage, said=words, pairs=pairs)


def swap(old: str, new: str, count: int = 1, encoding: str = "utf-8") -> Callable[[bytes], bytes]:
    def damage(raw: bytes) -> bytes:
        text = raw.decode()
        assert old in text, text[:400]
        return text.replace(old, new, count).encode(encoding)

    return damage


def cut(raw: bytes) -> bytes:
    return raw[: int(len(raw) * 0.6)]


def empty(_: bytes) -> bytes:
    return b""


def marked(raw: bytes) -> bytes:
    return b"\xef\xbb\xbf" + raw


def again(raw: bytes) -> bytes:
    return b"PK nothing" + raw[10:]


def edge_to(node: int) -> np.ndarray[Any, Any]:
    return np.concatenate([EDGES, [[3], [node]]], axis=1)


def with_value(value: float) -> np.ndarray[Any, Any]:
    x = X.copy()
    x[3, 1] = value
    return x


def constant() -> np.ndarray[Any, Any]:
    x = X.copy()
    x[:, 0] = 7
    return x


def texts() -> np.ndarray[Any, Any]:
    return np.array([["1.5", "many"]] * N)


def array_cells(save: Callable[[Arrays], bytes], x: str, edges: str, y: str, listed: bool) -> dict[str, Cell]:
    """Cells of an archive with an array of edges, of the shape (2, n), or (n, 2) if ``listed``."""
    whole = {x: X, edges: EDGES.T if listed else EDGES, y: Y}

    def put(**changed: Any) -> Callable[[bytes], bytes]:
        arrays = {**whole, **changed}
        return lambda _: save({name: value for name, value in arrays.items() if value is not None})

    def ends(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return array.T if listed else array

    return {
        "missing key": repairs(put(**{edges: None}), "the data have no edges", pairs=None),
        "missing keys": refuses(put(**{edges: None, x: None}), "ECO302", "no edges and no features", y),
        "dangling edge": refuses(put(**{edges: ends(edge_to(99))}), "ECO303", "99", "edge 13"),
        "mixed types": refuses(put(**{edges: ends(EDGES + 0.5)}), "ECO303", "node numbers are integers"),
        "duplicate ids": refuses(
            put(node_ids=np.array([0, 1, 1, *range(3, N)])), "ECO303", "'1', at positions 1 and 2"
        ),
        "NaN": refuses(put(**{x: with_value(np.nan)}), "ECO303", "row 3, column 1"),
        "infinity": refuses(put(**{x: with_value(np.inf)}), "ECO303", "row 3, column 1"),
        "empty file": refuses(empty, "ECO302"),
        "wrong layout": refuses(put(**{edges: np.concatenate([EDGES, EDGES[:1]])}), "ECO302", "(3, 13)", edges),
        "lengths": refuses(put(**{y: Y[:7]}), "ECO303", "7 entries", "12 nodes"),
        "huge integers": refuses(put(**{edges: ends(edge_to(2**62))}), "ECO303", str(2**62)),
        "huge integers alone": refuses(
            put(**{edges: ends(edge_to(2**62)), x: None, y: None}), "ECO303", "nodes, but there are only 14 edges"
        ),
        "constant column": repairs(put(**{x: constant()})),  # An array is taken as it is.
        "truncated": refuses(cut, "ECO302"),
    }


TABLE: dict[str, dict[str, Cell]] = {
    # Binary files have no quotes and no header line, and their texts know their encoding; a mark of the byte order
    # before an archive is garbage, which each library treats in its own way.
    "npz": {
        **array_cells(npz, "x", "edge_index", "y", listed=False),
        "texts for numbers": refuses(lambda _: npz({**OWN, "x": texts()}), "ECO302", "x in", "not numeric"),
        "objects": refuses(lambda _: npz({**OWN, "x": texts().astype(object)}), "ECO302", "x holds Python objects"),
        "non-UTF-8": repairs(
            lambda _: npz({**OWN, "node_ids": np.array([b"n%d" % n for n in range(N - 1)] + [b"n\xb2\xe9"])}),
            "'node_ids' are not all UTF-8",
            pairs=None,
        ),
        "byte order mark": refuses(marked, "ECO302", "not an archive"),
        "no archive": refuses(again, "ECO302"),
    },
    "npz, heterophilous": array_cells(npz, "node_features", "edges", "node_labels", listed=True),
    "npz, Shchur": {
        "missing key": refuses(
            lambda _: npz({k: v for k, v in SHCHUR.items() if k != "adj_matrix_indices"}),
            *("ECO302", "adj_matrix_indptr but no adj_matrix_indices"),
        ),
        "dangling edge": refuses(
            lambda _: npz({**SHCHUR, "adj_matrix_indices": SHCHUR["adj_matrix_indices"] + 1}), "ECO302", "not a CSR"
        ),
        "mixed types": refuses(
            lambda _: npz({**SHCHUR, "adj_matrix_indices": np.array(["n1"] * len(SHCHUR["adj_matrix_indices"]))}),
            *("ECO302", "not a CSR"),
        ),
        "duplicate entries": repairs(
            lambda _: npz({**SHCHUR, **_doubled()}), "1 duplicate entry of 'adj_matrix' added"
        ),
        "NaN": refuses(
            lambda _: npz({**SHCHUR, **csr("attr_matrix", with_value(np.nan))}), "ECO303", "row 3, column 1"
        ),
        "infinity": refuses(
            lambda _: npz({**SHCHUR, **csr("attr_matrix", with_value(np.inf))}), "ECO303", "row 3, column 1"
        ),
        "empty file": refuses(empty, "ECO302"),
        "wrong layout": refuses(
            lambda _: npz({**SHCHUR, **csr("adj_matrix", adjacency()[:, :8])}), "ECO302", "adj_matrix", "(12, 8)"
        ),
        "huge integers": refuses(
            lambda _: npz({**SHCHUR, "adj_matrix_shape": np.array([2**61, 2**61])}), "ECO302", "not a CSR"
        ),
        "constant column": repairs(lambda _: npz({**SHCHUR, **csr("attr_matrix", constant())})),
        "truncated": refuses(cut, "ECO302"),
    },
    "mat": {
        "missing key": repairs(lambda _: mat({"fea": X, "gnd": Y[None]}), "the data have no edges", pairs=None),
        "missing keys": refuses(lambda _: mat({"gnd": Y[None]}), "ECO302", "no edges and no features", "gnd"),
        "dangling edge": refuses(lambda _: mat({**MATLAB, "W": adjacency()[:, :8]}), "ECO302", "W", "(12, 8)"),
        "dangling in a list": refuses(lambda _: mat({"edges": edge_to(99).T, "X": X}), "ECO303", "99", "edge 13"),
        "mixed types": refuses(lambda _: mat({**MATLAB, "fea": texts()}), "ECO302", "fea", "not numeric"),
        # MATLAB files here carry no ids: nodes are rows, so that none can occur twice.
        "NaN": refuses(lambda _: mat({**MATLAB, "fea": with_value(np.nan)}), "ECO303", "row 3, column 1"),
        "infinity": refuses(lambda _: mat({**MATLAB, "fea": with_value(np.inf)}), "ECO303", "row 3, column 1"),
        "empty file": refuses(empty, "ECO302"),
        "wrong layout": refuses(lambda _: mat({**MATLAB, "fea": X[:7]}), "ECO302", "(12, 12)", "7 rows"),
        "huge integers": refuses(lambda _: mat({"edges": edge_to(2**62).T * 1.0, "X": X}), "ECO303", str(2**62)),
        "non-UTF-8": repairs(lambda raw: raw.replace(b"MATLAB 5.0", b"MATL\xe9\xff 5.0"[:10], 1)),  # A free text.
        "constant column": repairs(lambda _: mat({**MATLAB, "fea": constant()})),
        "byte order mark": refuses(marked, "ECO302"),
        "truncated": refuses(cut, "ECO302"),
    },
    "pt": {
        **array_cells(pt, "x", "edge_index", "y", listed=False),
        "texts for numbers": refuses(lambda _: pt({**OWN, "x": ["a"] * N}), "ECO302", "x in", "not numeric"),
        "no archive": refuses(again, "ECO302"),
    },
    "mtx": {
        # A matrix has neither ids nor columns of features, and no quotes.
        "missing column": refuses(swap("12 12 26\n", "12 12\n"), "ECO302", "line"),
        "dangling edge": refuses(swap("\n1 2 ", "\n1 99 "), "ECO302"),
        "mixed types": refuses(swap("\n1 2 1", "\n1 2 much"), "ECO302", "line 4 is '1 2 much'"),
        "duplicate entries": repairs(swap("\n1 7 ", "\n1 2 "), "1 duplicate entry", pairs=None),
        "NaN": refuses(swap("\n1 2 1", "\n1 2 nan"), "ECO303", "edge_weight", "edge"),
        "infinity": refuses(swap("\n1 2 1", "\n1 2 inf"), "ECO303", "edge_weight", "edge"),
        "empty file": refuses(empty, "ECO302"),
        "wrong delimiter": refuses(lambda raw: raw.replace(b" ", b",").replace(b",", b" ", 4), "ECO302", "line"),
        "wrong layout": refuses(swap("12 12 26", "12 13 26"), "ECO302", "(12, 13)", "square"),
        "huge integers": refuses(swap("12 12 26", f"{2**60} {2**60} 26"), "ECO303", "line", "nodes"),
        "torn line": refuses(swap("\n1 7 1\n", "\n1 7 1 "), "ECO302", "line 5 is '1 7 1 1 12 1'"),
        "claims less": refuses(swap("12 12 26", "12 12 25"), "ECO302", "line 3", "claims 25 entries; there are 26"),
        "claims more": refuses(swap("12 12 26", f"12 12 {10**12}"), "ECO302", "line", "claims"),
        "non-UTF-8": repairs(
            swap(
                "%%MatrixMarket matrix coordinate real general\n",
                "%%MatrixMarket matrix coordinate real general\n% Zoë\n",
                encoding="latin-1",
            )
        ),
        "header missing": refuses(lambda raw: raw.split(b"\n", 1)[1], "ECO302", "line 1", "%%MatrixMarket"),
        "byte order mark": refuses(marked, "ECO302", "line 1", "byte order mark"),
        "truncated": refuses(cut, "ECO302"),
    },
    "mtx.gz": {"truncated": refuses(cut, "ECO302", "cut off"), "empty file": refuses(empty, "ECO302", "empty")},
    "graphml": {
        "missing key": refuses(swap(' target="n1"', ""), "ECO302", "line ", "an edge has no target"),
        "missing id": refuses(swap('<node id="n3"', "<node"), "ECO302", "line ", "a node has no id"),
        "dangling edge": refuses(swap('target="n1"', 'target="zoe"'), "ECO305", "line ", "target 'zoe'"),
        "mixed types": refuses(swap(">4.5<", ">old<"), "ECO302", "old"),
        "duplicate ids": refuses(swap('id="n4"', 'id="n3"'), "ECO302", "line ", "'n3' is already on line"),
        "NaN": repairs(swap(">4.5<", ">nan<"), "age", "median"),
        "infinity": repairs(swap(">4.5<", ">inf<"), "age", "median"),
        "empty file": refuses(empty, "ECO302", "empty"),
        "wrong layout": refuses(lambda _: b"<svg><g/></svg>", "ECO302"),
        "huge integers": repairs(lambda raw: raw.replace(b'"n3"', b'"99999999999999999999"'), pairs=None),
        "non-UTF-8": refuses(lambda raw: raw.replace(b'"n3"', b'"n\xeb"'), "ECO302", "line "),
        "unbalanced quotes": refuses(swap('<node id="n3">', '<node id="n3>'), "ECO302", "line "),
        "unbalanced brackets": refuses(swap('<node id="n3">', '<node id="n3"'), "ECO302", "line "),
        "constant column": repairs(lambda raw: _constant(raw, b"d0"), "every value is"),
        "header missing": refuses(lambda raw: raw[raw.index(b"<node") :], "ECO302", "line "),
        "byte order mark": repairs(marked),  # XML's own rule.
        "entities": refuses(
            swap("<graphml", '<!DOCTYPE g [<!ENTITY a "aaaa">]>\n<graphml'), "ECO302", "line ", "entities"
        ),
        "truncated": refuses(cut, "ECO302", "line "),
    },
    "gexf": {
        "missing key": refuses(swap(' target="n1"', ""), "ECO302", "line ", "an edge has no target"),
        "dangling edge": refuses(swap('target="n1"', 'target="zoe"'), "ECO305", "line ", "target 'zoe'"),
        "mixed types": refuses(swap('value="4.5"', 'value="old"'), "ECO302", "old"),
        "duplicate ids": refuses(swap('node id="n4"', 'node id="n3"'), "ECO302", "line ", "'n3' is already on line"),
        "NaN": repairs(swap('value="4.5"', 'value="nan"'), "age", "median"),
        "infinity": repairs(swap('value="4.5"', 'value="inf"'), "age", "median"),
        "empty file": refuses(empty, "ECO302", "empty"),
        "wrong layout": refuses(lambda _: b"<svg><g/></svg>", "ECO302"),
        "huge integers": repairs(lambda raw: raw.replace(b'"n3"', b'"99999999999999999999"'), pairs=None),
        "non-UTF-8": refuses(lambda raw: raw.replace(b'"n3"', b'"n\xeb"'), "ECO302", "line "),
        "unbalanced quotes": refuses(swap('<node id="n3"', '<node id="n3'), "ECO302", "line "),
        "constant column": repairs(lambda raw: re.sub(rb'(for="0" value=")[^"]*', rb"\g<1>7.0", raw), "every value is"),
        "header missing": refuses(lambda raw: raw[raw.index(b"<node ") :], "ECO302", "line "),
        "byte order mark": repairs(marked),
        "truncated": refuses(cut, "ECO302", "line "),
    },
    "gml": {
        "missing key": refuses(swap("    source 0\n", ""), "ECO302", "source"),
        "missing id": refuses(swap("    id 3\n", ""), "ECO302", "id"),
        "dangling edge": refuses(swap("    target 1\n", "    target 99\n"), "ECO302", "99"),
        "mixed types": refuses(swap("    age 4.5\n", '    age "old"\n'), "ECO302", "old"),
        "duplicate ids": refuses(swap("    id 4\n", "    id 3\n"), "ECO302", "3 is duplicated"),
        "duplicate labels": repairs(swap('label "n4"', 'label "n3"'), "labels are not different"),
        "NaN": repairs(swap("    age 4.5\n", "    age NAN\n"), "age", "median"),
        "infinity": repairs(swap("    age 4.5\n", "    age +INF\n"), "age", "median"),
        "empty file": refuses(empty, "ECO302", "empty"),
        "wrong layout": refuses(lambda _: b"nodes: [1, 2]\n", "ECO302"),
        "huge integers": repairs(swap("    age 4.5\n", f"    age {10**18}\n")),
        "non-UTF-8": repairs(lambda raw: raw.replace(b'"n3"', b'"n\xeb"'), "is not UTF-8 (line", pairs=None),
        "unbalanced quotes": refuses(swap('label "n3"', 'label "n3'), "ECO302"),
        "unbalanced brackets": refuses(lambda raw: raw.rstrip()[:-1], "ECO302"),
        "constant column": repairs(lambda raw: re.sub(rb"age [0-9.]+", b"age 7.0", raw), "every value is"),
        "header missing": refuses(lambda raw: raw.split(b"\n", 1)[1], "ECO302"),
        "byte order mark": repairs(marked),
        "truncated": refuses(cut, "ECO302"),
    },
    "gml.gz": {"truncated": refuses(cut, "ECO302", "cut off")},
    "pajek": {
        "missing column": refuses(swap("\n1 2 2.0\n", "\n1\n"), "ECO302", "line 15", "two ends"),
        "dangling edge": refuses(swap("\n1 2 2.0\n", "\n1 99 2.0\n"), "ECO305", "line 15", "no vertex 99"),
        "mixed types": refuses(swap("\n1 2 2.0\n", "\n1 2 much\n"), "ECO302", "line 15", "'much'"),
        "duplicate ids": refuses(swap('\n5 "n4"', '\n4 "n4"'), "ECO302", "line 6", "already on line 5"),
        "duplicate labels": refuses(swap('"n4"', '"n3"'), "ECO302", "11 different labels"),
        "NaN": refuses(swap("\n1 2 2.0\n", "\n1 2 nan\n"), "weight"),
        "infinity": refuses(swap("\n1 2 2.0\n", "\n1 2 inf\n"), "weight", "infinite"),
        "empty file": refuses(empty, "ECO302", "empty"),
        "wrong delimiter": refuses(swap("\n1 2 2.0\n", "\n1,2,2.0\n"), "ECO302", "line 15"),
        "wrong layout": refuses(lambda _: b"source target\n1 2\n", "ECO302", "line 1", "*Vertices"),
        "huge integers": refuses(swap("*Vertices 12", f"*Vertices {10**18}"), "ECO302", "line 14", "12 of"),
        "non-UTF-8": repairs(lambda raw: raw.replace(b'"n3"', b'"n\xeb"'), "is not UTF-8 (line 5)", pairs=None),
        "unbalanced quotes": refuses(swap('"n3"', '"n3'), "ECO302", "line 5", "quote"),
        "constant column": repairs(lambda raw: raw, "every value is"),
        "header missing": refuses(lambda raw: raw.split(b"\n", 1)[1], "ECO302", "line 1", "*Vertices"),
        "byte order mark": repairs(marked),
        "truncated": refuses(lambda raw: raw[:120], "ECO302", "line", "the file ends after"),
    },
    "metis": {
        # Nodes are lines and have no columns, so that no id can occur twice and no column is constant; no quotes.
        "missing column": refuses(swap("12 13\n", "12\n"), "ECO302", "line 1", "two numbers"),
        "dangling edge": refuses(swap("\n2 7 12\n", "\n2 7 99\n"), "ECO305", "line 2", "node 99"),
        "mixed types": refuses(swap("\n2 7 12\n", "\n2 7 x\n"), "ECO302", "line 2", "'x'"),
        "fractions": refuses(swap("\n2 7 12\n", "\n2 7.5 12\n"), "ECO302", "line 2", "'7.5'"),
        "NaN": refuses(lambda _: b"3 2 001\n2 nan\n1 7 3 5\n2 5\n", "ECO302", "line 2", "nan"),
        "infinity": refuses(lambda _: b"3 2 001\n2 inf\n1 7 3 5\n2 5\n", "ECO302", "line 2", "inf"),
        "empty file": refuses(empty, "ECO302", "empty"),
        "wrong delimiter": refuses(swap("\n2 7 12\n", "\n2,7,12\n"), "ECO302", "line 2"),
        "wrong layout": refuses(swap("12 13\n", "6 13\n"), "ECO30", "line"),
        "huge integers": refuses(swap("12 13\n", f"{10**18} 13\n"), "ECO302", "12 lines", str(10**18)),
        "non-UTF-8": repairs(lambda raw: b"% Zo\xeb\n" + raw, "is not UTF-8 (line 1)"),
        "header missing": refuses(lambda raw: raw.split(b"\n", 1)[1], "ECO302", "line 1"),
        "other number of edges": repairs(swap("12 13\n", "12 99\n"), "line 1 says 99 edges"),
        "byte order mark": repairs(marked),
        "truncated": refuses(cut, "ECO302", "lines of neighbours"),
    },
    "snap": {
        # A list of edges is the nodes that it names: no edge dangles, no id occurs twice, no column is constant.
        "missing column": refuses(swap("\n3\t4\n", "\n3\n"), "ECO302", "line 7", "1 column"),
        "missing end": refuses(swap("\n3\t4\n", '\n3\t""\n'), "ECO305", "line 7", "missing"),
        "mixed types": repairs(swap("\n3\t4\n", "\n3\tn4\n"), "13 ids", pairs=None),
        "duplicate rows": repairs(lambda raw: raw + b"3\t4\n", "1 duplicate edge merged"),
        "empty file": refuses(empty, "ECO302", "empty"),
        "comments alone": refuses(lambda _: b"# Nodes: 0\n# nothing\n", "ECO302", "comments alone"),
        "wrong delimiter": repairs(lambda raw: raw.replace(b"\t", b"   ")),
        "mixed delimiters": repairs(swap("\n3\t4\n", "\n 3 \t 4 \n")),
        "commas": repairs(lambda raw: raw.replace(b"\t", b",")),
        "one value a line": refuses(lambda _: b"12\n34\n", "ECO302", "columns"),
        "huge integers": repairs(lambda raw: raw.replace(b"11", b"99999999999999999999"), pairs=None),
        "non-UTF-8": repairs(lambda raw: raw.replace(b"ring", b"r\xefng"), "is not UTF-8 (line 1)"),
        "unbalanced quotes": refuses(swap("\n3\t4\n", '\n"3\t4\n'), "ECO302", "line 7", "quote"),
        "header missing": repairs(lambda _: snap(names=""), "by their position"),
        "byte order mark": repairs(marked),
        "zero bytes": refuses(lambda raw: raw + bytes(40), "ECO302", "zero bytes"),
    },
    "edges": {
        "missing column": refuses(swap("n3  n4 2.0", "n3  n4"), "ECO302", "line 5", "2 columns"),
        "mixed types": refuses(swap("n3  n4 2.0", "n3  n4 much"), "ECO302", "line 5", "'much'"),
        "NaN": refuses(swap("n3  n4 2.0", "n3  n4 nan"), "ECO303", "line 5", "weight"),
        "infinity": refuses(swap("n3  n4 2.0", "n3  n4 inf"), "ECO303", "line 5", "infinite"),
        "negative": refuses(swap("n3  n4 2.0", "n3  n4 -1"), "ECO303", "line 5", "-1"),
        "header missing": repairs(lambda raw: raw.split(b"\n", 1)[1], "the first line is a row"),
        "truncated": refuses(lambda raw: raw[:-9], "ECO302", "line 14"),
    },
    "snap.gz": {"truncated": refuses(cut, "ECO302", "cut off"), "empty file": refuses(empty, "ECO302", "empty")},
    "zip": {
        "truncated": refuses(cut, "ECO302", "cut off"),
        "empty file": refuses(empty, "ECO302"),
        "flipped": refuses(lambda raw: raw.replace(b"ring/graph.txt", b"ring/graph.tx\xff", 1), "ECO302", "damaged"),
        "nothing known": refuses(lambda _: packed("a.docx", b"x"), "ECO302", "a.docx"),
        "several": refuses(lambda _: _two(), "ECO302", "several graphs", "a.gml"),
        "missing column": refuses(
            lambda _: packed("graph.txt", snap().replace(b"\n3\t4\n", b"\n3\n")),
            "ECO302",
            "graph.zip/graph.txt, line 7",
        ),
    },
    "zip of graphml": {"inner": refuses(lambda _: packed("graph.graphml", b"<graphml><node"), "ECO302", "line 1")},
}


def _doubled() -> Arrays:
    """The same matrix with an entry in two parts."""
    matrix = adjacency().tocoo()
    order = np.argsort(np.append(matrix.row, 0), kind="stable")
    columns = np.append(matrix.col, matrix.col[0])[order]
    starts = np.concatenate([[0], np.cumsum(np.bincount(np.append(matrix.row, 0), minlength=N))])
    return {"adj_matrix_data": np.ones(len(columns)), "adj_matrix_indices": columns, "adj_matrix_indptr": starts}


def _constant(raw: bytes, key: bytes) -> bytes:
    return re.sub(rb'(<data key="' + key + rb'">)[^<]*', rb"\g<1>7.0", raw)


def _two() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.gml", "graph [ ]")
        archive.writestr("b.gml", "graph [ ]")
    return stream.getvalue()


def _cells(change: Callable[[Any], None]) -> Callable[[bytes], bytes]:
    """Makes an .h5ad of the cells after a change."""

    def damage(_: bytes) -> bytes:
        adata = cells()
        change(adata)
        with tempfile.TemporaryDirectory() as folder:
            return h5ad(adata, Path(folder))

    return damage


def _set_x(value: Any) -> Callable[[Any], None]:
    def change(adata: Any) -> None:
        adata.X = value

    return change


def _without_graph(adata: Any) -> None:
    del adata.obsp["connectivities"]


def _named_twice(adata: Any) -> None:
    adata.obs_names = ["n0", "n1", "n1", *(f"n{node}" for node in range(3, N))]


def _infinite_edge(adata: Any) -> None:
    matrix = adjacency()
    matrix.data[0] = np.inf
    adata.obsp["connectivities"] = matrix


def _foreign(_: bytes) -> bytes:
    h5py = pytest.importorskip("h5py")
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["values"] = X
    return stream.getvalue()


# The file of an AnnData keeps its texts as UTF-8, its header is HDF5's, and its matrices have the size of its cells, so
# that no edge dangles.
TABLE["h5ad"] = {
    "missing key": repairs(_cells(_without_graph), "the data have no edges", pairs=None),
    "duplicate ids": repairs(_cells(_named_twice), "the names of 1 cell occur before", pairs=None),
    "NaN": refuses(_cells(_set_x(with_value(np.nan))), "ECO303", "NaN"),
    "infinity": refuses(_cells(_set_x(with_value(np.inf))), "ECO303", "infinite"),
    "infinite edge": refuses(_cells(_infinite_edge), "ECO303", "edge_weight"),
    "empty file": refuses(empty, "ECO302"),
    "wrong layout": refuses(_foreign, "ECO302"),
    "huge integers": repairs(_cells(_set_x((X * 2).astype(np.int64) + 2**53)), "features"),
    "constant column": repairs(_cells(_set_x(constant())), "features"),
    "byte order mark": refuses(marked, "ECO302"),
    "truncated": refuses(cut, "ECO302"),
}

CELLS = [(form, damage) for form, row in TABLE.items() for damage in row]


def check(path: Path, cell: Cell) -> None:
    try:
        graph = load_graph(path)
    except EcoError as error:
        text = str(error)
        assert cell.refused, text
        assert path.name in text
        for word in cell.refused:
            assert word in text, text
        return
    assert not cell.refused, (graph.notes, graph.edge_index)
    said = "\n".join([*graph.notes, *(f"{e['column']}: {e['action']}" for e in graph.get("columns") or [])])
    for word in cell.said:
        assert word in said, said
    assert graph.x.shape[0] == graph.num_nodes >= int(graph.edge_index.max()) + 1
    assert bool(torch.isfinite(graph.x.to_dense()).all())
    if cell.pairs is not None:
        assert pairs_by_id(graph) == cell.pairs


@pytest.mark.parametrize(("form", "damage"), CELLS, ids=[f"{form}: {damage}" for form, damage in CELLS])
def test_damage_is_refused_with_its_place_or_repaired_and_said(tmp_path: Path, form: str, damage: str) -> None:
    cell = TABLE[form][damage]
    whole = b"" if form == "h5ad" and cell.damage not in (cut, marked) else write(tmp_path, form).read_bytes()
    check(write(tmp_path, form, cell.damage(whole)), cell)


# -------------------------------------------------------------------------------------------------------------- random


def _cut(raw: bytes, rng: np.random.Generator) -> bytes:
    return raw[: rng.integers(1, len(raw))]


def _flip(raw: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(raw)
    for place in rng.integers(0, len(raw), 4):
        changed[place] = rng.integers(0, 256)
    return bytes(changed)


def _mistype(raw: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(raw)
    for place in rng.integers(0, len(raw), 2):
        changed[place] = rng.integers(32, 127)
    return bytes(changed)


# Without flipped bytes in .h5ad: a few of them make the HDF5 library itself crash, and only a process of its own would
# keep that from the reader.
RANDOM = [(form, damage) for form in FORMATS for damage in (_cut, _flip, _mistype) if form != "h5ad" or damage is _cut]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("form", "damage"), RANDOM)
def test_random_damage_ends_in_a_graph_or_a_clear_error(
    tmp_path: Path, form: str, damage: Callable[[bytes, np.random.Generator], bytes]
) -> None:
    path = write(tmp_path, form)
    whole, rng = path.read_bytes(), np.random.default_rng(22)
    load_graph(path)
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    unnamed = 0
    for _ in range(24):
        path.write_bytes(damage(whole, rng))
        try:
            graph = load_graph(path)
        except EcoError as error:
            unnamed += path.name not in str(error)
            continue
        assert graph.x.shape[0] == len(graph.get("node_ids") or range(graph.num_nodes))
        assert bool((graph.edge_index < graph.num_nodes).all())
    assert not unnamed
    assert time.perf_counter() - begin < 30
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000  # KiB


# -------------------------------------------------------------------------------------------------------------- counts

UNUSUAL = [(node, node + 1) for node in range(N - 2)] + [(0, 0), (1, 2)]
"""A path, a self-loop, an edge given twice, and the last node without edges."""


def nx_writer(kind: str) -> Callable[[nx.Graph, Any], None]:
    return lambda graph, stream: getattr(nx, f"write_{kind}")(graph, stream)


def unusual_network() -> nx.MultiGraph:
    graph = nx.MultiGraph()
    graph.add_nodes_from((f"n{node}", {"age": float(node % 5)}) for node in range(N))
    graph.add_edges_from((f"n{source}", f"n{target}") for source, target in UNUSUAL)
    return graph


def unusual_pajek() -> bytes:
    vertices = "".join(f'{node + 1} "n{node}"\n' for node in range(N))
    edges = "".join(f"{source + 1} {target + 1}\n" for source, target in UNUSUAL)
    return f"*Vertices {N}\n{vertices}*Edges\n{edges}".encode()


def unusual_metis() -> bytes:
    lines: list[list[int]] = [[] for _ in range(N)]
    for source, target in UNUSUAL:
        lines[source].append(target + 1)
        if source != target:
            lines[target].append(source + 1)
    return "\n".join([f"{N} {len(UNUSUAL)}", *(" ".join(map(str, line)) for line in lines)]).encode() + b"\n"


def unusual_matrix() -> sp.coo_matrix:
    source, target = np.array(UNUSUAL).T
    return sp.coo_matrix((np.ones(len(source)), (source, target)), shape=(N, N))


def unusual_list(sign: bytes) -> bytes:
    return b"".join(b"%d%b%d\n" % (source, sign, target) for source, target in UNUSUAL)


def unusual_cells() -> Any:
    adata = cells()
    matrix = sp.csr_matrix(unusual_matrix())
    matrix.data[:] = 1
    adata.obsp["connectivities"] = matrix
    return adata


ALL = ("1 self-loop kept", "1 duplicate", "1 isolated node")
LOOP, AGAIN, ALONE = ALL
NODES, FEWER = "12 nodes and 12 edges read", "12 nodes and 11 edges read"
ROWS, EDGE_ROWS = "12 rows read", "12 rows read, 12 edges"
PLENTY: dict[str, tuple[str, Callable[[Path], bytes], tuple[str, ...]]] = {
    "npz": ("g.npz", lambda _: npz({"x": X, "edge_index": np.array(UNUSUAL).T}), (NODES, *ALL)),
    "npz, heterophilous": ("g.npz", lambda _: npz({"node_features": X, "edges": UNUSUAL}), (NODES, *ALL)),
    "npz, Shchur": (
        "g.npz",
        lambda _: npz({**csr("attr_matrix", X), **csr("adj_matrix", unusual_matrix())}),
        (FEWER, LOOP, ALONE),  # Making a CSR matrix merges equal entries.
    ),
    "mat": ("g.mat", lambda _: mat({"A": sp.csc_matrix(unusual_matrix()), "X": X}), (FEWER, LOOP, ALONE)),
    "pt": ("g.pt", lambda _: pt({"x": X, "edge_index": np.array(UNUSUAL).T}), (NODES, *ALL)),
    "mtx": (
        "g.mtx",
        lambda _: written(lambda m, s: scipy.io.mmwrite(s, m), unusual_matrix()),
        (FEWER, *ALL),
    ),
    "graphml": (
        "g.graphml",
        lambda _: written(lambda g, s: nx.write_graphml(g, s), unusual_network()),
        (ROWS, EDGE_ROWS, *ALL),
    ),
    "gexf": (
        "g.gexf",
        lambda _: written(nx_writer("gexf"), unusual_network()),
        (ROWS, EDGE_ROWS, *ALL),
    ),
    "gml": (
        "g.gml",
        lambda _: written(nx_writer("gml"), unusual_network()),
        (ROWS, EDGE_ROWS, *ALL),
    ),
    "pajek": ("g.net", lambda _: unusual_pajek(), (ROWS, EDGE_ROWS, *ALL)),
    "metis": ("g.metis", lambda _: unusual_metis(), ("12 nodes and 23 edges read", LOOP, "2 duplicate edges", ALONE)),
    "list": ("g.txt", lambda _: unusual_list(b" "), (EDGE_ROWS, LOOP, AGAIN)),
    "zip": (
        "g.zip",
        lambda _: packed("a.tsv", unusual_list(b"\t")),
        (EDGE_ROWS, LOOP, AGAIN),
    ),
    "h5ad": ("g.h5ad", lambda folder: h5ad(unusual_cells(), folder), (FEWER, LOOP, ALONE)),
}


@pytest.mark.parametrize("form", PLENTY)
def test_what_is_unusual_is_counted_and_shown_without_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    name, make, words = PLENTY[form]
    path = tmp_path / name
    path.write_bytes(make(tmp_path))
    facts = graph_info(load_graph(path))
    assert facts["self_loops"] == 1
    assert facts["isolated_nodes"] == (ALONE in words)
    assert main(["data", "info", str(path)]) == 0
    shown = capsys.readouterr().out
    for word in words:
        assert word in shown


# ------------------------------------------------------------------------------------------------- missing libraries


@pytest.mark.parametrize(
    ("form", "library", "extra"),
    [
        *((form, "networkx", "formats") for form in ("graphml", "gexf", "gml", "pajek")),
        *((form, "pandas", "formats") for form in ("graphml", "gexf", "gml", "pajek")),
        *((form, "pyarrow", "tables") for form in ("snap", "edges", "zip")),
        ("h5ad", "anndata", "bio"),
        ("mat", "h5py", "formats"),
    ],
)
def test_a_missing_library_is_named_with_the_extra_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, library: str, extra: str
) -> None:
    path = write(tmp_path, form)
    if library == "h5py":
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w", userblock_size=512) as file:
            file["X"] = X
        raw = bytearray(path.read_bytes())
        raw[:128] = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
        path.write_bytes(bytes(raw))
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == library else find(name, *more))
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(EcoError, match=library) as caught:
        load_graph(path)
    assert "ECO302" in str(caught.value)
    assert path.name in str(caught.value)
    assert f"pip install 'eco-core[{extra}]'" in str(caught.value)
