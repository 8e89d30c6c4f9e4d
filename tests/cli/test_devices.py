"""``eco compose`` in several processes of this machine, started by ``--devices`` and by torchrun."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from eco_core.engine.rank_failure import RankFailure, failures_in
from eco_core.errors import LostProcessError, Problem, TrainingError
from tests.cli.conftest import Eco, process_environment
from tests.cli.test_compose import FILES, rows_of

SMALL = ("--data", "sbm", "--set", "data.num_nodes=90", "--set", "data.n_blocks=3", "--set", "data.num_features=8")
PARTS = ("--encoder", "sage", "--objective", "none", "--head", "fixture-head", "--strategy", "joint")
SHARED = (*SMALL, *PARTS, "--set", "train.batch=neighbor", "--set", "train.batch_size=30")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.fixture
def good(use: Callable[..., None]) -> None:
    """A head that trains; with it and an encoder that reads the graph there is something to share."""
    pytest.importorskip("eco_gnn")
    use("good")


def started(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *words],
        env=process_environment(("good",), OMP_NUM_THREADS="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_devices_and_torchrun_leave_the_run_folder_of_one_process(eco: Eco, good: None) -> None:
    words = ("compose", *SHARED, "--epochs", "3")
    launches = {
        "devices": ("-m", "eco_core.cli", *words, "--devices", "2", "--json"),
        "torchrun": (*TORCHRUN, "-m", "eco_core.cli", *words),
    }
    outputs = {}
    for name, launch in launches.items():
        process = started(*launch, "--out", name)
        outputs[name] = process.communicate(timeout=200)
        assert process.returncode == 0, outputs[name]
    alone = eco(*words, "--out", "alone")
    assert alone.code == 0, alone.err

    assert json.loads(outputs["devices"][0])["run"] == "devices"
    table, messages = outputs["torchrun"]
    assert table.count("run folder: torchrun") == 1
    assert messages.count("joint: 3 epochs") == messages.count("3 clusters: the declared") == 1
    for name in launches:
        assert {path.name for path in Path(name).iterdir()} == FILES
        for file in ("assignments.csv", "history.csv"):
            expected, rows = rows_of(Path("alone", file)), rows_of(Path(name, file))
            assert [list(row) for row in rows] == [list(row) for row in expected]
        assert yaml.safe_load(Path(name, "spec.yaml").read_text()) == yaml.safe_load(
            Path("alone/spec.yaml").read_text()
        )
        together, single = (json.loads(Path(folder, "environment.json").read_text()) for folder in (name, "alone"))
        assert list(together) == list(single)
        assert (together["world_size"], together["devices"]) == (2, [single["device"]] * 2)
        assert (single["world_size"], single["devices"]) == (1, [single["device"]])
        assert together["threads"] == 1
    for file in ("assignments.csv", "metrics.json", "embeddings.npy"):
        assert Path("devices", file).read_bytes() == Path("torchrun", file).read_bytes()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads the ranks of processes from /proc")
def test_a_killed_process_ends_the_others_within_a_minute(good: None, popen: Callable[..., subprocess.Popen]) -> None:
    process = popen("compose", *SHARED, "--epochs", "100000000", "--devices", "2", "--out", "run")
    deadline = time.monotonic() + 100
    while not Path("run/checkpoint.pt").exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    workers = workers_in(Path.cwd())
    assert set(workers) == {0, 1}, process.poll()
    killed = time.monotonic()
    os.kill(workers[1], signal.SIGKILL)
    out, errors = process.communicate(timeout=60)
    assert time.monotonic() - killed < 60
    assert process.returncode == 1
    assert out == ""
    assert "Traceback" not in errors
    assert errors.count("ECO") == 1
    assert f"ECO406  Rank 1 of 2 (process {workers[1]}) was ended by SIGKILL" in errors
    assert {path.name for path in Path("run").iterdir()} == {"spec.yaml", "log.txt", "checkpoint.pt"}
    assert workers_in(Path.cwd()) == {}


def workers_in(folder: Path) -> dict[int, int]:
    """The process of each rank that runs in a folder."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
            ranks = [int(value.removeprefix(b"RANK=")) for value in variables if value.startswith(b"RANK=")]
            if ranks and (entry / "cwd").resolve() == folder:
                found[ranks[0]] = int(entry.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "ECO104  2 processes share the seeds of batches, but train.batch is full"),
        (("--head", "kmens"), "ECO101  There is no head 'kmens'"),
    ],
)
def test_mistakes_are_told_before_processes_are_started(
    eco: Eco, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.setattr("eco_core.cli.compose.launch", lambda words, processes: pytest.fail("it was launched"))
    result = eco("compose", "--data", "karate", *words, "--devices", "2")
    assert result.code == 2
    assert result.err.startswith(said)


def test_the_same_words_are_launched_and_the_exit_code_is_theirs(eco: Eco, monkeypatch: pytest.MonkeyPatch) -> None:
    launched = []
    failure = RankFailure(1, "ECO401  The loss is nan.", 1, False, 0.0)

    def launch(*call: Any) -> RankFailure:
        launched.append(call)
        return failure

    monkeypatch.setattr("eco_core.cli.compose.launch", launch)
    words = ["--debug", "compose", "--data", "karate", "--set", "train.batch=auto", "--devices", "3"]
    result = eco(*words)
    assert launched == [(words, 3)]
    assert (result.code, result.err) == (1, "rank 1: ECO401  The loss is nan.\n")

    failure = RankFailure(1, "ECO402  Folder run is not empty.", 2, False, 0.0)
    result = eco(*words)
    assert (result.code, result.err) == (2, "ECO402  Folder run is not empty.\n")


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes this process one of four on two machines that a launcher started."""

    def be(rank: int, run_id: str = "none", error_file: str = "") -> None:
        world = {"RANK": rank, "WORLD_SIZE": 4, "LOCAL_RANK": rank % 2, "LOCAL_WORLD_SIZE": 2}
        names = {"TORCHELASTIC_RUN_ID": run_id, "TORCHELASTIC_ERROR_FILE": error_file}
        for name, value in {**world, **names, "MASTER_ADDR": "localhost", "MASTER_PORT": 1}.items():
            monkeypatch.setenv(name, str(value))

    return be


def test_only_rank_0_prints_results(eco: Eco, launched: Callable[..., None]) -> None:
    launched(0)
    assert eco("list", "heads").out
    launched(1)
    assert eco("list", "heads").out == ""


def test_a_mistake_is_printed_once_on_each_machine(eco: Eco, launched: Callable[..., None]) -> None:
    results = []
    for rank in range(4):
        launched(rank)
        results.append(eco("compose", "--data", "karate", "--head", "kmens"))
    assert [result.code for result in results] == [2] * 4
    message = results[0].err
    assert message.startswith("ECO101  There is no head 'kmens'")
    assert [result.err for result in results] == [message, "", f"rank 2: {message}", ""]
    launched(3)
    assert "Traceback" in eco("compose", "--data", "karate", "--head", "kmens", "--debug").err


@pytest.mark.parametrize(
    ("rank", "error", "code", "printed"),
    [
        (3, TrainingError(Problem("ECO401", "The loss is nan.")), 1, "rank 3: ECO401  The loss is nan.\n"),
        (3, ValueError("odd"), 1, "rank 3: ECO406  The run failed: ValueError: odd\n"),
        (0, LostProcessError(Problem("ECO406", "Another process ended.")), 1, "ECO406  Another process ended.\n"),
        (3, LostProcessError(Problem("ECO406", "Another process ended.")), 1, ""),
    ],
)
def test_a_failure_of_one_process_is_printed_by_that_process(
    eco: Eco,
    launched: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    rank: int,
    error: Exception,
    code: int,
    printed: str,
) -> None:
    monkeypatch.setattr("eco_core.runs.run.run", raising(error))
    launched(rank)
    result = eco("compose", "--data", "karate")
    assert result.code == code
    assert result.err.replace("        Add --debug for the traceback.\n", "") == printed


def raising(error: Exception) -> Callable[..., None]:
    def run(*arguments: object, **options: object) -> None:
        raise error

    return run


def test_processes_of_devices_print_nothing_and_leave_their_failure(eco: Eco, launched: Callable[..., None]) -> None:
    Path("1").mkdir()
    launched(1, run_id="eco-5", error_file="1/error.json")
    result = eco("compose", "--data", "karate", "--head", "kmens")
    assert (result.code, result.err) == (2, "")
    (failure,) = failures_in(Path.cwd())
    assert (failure.rank, failure.exit_code, failure.is_lost) == (1, 2, False)
    assert failure.message.startswith("ECO101  There is no head 'kmens'")


def test_a_failure_that_only_processes_meet_is_printed_once(eco: Eco, good: None, popen: Any) -> None:
    Path("run").mkdir()
    Path("run/mine.txt").touch()
    process = popen("compose", *SHARED, "--epochs", "1", "--devices", "2", "--out", "run")
    out, errors = process.communicate(timeout=200)
    assert (process.returncode, out) == (2, "")
    assert errors.count("ECO") == 1
    assert errors.startswith("ECO402  Folder run is not empty")


def test_another_number_of_devices_than_were_launched_is_refused(eco: Eco, launched: Callable[..., None]) -> None:
    launched(0)
    result = eco("compose", "--data", "karate", "--devices", "3")
    assert result.code == 2
    assert result.err.startswith("ECO405  3 devices were asked for, but this is one of 4 processes that torchrun")
