"""``eco benchmark`` as a user has it: real cells, failures, interruption, mistakes."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Eco
from tests.cli.test_startup import HEAVY, imported_packages

SMALL = "{name: sbm, num_nodes: 60, n_blocks: 3, num_features: 8}"


def rows_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_cells_run_in_parallel_fail_alone_and_are_tried_again(eco: Eco, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    too_many = "name: s\ndata: [DATA]\nruns: [kmeans, {name: other, recipe: kmeans, spec: {clusters: K}}]\n"
    text = too_many.replace("DATA", SMALL) + "metrics: [nmi, modularity]\n"
    Path("s.yaml").write_text(text.replace("K}", "100}"))
    result = eco("benchmark", "s.yaml", "--seeds", 1, "--jobs", 2, "--threads", 1, "--out", "b")
    assert result.code == 1, result.err
    assert "[2/2] " in result.err
    assert "other on sbm, seed 0: failed: ECO207  100 clusters" in result.err
    assert result.out == Path("b/table.md").read_text(encoding="utf-8") + f"benchmark folder: {Path('b').absolute()}\n"
    assert "Traceback" not in result.err

    kmeans, other = rows_of("b/table.csv")
    assert (kmeans["seeds"], kmeans["failed"], other["seeds"], other["failed"]) == ("1", "0", "0", "1")
    assert float(kmeans["nmi_mean"]) == json.loads(Path("b/cells/kmeans/sbm/seed-0/metrics.json").read_text())["nmi"]
    assert float(kmeans["peak_memory_mb_max"]) > 50
    assert "ECO207" in json.loads(Path("b/cells/other/sbm/seed-0/failure.json").read_text())["message"]

    before = {path: path.stat().st_mtime_ns for path in Path("b/cells/kmeans").rglob("*.json")}
    Path("s.yaml").write_text(text.replace("K}", "3}"))
    result = eco("benchmark", "s.yaml", "--seeds", 1, "--threads", 1, "--out", "b", "--json", "--quiet")
    assert (result.code, result.err) == (0, "")
    assert [cell["status"] for cell in result.document["cells"]] == ["done", "done"]
    assert {path: path.stat().st_mtime_ns for path in Path("b/cells/kmeans").rglob("*.json")} == before
    # What a cell leaves is a run folder like any other.
    again = eco(
        "evaluate",
        "b/cells/other/sbm/seed-0/assignments.csv",
        "--data",
        "sbm",
        "--set",
        "data.num_nodes=60",
        "--set",
        "data.n_blocks=3",
        "--set",
        "data.num_features=8",
        "--json",
    )
    assert again.document["metrics"]["nmi"] == result.document["cells"][1]["metrics"]["nmi"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_interruption_ends_the_cells_and_keeps_the_finished_ones(
    popen: Callable[..., subprocess.Popen[str]],
) -> None:
    endless = "{name: endless, encoder: identity, head: fixture-head, strategy: joint, epochs: 100000000}"
    Path("s.yaml").write_text(f"name: s\nseeds: 1\ndata: [{SMALL}]\nruns: [kmeans, {endless}]\nmetrics: [nmi]\n")
    process = popen(
        *("benchmark", "s.yaml", "--jobs", "2", "--threads", "1", "--out", "b"),
        start_new_session=True,
        # A shell's background job ignores the signal, and hands that down.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 100
    started = Path("b/cells/endless/sbm/seed-0/log.txt")
    while time.monotonic() < deadline and process.poll() is None:
        if (
            started.exists()
            and Path("b/results.csv").exists()
            and any(row["status"] == "done" for row in rows_of("b/results.csv"))
        ):
            break
        time.sleep(0.1)
    assert process.poll() is None, process.communicate()
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert errors.endswith("Interrupted.\n")
    assert [row["status"] for row in rows_of("b/results.csv")] == ["done", "pending"]
    assert [row["seeds"] for row in rows_of("b/table.csv")] == ["1", "0"]
    assert not _processes_in(Path.cwd())


def _processes_in(folder: Path) -> list[str]:
    """The cells that still run in a folder, after a moment in which the killed ones may vanish."""
    if not Path("/proc").is_dir():
        return []
    for _ in range(50):
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if b"eco_core.cli.child" in (entry / "cmdline").read_bytes() and (entry / "cwd").resolve() == folder:
                    found.append(entry.name)
            except OSError:
                continue
        if not found:
            return []
        time.sleep(0.1)
    return found


@pytest.mark.parametrize(
    ("text", "words", "named"),
    [
        ("{name: s, data: [karate], runs: [kmean]}", (), ("ECO101", "recipe 'kmean'", "Did you mean 'kmeans'?")),
        ("{name: s, data: [karatte], runs: [kmeans]}", (), ("ECO101", "'karatte'", "Did you mean 'karate'?")),
        ("{name: s, data: [a/b.npz], runs: [kmeans]}", (), ("ECO301", "b.npz")),
        ("{name: s, data: [karate], runs: [kmeans], metrics: [nm]}", (), ("ECO101", "metric 'nm'", "'nmi'")),
        ("{name: s, data: [karate], runs: [kmeans], seeds: -1}", (), ("ECO104", "seeds is -1")),
        ("{name: s, data: [karate], runs: [kmeans]}", ("--jobs", "0"), ("ECO104", "jobs is 0")),
        ("{name: s, data: [karate], runs: [kmeans]}", ("--seeds", "0"), ("--seeds",)),
        ("{name: s, data: [karate], runs: [kmeans]}", ("--backend", "dusk"), ("ECO104", "Did you mean 'dask'?")),
        ("{name: s, data: [karate], runs: [kmeans]}", ("--timeout", "0"), ("ECO104", "timeout is 0")),
        ("{name: s, data: [karate]}", (), ("ECO105", "runs is required")),
        ("name: [", (), ("ECO106", "not valid YAML")),
        (None, (), ("ECO106", "s.yaml cannot be read")),
    ],
)
def test_a_mistake_is_one_message_and_writes_nothing(
    eco: Eco, text: str | None, words: tuple[str, ...], named: tuple[str, ...]
) -> None:
    if text is not None:
        Path("s.yaml").write_text(text)
    before = sorted(Path().rglob("*"))
    result = eco("benchmark", "s.yaml", *words)
    assert (result.code, result.out) == (2, "")
    assert "Traceback" not in result.err
    for what in named:
        assert what in result.err
    assert sorted(Path().rglob("*")) == before


def test_help_imports_nothing_heavy() -> None:
    assert not imported_packages("benchmark", "--help") & HEAVY
