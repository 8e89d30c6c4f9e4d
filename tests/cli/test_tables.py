"""Tables of nodes and edges from the command line, and a fitted model that encodes other tables alike."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import eco_core as eco_package
from eco_core.data import load_graph
from tests.table_data import small_graph, tables_of, write_tables


@pytest.fixture
def folder() -> Path:
    return write_tables(Path("papers"), *tables_of(small_graph()))


def test_a_folder_of_tables_goes_through_compose_and_the_columns_are_shown(eco, folder: Path) -> None:
    result = eco("compose", "--data", "papers", "--clusters", "3", "--out", "run")
    assert result.code == 0, result.err
    for word in ("abstract", "venue", "categorical", "what was done", "standardised"):
        assert word in result.err
        assert word in Path("run/log.txt").read_text()
    saved = json.loads(Path("run/preparation.json").read_text())
    assert [entry["column"] for entry in saved["columns"]][:2] == ["id", "abstract"]
    ids = [line.partition(",")[0] for line in Path("run/assignments.csv").read_text().splitlines()[1:]]
    assert ids == [line.partition(",")[0] for line in Path("papers/nodes.csv").read_text().splitlines()[1:]]
    eco("compose", "--data", "karate", "--clusters", "2", "--out", "run", "--force")
    assert not Path("run/preparation.json").exists()


def test_two_files_are_a_graph_and_flags_name_their_columns(eco, folder: Path) -> None:
    words = ("--data", "papers/nodes.csv", "--edges", "papers/edges.csv", "--clusters", "3", "--label-column", "venue")
    more = ("--id-column", "id", "--ignore-columns", "label,published", "--ignore-columns", "length")
    assert eco("compose", *words, *more, "--out", "run").code == 0
    spec = Path("run/spec.yaml").read_text()
    assert "id_column: id" in spec
    columns = json.loads(Path("run/preparation.json").read_text())["columns"]
    kinds = {entry["column"]: entry["kind"] for entry in columns}
    assert [kinds[name] for name in ("venue", "label", "published", "length")] == ["label", *["ignored"] * 3]
    again = eco("compose", "run/spec.yaml", "--out", "again")
    assert again.code == 0
    assert Path("run/assignments.csv").read_text() == Path("again/assignments.csv").read_text()


def test_data_info_shows_the_columns(eco, folder: Path) -> None:
    shown = eco("data", "info", "papers/nodes.csv", "--edges", "papers/edges.csv")
    assert shown.code == 0
    assert "what was done" in shown.out
    document = eco("data", "info", "papers", "--json", "--ignore-columns", "venue").document
    assert {"column": "venue", "kind": "ignored"}.items() <= document["columns"][2].items()


def test_a_wrong_flag_is_one_message(eco, folder: Path) -> None:
    result = eco("compose", "--data", "papers", "--clusters", "3", "--id-column", "name")
    assert result.code == 2
    assert "no column 'name'" in result.err
    assert "Traceback" not in result.err


def test_a_loaded_run_encodes_other_tables_as_its_own(eco, folder: Path) -> None:
    assert eco("compose", "--data", "papers", "--clusters", "3", "--out", "run").code == 0
    model = eco_package.load("run")
    labels = model.labels_
    graph = load_graph("papers")
    assert torch.equal(torch.as_tensor(model.infer_full(graph)), torch.as_tensor(labels))
    nodes, edges = tables_of(small_graph())
    ids = list(nodes["id"])
    half = nodes.sort_values("downloads").head(40)
    among = edges[edges["source"].isin(half["id"]) & edges["target"].isin(half["id"])]
    part = model.load_graph((half, among))
    rows = [ids.index(identifier) for identifier in part.node_ids]
    assert torch.equal(part.x, graph.x[rows])
    found = model.infer_full((half, among))
    assert np.asarray(found).shape == (40,)


def test_a_second_fit_encodes_its_table_anew(folder: Path) -> None:
    nodes, edges = tables_of(small_graph())
    model = eco_package.compose(clusters=3)
    model.fit((nodes, edges))
    model.fit((nodes.drop(columns=["venue"]), edges))
    assert all(column.column != "venue" for column in model.table_encoding.columns)
    model.fit("karate")
    assert model.table_encoding is None


def test_tables_without_data_are_refused_by_what_is_missing(eco, folder: Path) -> None:
    result = eco("compose", "--edges", "papers/edges.csv", "--clusters", "4")
    assert result.code == 2
    assert "--edges was given, but --data is missing" in result.err
    Path("spec.yaml").write_text("data: {name: papers/nodes.csv}\nclusters: 3\n")
    assert eco("compose", "spec.yaml", "--edges", "papers/edges.csv", "--dry-run").code == 0


def test_evaluate_takes_the_tables_of_the_run_and_says_how_the_graph_was_made(eco, folder: Path) -> None:
    tables = ("--data", "papers/nodes.csv", "--edges", "papers/edges.csv", "--label-column", "label")
    run = eco("compose", *tables, "--clusters", "3", "--out", "run", "--json")
    same = eco("evaluate", "run/assignments.csv", *tables, "--json")
    assert same.document["metrics"] == pytest.approx(run.document["metrics"])
    assert "nearest neighbours" not in same.err
    Path("papers/edges.csv").unlink()
    alone = eco("evaluate", "run/assignments.csv", "--data", "papers/nodes.csv", "--label-column", "label")
    assert "nearest neighbours" in alone.err


def test_convert_takes_a_nodes_table_and_its_edges(eco, folder: Path) -> None:
    result = eco("data", "convert", "papers/nodes.csv", "--edges", "papers/edges.csv", "--out", "disk", "--json")
    assert result.code == 0, result.err
    info = eco("data", "info", "papers", "--json").document
    assert (result.document["nodes"], result.document["edges"]) == (info["nodes"], info["edges"])


def test_data_info_says_that_undirected_edges_are_listed_twice(eco) -> None:
    assert "78 undirected (156 entries)" in eco("data", "info", "karate").out
    assert eco("data", "info", "karate", "--json").document["edges"] == 156


def test_a_run_does_not_repeat_what_the_table_of_columns_says(eco) -> None:
    names = [f"C{n}" for n in range(9)]
    Path("customers.csv").write_text("customer,spend\n" + "".join(f"{name},{n % 3}\n" for n, name in enumerate(names)))
    rows = (f"{a},{b},1.5,invoice,x{n}\n" for n, (a, b) in enumerate(zip(names, names[3:] + names[:3], strict=True)))
    Path("payments.csv").write_text("one,another,amount,type,remark\n" + "".join(rows))
    words = ("compose", "--data", "customers.csv", "--edges", "payments.csv", "--clusters", "3", "--out", "run")
    shown = " ".join(eco(*words).err.split())  # Cells are wrapped at the width of the terminal.
    for text in ("what was done", "since it holds all ids", "by its position", "edges of every type", "remark"):
        assert shown.count(text) >= 1, text
    for text in ("was taken as the ids", "by their position", "column 'type': edges", "not used:"):
        assert text not in shown, text
    assert "made undirected" in shown
