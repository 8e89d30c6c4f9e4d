"""Conversion to disk: the same graph as in memory, from every kind of file, and nothing left of a failed one."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data

from eco_core.data import convert, graph_info, load_graph, open_graph, save_npz, save_on_disk, tables
from eco_core.data.node_index import NodeIndex, as_ids
from eco_core.errors import DataError, SpecError
from tests.graphs import blocks

NAMES = ["ann", "bob", "cy", "dan", "eve", "7", "007"]
INTEGERS = ["12", "3", "-5", "700000000000", "0", "9", "1"]

node = st.integers(0, 6)
edge_lists = st.lists(st.tuples(node, node, st.sampled_from([0.0, 0.5, 1.0, 2.0])), max_size=25)


def write_tables(folder: Path, ids: list[str], edges: list[tuple[int, int, float]], weighted: bool) -> Path:
    folder.mkdir(exist_ok=True)
    rows = [f"{name},{number}.5,{-number}" for number, name in enumerate(ids)]
    (folder / "features.csv").write_text("node,a,b\n" + "".join(f"{row}\n" for row in rows))
    lines = [f"{ids[s]},{ids[t]}" + (f",{w}" if weighted else "") for s, t, w in edges]
    header = "source,target" + (",weight" if weighted else "")
    (folder / "edges.csv").write_text("\n".join([header, *lines]) + "\n")
    (folder / "labels.csv").write_text(f"node,label\n{ids[1]},red\n{ids[0]},blue\n{ids[2]},-1\n")
    return folder


def assert_same(one: Data, other: Data) -> None:
    """The same graph, but for the order of the edges."""
    assert torch.equal(one.x, other.x)
    for key in ("y", "edge_weight"):
        assert (one.get(key) is None) == (other.get(key) is None)
    assert one.get("y") is None or torch.equal(one.y, other.y)
    assert list(one.get("node_ids") or []) == list(other.get("node_ids") or [])
    assert one.get("n_classes") == other.get("n_classes")
    assert edges_of(one) == edges_of(other)


def edges_of(graph: Data) -> Counter[tuple[int, int, float]]:
    weight = graph.get("edge_weight")
    weights = [1.0] * graph.edge_index.shape[1] if weight is None else weight.tolist()
    return Counter(zip(*graph.edge_index.tolist(), weights, strict=True))


FIGURES = ("nodes", "edges", "features", "feature_density", "weighted", "isolated_nodes", "self_loops", "components")
MORE_FIGURES = ("duplicate_edges", "average_degree", "max_degree", "labelled_nodes", "declared_classes")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edges=edge_lists,
    ids=st.sampled_from([NAMES, INTEGERS, [str(n) for n in range(7)]]),
    weighted=st.booleans(),
    undirected=st.booleans(),
    normalize=st.sampled_from(["none", "row"]),
    together=st.integers(1, 40),
    rows=st.integers(1, 9),
    arrow=st.booleans(),
)
def test_a_converted_graph_is_the_graph_that_is_loaded(
    tmp_path: Path,
    edges: list[tuple[int, int, float]],
    ids: list[str],
    weighted: bool,
    undirected: bool,
    normalize: str,
    together: int,
    rows: int,
    arrow: bool,
) -> None:
    source = write_tables(tmp_path / "tables", ids, edges, weighted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert, "_ENTRIES", together)
        patch.setattr(tables, "ROWS", rows)
        patch.setattr(tables, "_BLOCK", 64)
        if not arrow:
            patch.setattr(importlib.util, "find_spec", lambda name: None)
        save_on_disk(source, tmp_path / "out", undirected=undirected, normalize_features=normalize, force=True)
    loaded = load_graph(source, undirected=undirected, normalize_features=normalize)
    opened = load_graph(tmp_path / "out", undirected=undirected, normalize_features=normalize)
    assert_same(opened, loaded)
    structure = [note for note in loaded.notes if "merged" not in note and "made undirected" not in note]
    assert set(structure) <= set(opened.notes)
    facts, expected = graph_info(opened), graph_info(loaded)
    assert facts.keys() == expected.keys()
    assert {key: facts[key] for key in (*FIGURES, *MORE_FIGURES)} == {
        key: expected[key] for key in (*FIGURES, *MORE_FIGURES)
    }
    for begin, end in zip(opened.incoming.rowptr[:-1], opened.incoming.rowptr[1:], strict=True):
        neighbors = opened.incoming.col[begin:end]
        assert torch.equal(neighbors, neighbors.sort().values)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_what_can_be_loaded_can_be_converted(tmp_path: Path, sparse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "_VALUES", 50)
    graph = blocks(sparse=sparse)
    graph.n_classes, graph.node_ids = 3, [f"v{i}" for i in range(60)]
    path = save_npz(graph, tmp_path / "graph.npz")
    for source in (path, graph, save_on_disk(path, tmp_path / "first")):
        opened = open_graph(save_on_disk(source, tmp_path / "out", force=True), verify=True)
        graph.x = graph.x.to_dense()
        assert_same(opened, graph)
    named = open_graph(save_on_disk("karate", tmp_path / "karate"))
    assert (named.num_nodes, named.num_edges, named.n_classes, named.name) == (34, 156, 4, "karate")
    assert named.get("node_ids") is None
