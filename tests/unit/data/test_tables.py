"""Tables become graphs: names decide, columns are encoded and said, and the same table gives the same features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from eco_core.data import graph_info, load_graph
from eco_core.data.tables import INDEX, TableOptions, columns_text, graph_of_frames, read_encoding
from eco_core.errors import DataError, SpecError
from tests.table_data import small_graph, tables_of, write_tables

CYCLE = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")]


def cycle(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"source": [a for a, _ in CYCLE], "target": [b for _, b in CYCLE], **columns})


def people(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"id": list("abcd"), "age": [1.0, 2.0, 3.0, 5.0], **columns})


def entries(graph: Any) -> dict[str, dict[str, Any]]:
    return {entry["column"]: entry for entry in graph.columns}


def edges_of(graph: Any) -> list[tuple[str, str]]:
    ids = graph.get("node_ids") or [str(number) for number in range(graph.num_nodes)]
    return [(ids[a], ids[b]) for a, b in graph.edge_index.T.tolist()]


@pytest.fixture(scope="module")
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    return tables_of(small_graph())


# ------------------------------------------------------------------------------------------------- roles of columns


@pytest.mark.parametrize(
    "edges",
    [
        cycle(weight=2.0)[["weight", "source", "target"]],
        cycle(weight=2.0).rename(columns={"source": "From", "target": "To"}),
        cycle(weight=2.0).rename(columns={"source": "node_1", "target": "node_2", "weight": "Strength"}),
        cycle(weight=2.0).reset_index().rename(columns={"index": "Unnamed: 0"}),
        cycle(weight=2.0).reset_index().rename(columns={"index": "__index_level_0__"}),
        cycle(weight=2.0, timestamp=1_700_000_000),
        cycle(weight=2.0).rename(columns={"source": "x1", "target": "x2"}),
    ],
)
def test_names_decide_which_columns_are_the_edges(edges: pd.DataFrame) -> None:
    graph = graph_of_frames(people(), edges)
    assert edges_of(graph) == CYCLE
    assert graph.edge_weight.tolist() == [2.0] * 4


@pytest.mark.parametrize("name", ["timestamp", "year", "distance", "edge_id"])
def test_a_third_column_whose_name_speaks_against_it_is_no_weight(name: str) -> None:
    edges = cycle(**{name: [1, 2, 3, 4]})
    for table in (edges, edges.rename(columns={"source": "p", "target": "q"})):
        graph = graph_of_frames(people(), table)
        assert graph.get("edge_weight") is None
        assert any(f"not used: '{name}'" in note for note in graph.notes)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("from_customer", "to_customer"),
        ("source_id", "target_id"),
        ("account_from", "account_to"),
        ("sourceAccount", "targetAccount"),
        ("sender", "receiver"),
        ("payer", "payee"),
        ("sender_iban", "receiver_iban"),
    ],
)
def test_edges_alone_are_recognised_by_pairs_of_names(source: str, target: str) -> None:
    edges = cycle(type="x").rename(columns={"source": source, "target": target})[["type", target, source]]
    graph = load_graph(edges, undirected=False)
    assert edges_of(graph) == CYCLE


@pytest.mark.parametrize("names", [("from_date", "to_date"), ("valid_from", "valid_to"), ("start_year", "end_year")])
def test_pairs_of_times_are_no_ends(names: tuple[str, str]) -> None:
    nodes = people(**{names[0]: ["2001", "2002", "2003", "2005"], names[1]: ["2011", "2012", "2013", "2017"]})
    assert load_graph(nodes, knn=1).node_ids == list("abcd")


@pytest.mark.parametrize("names", [("source", "target"), ("from_customer", "to_customer"), ("p", "q")])
def test_the_only_other_column_is_the_weight_however_the_ends_are_found(names: tuple[str, str]) -> None:
    for amount, expected in (([2.0, 3.0, 4.0, 5.0], [2.0, 3.0, 4.0, 5.0]), (["up", "to", "no", "good"], None)):
        edges = cycle(amount=amount, type="x").rename(columns=dict(zip(("source", "target"), names, strict=True)))
        for options in (TableOptions(), TableOptions(source_column=names[0], target_column=names[1])):
            graph = graph_of_frames(people(), edges, options)
            weight = graph.get("edge_weight")
            assert (None if weight is None else weight.tolist()) == expected
    signed = cycle(change=[-1.0, 1.0, -2.0, 2.0])
    assert graph_of_frames(people(), signed).get("edge_weight") is None


def test_what_is_taken_by_position_is_said() -> None:
    graph = graph_of_frames(people(), cycle(z=1.5).rename(columns={"source": "p", "target": "q"}))
    assert graph.edge_weight.tolist() == [1.5] * 4
    assert any("'p' and 'q' were taken as the ends" in note and "'z' as their weight" in note for note in graph.notes)


def test_the_index_that_pandas_writes_is_no_feature(tmp_path: Path) -> None:
    people(score=[5.0, 1.0, 2.0, 9.0]).to_csv(tmp_path / "nodes.csv")
    cycle(weight=1.0).to_csv(tmp_path / "edges.csv")
    graph = load_graph(tmp_path, undirected=False)
    assert graph.x.shape == (4, 2)
    assert edges_of(graph) == CYCLE
    assert [entry["kind"] for entry in graph.columns] == [
        "id",
        "id",
        "numeric",
        "numeric",
        "id",
        "source",
        "target",
        "weight",
    ]


def test_an_index_of_names_is_the_ids() -> None:
    graph = graph_of_frames(people().set_index("id"), cycle())
    assert graph.node_ids == list("abcd")
    unnamed = people().set_index("id").rename_axis(None)
    assert graph_of_frames(unnamed, cycle()).node_ids == list("abcd")
    assert graph_of_frames(unnamed.assign(name=list("wxyz")), cycle(), TableOptions(id_column=INDEX)).node_ids == list(
        "abcd"
    )


@pytest.mark.parametrize("source", ["frame", "csv"])
def test_a_filtered_table_keeps_its_ids_and_not_the_index(tmp_path: Path, source: str) -> None:
    nodes = pd.DataFrame({"customer_id": [f"C{n}" for n in range(8)], "age": [20.5, 50, 60, 70, 30, 80, 90, 95]})
    ends = [f"C{n}" for n in range(8)]
    edges = pd.DataFrame({"source": ends, "target": ends[1:] + ends[:1]})
    old = nodes[nodes["age"] > 40]
    data: Any = (old, edges)
    if source == "csv":
        old.to_csv(tmp_path / "nodes.csv")
        edges.to_csv(tmp_path / "edges.csv")
        data = tmp_path
    graph = load_graph(data, dangling="drop", undirected=False)
    assert graph.node_ids == list(old["customer_id"])
    assert graph.num_edges == 4
    assert any("the ids are column 'customer_id'" in note for note in graph.notes)
    assert graph.x.shape[1] == 1
    assert load_graph(old).node_ids == list(old["customer_id"])


def test_integer_ids_win_over_an_index_that_overlaps_as_well() -> None:
    nodes = pd.DataFrame({"customer_id": range(1, 21), "age": np.arange(20) / 3}).iloc[4:]
    edges = pd.DataFrame({"source": range(1, 20), "target": range(2, 21)})
    graph = load_graph((nodes, edges), dangling="drop")
    assert graph.node_ids == [str(number) for number in range(5, 21)]


def test_dangling_edges_name_the_ids_and_the_column_that_fits_better() -> None:
    nodes = people(code=list("wxyz"))
    edges = cycle().replace(dict(zip("abcd", "wxyz", strict=True)))
    with pytest.raises(DataError, match=r"(?s)ids are column 'id'.*'code' holds 100%.*--id-column code"):
        graph_of_frames(nodes, edges, TableOptions(id_column="id"))
    with pytest.raises(DataError, match=r"(?s)ECO305.*none of the 4 edges.*--id-column code"):
        graph_of_frames(nodes, edges, TableOptions(id_column="id", dangling="drop"))


@pytest.mark.parametrize("edges", [None, cycle(weight=1.0)])
def test_a_column_to_ignore_must_be_in_one_of_the_tables(edges: pd.DataFrame | None) -> None:
    nodes = people(revenue=[1.0, 5.0, 2.0, 7.0])
    with pytest.raises(DataError, match=r"(?s)no column 'revenu'.*Did you mean 'revenue'.*--ignore-columns"):
        graph_of_frames(nodes, edges, TableOptions(ignore_columns=("revenu", "age")))
    given = ("age",) if edges is None else ("age", "weight")
    assert graph_of_frames(nodes, edges, TableOptions(ignore_columns=given)).x.shape[1] == 1


def test_as_many_classes_as_nodes_are_said() -> None:
    nodes = people(revenue=[1.5, 5.0, 2.0, 7.0], plan=["a", "b", "a", "b"])
    many = graph_of_frames(nodes, cycle(), TableOptions(label_column="revenue"))
    assert any("'revenue' holds 4 classes for 4 nodes" in note for note in many.notes)
    few = graph_of_frames(nodes, cycle(), TableOptions(label_column="plan"))
    assert not any("hardly" in note for note in few.notes)


@pytest.mark.parametrize("value", [{"a": 1}, {1, 2}])
def test_columns_of_objects_are_left_out(value: Any) -> None:
    nodes = people(first=[value] * 4, second=[None, "text", value, None])
    graph = graph_of_frames(nodes, cycle().assign(extra=[value] * 4))
    for name in ("first", "second"):
        assert "objects" in entries(graph)[name]["action"]
    assert graph.x.shape[1] == 1
    assert graph_of_frames(nodes[["first", "second", "id", "age"]]).node_ids == list("abcd")
    asked = graph_of_frames(nodes, cycle(), TableOptions(kinds={"first": "categorical"}, label_column="second"))
    assert asked.y.unique().numel() == 3


def test_columns_that_the_user_names_come_first() -> None:
    nodes = people(code=list("wxyz"), group=["u", "u", "v", "v"])
    edges = cycle().replace(dict(zip("abcd", "wxyz", strict=True))).assign(t=[9.0, 8.0, 7.0, 6.0], other="abcd")
    options = TableOptions(id_column="code", weight_column="t", label_column="group", ignore_columns=("age",))
    graph = graph_of_frames(nodes.assign(size=[3.0, 1.0, 2.0, 2.0]), edges, options)
    assert graph.node_ids == list("wxyz")
    assert graph.edge_weight.tolist() == [9, 8, 7, 6]
    assert graph.y.tolist() == [0, 0, 1, 1]
    assert entries(graph)["age"]["action"] == "left out, as asked"


def test_a_name_that_no_column_has_is_refused_with_what_there_is() -> None:
    with pytest.raises(DataError) as caught:
        graph_of_frames(people(), cycle(), TableOptions(id_column="idd", weight_column="w"))
    text = str(caught.value)
    assert "no column 'idd'" in text
    assert "Did you mean 'id'" in text
    assert "no column 'w'" in text


def test_without_a_column_of_ids_the_rows_are_the_ids() -> None:
    nodes = pd.DataFrame({"age": [1.5, 2.5, 2.5, 1.5], "height": [1.0, 2.0, 4.0, 3.5]})
    graph = graph_of_frames(nodes, pd.DataFrame({"source": [0, 1], "target": [3, 2]}))
    assert graph.edge_index.tolist() == [[0, 1], [3, 2]]
    assert any("numbers of the rows" in note for note in graph.notes)


@pytest.mark.parametrize(
    ("ids", "ends"),
    [
        ([7, 8, 9, 10], ["7", "8", "9", "10"]),
        ([7.0, 8.0, 9.0, 10.0], [7, 8, 9, 10]),
        ([b"anna", b"bob", b"cleo", b"dora"], ["anna", "bob", "cleo", "dora"]),
        ([" anna", "bob ", "cleo", "dora"], ["anna", "bob", "cleo", "dora"]),
        (["007", "07", "7", "x"], ["007", "07", "7", "x"]),
        (["7.0", "8.0", "9.0", "10.0"], [7, 8, 9, 10]),
    ],
)
def test_ids_of_two_tables_match_whatever_their_types(ids: list[Any], ends: list[Any]) -> None:
    nodes = people().assign(id=pd.Series(ids, dtype=object))
    edges = pd.DataFrame({"source": ends, "target": ends[1:] + ends[:1]})
    graph = graph_of_frames(nodes, edges)
    assert graph.edge_index[0].tolist() == [0, 1, 2, 3]
    assert not any(identifier.startswith("b'") for identifier in graph.node_ids)


# -------------------------------------------------------------------------------------------------- kinds of columns


def test_the_kinds_of_columns_are_recognised_and_said(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    graph = graph_of_frames(*tables)
    kinds = {name: entry["kind"] for name, entry in entries(graph).items()}
    assert kinds == {
        "id": "id",
        "abstract": "text",
        "venue": "categorical",
        "open_access": "boolean",
        "published": "date",
        "length": "numeric",
        "downloads": "numeric",
        "label": "label",
        "source": "source",
        "target": "target",
        "weight": "weight",
    }
    assert sum(entry["features"] for entry in graph.columns) == graph.x.shape[1] == len(graph.encoding.features)
    assert entries(graph)["length"]["missing"] == int(tables[0]["length"].isna().sum())
    assert "id" not in graph.node_table.columns
    assert graph.node_table["downloads"].equals(tables[0]["downloads"])
    text = columns_text(graph.columns)
    assert all(name in text for name in kinds)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["4.155.443,78", "999", "1.158,5", "-3,25"], "1.234,5"),
        (["4,155,443.78", "999", "1,158.5", "-3.25"], "1,234.5"),
        (["€ 4,155,443.78", "€ 999", "€ 1,158.5", "-€ 3.25"], "€ 1,234.5"),
        (["4 155 443,78 €", "999 €", "1 158,5 €", "-3,25 €"], "1 234,5 €"),
        (["4'155'443.78", "999", "1'158.5", "-3.25"], "1'234.5"),
        (["4155443.78%", "999%", "1158.5%", "-3.25%"], "1,234.5%"),
    ],
)
def test_numbers_are_read_however_people_write_them(texts: list[str], said: str) -> None:
    graph = graph_of_frames(people(revenue=texts), options=TableOptions(scale="none"))
    action = entries(graph)["revenue"]["action"]
    assert action.endswith(f"read as numbers written like {said}")
    place = graph.encoding.features.index("revenue")
    assert graph.x[:, place].tolist() == pytest.approx([4155443.78, 999, 1158.5, -3.25])
    few = people(revenue=texts).iloc[1:3]
    assert graph.encoding.encode(few)[:, place].tolist() == [999, 1158.5]


def test_texts_that_only_look_like_numbers_stay_texts() -> None:
    nodes = people(
        phone=["555 123 456", "555 123 457", "555 123 456", "555 123 458"],
        price=["€ 5", "$ 7", "€ 5", "$ 9"],
        version=["1.2.3", "1.2.4", "1.2.3", "1.2.4"],
    )
    found = entries(graph_of_frames(nodes))
    assert {found[name]["kind"] for name in ("phone", "price", "version")} <= {"categorical", "text"}


def test_one_separator_alone_is_a_guess_that_is_said() -> None:
    graph = graph_of_frames(people(size=["1,234", "5,678", "9,100", "2,000"]), options=TableOptions(scale="none"))
    assert "(a guess)" in entries(graph)["size"]["action"]
    assert graph.x[:, 1].tolist() == [1234, 5678, 9100, 2000]


@pytest.mark.parametrize("kind", ["numeric", "date", "boolean"])
def test_a_kind_that_no_value_has_is_refused_with_an_example(kind: str) -> None:
    with pytest.raises(DataError, match=rf"ECO302.*row 2.*'plan' is said to be {kind}.*'gold coins'"):
        graph_of_frames(people(plan=[None, "gold coins", "pro", "basic"]), options=TableOptions(kinds={"plan": kind}))


def test_columns_of_very_different_scale_are_standardised(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    graph = graph_of_frames(*tables)
    names = list(graph.encoding.features)
    for column in ("length", "downloads", "published"):
        values = graph.x[:, names.index(column)]
        assert abs(float(values.mean())) < 1e-4
        assert float(values.std(correction=0)) == pytest.approx(1, abs=1e-3)


def test_numbers_of_similar_scale_and_counts_are_left_as_they_are() -> None:
    nodes = pd.DataFrame({"id": list("abcd"), "x": [1.0, 2.0, 4.0, 3.0], "y": [10.0, 3.0, 2.0, 7.5]})
    assert torch.equal(graph_of_frames(nodes).x, torch.from_numpy(nodes[["x", "y"]].to_numpy(np.float32)))
    counts = nodes.assign(word=[0, 0, 0, 7], salary=[1e6, 2e6, 3e6, 4e6])
    graph = graph_of_frames(counts)
    assert graph.x[:, 2].tolist() == [0, 0, 0, 7]
    assert float(graph.x[:, 3].abs().max()) < 2
    raw = graph_of_frames(counts, options=TableOptions(scale="none"))
    assert raw.x[:, 3].tolist() == [1e6, 2e6, 3e6, 4e6]


def test_ids_codes_and_names_of_nodes_are_not_numbers() -> None:
    rows = 20
    nodes = pd.DataFrame(
        {
            "id": [f"n{i}" for i in range(rows)],
            "row": range(100, 100 + rows),
            "passport_id": np.random.default_rng(0).permutation(rows) * 7,
            "company_id": [3, 9] * 10,
            "postcode": ["01234", "10115"] * 10,
            "surname": [f"Name{i}" for i in range(rows)],
            "age": np.arange(rows) ** 2 / 7,
        }
    )
    found = entries(graph_of_frames(nodes))
    kinds = {name: found[name]["kind"] for name in nodes.columns}
    assert kinds == {
        "id": "id",
        "row": "id",
        "passport_id": "id",
        "company_id": "categorical",
        "postcode": "categorical",
        "surname": "id",
        "age": "numeric",
    }


@pytest.mark.parametrize(
    ("values", "day"),
    [
        (["2020-01-31", "2021-02-01", "2021-02-03"], "2020-01-31"),
        (["31.01.2020", "01.02.2021", "03.02.2021"], "2020-01-31"),
        (["01/31/2020", "02/01/2021", "02/03/2021"], "2020-01-31"),
        (["31/01/2020", "01/02/2021", "03/02/2021"], "2020-01-31"),
        (["2020-01-31T10:00:00Z", "2021-02-01T11:00:00Z", "2021-02-03T00:00:00Z"], "2020-01-31"),
        (list(pd.to_datetime(["2020-01-31", "2021-02-01", "2021-02-03"])), "2020-01-31"),
    ],
)
def test_dates_are_read_however_they_are_written(values: list[Any], day: str) -> None:
    graph = graph_of_frames(pd.DataFrame({"id": ["a", "b", "c"], "when": values}))
    assert f"({day} to 2021-02-03)" in entries(graph)["when"]["action"]


DOUBTFUL = ["05/03/2020", "06/03/2020", "07/04/2020", "01/02/2021"]


def test_a_guess_of_the_order_of_day_and_month_is_said_and_can_be_changed(tmp_path: Path) -> None:
    def action(**options: Any) -> str:
        graph = load_graph((people(when=DOUBTFUL), cycle()), **options)
        assert str(graph.node_table["when"].iloc[0].date()) in entries(graph)["when"]["action"]
        return str(entries(graph)["when"]["action"])

    assert "(2020-05-03 to 2021-01-02); read as month/day/year, a guess" in action()
    for given in ("day-first", "%d/%m/%Y", {"when": "day-first"}):
        assert "(2020-03-05 to 2021-02-01)" in action(date_format=given)
        assert "guess" not in action(date_format=given)
    assert "guess" not in action(date_format="month-first")
    words = people(when=["5 Mar 2020", "6 Mar 2020", "7 Apr 2020", "1 Feb 2021"])
    assert entries(load_graph((words, cycle()), date_format="%d %b %Y"))["when"]["kind"] == "date"
    with pytest.raises(DataError, match=r"(?s)ECO104.*'dmy'.*day-first"):
        action(date_format="dmy")
    with pytest.raises(DataError, match=r"no column 'then'"):
        action(date_format={"then": "day-first"})


@pytest.mark.parametrize(
    ("other", "first"),
    [("31/01/2020", "2020-03-05"), ("01/31/2020", "2020-05-03"), ("31.01.2020", "2020-05-03")],
)
def test_another_column_shows_the_order_of_day_and_month(other: str, first: str) -> None:
    nodes = people(when=DOUBTFUL, other=[other, *(text.replace("/", other[2]) for text in DOUBTFUL[1:])])
    graph = graph_of_frames(nodes, cycle())
    action = entries(graph)["when"]["action"]
    assert f"({first} to" in action
    assert ("column 'other' shows" in action) == ("/" in other)
    assert graph.node_table["when"].iloc[0] == pd.Timestamp(first)
    place = graph.encoding.features.index("when")
    again = graph.encoding.encode(nodes.drop(columns="other").assign(other=None))
    assert np.array_equal(again[:, place], graph.x[:, place].numpy())


def test_a_column_of_lists_is_as_many_features() -> None:
    nodes = people(vector=[[1.0, 0.0, 2.0]] * 2 + [[0.0, 1.0, 3.0]] * 2)
    graph = graph_of_frames(nodes, cycle(), TableOptions(ignore_columns=("age",)))
    assert graph.x.shape == (4, 3)
    assert entries(graph)["vector"]["features"] == 3


def test_many_categories_share_a_feature_and_unknown_ones_have_none() -> None:
    nodes = pd.DataFrame({"id": range(200), "company_id": list(range(100)) * 2, "z": np.arange(200) % 7 / 3})
    graph = graph_of_frames(nodes)
    assert entries(graph)["company_id"]["features"] == 41
    assert torch.equal(graph.x[:, :41].sum(1), torch.ones(200))


# ------------------------------------------------------------------------------- the same table gives the same feature


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_order_of_the_rows_changes_no_feature_of_a_node(
    tmp_path: Path, kind: str, tables: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    nodes, edges = tables
    rng = np.random.default_rng(1)
    one = load_graph(write_tables(tmp_path / "one", nodes, edges, kind))
    mixed_nodes, mixed_edges = (frame.iloc[rng.permutation(len(frame))] for frame in (nodes, edges))
    other = load_graph(write_tables(tmp_path / "other", mixed_nodes, mixed_edges, kind))
    place = {identifier: row for row, identifier in enumerate(one.node_ids)}
    rows = torch.tensor([place[identifier] for identifier in other.node_ids])
    assert sorted(rows.tolist()) == list(range(len(nodes)))
    assert torch.equal(other.x, one.x[rows])
    assert torch.equal(other.y, one.y[rows])
    assert set(edges_of(other)) == set(edges_of(one))


def test_every_format_gives_the_same_graph(tmp_path: Path, tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    nodes, edges = tables
    expected = load_graph((nodes, edges))
    folders = [write_tables(tmp_path / kind, nodes, edges, kind) for kind in ("csv", "parquet")]
    packed = tmp_path / "packed"
    packed.mkdir()
    nodes.to_csv(packed / "people.tsv.gz", sep="\t", index=False)
    edges.to_csv(packed / "ties.csv.gz", index=False)
    sources: list[Any] = [*folders, packed]
    graphs = [load_graph(source) for source in sources]
    graphs.append(load_graph(folders[0] / "nodes.csv", edges=str(folders[1] / "edges.parquet")))
    graphs.append(load_graph(folders[0] / "edges.csv", features="nodes.csv"))
    graphs.append(load_graph(folders[0] / "nodes.csv"))
    for graph in graphs:
        assert graph.node_ids == expected.node_ids
        for name in ("x", "edge_index", "edge_weight", "y"):
            assert torch.equal(graph[name], expected[name]), name
        assert [entry["kind"] for entry in graph.columns] == [entry["kind"] for entry in expected.columns]


def test_two_tables_of_other_names_are_told_apart_and_said(tmp_path: Path) -> None:
    nodes = people().rename(columns={"id": "customer"})
    for names in (("from_customer", "to_customer"), ("one", "another")):
        edges = cycle(amount=2.0).rename(columns=dict(zip(("source", "target"), names, strict=True)))
        nodes.to_csv(tmp_path / "customers.csv", index=False)
        edges.to_csv(tmp_path / "transactions.csv", index=False)
        graph = load_graph(tmp_path, undirected=False)
        assert edges_of(graph) == CYCLE
        assert any("transactions.csv was taken as the edges" in note for note in graph.notes)
    people().to_csv(tmp_path / "transactions.csv", index=False)
    with pytest.raises(DataError, match=r"ECO302.*customers.csv, transactions.csv.*\n?.*--data .* --edges "):
        load_graph(tmp_path)


def test_a_table_among_other_graphs_is_not_taken_unasked(tmp_path: Path) -> None:
    people().to_csv(tmp_path / "customers.csv", index=False)
    np.savez(tmp_path / "x.npz", x=np.eye(4))
    with pytest.raises(DataError, match=r"(?s)ECO302.*customers.csv, x.npz.*--data "):
        load_graph(tmp_path)
    assert load_graph(tmp_path / "customers.csv", knn=1).node_ids == list("abcd")


def test_a_file_that_does_not_exist_is_named_as_the_user_gave_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tables(tmp_path / "shop", people(), cycle())
    monkeypatch.chdir(tmp_path)
    for data in ("shop/nodes.csv", "shop"):
        with pytest.raises(DataError, match=r"(?s)no file 'shop/edge.csv'.*Did you mean 'edges.csv'"):
            load_graph(data, edges="shop/edge.csv")


def test_a_saved_encoding_encodes_the_same_table_alike(
    tmp_path: Path, tables: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    graph = graph_of_frames(*tables)
    graph.encoding.save(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["preparation.json", "preparation.npz"]
    read = read_encoding(tmp_path)
    assert read is not None
    for table in (tables[0], graph.node_table):
        assert np.array_equal(read.encode(table), graph.x.numpy())
    assert [dict(entry) for entry in read.report] == graph.columns


def test_only_columns_without_a_sign_are_divided_by_row_sums(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    counts = people(visits=[0, 3, 0, 0], plan=["a", "b", "a", "b"])[["id", "visits", "plan"]]
    graph = load_graph((counts, cycle()), normalize_features="row")
    assert torch.allclose(graph.x.sum(dim=1), torch.ones(4))
    graph = load_graph(tables, normalize_features="row")
    assert torch.equal(graph.x, load_graph(tables).x)


def test_an_encoding_is_applied_to_new_nodes(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    nodes, edges = tables
    first = graph_of_frames(nodes, edges)
    few = nodes.head(7).assign(venue=["KDD", "unheard of", None, "KDD", "ICML", "ICML", "WWW"])
    names = set(few["id"])
    among = edges[edges["source"].isin(names) & edges["target"].isin(names)]
    again = load_graph((few, among), preparation=first.encoding)
    venue = [place for place, name in enumerate(first.encoding.features) if name.startswith("venue=")]
    others = [place for place in range(first.x.shape[1]) if place not in venue]
    assert torch.equal(again.x[:, others], first.x[:7, others])
    assert again.x[1, venue].sum() == again.x[2, venue].sum() == 0
    with pytest.raises(DataError, match=r"no column 'venue' and no 'length'"):
        load_graph((few.drop(columns=["venue", "length"]), among), preparation=first.encoding)


def test_a_graph_that_was_encoded_by_itself_is_encoded_again(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    nodes, edges = tables
    first = graph_of_frames(nodes, edges)
    other = graph_of_frames(nodes.assign(downloads=nodes["downloads"] * 3), edges)
    again = load_graph(other, preparation=first.encoding)
    assert not torch.equal(other.x, again.x)
    assert torch.equal(torch.from_numpy(first.encoding.encode(other.node_table)), again.x)


# ------------------------------------------------------------------------------------------- one table alone, and labe


def test_nodes_alone_are_joined_to_their_nearest_neighbours() -> None:
    graph = load_graph(people(), knn=1, undirected=False)
    assert edges_of(graph) == [("a", "b"), ("b", "a"), ("b", "c"), ("c", "b"), ("c", "d"), ("d", "c")]
    assert any("1 nearest neighbour (Euclidean" in note for note in graph.notes)


def test_edges_alone_get_features_that_tell_groups_apart() -> None:
    source = small_graph(90)
    a, b = source.edge_index.numpy()
    graph = load_graph(pd.DataFrame({"source": a, "target": b}))
    assert any("made from the edges" in note for note in graph.notes)
    from sklearn.cluster import KMeans
    from sklearn.metrics import normalized_mutual_info_score

    vectors = [place for place, name in enumerate(graph.feature_names) if name.startswith("eigenvector")][:2]
    found = KMeans(3, n_init=5, random_state=0).fit_predict(graph.x[:, vectors].numpy())
    order = [int(identifier) for identifier in graph.get("node_ids") or range(graph.num_nodes)]
    assert normalized_mutual_info_score(source.y.numpy()[order], found) > 0.8


@pytest.mark.parametrize("unknown", ["-1", "-1.0", -1.0, "nan", "", None])
def test_unknown_labels_are_no_class(unknown: Any) -> None:
    labels = pd.Series(["x", "x", "y", "y"], dtype=object)
    labels[0] = unknown
    graph = graph_of_frames(people(label=labels), cycle())
    assert graph.y.tolist() == [-1, 0, 1, 1]


def test_a_label_that_names_each_node_is_no_class() -> None:
    nodes = people(label=["Anna", "Bob", "Cleo", "Dora"])
    assert graph_of_frames(nodes, cycle()).get("y") is None


def test_integers_and_floats_are_the_same_classes() -> None:
    for values in ([10, 10, 9, 9], [10.0, 10.0, 9.0, 9.0], ["10.0", "10.0", "9.0", "9.0"]):
        graph = graph_of_frames(people(label=values), cycle())
        assert graph.y.tolist() == [1, 1, 0, 0]
        assert "labels numbered from 0 in this order: 9, 10" in graph.notes


# -------------------------------------------------------------------------------------------------- types and duplicat


def test_types_of_edges_are_said_and_can_be_chosen() -> None:
    edges = cycle(type=["likes", "likes", "cites", "likes"])
    graph = graph_of_frames(people(), edges)
    assert graph.num_edges == 4
    assert any("likes 3, cites 1" in note for note in graph.notes)
    assert graph_of_frames(people(), edges, TableOptions(edge_types=("cites",))).num_edges == 1
    with pytest.raises(DataError, match="no edges of type 'hates'"):
        graph_of_frames(people(), edges, TableOptions(edge_types=("hates",)))


def test_duplicate_edges_are_merged_by_the_largest_the_sum_or_the_mean() -> None:
    edges = pd.DataFrame({"source": list("aab"), "target": list("bba"), "weight": [1.0, 2.0, 6.0]})
    found = {how: load_graph((people(), edges), duplicates=how) for how in ("max", "sum", "mean")}
    assert {how: graph.edge_weight.tolist() for how, graph in found.items()} == {
        "max": [6, 6],
        "sum": [9, 9],
        "mean": [3, 3],
    }
    assert any("weights added" in note for note in found["sum"].notes)
    counted = load_graph((people(), edges.drop(columns="weight")), duplicates="sum")
    assert counted.edge_weight.tolist() == [3, 3]
    directed = load_graph((people(), edges), duplicates="sum", undirected=False)
    assert directed.edge_weight.tolist() == [3, 6]
    again = load_graph(found["sum"], duplicates="sum")
    assert torch.equal(again.edge_weight, found["sum"].edge_weight)
    with pytest.raises(SpecError, match="'add'"):
        load_graph((people(), edges), duplicates="add")


def test_all_problems_of_both_tables_come_at_once_one_a_column() -> None:
    nodes = people(a=["1", "2", "x", "4"], b=["1", "y", "z", "4"])
    edges = cycle(weight=[1.0, -1.0, -2.0, 1.0])
    edges.loc[3, "target"] = "nobody"
    with pytest.raises(DataError) as caught:
        graph_of_frames(nodes, edges)
    messages = [problem.message for problem in caught.value.problems]
    assert len(messages) == 4
    assert sum("column 'a' is 'x'" in message for message in messages) == 1
    assert sum("column 'b' is 'y'" in message and "1 more row" in message for message in messages) == 1
    assert sum("weight" in message and "1 more row" in message for message in messages) == 1
    assert sum("'nobody' is not a node" in message for message in messages) == 1


def test_what_was_read_is_counted_and_the_info_has_the_columns(tmp_path: Path) -> None:
    edges = pd.concat([cycle(), cycle().head(2), pd.DataFrame({"source": ["a"], "target": ["a"]})], ignore_index=True)
    graph = load_graph(write_tables(tmp_path, pd.concat([people(), people().assign(id=list("wxyz"))]), edges))
    said = "\n".join(graph.notes)
    for part in ("8 rows read", "7 rows read", "2 duplicate edges merged", "1 self-loop kept", "4 isolated nodes"):
        assert part in said
    assert graph_info(graph)["columns"] == graph.columns


# ------------------------------------------------------------------------------------------------- word embeddings


@pytest.fixture
def embeddings(tmp_path: Path) -> str:
    """Two groups of words with alike vectors, as model2vec saves them."""
    model2vec = pytest.importorskip("model2vec")
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    words = ["[UNK]", "boats", "sea", "sails", "chess", "books", "maps"]
    tokenizer = Tokenizer(WordLevel({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))  # noqa: S106
    tokenizer.pre_tokenizer = Whitespace()
    vectors = np.array([[0, 0, 0], [1, 0, 0], [0.9, 0.1, 0], [1, 0.1, 0], [0, 1, 0], [0, 0.9, 0.2], [0, 1, 0.1]])
    model2vec.StaticModel(vectors.astype(np.float32), tokenizer).save_pretrained(str(tmp_path / "words"))
    return str(tmp_path / "words")


def test_texts_become_averages_of_word_embeddings(embeddings: str, tmp_path: Path) -> None:
    texts = ["boats and the sea", "old sails and boats", "books on chess", "maps and books and chess"]
    graph = load_graph((people(about=texts), cycle()), text_model=embeddings, kinds={"about": "text"})
    about = [place for place, name in enumerate(graph.encoding.features) if name.startswith("about")]
    first = graph.x[:, about[0]]
    assert (first[:2] * first[2:] < 0).all()  # No word of the first text is in the second, but the vectors are alike.
    assert "word embeddings" in entries(graph)["about"]["action"]
    graph.encoding.save(tmp_path)
    read = read_encoding(tmp_path)
    assert read is not None
    assert np.array_equal(read.encode(people(about=texts)), graph.x.numpy())


def test_word_embeddings_that_cannot_be_loaded_are_named(embeddings: str) -> None:
    nodes = people(about=["boats and the sea", "sails and boats", "books on chess", "maps and chess books"])
    with pytest.raises(DataError, match=r"(?s)ECO302.*'no/such/model/here'.*save_pretrained"):
        load_graph((nodes, cycle()), text_model="no/such/model/here", kinds={"about": "text"})
