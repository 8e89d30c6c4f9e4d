"""Conversion to disk: the same graph as in memory, from every kind of file, and nothing left of a failed one."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data

from eco_core.data import graph_info, load_graph, open_graph, save_npz, save_on_disk
from eco_core.data.convert import convert, edge_sort
from eco_core.data.convert.array_file import ArrayFile
from eco_core.data.convert.edge_sort import EdgeSorter
from eco_core.data.node_ids import NodeIndex, Texts, as_ids, interleaved
from eco_core.data.portions import Portions
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
        if not arrow:
            patch.setattr(importlib.util, "find_spec", lambda name: None)
        save_on_disk(
            source,
            tmp_path / "out",
            undirected=undirected,
            normalize_features=normalize,
            force=True,
            portions=Portions(rows=rows, csv_bytes=64, sorted_edges=together),
        )
    loaded = load_graph(source, undirected=undirected, normalize_features=normalize)
    opened = load_graph(tmp_path / "out", undirected=undirected, normalize_features=normalize)
    assert_same(opened, loaded)
    structure = [note for note in loaded.notes if not re.search(r"merged|made undirected|read\b", note)]
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
def test_what_can_be_loaded_can_be_converted(tmp_path: Path, sparse: bool) -> None:
    graph = blocks(sparse=sparse)
    graph.n_classes, graph.node_ids = 3, [f"v{i}" for i in range(60)]
    path = save_npz(graph, tmp_path / "graph.npz")
    for source in (path, graph, save_on_disk(path, tmp_path / "first")):
        opened = open_graph(
            save_on_disk(source, tmp_path / "out", force=True, portions=Portions(values=50)), verify=True
        )
        graph.x = graph.x.to_dense()
        assert_same(opened, graph)
    named = open_graph(save_on_disk("karate", tmp_path / "karate"))
    assert (named.num_nodes, named.num_edges, named.n_classes, named.name) == (34, 156, 4, "karate")
    assert named.get("node_ids") is None


# -------------------------------------------------------------------------------------------------------- other files


def arrays(folder: Path) -> tuple[Path, Path]:
    np.save(folder / "edges.npy", np.array([[0, 1, 2, 2], [1, 2, 0, 2]]))
    np.save(folder / "x.npy", np.arange(8.0).reshape(4, 2))
    return folder / "edges.npy", folder / "x.npy"


def test_arrays_number_the_nodes_by_the_rows_of_the_features(tmp_path: Path) -> None:
    edges, x = arrays(tmp_path)
    np.save(tmp_path / "y.npy", np.array([1, -1, 0, 1]))
    loaded = load_graph((np.load(x), np.load(edges), np.load(tmp_path / "y.npy")))
    opened = open_graph(save_on_disk(edges, tmp_path / "out", features=x, labels=tmp_path / "y.npy"))
    assert_same(opened, loaded)
    assert opened.get("node_ids") is None
    np.save(edges, np.load(edges).T)
    transposed = open_graph(save_on_disk(edges, tmp_path / "out", features=x, labels=tmp_path / "y.npy", force=True))
    assert_same(transposed, loaded)
    text = tmp_path / "edges.csv"
    text.write_text("source,target\n0,1\n1,2\n2,0\n2,2\n")
    mixed = open_graph(save_on_disk(text, tmp_path / "out", features=x, labels=tmp_path / "y.npy", force=True))
    assert_same(mixed, loaded)


@pytest.mark.parametrize("ids", [NAMES, INTEGERS], ids=["texts", "integers"])
@pytest.mark.parametrize("lists", [False, True], ids=["columns", "lists"])
def test_parquet_is_what_csv_is(tmp_path: Path, ids: list[str], lists: bool) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    edges = [(0, 1, 0.5), (1, 0, 2.0), (2, 5, 1.0), (6, 6, 1.0)]
    folder = write_tables(tmp_path / "tables", ids, edges, weighted=True)
    keys: Any = [int(one) for one in ids] if ids is INTEGERS else ids
    columns = [[n + 0.5 for n in range(7)], [-n for n in range(7)]]
    values = dict(zip("ab", columns, strict=True))
    if lists:
        values = {"ab": pa.array([list(row) for row in zip(*columns, strict=True)], type=pa.list_(pa.float32(), 2))}
    parquet.write_table(pa.table({"node": keys, **values}), tmp_path / "features.parquet")
    ends = {"when": [1, 2, 3, 4], "target": [keys[t] for _, t, _ in edges], "source": [keys[s] for s, _, _ in edges]}
    parquet.write_table(pa.table({**ends, "weight": [w for *_, w in edges]}), tmp_path / "edges.parquet")
    parquet.write_table(
        pa.table({"node": [keys[0], keys[1]], "label": pa.array(["blue", "red"]).dictionary_encode()}),
        tmp_path / "labels.parquet",
    )
    files: dict[str, Any] = {name: tmp_path / f"{name}.parquet" for name in ("features", "labels")}
    opened = open_graph(save_on_disk(tmp_path / "edges.parquet", tmp_path / "out", **files))
    assert_same(opened, load_graph(folder))


def test_without_features_nodes_come_up_with_their_edges(tmp_path: Path) -> None:
    options: dict[str, Any] = {"no_features": True, "force": True, "portions": Portions(csv_bytes=16)}
    edges = tmp_path / "edges.csv"
    for lines, ids in (
        ("9,4\n4,2\n9,2\n2,7\n", ["9", "4", "2", "7"]),
        ("9,4\n4,bo\n9,bo\nbo,7\n", ["9", "4", "bo", "7"]),
    ):
        edges.write_text("source,target\n" + lines)
        opened = open_graph(save_on_disk(edges, tmp_path / "out", **options))
        assert opened.node_ids == ids
        assert torch.allclose(opened.x, torch.tensor([[2.0], [2.0], [3.0], [1.0]]).log1p())
        assert edges_of(opened)[(3, 2, 1.0)] == edges_of(opened)[(2, 3, 1.0)] == 1
        assert any("no features were given" in note for note in opened.notes)


def test_a_list_of_many_parts_is_sorted_as_one(tmp_path: Path) -> None:
    edges = np.random.default_rng(0).integers(0, 3000, (2, 20_000))
    np.save(tmp_path / "edges.npy", edges)
    np.save(tmp_path / "x.npy", np.ones((3000, 1), np.float32))
    few = Portions(rows=999, values=700, sorted_edges=500)
    opened = open_graph(
        save_on_disk(tmp_path / "edges.npy", tmp_path / "out", features=tmp_path / "x.npy", portions=few)
    )
    loaded = load_graph((torch.ones(3000, 1), edges))
    assert_same(opened, loaded)
    assert graph_info(opened)["components"] == graph_info(loaded)["components"]


@pytest.mark.parametrize("node", [np.int32, np.int64])
def test_edges_are_sorted_whatever_numbers_of_nodes_they_are_written_in(tmp_path: Path, node: Any) -> None:
    source, target = np.random.default_rng(0).integers(0, 30, (2, 400))
    (tmp_path / "work").mkdir()
    sorter = EdgeSorter(tmp_path / "work", node, weighted=False, portions=Portions(sorted_edges=50))
    sorter.add(source, target, None)
    col = ArrayFile(tmp_path / "col.npy", np.dtype(node))
    found = sorter.sort(30, False, col, None, lambda _: None)
    col.close()
    sources = np.load(tmp_path / "col.npy")
    assert sources.dtype == node
    order = np.lexsort((source, target))
    assert np.array_equal(sources, source[order])
    assert np.array_equal(np.repeat(np.arange(30), np.diff(found.rowptr)), target[order])


def test_a_graph_on_disk_can_be_converted_again(tmp_path: Path) -> None:
    edges = [(0, 1, 0.5), (1, 0, 2.0), (2, 5, 1.0), (6, 6, 1.0), (2, 5, 3.0)]
    source = write_tables(tmp_path / "tables", NAMES, edges, weighted=True)
    directed = save_on_disk(source, tmp_path / "directed", undirected=False, normalize_features="row")
    both = save_on_disk(directed, tmp_path / "both", verify=True)
    assert_same(load_graph(both, normalize_features="row"), load_graph(source, normalize_features="row"))
    again = open_graph(save_on_disk(both, tmp_path / "again", undirected=False))
    assert again.manifest["undirected"]
    assert_same(again, open_graph(both))
    assert not any("duplicate edge" in note for note in again.notes)


def test_ids_get_the_numbers_in_which_they_come_up() -> None:
    index = NodeIndex()
    assert index.add(as_ids(["5", "-1", "5"])).tolist() == [0, 1, 0]
    assert index.find(as_ids(["-1", "8", "5"])).tolist() == [1, -1, 0]
    assert index.find(as_ids(["-1", "eight", "05"])).tolist() == [1, -1, -1]
    assert index.add(as_ids(["eight", "5"])).tolist() == [2, 0]
    assert index.find(as_ids(["-1", "8"])).tolist() == [1, -1]
    assert list(index.ids() or []) == ["5", "-1", "eight"]
    assert index.add(interleaved(np.array([5, 6]), as_ids(["-1", ""]))).tolist() == [0, 1, 3, 4]
    assert index.find(as_ids(["", "6", "nine"])).tolist() == [4, 3, -1]
    many = np.random.default_rng(0).permutation(10_000) - 5000
    for ids in (many, Texts.of(f"nöde {number}" for number in many)):
        index = NodeIndex()
        for part in np.split(np.arange(10_000), 10):
            index.add(Texts(ids.data, ids.starts[part], ids.ends[part]) if isinstance(ids, Texts) else ids[part])
        assert np.array_equal(index.find(ids), np.arange(10_000))
        known = index.ids()
        assert known is not None
        assert list(known) == list(ids)
    assert isinstance(as_ids(["1", "99999999999999999999"]), Texts)


# ----------------------------------------------------------------------------------------------------------- mistakes

FEATURES = "node,a,b\nu,1,2\nv,3,4\nw,5,6\n"
EDGES = "source,target\nu,v\nv,w\n"

MISTAKES: dict[str, tuple[dict[str, str], str]] = {
    "unknown node": ({"edges": EDGES + "u,zed\n"}, r"ECO305.*edges\.csv, row 3: target 'zed' .*features\.csv"),
    "unknown labelled node": ({"labels": "node,label\nzed,1\n"}, r"ECO305.*labels\.csv, row 1.*'zed'"),
    "label twice": ({"labels": "node,label\nu,1\nv,1\nu,2\n"}, r"ECO302.*'u' in row 3 has a label already"),
    "columns of labels": ({"labels": "node,label,more\n"}, r"ECO302.*3 columns; expected node and label"),
    "nan": ({"features": FEATURES + "x,nan,1\n"}, r"ECO303.*nan in row 4, column 0 of .*features\.csv"),
    "too large": ({"features": FEATURES + "x,1,1e300\n"}, r"ECO303.*1e\+300 in row 4, column 1"),
    "no number": ({"features": FEATURES + "x,tall,1\n"}, r"ECO302.*features\.csv.*tall"),
    "node twice": ({"features": FEATURES + "u,1,1\n"}, r"ECO302.*'u' in row 4 is repeated"),
    "no rows": ({"features": "node,a\n"}, r"ECO303.*no rows"),
    "no columns": ({"features": "node\nu\n"}, r"ECO302.*1 column; expected"),
    "no header of features": ({"features": "1,0.5\n2,0.7\n"}, r"ECO302.*features\.csv.*not the names"),
    "no header": ({"edges": "u,v\nv,w\n"}, r"ECO302.*edges\.csv.*not a header"),
    "header of four": ({"edges": "k,l,m,n\n"}, r"ECO302.*4 columns; expected source, target"),
    "empty": ({"edges": ""}, r"ECO302.*edges\.csv.*empty"),
    "torn line": ({"edges": EDGES + "u\n"}, r"ECO302.*edges\.csv"),
    "negative weight": ({"edges": "s,t,w\nu,v,-1\n"}, r"ECO303.*edges\.csv, row 1: the weight is -1"),
    "weight": ({"edges": "s,t,w\nu,v,heavy\n"}, r"ECO302.*edges\.csv.*heavy"),
}


@pytest.mark.parametrize("arrow", [True, False], ids=["pyarrow", "csv"])
@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_mistake_is_told_and_nothing_is_left(
    tmp_path: Path, mistake: str, arrow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not arrow:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    changed, named = MISTAKES[mistake]
    folder = tmp_path / "tables"
    folder.mkdir()
    for name, text in {"edges": EDGES, "features": FEATURES, **changed}.items():
        (folder / f"{name}.csv").write_text(text)
    with pytest.raises(DataError, match=rf"(?s){named}"):
        save_on_disk(folder, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["tables"]


def test_arrays_that_are_none_are_refused(tmp_path: Path) -> None:
    edges, x = arrays(tmp_path)
    out = tmp_path / "out"
    for array, named in (
        (np.ones((2, 3)), "float64"),
        (np.ones((3, 3), int), r"\(3, 3\)"),
        (np.array([[0], [4]]), r"ECO305.*row 0: target '4'"),
        (np.array([[-1], [0]]), r"ECO305.*source '-1'"),
    ):
        np.save(edges, array)
        with pytest.raises(DataError, match=named):
            save_on_disk(edges, out, features=x)
    edges, x = arrays(tmp_path)
    for array, named in ((np.ones(4), r"shape \(4,\)"), (np.array([["a"]]), "<U1"), (np.full((4, 1), np.inf), "inf")):
        np.save(x, array)
        with pytest.raises(DataError, match=rf"ECO303.*{named}"):
            save_on_disk(edges, out, features=x)
    x.write_text("no array")
    with pytest.raises(DataError, match=r"ECO302.*x\.npy"):
        save_on_disk(edges, out, features=x)
    np.save(tmp_path / "none.npy", np.zeros((2, 0), int))
    with pytest.raises(DataError, match=r"ECO303.*no edges, and no features"):
        save_on_disk(tmp_path / "none.npy", out, no_features=True)
    assert not out.exists()


def test_options_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    edges, x = arrays(tmp_path)
    out = tmp_path / "out"
    for options, named in (
        ({}, "--no-features"),
        ({"features": x, "no_features": True}, "Both"),
        ({"features": x, "normalize_features": "rows"}, "'rows'"),
        ({"features": x, "n_classes": 0}, "n_classes is 0"),
        ({"features": x, "k": 3}, "'k'"),
    ):
        with pytest.raises(SpecError, match=named):
            save_on_disk(edges, out, **options)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match=r"--features was given, but karate is a whole graph"):
        save_on_disk("karate", out, features=x)
    for missing in ({"features": tmp_path / "none.csv"}, {"features": x, "labels": tmp_path / "none.csv"}):
        with pytest.raises(DataError, match=r"ECO301.*none\.csv"):
            save_on_disk(edges, out, **missing)  # type: ignore[arg-type]
    (tmp_path / "x.txt").touch()
    with pytest.raises(DataError, match=r"ECO302.*x\.txt"):
        save_on_disk(edges, out, features=tmp_path / "x.txt")


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "edges.parquet").touch()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"(?s)ECO302.*pyarrow.*pip install pyarrow"):
        save_on_disk(tmp_path / "edges.parquet", tmp_path / "out", no_features=True)


def test_parquet_of_other_types_is_refused(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "edges.parquet"
    for columns, named in (
        ({"a": [0.5], "b": [1]}, r"'a' holds double; expected node ids"),
        ({"a": pa.array([None], pa.int64()), "b": [1]}, r"'a' has 1 missing"),
        ({"a": [1], "b": [1], "w": ["x"]}, r"'w' holds string; expected numbers"),
        ({"a": [1], "b": [1], "w": pa.array([None], pa.float32())}, r"'w' has missing values"),
    ):
        parquet.write_table(pa.table(columns), path)
        with pytest.raises(DataError, match=rf"ECO302.*{named}"):
            save_on_disk(path, tmp_path / "out", no_features=True)
    path.write_text("no parquet")
    with pytest.raises(DataError, match=r"ECO302.*edges\.parquet"):
        save_on_disk(path, tmp_path / "out", no_features=True)


# ----------------------------------------------------------------------------------------------------------- the folder


def test_a_graph_is_replaced_only_where_that_is_wanted(tmp_path: Path) -> None:
    edges, x = arrays(tmp_path)
    out = save_on_disk(edges, tmp_path / "out", features=x)
    before = open_graph(out)
    with pytest.raises(DataError, match=r"(?s)ECO306.*out exists.*--force"):
        save_on_disk(edges, out, features=x)
    assert open_graph(save_on_disk(edges, out, features=x, undirected=False, force=True)).num_edges == 4
    assert before.edge_index.shape[1] == 7, "what is open stays"
    (tmp_path / "mine").mkdir()
    save_on_disk(edges, tmp_path / "mine", features=x)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").touch()
    with pytest.raises(DataError, match=r"ECO306.*not a graph on disk"):
        save_on_disk(edges, tmp_path / "precious", features=x, force=True)
    assert (tmp_path / "precious" / "thesis.txt").exists()


def test_what_a_killed_replacement_left_is_removed_and_folders_of_others_are_not(tmp_path: Path) -> None:
    edges, x = arrays(tmp_path)
    for name in ("out.replaced", "out.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.npy").touch()
    out = save_on_disk(edges, tmp_path / "out", features=x)
    assert (tmp_path / "out.replaced").exists(), "removed, although nothing was replaced"
    assert open_graph(save_on_disk(edges, out, features=x, undirected=False, force=True)).num_edges == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["edges.npy", "out", "out.old", "x.npy"]


def test_a_failure_with_force_leaves_the_graph_that_was_there(tmp_path: Path) -> None:
    edges, x = arrays(tmp_path)
    out = save_on_disk(edges, tmp_path / "out", features=x)
    np.save(edges, np.array([[0], [99]]))
    with pytest.raises(DataError, match="ECO305"):
        save_on_disk(edges, out, features=x, force=True)
    assert open_graph(out, verify=True).num_edges == 7


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")], ids=["key", "disk"])
def test_an_interrupted_conversion_leaves_nothing(
    tmp_path: Path, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    edges, x = arrays(tmp_path)

    def fail(*_: Any) -> None:
        assert (tmp_path / "out.unfinished").is_dir()
        raise error

    monkeypatch.setattr(edge_sort, "write_entries", fail)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else DataError
    with pytest.raises(expected, match=None if expected is KeyboardInterrupt else r"(?s)ECO306.*the disk is full"):
        save_on_disk(edges, tmp_path / "out", features=x)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["edges.npy", "x.npy"]


def test_a_disk_that_will_not_do_is_told_before_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edges, x = arrays(tmp_path)

    class Usage:
        free = 10

    monkeypatch.setattr(convert.shutil, "disk_usage", lambda _: Usage)
    with pytest.raises(DataError, match=r"ECO306.*needs another"):
        save_on_disk(edges, tmp_path / "out", features=x)
    assert not (tmp_path / "out.unfinished").exists()


def test_what_a_killed_conversion_left_is_removed_by_the_next(tmp_path: Path) -> None:
    edges, x = arrays(tmp_path)
    (tmp_path / "out.unfinished" / "work").mkdir(parents=True)
    messages: list[str] = []
    save_on_disk(edges, tmp_path / "out", features=x, progress=messages.append)
    assert "did not finish" in messages[0]
    assert not (tmp_path / "out.unfinished").exists()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "col.npy",
        "manifest.json",
        "rowptr.npy",
        "x.npy",
    ]
