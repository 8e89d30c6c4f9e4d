"""The report and the comparison: made of run folders alone, in one file, with nothing of the user's unescaped."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import eco_core as eco
from eco_core.engine.history import History
from eco_core.errors import RunFolderError
from eco_core.report import write_comparison, write_report
from eco_core.report.charts import flows_between, loss_curves
from eco_core.results.colors import palette
from eco_core.results.explanation import explain
from eco_core.results.explanation_files import write_explanation
from eco_core.results.folder import EXPLANATION

pytest.importorskip("jinja2")


@pytest.fixture(scope="module")
def karate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return eco.run({"data": {"name": "karate"}}, out=tmp_path_factory.mktemp("runs") / "first").folder


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = {"data": {"name": "karate"}, "clusters": 2, "report": False}
    return eco.run(spec, out=tmp_path_factory.mktemp("runs") / "second").folder


def payload(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="report-data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_a_report_says_what_the_run_did(karate: Path) -> None:
    page = write_report(karate).read_text(encoding="utf-8")
    for text in ("karate", "34 nodes in 4 clusters", "Labels seen in training: <b>no</b>", "features alone"):
        assert text in page
    for section in ("map-section", "why", "metrics", "blocks", "confidence", "data", "run"):
        assert f'id="{section}"' in page
    assert "eco-core" in page
    data = payload(page)
    assert len(data["clusters"]) == 4
    assert data["ids"] is None  # Nodes are numbered from 0; the page counts them itself.


def test_a_report_asks_nothing_of_the_network(karate: Path, other: Path, tmp_path: Path) -> None:
    for path in (write_report(karate), write_comparison([karate, other], tmp_path / "c.html")):
        page = path.read_text(encoding="utf-8")
        assert re.findall(r"""(?:src|href|action)\s*=\s*["'](?!#|data:)""", page) == []
        assert re.findall(r"url\(|@import|https?://|fetch\(|XMLHttpRequest", page) == []
        assert "default-src 'none'" in page


def test_a_run_without_an_explanation_has_a_report_of_what_is_there(other: Path) -> None:
    assert not (other / EXPLANATION).exists()
    page = write_report(other).read_text(encoding="utf-8")
    assert "2 clusters" in page
    assert "kept no explanation.json" in page
    assert 'id="blocks"' not in page


