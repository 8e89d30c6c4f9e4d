"""Files are read exactly, and a broken one is reported with file and line."""

from __future__ import annotations

import inspect
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data

from eco_core.data import load_graph, reader_for, save_npz
from eco_core.errors import DataError

FEATURES = "node,age,height\nanna,1,0.5\nbob,2,1e-3\ncleo,-3,4\n"
EDGES = "source,target\nanna,bob\nbob,cleo\n"


def write(folder: Path, **tables: str) -> Path:
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def message(source: Path, **parameters: object) -> str:
    with pytest.raises(DataError) as caught:
        load_graph(source, **parameters)  # type: ignore[arg-type]
    return str(caught.value)


# --- npz -------------------------------------------------------------------------------------------------------------


def assert_same(one: Data, other: Data) -> None:
    assert one.x.is_sparse == other.x.is_sparse
    assert torch.equal(one.x.to_dense(), other.x.to_dense())
    assert torch.equal(one.edge_index, other.edge_index)
    for key in ("edge_weight", "y"):
        first, second = one.get(key), other.get(key)
        assert (first is None) == (second is None)
        assert first is None or torch.equal(first, second)
    assert one.get("node_ids") == other.get("node_ids")
    assert one.get("n_classes") == other.get("n_classes")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    num_nodes=st.integers(1, 6),
    sparse=st.booleans(),
    weighted=st.booleans(),
    labelled=st.booleans(),
    named=st.booleans(),
    seed=st.integers(0, 99),
)
def test_saving_and_loading_gives_the_same_graph(
    tmp_path: Path, num_nodes: int, sparse: bool, weighted: bool, labelled: bool, named: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(num_nodes, 4, generator=generator) * (torch.rand(num_nodes, 4, generator=generator) > 0.5)
    data = Data(x=x.to_sparse() if sparse else x, edge_index=torch.randint(num_nodes, (2, 7), generator=generator))
    if weighted:
        data.edge_weight = torch.rand(7, generator=generator)
    if labelled:
        data.y = torch.randint(-1, 3, (num_nodes,), generator=generator)
        data.n_classes = 3
    if named:
        data.node_ids = [f"nöde {i}" for i in range(num_nodes)]
    path = save_npz(data, tmp_path / "graph")
    assert path.name == "graph.npz"
    assert_same(load_graph(path, undirected=False), load_graph(data, undirected=False))


def test_an_archive_without_the_arrays_says_what_it_holds(tmp_path: Path) -> None:
    np.savez(tmp_path / "g.npz", matrix=np.eye(3), labels=np.zeros(3))
    text = message(tmp_path / "g.npz")
    assert "no edges and no features" in text
    assert "matrix (3, 3)" in text


def test_an_archive_with_pickled_objects_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "g.npz", x=np.array([{}, {}], dtype=object), edge_index=np.zeros((2, 0)))
    assert "ECO302" in message(tmp_path / "g.npz")


def test_a_truncated_or_foreign_archive_is_refused(tmp_path: Path) -> None:
    path = save_npz(Data(x=torch.eye(3), edge_index=torch.tensor([[0], [1]])), tmp_path / "g.npz")
    path.write_bytes(path.read_bytes()[:100])
    assert "ECO302" in message(path)
    path.write_text("hello")
    assert "ECO302" in message(path)


def test_broken_csr_parts_are_refused(tmp_path: Path) -> None:
    parts = {"x_data": [1.0], "x_indices": [9], "x_indptr": [0, 1], "x_shape": [1, 2]}
    np.savez(tmp_path / "g.npz", edge_index=np.zeros((2, 0)), **parts)  # type: ignore[arg-type]
    assert "not a CSR matrix" in message(tmp_path / "g.npz")


def test_other_arrays_are_ignored_and_said_so(tmp_path: Path) -> None:
    np.savez(tmp_path / "g.npz", x=np.eye(2), edge_index=[[0], [1]], train_mask=[True, False])
    assert "ignored in g.npz: train_mask" in load_graph(tmp_path / "g.npz").notes


