"""What is run, what is kept, and what is written, with cells that are not run but made up."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eco_core.benchmark import run_suite
from eco_core.errors import EcoError, RunFolderError, SpecError
from eco_core.jobs.cell import Cell
from eco_core.jobs.cells import CellOptions, CellResult, read_cell, run_cell
from eco_core.spec.yaml_io import dump_yaml

SUITE: dict[str, Any] = {
    "name": "made up",
    "seeds": 3,
    "data": ["karate", "digits"],
    "runs": ["kmeans", {"name": "quick", "recipe": "kmeans", "set": ["head.n_init=1"]}],
    "metrics": ["nmi", "modularity"],
}


class FakeRunner:
    """Makes results up, and remembers for which cells.

    Args:
        fails: Which cells fail.
        interrupted_at: The number of the call in which the user presses Ctrl-C.
    """

    def __init__(self, fails: Callable[[Cell], bool] = lambda cell: False, interrupted_at: int = 0) -> None:
        self.fails = fails
        self.interrupted_at = interrupted_at
        self.cells: list[Cell] = []
        self.options: list[CellOptions] = []

    def __call__(self, cell: Cell, folder: Path, options: CellOptions) -> CellResult:
        self.cells.append(cell)
        self.options.append(options)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cell.yaml").write_text(dump_yaml(cell.spec))
        if len(self.cells) == self.interrupted_at:
            raise KeyboardInterrupt
        if self.fails(cell):
            return CellResult(cell, "failed", seconds=1.0, message="ECO401  It failed.\n        Do better.")
        rng = np.random.default_rng([cell.seed, len(cell.run), len(cell.data)])
        metrics = {"nmi": rng.random(), "modularity": rng.random()}
        (folder / "metrics.json").write_text(json.dumps(metrics))
        seconds = {"load": 50.0, "train": 2.0 + cell.seed, "cluster": 0.5, "total": 60.0}
        facts = {"seconds": seconds, "peak_memory_mb": 100.0 + cell.seed}
        (folder / "environment.json").write_text(json.dumps(facts))
        result = read_cell(cell, folder)
        assert result is not None
        return result


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_tables_hold_numpy_s_figures_of_the_cells_files(tmp_path: Path) -> None:
    result = run_suite(SUITE, tmp_path, runner=FakeRunner())
    assert len(result["cells"]) == 12
    for row, line in zip(result["table"], rows_of(tmp_path / "table.csv"), strict=True):
        files = [tmp_path / "cells" / row["run"] / row["data"] / f"seed-{seed}" / "metrics.json" for seed in range(3)]
        for metric in ("nmi", "modularity"):
            values = [json.loads(file.read_text())[metric] for file in files]
            assert float(line[f"{metric}_mean"]) == pytest.approx(np.mean(values), rel=1e-12)
            assert float(line[f"{metric}_std"]) == pytest.approx(np.std(values, ddof=1), rel=1e-12)
            assert row["metrics"][metric]["mean"] == float(line[f"{metric}_mean"])
            assert f"{100 * np.mean(values):.2f} ± {100 * np.std(values, ddof=1):.2f}" in (
                tmp_path / "table.md"
            ).read_text(encoding="utf-8")
        assert (float(line["seconds_mean"]), float(line["peak_memory_mb_max"])) == (3.5, 102.0)
    assert [(row["data"], row["run"]) for row in result["table"]] == [
        (data, run) for data in ("karate", "digits") for run in ("kmeans", "quick")
    ]
    cells = rows_of(tmp_path / "results.csv")
    assert [int(cell["seed"]) for cell in cells] == [0, 1, 2] * 4
    assert {path.name for path in tmp_path.iterdir()} == {
        *("cells", "suite.yaml", "results.csv", "table.csv", "table.md", "table.tex")
    }


def test_a_failing_cell_stops_no_other_and_is_tried_again(tmp_path: Path) -> None:
    stream = io.StringIO()
    first = FakeRunner(fails=lambda cell: cell.run == "quick" and cell.seed == 1)
    result = run_suite(SUITE, tmp_path, runner=first, stream=stream)
    statuses = [cell["status"] for cell in result["cells"]]
    assert (statuses.count("done"), statuses.count("failed")) == (10, 2)
    assert [(row["seeds"], row["failed"]) for row in result["table"]] == [(3, 0), (2, 1)] * 2
    assert "[5/12] quick on karate, seed 1: failed: ECO401  It failed." in stream.getvalue()
    assert {row["message"] for row in rows_of(tmp_path / "results.csv")} == {"", "ECO401 It failed. Do better."}

    second = FakeRunner()
    result = run_suite(SUITE, tmp_path, runner=second)
    assert [(cell.run, cell.seed) for cell in second.cells] == [("quick", 1)] * 2
    assert all(cell["status"] == "done" for cell in result["cells"])


def test_an_interrupted_benchmark_keeps_what_is_finished_and_goes_on(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_suite(SUITE, tmp_path, runner=FakeRunner(interrupted_at=5))
    assert [row["status"] for row in rows_of(tmp_path / "results.csv")] == ["done"] * 4 + ["pending"] * 8
    assert [row["seeds"] for row in rows_of(tmp_path / "table.csv")] == ["3", "1", "0", "0"]

    stream, again = io.StringIO(), FakeRunner()
    resumed = run_suite(SUITE, tmp_path, runner=again, stream=stream)
    assert len(again.cells) == 8
    assert "12 cells, 4 of them finished before\n[5/12] quick on karate, seed 1: nmi " in stream.getvalue()
    whole = run_suite(SUITE, tmp_path / "whole", runner=FakeRunner())
    assert resumed["cells"] == whole["cells"]
    assert resumed["table"] == whole["table"]


def test_nothing_runs_again_when_all_is_finished_except_by_force(tmp_path: Path) -> None:
    first = run_suite(SUITE, tmp_path, runner=FakeRunner(), seeds=1)
    again, forced = FakeRunner(), FakeRunner()
    assert run_suite(SUITE, tmp_path, runner=again, seeds=1) == first
    assert again.cells == []
    run_suite(SUITE, tmp_path, runner=forced, seeds=1, force=True)
    assert len(forced.cells) == 4


def test_more_seeds_run_only_the_new_ones(tmp_path: Path) -> None:
    run_suite(SUITE, tmp_path, runner=FakeRunner(), seeds=2)
    more = FakeRunner()
    run_suite(SUITE, tmp_path, runner=more, seeds=3)
    assert [cell.seed for cell in more.cells] == [2] * 4


def test_a_changed_spec_is_run_again_and_another_data_root_is_not_a_change(tmp_path: Path) -> None:
    run_suite(SUITE, tmp_path, runner=FakeRunner(), seeds=1)
    changed = {**SUITE, "runs": ["kmeans", {"name": "quick", "recipe": "kmeans", "set": ["head.n_init=2"]}]}
    runner, stream = FakeRunner(), io.StringIO()
    run_suite(changed, tmp_path, runner=runner, seeds=1, data_root=tmp_path / "elsewhere", stream=stream)
    assert [(cell.run, cell.data) for cell in runner.cells] == [("quick", "karate"), ("quick", "digits")]
    assert "quick on karate, seed 0: was run with another spec, and is run again." in stream.getvalue()


@pytest.mark.parametrize("name", ["metrics.json", "environment.json", "cell.yaml"])
def test_a_cell_that_was_cut_off_is_run_again(tmp_path: Path, name: str) -> None:
    run_suite(SUITE, tmp_path, runner=FakeRunner(), seeds=1)
    file = tmp_path / "cells" / "kmeans" / "digits" / "seed-0" / name
    file.write_text(file.read_text()[:-3] if name.endswith("json") else "{")
    runner = FakeRunner()
    run_suite(SUITE, tmp_path, runner=runner, seeds=1)
    file.unlink()
    run_suite(SUITE, tmp_path, runner=runner, seeds=1)
    assert [(cell.run, cell.data) for cell in runner.cells] == [("kmeans", "digits")] * 2


def test_cells_share_the_cores_and_have_the_suite_s_time_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("joblib.cpu_count", lambda: 8)
    monkeypatch.setenv("ECO_BLOCK_PLUGINS", "nobody")
    runner = FakeRunner()
    run_suite({**SUITE, "timeout": 5}, tmp_path / "a", runner=runner, seeds=1)
    run_suite(SUITE, tmp_path / "b", runner=runner, seeds=1, threads=3, timeout=7, device="cpu")
    first, last = runner.options[0], runner.options[-1]
    assert (first.threads, first.timeout, first.device) == (8, 5, "auto")
    assert (last.threads, last.timeout, last.device) == (3, 7, "cpu")
    assert last.environment["OMP_NUM_THREADS"] == "3"
    assert last.environment["ECO_BLOCK_PLUGINS"] == "nobody"


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunFolderError, match="ECO402"):
        run_suite(SUITE, tmp_path, runner=FakeRunner())
    with pytest.raises(RunFolderError, match="ECO403"):
        run_suite(SUITE, tmp_path / "thesis.txt", runner=FakeRunner())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_wrong_arguments_and_suites_write_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(EcoError) as caught:
        run_suite(SUITE, out, jobs=0, threads=0, timeout=-1, backend="lokky", runner=FakeRunner())
    assert len(caught.value.problems) == 4
    assert "Did you mean 'loky'?" in str(caught.value)
    with pytest.raises(SpecError, match="seeds is 0"):
        run_suite(SUITE, out, seeds=0, runner=FakeRunner())
    assert not out.exists()


def test_dask_that_is_not_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(EcoError, match=r"pip install 'dask\[distributed\]'"):
        run_suite(SUITE, tmp_path / "out", backend="dask", runner=FakeRunner())
    assert not (tmp_path / "out").exists()


def test_dask_hands_the_cells_to_the_workers_of_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")
    places = [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, places)))

    def told(cell: Cell, folder: Path, options: CellOptions) -> CellResult:
        result = run_cell(cell, folder, options)
        (folder / "worker").write_text(str(os.getpid()))
        return result

    suite = {**SUITE, "data": ["karate"]}
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, worker_dashboard_address=None
    )
    with cluster, __import__("dask").config.set({"scheduler-address": cluster.scheduler_address}):
        options: dict[str, Any] = {"seeds": 2, "jobs": 2, "threads": 1, "device": "cpu", "backend": "dask"}
        result = run_suite(suite, tmp_path, runner=told, **options)
    assert [cell["status"] for cell in result["cells"]] == ["done"] * 4
    assert [row["seeds"] for row in rows_of(tmp_path / "table.csv")] == ["2", "2"]
    workers = {path.read_text() for path in tmp_path.rglob("worker")}
    assert len(workers) == 2
    assert str(os.getpid()) not in workers


def test_the_suite_in_the_folder_can_be_run_itself(tmp_path: Path) -> None:
    run_suite(SUITE, tmp_path, runner=FakeRunner(), seeds=2)
    again = FakeRunner()
    run_suite(tmp_path / "suite.yaml", tmp_path, runner=again)
    assert again.cells == []