def test_reports_need_neither_plugins_nor_data(karate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = karate / "spec.yaml"
    before = spec.read_text()
    spec.write_text(before.replace("name: karate", "name: /gone/nodes.csv").replace("kmeans", "gone-plugin:gone"))
    try:
        page = write_report(karate).read_text(encoding="utf-8")
    finally:
        spec.write_text(before)
    assert "<h1>nodes.csv</h1>" in page
    assert "gone" in page


def test_ids_and_names_cannot_leave_their_place(karate: Path, tmp_path: Path) -> None:
    folder = tmp_path / "evil"
    folder.mkdir()
    for file in karate.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    evil = "</script><img src=x onerror=alert(1)>"
    lines = (folder / "assignments.csv").read_text().splitlines()
    lines[1] = f'"{evil}",' + lines[1].split(",", 1)[1]
    (folder / "assignments.csv").write_text("\n".join(lines) + "\n")
    document = json.loads((folder / EXPLANATION).read_text())
    document["clusters"][0]["name"] = evil
    document["clusters"][0]["typical"][0]["node"] = evil
    document["columns"] = [{"column": evil, "kind": "numeric", "action": evil, "features": 1, "missing": 0}]
    (folder / EXPLANATION).write_text(json.dumps(document))
    page = write_report(folder).read_text(encoding="utf-8")
    assert "<img" not in page
    assert payload(page)["ids"][0] == evil


EVIL = "\"'><img src=x onerror=alert(1)></script>"


def test_nothing_of_a_user_is_html_on_any_page(tmp_path: Path) -> None:
    count = 60
    graph = eco.load_graph("sbm", num_nodes=count, n_blocks=3, num_features=4)
    block = graph.y.numpy()
    graph.node_ids = [f"{EVIL}{n}" for n in range(count)]
    graph.node_table = pd.DataFrame(
        {
            f"category {EVIL}": [f"{EVIL} {value}" for value in block],
            f"number {EVIL}": block * 10.0,
            f"text {EVIL}": [f"word{value} <img src=y> and more words" for value in block],
        }
    )
    graph.columns = [
        {"column": name, "kind": kind, "action": EVIL, "features": 1, "missing": 0}
        for name, kind in zip(graph.node_table.columns, ("categorical", "numeric", "text"), strict=True)
    ]
    graph.name = EVIL
    folder = eco.compose(clusters=3).fit(graph).save(tmp_path / "run<img>")
    write_explanation(folder, explain(graph, eco.load(folder).clustering_))
    (folder / "log.txt").write_text(f"note {EVIL}\n")
    for path in (write_report(folder), write_comparison([folder, folder], tmp_path / "c.html")):
        page = path.read_text(encoding="utf-8")
        assert "<img" not in page
        assert page.count("</script>") == page.count("<script")
    data = payload(write_report(folder).read_text(encoding="utf-8"))
    assert data["ids"] == graph.node_ids


def test_many_alike_columns_share_a_row(karate: Path, tmp_path: Path) -> None:
    folder = tmp_path / "wide"
    folder.mkdir()
    for file in karate.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    document = json.loads((folder / EXPLANATION).read_text())
    alike = {"kind": "numeric", "action": "gene", "features": 0, "missing": 0}
    document["columns"] = [{"column": f"gene{number}", **alike} for number in range(500)]
    (folder / EXPLANATION).write_text(json.dumps(document))
    page = write_report(folder).read_text(encoding="utf-8")
    assert "gene0 ... gene499 (500)" in page
    assert "gene250" not in page


@pytest.mark.parametrize("damage", ["no folder", "torn json", "other format"])
def test_a_damaged_folder_is_one_problem(karate: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "run"
    if damage != "no folder":
        folder.mkdir()
        for file in karate.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        (folder / EXPLANATION).write_text('{"format": 1' if damage == "torn json" else '{"format": 99}')
    with pytest.raises(RunFolderError) as error:
        write_report(folder)
    assert [problem.code for problem in error.value.problems] == ["ECO403"]
    assert str(folder) in str(error.value)


def test_without_jinja2_the_message_names_the_extra(karate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(RunFolderError, match=r"eco-core\[report\]"):
        write_report(karate)


def test_a_comparison_shows_agreement_and_flows(karate: Path, other: Path, tmp_path: Path) -> None:
    page = write_comparison([karate, other, karate], tmp_path / "c.html").read_text(encoding="utf-8")
    assert page.count('class="agreement"') == 2
    assert page.count('class="flow"') == 2
    assert "34 nodes" in page
    assert "1.00" in page


def test_a_comparison_replaces_nothing_unasked(karate: Path, other: Path, tmp_path: Path) -> None:
    path = tmp_path / "c.html"
    path.write_text("mine")
    with pytest.raises(RunFolderError, match="ECO402"):
        write_comparison([karate, other], path)
    assert path.read_text() == "mine"
    write_comparison([karate, other], path, force=True)
    assert path.read_text() != "mine"


def test_runs_without_common_nodes_are_not_compared(karate: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ids"
    folder.mkdir()
    for file in karate.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    lines = (folder / "assignments.csv").read_text().splitlines()
    (folder / "assignments.csv").write_text("\n".join([lines[0], *(f"x{line}" for line in lines[1:])]) + "\n")
    with pytest.raises(RunFolderError, match="no node in common"):
        write_comparison([karate, folder], tmp_path / "c.html")


def test_flows_join_the_bars_of_both_runs() -> None:
    first, second = np.array([0] * 6 + [1] * 4), np.array([5] * 5 + [9] * 5)
    flows = flows_between(first, second)
    assert [text for _, _, text in flows.left] == ["0 (6)", "1 (4)"]
    assert {text for _, _, text in flows.right} == {"5 (5)", "9 (5)"}
    assert sorted(title for _, _, title in flows.ribbons) == [
        "0 to 5: 5 nodes, 83 % of the first",
        "0 to 9: 1 node, 17 % of the first",
        "1 to 9: 4 nodes, 100 % of the first",
    ]


def test_labels_of_small_clusters_stand_apart_and_are_their_names() -> None:
    first = np.repeat(np.arange(12), [5000] + [1] * 11)
    flows = flows_between(first, first, {0: "coffee, tea", 1: "a very long name of a cluster of one"})
    middles = [top + height / 2 for top, height, _ in flows.left]
    assert min(np.diff(middles)) >= 14
    assert flows.height >= max(top + height for top, height, _ in flows.left)
    assert [text for _, _, text in flows.left][:3] == ["coffee, tea (5,000)", "a very long name of a clu… (1)", "2 (1)"]
    assert "coffee, tea to 0: 5,000 nodes, 100 % of the first" in {title for _, _, title in flows.ribbons}


def test_a_report_says_that_undirected_edges_are_counted_once(karate: Path) -> None:
    page = write_report(karate).read_text(encoding="utf-8")
    assert "78 undirected edges" in page


def test_losses_are_drawn_by_stage_and_a_single_component_once() -> None:
    history = History(
        {"stage": stage, "epoch": epoch, "loss": 1 / (epoch + 1), "gae": 1 / (epoch + 1), "seconds": 0.1}
        for stage in ("pretrain", "joint")
        for epoch in range(1000)
    )
    charts = loss_curves(history)
    assert [chart.title for chart in charts] == ["pretrain", "joint"]
    assert [curve.name for curve in charts[0].curves] == ["loss"]
    assert len(charts[0].curves[0].points.split()) <= 300
    assert loss_curves(History(history[:1])) == []


def test_colours_are_many_and_distinct() -> None:
    colours = palette(200)
    assert len(set(colours)) == 200
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours)