# --- pt --------------------------------------------------------------------------------------------------------------


def test_a_dict_of_tensors_is_read(tmp_path: Path) -> None:
    content = {
        "x": torch.eye(2).to_sparse(),
        "edge_index": torch.tensor([[0], [1]]),
        "node_ids": ["a", "b"],
        "n_classes": 2,
    }
    torch.save(content, tmp_path / "g.pt")
    data = load_graph(tmp_path / "g.pt")
    assert data.x.is_sparse
    assert data.node_ids == ["a", "b"]
    assert data.n_classes == 2
    assert data.name == "g"


@pytest.mark.skipif(not hasattr(torch.serialization, "safe_globals"), reason="torch < 2.5 reads only dicts")
def test_a_saved_pyg_graph_is_read(tmp_path: Path) -> None:
    torch.save(Data(x=torch.eye(2), edge_index=torch.tensor([[0], [1]]), y=torch.tensor([0, 1])), tmp_path / "g.pt")
    data = load_graph(tmp_path / "g.pt")
    assert data.y.tolist() == [0, 1]
    assert data.name == "g"


def test_a_file_that_could_run_code_is_refused_with_how_to_save_instead(tmp_path: Path) -> None:
    torch.save({"x": torch.eye(2), "edge_index": Path("surprise")}, tmp_path / "g.pt")
    text = message(tmp_path / "g.pt")
    assert "weights_only=True" in text
    assert "torch.save({" in text


@pytest.mark.parametrize("content", [torch.eye(3), [1, 2], {"y": torch.ones(2)}])
def test_a_torch_file_of_something_else_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "g.pt")
    assert "ECO302" in message(tmp_path / "g.pt")


# --- csv -------------------------------------------------------------------------------------------------------------


def test_a_folder_keeps_the_users_ids_and_order(tmp_path: Path) -> None:
    write(tmp_path, features=FEATURES, edges=EDGES, labels="node,label\nbob,red\nanna,blue\n")
    data = load_graph(tmp_path, undirected=False)
    assert data.node_ids == ["anna", "bob", "cleo"]
    assert torch.equal(data.x, torch.tensor([[1, 0.5], [2, 1e-3], [-3, 4]]))
    assert data.edge_index.tolist() == [[0, 1], [1, 2]]
    assert data.y.tolist() == [0, 1, -1]
    assert data.get("n_classes") is None
    assert "labels numbered from 0 in this order: blue, red" in data.notes
    assert data.name == tmp_path.name


def test_ids_that_are_the_numbers_in_order_are_not_kept(tmp_path: Path) -> None:
    write(tmp_path, features="node,a\n0,1\n1,2\n", edges="s,t\n0,1\n")
    assert load_graph(tmp_path).get("node_ids") is None
    write(tmp_path, features="node,a\n1,1\n0,2\n", edges="s,t\n0,1\n")
    data = load_graph(tmp_path, undirected=False)
    assert data.node_ids == ["1", "0"]
    assert data.edge_index.tolist() == [[1], [0]]


def test_an_edge_list_names_its_other_files(tmp_path: Path) -> None:
    write(tmp_path, people=FEATURES, edges="source,target,weight\nanna,bob,2.5\n", groups="node,g\ncleo,10\nbob,9\n")
    data = load_graph(tmp_path / "edges.csv", features="people.csv", labels="groups.csv")
    assert data.edge_weight.tolist() == [2.5, 2.5]
    assert data.y.tolist() == [-1, 0, 1]
    assert data.name == "edges"
    assert load_graph(tmp_path / "edges.csv", features="people.csv").y is None


def test_tables_are_also_found_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep").mkdir()
    write(tmp_path / "deep", edges=EDGES)
    write(tmp_path, people=FEATURES)
    monkeypatch.chdir(tmp_path)
    assert load_graph("deep/edges.csv", features="people.csv").x.shape == (3, 2)


