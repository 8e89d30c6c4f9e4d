"""The tables: their figures are NumPy's, their syntax is whole, whatever the labels are."""

from __future__ import annotations

import csv
import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eco_core.benchmark.table import Row, aggregate, results_csv, table_csv, table_latex, table_markdown
from eco_core.jobs.cell import Cell
from eco_core.jobs.cells import CellResult

METRICS = ("nmi", "modularity", "n_clusters")
LABELS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)


def result(run: str = "gae", data: str = "cora", seed: int = 0, status: str = "done", **more: object) -> CellResult:
    return CellResult(Cell(run, data, seed, {}), status, **more)  # type: ignore[arg-type]


def parsed(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def markdown_cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines()]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_means_and_deviations_are_numpy_s_over_the_seeds(values: list[float]) -> None:
    cells = [
        result(seed=seed, metrics={"nmi": value}, seconds=value, peak_memory_mb=100 * value)
        for seed, value in enumerate(values)
    ]
    (row,) = aggregate(cells, METRICS, {})
    assert row.seeds == row.asked == len(values)
    assert row.means == {"nmi": pytest.approx(np.mean(values))}
    if len(values) > 1:
        assert row.stds["nmi"] == pytest.approx(np.std(values, ddof=1), abs=1e-12)
    else:
        assert row.stds == {}
    assert row.seconds == pytest.approx(np.mean(values))
    assert row.peak_memory_mb == max(100 * value for value in values)
    (line,) = parsed(table_csv([row], METRICS))
    assert float(line["nmi_mean"]) == pytest.approx(np.mean(values))
    assert line["modularity_mean"] == ""


def test_failed_and_pending_cells_are_counted_and_not_averaged() -> None:
    cells = [
        result(seed=0, metrics={"nmi": 0.5, "modularity": 0.7, "n_clusters": 7}, seconds=2.0, peak_memory_mb=10.0),
        result(seed=1, status="failed", seconds=99.0, message="ECO401  Too high,\n        really."),
        result(seed=2, status="pending"),
        result("other", status="failed", message="killed"),
    ]
    one, other = aggregate(cells, METRICS, {})
    assert (one.asked, one.seeds, one.failed, one.seconds) == (3, 1, 1, 2.0)
    assert (other.seeds, other.means, other.seconds) == (0, {}, None)
    lines = parsed(results_csv(cells, METRICS))
    assert [line["status"] for line in lines] == ["done", "failed", "pending", "failed"]
    assert lines[0]["nmi"] == "0.5"
    assert lines[1]["message"] == "ECO401 Too high, really."
    header, _, first, second = markdown_cells(table_markdown([one, other], METRICS))
    assert first == ["cora", "gae", "1 of 3, 1 failed", "50.00", "70.00", "7.00", "2.0", "10"]
    assert second == ["cora", "other", "0 of 1, 1 failed", "", "", "", "", ""]
    assert header[0] == "data"


def test_markdown_shows_percent_the_published_figure_and_the_difference() -> None:
    reference = {("gae", "cora", "nmi"): (0.5009, 0.0007), ("none", "cora", "nmi"): (0.4, None)}
    cells = [result(seed=seed, metrics={"nmi": nmi}) for seed, nmi in enumerate((0.51, 0.53))]
    rows = aggregate([*cells, result("none", status="failed"), result("x", metrics={"nmi": 0.1})], METRICS, reference)
    header, rule, gae, none, other = markdown_cells(table_markdown(rows, METRICS))
    assert header[3:5] == ["nmi", "nmi published (difference)"]
    assert all(re.fullmatch("-+:?", cell) for cell in rule)
    assert gae[3:5] == ["52.00 ± 1.41", "50.09 ± 0.07 (+1.91)"]
    assert none[3:5] == ["", "40.00"]
    assert other[3:5] == ["10.00", ""]
    assert [line["nmi_reference"] for line in parsed(table_csv(rows, METRICS))] == ["0.5009", "0.4", ""]
    assert rows[0].document()["metrics"]["nmi"]["reference"] == 0.5009


@given(LABELS, LABELS)
def test_tables_are_whole_whatever_the_labels_are(run: str, data: str) -> None:
    cells = [result(run, data, metrics={"nmi": 0.5}), result("b", data, metrics={"nmi": 0.25}), result("a", "z")]
    rows = aggregate(cells, METRICS, {(run, data, "nmi"): (0.4, None)})
    lines = markdown_cells(table_markdown(rows, METRICS))
    assert {len(line) for line in lines} == {len(lines[0])}
    assert len(lines) == 2 + len(rows)
    assert parsed(table_csv(rows, METRICS))[0]["run"] == run
    assert_is_latex(table_latex(rows, METRICS), len(rows))


def assert_is_latex(text: str, rows: int) -> None:
    lines = text.splitlines()
    columns = re.fullmatch(r"\\begin\{tabular\}\{(\w+)\}", lines[0])
    assert columns is not None
    assert lines[-1] == r"\end{tabular}"
    assert [lines.count(rule) for rule in (r"\toprule", r"\bottomrule")] == [1, 1]
    body = [line for line in lines if line.endswith(r" \\")]
    assert len(body) == rows + 1
    for line in body:
        assert len(re.findall(r"(?<!\\)&", line)) == len(columns[1]) - 1
        assert not re.search(r"(?<!\\)[#%_]", line)
        assert len(re.findall(r"(?<!\\)\{", line)) == len(re.findall(r"(?<!\\)\}", line))
        assert len(re.findall(r"(?<!\\)\$", line)) % 2 == 0


def test_latex_escapes_names_and_separates_data_sets() -> None:
    rows = [
        Row("my_run", "a&b", 2, 2, 0, {"cut_fraction": 0.11111}, {"cut_fraction": 0.02}, 3.0, 200.4),
        Row("other", "a&b", 1, 0, 1),
        Row("my_run", "c", 1, 1, 0, {"cut_fraction": 0.5}, {}, 3.0, 200.0),
    ]
    text = table_latex(rows, ("cut_fraction",))
    assert_is_latex(text, 3)
    assert text.splitlines()[2:] == [
        r"Data & Method & Cut fraction & Seconds & Memory (MB) \\",
        r"\midrule",
        r"a\&b & my\_run & $11.11 \pm 2.00$ & 3.0 & 200 \\",
        r" & other & -- & -- & -- \\",
        r"\midrule",
        r"c & my\_run & $50.00$ & 3.0 & 200 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
