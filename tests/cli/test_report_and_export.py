"""``eco report`` and ``eco export``, and the end of a run on the terminal."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import Data

import eco_core as eco
from eco_core.errors import EcoWarning
from eco_core.runs.export import export_run
from eco_core.runs.run import run as eco_run
from tests.cli.conftest import Eco

KARATE = ("compose", "--data", "karate", "--quiet")


def graph_with_columns(count: int = 12) -> Data:
    source = torch.arange(count)
    forward = torch.stack([source, (source + 1) % count])
    graph = Data(
        x=torch.rand(count, 3, generator=torch.Generator().manual_seed(0)),
        edge_index=torch.cat([forward, forward.flip(0)], 1),
        edge_weight=torch.arange(1.0, count + 1).repeat(2),
        node_ids=[f"n{n}" for n in range(count)],
    )
    graph.node_table = pd.DataFrame(
        {
            "income": [1e6 + n if n % 3 else np.nan for n in range(count)],
            "city": ["Paris", None, "Oslo & <co>"] * (count // 3),
            "member": [n % 2 == 0 for n in range(count)],
            "joined": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(count), unit="D"),
            "cluster": ["theirs"] * count,
        }
    )
    return graph


@pytest.fixture
def run_of_columns() -> tuple[Path, Data]:
    graph = graph_with_columns()
    model = eco.compose(encoder="identity", head="kmeans", clusters=3).fit(graph)
    return model.save("run"), graph


# ------------------------------------------------------------------------------------------------- the end of a run


def test_a_run_ends_with_metrics_sizes_and_the_report(eco: Eco) -> None:
    result = eco(*KARATE, "--out", "run")
    assert result.code == 0, result.err
    lines = result.out.rstrip().splitlines()
    assert lines[-1] == f"report: {Path('run/report.html')}"
    assert max(map(len, lines)) <= 80
    bars = [line for line in lines if line.endswith(("█", "▏", "▎", "▍", "▌", "▋", "▊", "▉"))]
    assert len(bars) == 4
    sizes = [int(line.split("  ")[-2] if line.split("  ")[-2] else 0) for line in bars]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == 34
    assert "Labels seen in training" in Path("run/report.html").read_text(encoding="utf-8")


def test_a_run_from_python_leaves_the_same_files(eco: Eco) -> None:
    assert eco(*KARATE, "--out", "typed").code == 0
    run = eco_run({"data": {"name": "karate"}}, out="called")
    assert run.report == Path("called/report.html")
    assert sorted(path.name for path in Path("called").iterdir()) == sorted(p.name for p in Path("typed").iterdir())
    without = eco_run({"data": {"name": "karate"}, "report": False}, out="without")
    assert (without.report, Path("without/report.html").exists()) == (None, False)


@pytest.mark.filterwarnings("default::eco_core.errors.EcoWarning")
def test_a_run_whose_page_cannot_be_written_is_complete(eco: Eco, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("eco_core.report.page.write_report", fail)
    result = eco("compose", "--data", "karate", "--out", "run")
    assert result.code == 0
    assert "its report could not be written: OSError: disk full" in result.err
    assert "report:" not in result.out


@pytest.mark.parametrize("how", [("--no-report",), ("--set", "report=false")])
def test_a_run_without_a_report_writes_nothing_of_it(eco: Eco, how: tuple[str, ...]) -> None:
    result = eco(*KARATE, "--out", "run", *how)
    assert result.code == 0, result.err
    assert not {"report.html", "clusters.csv", "explanation.json"} & {path.name for path in Path("run").iterdir()}
    assert "report:" not in result.out
    assert "cluster 0" in result.out


def test_a_report_changes_no_cluster(eco: Eco) -> None:
    eco(*KARATE, "--out", "with")
    eco(*KARATE, "--out", "without", "--no-report")
    assert Path("with/assignments.csv").read_bytes() == Path("without/assignments.csv").read_bytes()


def test_without_jinja2_a_run_ends_without_a_page(eco: Eco, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eco_core.report.rendering.has_jinja", lambda: False)
    result = eco(*KARATE, "--out", "run")
    assert result.code == 0, result.err
    assert Path("run/clusters.csv").is_file()
    assert not Path("run/report.html").exists()


@pytest.mark.filterwarnings("default::eco_core.errors.EcoWarning")
def test_a_run_whose_clusters_cannot_be_explained_is_complete(eco: Eco, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no")

    monkeypatch.setattr("eco_core.results.explanation.explain", fail)
    result = eco("compose", "--data", "karate", "--out", "run")
    assert result.code == 0
    assert "could not be explained: ValueError: no" in result.err
    assert "nmi" in result.out


# -------------------------------------------------------------------------------------------------------- eco report


def test_a_report_is_made_anew(eco: Eco) -> None:
    eco(*KARATE, "--out", "run")
    before = Path("run/report.html").read_bytes()
    Path("run/report.html").unlink()
    result = eco("report", "run")
    assert (result.code, result.out) == (0, f"report: {Path('run/report.html')}\n")
    assert Path("run/report.html").read_bytes() == before


def test_a_report_is_opened_in_the_browser(eco: Eco, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    eco(*KARATE, "--out", "run")
    eco("report", "run", "--open")
    assert opened == [Path("run/report.html").resolve().as_uri()]


def test_several_runs_are_compared(eco: Eco) -> None:
    eco(*KARATE, "--out", "a")
    eco(*KARATE, "--out", "b", "--clusters", "2")
    result = eco("report", "a", "b")
    assert (result.code, result.out) == (0, "comparison: comparison.html\n")
    again = eco("report", "a", "b")
    assert again.code == 2
    assert "--force" in again.err
    assert eco("report", "a", "b", "--force").code == 0


@pytest.mark.parametrize("words", [("report", "gone"), ("report", "a", "gone"), ("report", "a", "--out", "x.html")])
def test_mistakes_of_report_are_one_message(eco: Eco, words: tuple[str, ...]) -> None:
    eco(*KARATE, "--out", "a")
    result = eco(*words)
    assert result.code == 2
    assert "Traceback" not in result.err
    assert result.err.startswith("ECO")


# -------------------------------------------------------------------------------------------------------- eco export


def test_csv_has_ids_columns_and_clusters_row_by_row(run_of_columns: tuple[Path, Data]) -> None:
    folder, graph = run_of_columns
    nodes, edges = export_run(folder, "csv", "out", data=graph)
    with nodes.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (folder / "assignments.csv").open(newline="") as file:
        assigned = {row["node"]: row["cluster"] for row in csv.DictReader(file)}
    assert [row["id"] for row in rows] == graph.node_ids
    assert {row["id"]: row["eco_cluster"] for row in rows} == assigned
    assert {row["cluster"] for row in rows} == {"theirs"}
    assert rows[0]["income"] == ""
    assert float(rows[1]["income"]) == 1_000_001
    assert rows[2]["city"] == "Oslo & <co>"
    assert rows[0]["joined"].startswith("2020-01-01")
    with edges.open(newline="", encoding="utf-8") as file:
        links = list(csv.DictReader(file))
    assert len(links) == 12
    assert {(row["source"], row["target"]): float(row["weight"]) for row in links}["n0", "n1"] == 1.0


@pytest.mark.parametrize("to", ["graphml", "gexf"])
def test_graph_files_are_read_by_networkx(run_of_columns: tuple[Path, Data], to: str) -> None:
    networkx = pytest.importorskip("networkx")
    folder, graph = run_of_columns
    (path,) = export_run(folder, to, data=graph)
    read = getattr(networkx, f"read_{to}")(path)
    assert set(read.nodes) == set(graph.node_ids)
    assert not read.is_directed()
    assert read.number_of_edges() == 12
    node = read.nodes["n1"]
    assert node["income"] == 1_000_001
    assert "city" not in node
    assert node["member"] is False
    assert isinstance(node["eco_cluster"], int)
    assert read.edges["n3", "n4"]["weight"] == 4.0


def test_parquet_keeps_the_types_of_columns(run_of_columns: tuple[Path, Data]) -> None:
    pytest.importorskip("pyarrow")
    folder, graph = run_of_columns
    nodes, edges = export_run(folder, "parquet", "out", data=graph)
    frame = pd.read_parquet(nodes)
    assert frame["member"].dtype == bool
    assert frame["joined"].dtype.kind == "M"
    assert frame["income"].isna().sum() == 4
    assert frame["id"].tolist() == graph.node_ids
    assert len(pd.read_parquet(edges)) == 12


def features_of(node: str) -> list[float]:
    number = int(node.removeprefix("n"))
    return [float(number % 3 == part) + 0.01 * number for part in range(3)]


@pytest.fixture
def run_of_shuffled_tables() -> tuple[Path, pd.DataFrame]:
    """A run on one order of the rows of a table; and the table, whose files now have another order."""
    count = 12
    nodes = pd.DataFrame(
        {
            "id": [f"n{n}" for n in range(count)],
            "f0": [features_of(f"n{n}")[0] for n in range(count)],
            "f1": [features_of(f"n{n}")[1] for n in range(count)],
            "city": [f"city {n % 3}" for n in range(count)],
            "serial": [1_000_000.5 + 7 * n for n in range(count)],
        }
    )
    edges = pd.DataFrame(
        {"source": [f"n{n}" for n in range(count)], "target": [f"n{(n + 3) % count}" for n in range(count)]}
    )
    folder = Path("tables")
    folder.mkdir()

    def write(seed: int) -> None:
        nodes.sample(frac=1, random_state=seed).to_csv(folder / "nodes.csv", index=False)
        edges.sample(frac=1, random_state=seed).to_csv(folder / "edges.csv", index=False)

    write(1)
    run = eco.run({"data": {"name": str(folder)}, "clusters": 3}, out="run")
    write(2)
    return run.folder, nodes.set_index("id")


def exported_rows(run: Path, to: str) -> pd.DataFrame:
    """The nodes of an export, by their id."""
    paths = export_run(run, to, "out" if to in ("csv", "parquet") else None)
    if to == "csv":
        return pd.read_csv(paths[0]).set_index("id")
    if to == "parquet":
        return pd.read_parquet(paths[0]).set_index("id")
    if to == "h5ad":
        return pytest.importorskip("anndata").read_h5ad(paths[0]).obs
    graph = getattr(pytest.importorskip("networkx"), f"read_{to}")(paths[0])
    return pd.DataFrame.from_dict(dict(graph.nodes(data=True)), orient="index")


@pytest.mark.parametrize("to", ["csv", "parquet", "graphml", "gexf", "h5ad"])
def test_every_export_keeps_ids_columns_and_clusters_together(
    run_of_shuffled_tables: tuple[Path, pd.DataFrame], to: str
) -> None:
    run, nodes = run_of_shuffled_tables
    rows = exported_rows(run, to)
    with (run / "assignments.csv").open(newline="") as file:
        assigned = {row["node"]: int(row["cluster"]) for row in csv.DictReader(file)}
    assert sorted(rows.index) == sorted(nodes.index)
    for node, row in rows.iterrows():
        assert int(row["cluster"]) == assigned[str(node)]
        assert str(row["city"]) == nodes.loc[node, "city"]
        assert float(row["serial"]) == nodes.loc[node, "serial"]


def test_an_exported_embedding_is_that_of_its_node(run_of_shuffled_tables: tuple[Path, pd.DataFrame]) -> None:
    anndata = pytest.importorskip("anndata")
    run, _ = run_of_shuffled_tables
    data = anndata.read_h5ad(export_run(run, "h5ad")[0])
    with (run / "assignments.csv").open(newline="") as file:
        order = [row["node"] for row in csv.DictReader(file)]
    place = [order.index(node) for node in data.obs_names]
    assert place != sorted(place)
    assert np.array_equal(data.obsm["X_eco"], np.load(run / "embeddings.npy")[place])
    assert (data.obsp["connectivities"] != data.obsp["connectivities"].T).nnz == 0
    first, second = data.obs_names.get_loc("n0"), data.obs_names.get_loc("n3")
    assert data.obsp["connectivities"][first, second] == 1


def test_h5ad_is_what_scanpy_expects(run_of_columns: tuple[Path, Data]) -> None:
    anndata = pytest.importorskip("anndata")
    folder, graph = run_of_columns
    (path,) = export_run(folder, "h5ad", data=graph)
    data = anndata.read_h5ad(path)
    assert list(data.obs_names) == graph.node_ids
    assert data.obs["eco_cluster"].dtype == "category"
    assert data.obs["member"].dtype == bool
    assert data.obsm["X_eco"].shape[0] == 12
    assert data.obsp["connectivities"].nnz == 24
    assert np.allclose(data.X, graph.x.numpy())


@pytest.fixture
def run_of_customers(eco: Eco) -> Path:
    """A run without a report, on tables whose columns have names of their own."""
    names = [f"C{n}" for n in range(12)]
    nodes = pd.DataFrame({"customer_id": names, "spend": [float(n % 3) for n in range(12)]})
    nodes["since"] = [f"2023-03-{n + 1:02d}" for n in range(12)]
    edges = pd.DataFrame({"from_customer": names, "to_customer": [*names[3:], *names[:3]], "amount": 149.87})
    edges["type"] = "invoice"
    nodes.to_csv("customers.csv", index=False)
    edges.to_csv("payments.csv", index=False)
    words = ("--data", "customers.csv", "--edges", "payments.csv", "--clusters", "3", "--no-report", "--quiet")
    assert eco("compose", *words, "--out", "run").code == 0
    return Path("run")


@pytest.mark.parametrize("to", ["csv", "parquet", "graphml", "gexf", "h5ad"])
def test_exports_keep_the_user_s_names_and_values(run_of_customers: Path, to: str) -> None:
    with pytest.warns(EcoWarning, match="not exported: type"):
        paths = export_run(run_of_customers, to, "out" if to in ("csv", "parquet") else None)
    if to in ("csv", "parquet"):
        rows, edges = (pd.read_csv(path) if to == "csv" else pd.read_parquet(path) for path in paths)
        assert list(edges) == ["from_customer", "to_customer", "amount"]
        assert set(edges["amount"]) == {149.87}
    elif to == "h5ad":
        read = pytest.importorskip("anndata").read_h5ad(paths[0])
        assert set(read.obsp["connectivities"].data) == {149.87}
        rows = read.obs.reset_index()
    else:
        graph = getattr(pytest.importorskip("networkx"), f"read_{to}")(paths[0])
        assert {weight for _, _, weight in graph.edges(data="weight")} == {149.87}
        rows = pd.DataFrame(list(dict(graph.nodes(data=True)).values()))
    assert set(rows["customer_id"]) == {f"C{n}" for n in range(12)}
    first = rows[rows["customer_id"] == "C0"].iloc[0]
    assert str(first["since"]) == ("2023-03-01 00:00:00" if to == "parquet" else "2023-03-01")
    assert rows["cluster_name"].nunique() == 3


def test_export_loads_the_graph_that_the_run_names(eco: Eco) -> None:
    eco(*KARATE, "--out", "run")
    result = eco("export", "run", "--to", "csv")
    assert result.code == 0, result.err
    assert result.out.splitlines() == [f"csv: {Path('run/export/nodes.csv')}", f"csv: {Path('run/export/edges.csv')}"]
    with Path("run/export/nodes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "cluster", "confidence", "cluster_name"]
    again = eco("export", "run", "--to", "csv")
    assert (again.code, "ECO402" in again.err) == (2, True)


def test_a_directed_graph_stays_directed() -> None:
    networkx = pytest.importorskip("networkx")
    np.savez("graph.npz", x=np.random.rand(4, 2).astype(np.float32), edge_index=np.array([[0, 1, 2], [1, 2, 3]]))
    run = eco.run({"data": {"name": "graph.npz", "undirected": False}, "clusters": 2}, out="run")
    (path,) = export_run(run.folder, "graphml")
    assert networkx.read_graphml(path).is_directed()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("run", "--to", "xlsx"), "graphml"),
        (("gone", "--to", "csv"), "gone"),
        (("run", "--to", "csv", "--data", "digits"), "not the same"),
    ],
)
def test_mistakes_of_export_are_one_message(eco: Eco, words: tuple[str, ...], named: str) -> None:
    eco(*KARATE, "--out", "run")
    result = eco("export", *words)
    assert result.code == 2
    assert result.err.startswith("ECO")
    assert named in result.err


def test_a_missing_library_names_the_extra(eco: Eco, monkeypatch: pytest.MonkeyPatch) -> None:
    eco(*KARATE, "--out", "run")
    monkeypatch.setitem(sys.modules, "networkx", None)
    result = eco("export", "run", "--to", "graphml")
    assert result.code == 2
    assert "eco-core[formats]" in result.err


# --------------------------------------------------------------------------------------------------------- notebooks


def test_a_fitted_model_shows_summary_and_map_in_a_notebook() -> None:
    model = eco.compose(clusters=3)
    assert model._repr_html_() is None
    page = model.fit("karate", verbose=False)._repr_html_()
    assert page is not None
    assert "34 nodes in 3 clusters" in page
    assert page.count("<path") == 3
    assert "<script" not in page
    assert model._repr_html_() == page


def test_what_a_notebook_shows_holds_no_foreign_html() -> None:
    evil = "<img src=x onerror=alert(1)>"
    graph = graph_with_columns()
    graph.node_ids = [f"{evil}{n}" for n in range(12)]
    graph.node_table = graph.node_table.rename(columns={"income": evil})
    graph.name = evil
    model = eco.compose(clusters=3).fit(graph)
    page = model._repr_html_()
    assert page is not None
    assert "<img" not in page