def test_spreadsheet_habits_are_read(tmp_path: Path) -> None:
    (tmp_path / "features.csv").write_bytes(b'\xef\xbb\xbf"node","a"\r\n"x, y",1\r\nz, 2\r\n\r\n')
    write(tmp_path, edges='s,t\r\n"x, y",z\r\n')
    data = load_graph(tmp_path)
    assert data.node_ids == ["x, y", "z"]
    assert data.x.tolist() == [[1], [2]]


def test_integer_labels_are_in_numeric_order_and_numbered_columns_are_a_header(tmp_path: Path) -> None:
    write(tmp_path, features="node,0,1\na,5,6\nb,7,8\nc,9,9\n", edges="s,t\n", labels="n,l\na,10\nb,9\nc,-1\n")
    data = load_graph(tmp_path)
    assert data.x.shape == (3, 2)
    assert data.y.tolist() == [1, 0, -1]
    assert "the graph has no edges" in data.notes


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ({"edges": "s,t\nanna,bob\nanna,dora\n"}, ["edges.csv, line 3: target 'dora' is not a node", "ECO305"]),
        ({"edges": "s,t\nanna\n"}, ["edges.csv, line 2: this line has 1 column; the header has 2"]),
        ({"edges": "s,t,w\nanna,bob,much\n"}, ["edges.csv, line 2: the weight is 'much'"]),
        ({"edges": ""}, ["edges.csv, line 1: the file is empty"]),
        ({"features": ""}, ["features.csv, line 1: the file is empty"]),
        ({"features": "node,a\nanna,1\nbob,x\n"}, ["features.csv, line 3: column 'a' is 'x'; expected a number"]),
        (
            {"features": "node,a\nanna,1\nbob,1,2\n"},
            ["features.csv, line 3: this line has 3 columns; the header has 2"],
        ),
        ({"features": "node,a\nanna,1\nbob,1\nanna,2\n"}, ["features.csv, line 4: node 'anna' is already on line 2"]),
        ({"features": "node,a\n", "edges": "s,t\n"}, ["ECO303", "no nodes"]),
        ({"labels": "node,label\nzoe,1\n"}, ["labels.csv, line 2: node 'zoe' is not a node", "ECO305"]),
        ({"labels": "node,label\nbob,1\nbob,2\n"}, ["labels.csv, line 3: node 'bob' has a label already"]),
        ({"labels": "who,what,more\nanna,1,2\n"}, ["labels.csv, line 1: the header has 3 columns"]),
    ],
)
def test_a_malformed_table_is_reported_with_file_and_line(
    tmp_path: Path, tables: dict[str, str], expected: list[str]
) -> None:
    write(tmp_path, **{"features": FEATURES, "edges": EDGES, **tables})
    text = message(tmp_path)
    for part in expected:
        assert part in text


def test_a_problem_of_several_lines_is_reported_once_with_their_number(tmp_path: Path) -> None:
    write(tmp_path, features=FEATURES, edges="s,t\n" + "anna,dora\n" * 25)
    text = message(tmp_path)
    assert "line 2:" in text
    assert "24 more rows like this" in text
    assert text.count("dora") == 1


def test_what_was_guessed_is_told_with_a_problem(tmp_path: Path) -> None:
    write(tmp_path, edges=EDGES)
    (tmp_path / "features.csv").write_bytes(b"node,a\nanna,1\nbob,2\ncleo,3\nzo\xeb,many\n")
    text = message(tmp_path)
    assert "line 5: column 'a' is 'many'" in text
    assert "features.csv is not UTF-8" in text


