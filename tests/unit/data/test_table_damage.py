"""Damaged tables: a clear message with file, row and column, or a repair that is said; never a traceback."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from eco_core.data import load_graph
from eco_core.errors import DataError, EcoError

IDS = [f"n{number:02d}" for number in range(12)]


def nodes_table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": IDS,
            "age": [20.5 + 3 * number for number in range(12)],
            "city": ["Rome", "Oslo", "Bern"] * 4,
            "income": [1e6 + 1e5 * ((7 * number) % 12) for number in range(12)],
        }
    )


def edges_table() -> pd.DataFrame:
    return pd.DataFrame({"source": IDS, "target": IDS[1:] + IDS[:1], "weight": [1.0 + n for n in range(12)]})


def write(folder: Path, kind: str, nodes: pd.DataFrame, edges: pd.DataFrame, **csv: Any) -> tuple[Path, Path]:
    files = folder / f"nodes.{kind}", folder / f"edges.{kind}"
    for file, frame in zip(files, (nodes, edges), strict=True):
        if kind == "parquet":
            frame.to_parquet(file, index=False)
        else:
            frame.to_csv(file, index=False, **csv)
    return files


def refused(folder: Path, code: str, *words: str) -> DataError:
    with pytest.raises(DataError) as caught:
        load_graph(folder)
    text = str(caught.value)
    assert code in text
    for word in words:
        assert word in text
    return caught.value


def column(graph: Any, name: str) -> dict[str, Any]:
    return next(entry for entry in graph.columns if entry["column"] == name)


def place(kind: str, row: int) -> str:
    return f"row {row + 1}" if kind == "parquet" else f"line {row + 2}"


both = pytest.mark.parametrize("kind", ["csv", "parquet"])


@both
def test_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path, kind: str) -> None:
    write(tmp_path, kind, nodes_table(), edges_table()[["source"]])
    refused(tmp_path, "ECO302", f"edges.{kind}", "'source'", "--source-column")
    write(tmp_path, kind, nodes_table(), edges_table())
    with pytest.raises(DataError, match=r"no column 'code'.*'id', 'age', 'city', 'income'"):
        load_graph(tmp_path, id_column="code")


@both
def test_a_dangling_edge_is_named_or_left_out(tmp_path: Path, kind: str) -> None:
    edges = edges_table()
    edges.loc[4, "target"] = "zoe"
    edges.loc[7, "target"] = None
    write(tmp_path, kind, nodes_table(), edges)
    refused(tmp_path, "ECO305", f"edges.{kind}, {place(kind, 4)}", "'zoe'", f"{place(kind, 7)}", "column 'target'")
    graph = load_graph(tmp_path, dangling="drop", undirected=False)
    assert graph.num_edges == 10
    assert any("2 of 12 edges left out" in note for note in graph.notes)


def test_mixed_types_are_reported_once_a_column_all_at_once(tmp_path: Path) -> None:
    nodes = nodes_table().astype(object)
    nodes.loc[3, "age"] = "unknown"
    nodes.loc[5, "age"] = "old"
    nodes.loc[6, "income"] = "much"
    write(tmp_path, "csv", nodes, edges_table())
    error = refused(
        tmp_path, "ECO302", "nodes.csv, line 5: column 'age' is 'unknown'", "1 more row", "line 8", "'much'"
    )
    assert len(error.problems) == 2
    assert "--ignore-columns age" in str(error)
    graph = load_graph(tmp_path, kinds={"age": "numeric", "income": "categorical"})
    assert column(graph, "age")["missing"] == 2
    assert column(graph, "income")["kind"] == "categorical"


def test_mixed_types_in_parquet_are_texts_and_reported_alike(tmp_path: Path) -> None:
    nodes = nodes_table()
    nodes["age"] = [*nodes["age"].astype(str)[:11], "old"]
    write(tmp_path, "parquet", nodes, edges_table())
    refused(tmp_path, "ECO302", "nodes.parquet, row 12: column 'age' is 'old'")


@both
def test_duplicate_ids_are_merged_if_they_agree_and_refused_if_not(tmp_path: Path, kind: str) -> None:
    nodes = nodes_table()
    write(tmp_path, kind, pd.concat([nodes, nodes.iloc[[2]]], ignore_index=True), edges_table())
    graph = load_graph(tmp_path)
    assert graph.node_ids == IDS
    assert any("1 row merged" in note for note in graph.notes)
    other = nodes.iloc[[2]].assign(age=99.0)
    write(tmp_path, kind, pd.concat([nodes, other], ignore_index=True), edges_table())
    refused(tmp_path, "ECO302", f"nodes.{kind}, {place(kind, 12)}: node 'n02' is already", place(kind, 2), "'id'")


@both
def test_missing_values_are_filled_and_counted(tmp_path: Path, kind: str) -> None:
    nodes = nodes_table()
    nodes.loc[[1, 2], "age"] = np.nan
    nodes.loc[3, "city"] = None
    write(tmp_path, kind, nodes, edges_table())
    graph = load_graph(tmp_path)
    assert torch.isfinite(graph.x).all()
    assert "2 missing filled with the median" in column(graph, "age")["action"]
    assert column(graph, "city")["missing"] == 1


@both
def test_infinite_values_count_as_missing_and_are_said(tmp_path: Path, kind: str) -> None:
    nodes = nodes_table()
    nodes.loc[4, "age"] = np.inf
    write(tmp_path, kind, nodes, edges_table())
    graph = load_graph(tmp_path)
    assert torch.isfinite(graph.x).all()
    assert "1 infinite" in column(graph, "age")["action"]


@both
@pytest.mark.parametrize(("value", "word"), [(np.inf, "infinite"), (-2.0, "-2"), (np.nan, "empty")])
def test_a_weight_that_is_no_weight_is_refused(tmp_path: Path, kind: str, value: float, word: str) -> None:
    edges = edges_table()
    edges.loc[3, "weight"] = value
    write(tmp_path, kind, nodes_table(), edges)
    refused(tmp_path, "ECO303", f"edges.{kind}, {place(kind, 3)}: the weight (column 'weight') is {word}")


@both
def test_an_empty_file_is_refused(tmp_path: Path, kind: str) -> None:
    write(tmp_path, kind, nodes_table(), edges_table())
    (tmp_path / f"nodes.{kind}").write_bytes(b"")
    refused(tmp_path, "ECO302", f"nodes.{kind}", "empty")


@both
def test_a_table_without_rows_is_refused_or_has_no_edges(tmp_path: Path, kind: str) -> None:
    write(tmp_path, kind, nodes_table().head(0), edges_table().head(0))
    refused(tmp_path, "ECO303", f"nodes.{kind} has no rows")
    write(tmp_path, kind, nodes_table(), edges_table().head(0))
    assert "the graph has no edges" in load_graph(tmp_path).notes


@pytest.mark.parametrize(("sign", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_another_delimiter_is_found_and_said(tmp_path: Path, sign: str, word: str) -> None:
    write(tmp_path, "csv", nodes_table(), edges_table())
    expected = load_graph(tmp_path)
    write(tmp_path, "csv", nodes_table(), edges_table(), sep=sign, decimal="," if sign == ";" else ".")
    graph = load_graph(tmp_path)
    assert torch.equal(graph.x, expected.x)
    assert torch.equal(graph.edge_weight, expected.edge_weight)
    assert any(f"separated by {word}" in note for note in graph.notes)


def test_a_wrong_delimiter_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "csv", nodes_table(), edges_table())
    with pytest.raises(DataError, match="ECO302"):
        load_graph(tmp_path, delimiter=";")


def test_a_text_file_that_is_called_parquet_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "parquet", nodes_table(), edges_table())
    (tmp_path / "nodes.parquet").write_text("id,age\na,1\n")
    refused(tmp_path, "ECO302", "nodes.parquet", "no Parquet file")


@both
def test_huge_integers_are_ids_and_numbers(tmp_path: Path, kind: str) -> None:
    huge = [2**63 + number for number in range(12)]
    nodes, edges = nodes_table(), edges_table()
    nodes["id"] = np.array(huge, dtype=np.uint64)
    nodes["big"] = [float(10 ** (20 + number)) for number in range(12)]
    edges["source"], edges["target"] = np.array(huge, dtype=np.uint64), np.array(huge[1:] + huge[:1], dtype=np.uint64)
    write(tmp_path, kind, nodes, edges)
    graph = load_graph(tmp_path, undirected=False)
    assert graph.node_ids == [str(identifier) for identifier in huge]
    assert graph.edge_index[0].tolist() == list(range(12))
    assert torch.isfinite(graph.x).all()


def test_text_that_is_not_utf8_is_read_and_said(tmp_path: Path) -> None:
    nodes, edges = nodes_table(), edges_table()
    nodes.loc[0, "id"] = edges.loc[0, "source"] = edges.loc[11, "target"] = "Zoë"
    for file, frame in zip(("nodes.csv", "edges.csv"), (nodes, edges), strict=True):
        frame.to_csv(tmp_path / file, index=False, encoding="latin-1")
    graph = load_graph(tmp_path)
    assert graph.node_ids[0] == "Zoë"
    assert any("nodes.csv is not UTF-8 (line 2)" in note for note in graph.notes)


def test_bytes_in_parquet_are_texts(tmp_path: Path) -> None:
    nodes, edges = nodes_table(), edges_table()
    nodes["id"] = [identifier.encode() for identifier in nodes["id"]]
    write(tmp_path, "parquet", nodes, edges)
    assert load_graph(tmp_path).node_ids == IDS


def test_an_unbalanced_quote_is_refused_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, "csv", nodes_table(), edges_table())
    text = (tmp_path / "nodes.csv").read_text().replace("n03,29.5,Rome", 'n03,29.5,"Rome')
    (tmp_path / "nodes.csv").write_text(text)
    refused(tmp_path, "ECO302", "nodes.csv, line 5", "quote")


def test_a_quote_within_a_value_is_a_quote(tmp_path: Path) -> None:
    nodes = nodes_table()
    write(tmp_path, "csv", nodes, edges_table())
    text = (tmp_path / "nodes.csv").read_text().replace("n03,29.5,Rome", 'n03,29.5,Ro"me')
    (tmp_path / "nodes.csv").write_text(text)
    assert load_graph(tmp_path).node_ids == IDS


@both
def test_constant_columns_are_left_out_and_said(tmp_path: Path, kind: str) -> None:
    write(tmp_path, kind, nodes_table().assign(planet="Earth", zero=0, nothing=np.nan), edges_table())
    graph = load_graph(tmp_path)
    assert [column(graph, name)["kind"] for name in ("planet", "zero", "nothing")] == ["constant"] * 3
    assert "'Earth'" in column(graph, "planet")["action"]
    write(tmp_path, kind, nodes_table()[["id"]].assign(planet="Earth"), edges_table())
    assert any("the data have no features" in note for note in load_graph(tmp_path).notes)


def test_a_missing_header_is_said_and_no_row_is_lost(tmp_path: Path) -> None:
    nodes_table().to_csv(tmp_path / "nodes.csv", index=False, header=False)
    edges_table().to_csv(tmp_path / "edges.csv", index=False, header=False)
    graph = load_graph(tmp_path, undirected=False)
    assert graph.node_ids == IDS
    assert graph.num_edges == 12
    assert graph.edge_weight.tolist() == edges_table()["weight"].tolist()
    said = "\n".join(graph.notes)
    assert "nodes.csv: the first line is a row, not a header" in said
    assert "by their position" in said


def test_a_missing_header_in_parquet_leaves_numbers_as_names(tmp_path: Path) -> None:
    nodes, edges = nodes_table(), edges_table()
    nodes.columns, edges.columns = list("0123"), list("012")
    write(tmp_path, "parquet", nodes, edges)
    graph = load_graph(tmp_path)
    assert graph.node_ids == IDS
    assert any("'0' and '1' were taken as the ends" in note for note in graph.notes)


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    for encoding in ("utf-8-sig", "utf-16"):
        for name, frame in (("nodes", nodes_table()), ("edges", edges_table())):
            frame.to_csv(tmp_path / f"{name}.csv", index=False, encoding=encoding)
        graph = load_graph(tmp_path)
        assert graph.columns[0]["column"] == "id"
        assert graph.node_ids == IDS


@both
def test_a_truncated_file_is_refused(tmp_path: Path, kind: str) -> None:
    nodes, _ = write(tmp_path, kind, nodes_table(), edges_table())
    if kind == "csv":
        packed = gzip.compress(nodes.read_bytes())
        nodes.unlink()
        nodes = tmp_path / "nodes.csv.gz"
        nodes.write_bytes(packed)
        assert load_graph(tmp_path).node_ids == IDS
    whole = nodes.read_bytes()
    for share in (0.3, 0.6, 0.95):
        nodes.write_bytes(whole[: int(len(whole) * share)])
        refused(tmp_path, "ECO302", nodes.name, "cut off")


def test_lines_of_another_length_are_counted_with_the_first(tmp_path: Path) -> None:
    write(tmp_path, "csv", nodes_table(), edges_table())
    lines = (tmp_path / "nodes.csv").read_text().splitlines()
    lines[3] += ",more"
    lines[6] = "n05,1"
    (tmp_path / "nodes.csv").write_text("\n".join(lines) + "\n")
    refused(tmp_path, "ECO302", "nodes.csv, line 4: this line has 5 columns; the header has 4", "1 more line")


def _cut(raw: bytes, rng: np.random.Generator) -> bytes:
    return raw[: rng.integers(1, len(raw))]


def _flip(raw: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(raw)
    for place in rng.integers(0, len(raw), 5):
        changed[place] = rng.integers(0, 256)
    return bytes(changed)


@both
@pytest.mark.parametrize("damage", [_cut, _flip])
def test_random_damage_never_ends_in_a_traceback(
    tmp_path: Path, kind: str, damage: Callable[[bytes, np.random.Generator], bytes]
) -> None:
    nodes, _ = write(tmp_path, kind, nodes_table(), edges_table())
    whole, rng = nodes.read_bytes(), np.random.default_rng(0)
    for _ in range(15):
        nodes.write_bytes(damage(whole, rng))
        try:
            graph = load_graph(tmp_path)
        except EcoError:
            continue
        assert len(graph.get("node_ids") or range(graph.num_nodes)) == graph.x.shape[0]