@pytest.mark.parametrize(
    ("tables", "note"),
    [
        ({"edges": "s,t,w,u\nanna,bob,2,3\n"}, "not used: 'u'"),
        ({"edges": "anna,bob\nbob,cleo\n"}, "the first line is a row, not a header"),
        ({"edges": "s;t\nanna;bob\n"}, "separated by semicolons"),
        ({"labels": "anna,1\nbob,2\n"}, "labels.csv: the first line is a row, not a header"),
        (
            {"features": "0,0.5,0.25\n1,2,3\n2,4,5\n", "edges": "s,t\n0,1\n1,2\n"},
            "features.csv: the first line is a row, not a header",
        ),
    ],
)
def test_what_can_be_mended_is_mended_and_said(tmp_path: Path, tables: dict[str, str], note: str) -> None:
    write(tmp_path, **{"features": FEATURES, "edges": EDGES, **tables})
    graph = load_graph(tmp_path)
    assert graph.num_nodes == 3
    assert any(note in said for said in graph.notes), graph.notes
    assert graph.num_edges >= 2


def test_missing_numbers_are_filled_with_the_median(tmp_path: Path) -> None:
    write(tmp_path, features="node,a,b\nanna,nan,1\nbob,1,2\ncleo,3,4\n", edges=EDGES)
    assert load_graph(tmp_path).x[:, 0].tolist() == [2, 1, 3]


# --- what is not there -----------------------------------------------------------------------------------------------


def test_a_missing_file_is_reported_with_what_is_nearby(tmp_path: Path) -> None:
    save_npz(Data(x=torch.eye(2), edge_index=torch.zeros(2, 0)), tmp_path / "graph.npz")
    text = message(tmp_path / "grph.npz")
    assert "ECO301" in text
    assert "Did you mean" in text
    assert "graph.npz" in text
    assert "there are: graph.npz" in message(tmp_path / "completely_else.csv")
    assert "does not exist either" in message(tmp_path / "no" / "where" / "g.npz")


def test_a_folder_without_tables_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("hello")
    text = message(tmp_path)
    assert "no edges.csv and no features.csv" in text
    assert "readme.txt" in text
    write(tmp_path, edges=EDGES, features=FEATURES)
    assert "no file 'groups.csv'" in message(tmp_path, labels="groups.csv")


def test_a_missing_feature_table_says_how_to_name_it(tmp_path: Path) -> None:
    write(tmp_path, edges=EDGES)
    text = message(tmp_path / "edges.csv", features="people.csv")
    assert "ECO301" in text
    assert "--set data.features=FILE" in text


def test_an_unknown_format_lists_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "g.doc").write_text("graph")
    assert ".npz, .pt" in message(tmp_path / "g.doc")


def test_a_readers_parameters_can_be_inspected(tmp_path: Path) -> None:
    write(tmp_path, edges=EDGES, features=FEATURES)
    for path in (tmp_path / "edges.csv", tmp_path):
        parameters = list(inspect.signature(reader_for(path)).parameters)
        assert parameters[:5] == ["path", "edges", "features", "labels", "id_column"]


def test_a_large_edge_list_is_read_in_time_proportional_to_its_lines(tmp_path: Path) -> None:
    number = 5_000
    write(tmp_path, features="node,a\n" + "".join(f"n{i},{i}\n" for i in range(number)))
    lines = [f"n{i % number},n{(i * 7 + 1) % number}\n" for i in range(200_000)]
    write(tmp_path, edges="source,target\n" + "".join(lines))
    start = time.perf_counter()
    data = load_graph(tmp_path, undirected=False)
    assert time.perf_counter() - start < 10
    assert data.edge_index.shape == (2, 200_000)
    assert data.edge_index[:, 3].tolist() == [3, 22]


def test_without_pandas_the_core_reads_tables_of_numbers_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features = "node,age,income,same\n" + "".join(f"p{i},{20 + i},{1_000_000 + 9_000 * i * i},5\n" for i in range(9))
    edges = "source,target\n" + "".join(f"p{i},p{(i + 1) % 9}\n" for i in range(9))
    write(tmp_path, features=features, edges=edges)
    expected = load_graph(tmp_path)
    monkeypatch.setattr("eco_core.data.readers.table_files._has_pandas", lambda: False)
    graph = load_graph(tmp_path)
    assert torch.equal(graph.x, expected.x)
    assert torch.equal(graph.edge_index, expected.edge_index)
    assert graph.node_ids == expected.node_ids
    assert graph.get("columns") is None
