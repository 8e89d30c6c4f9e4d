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

import pytest
import yaml

from eco_core.cli import app
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
    monkeypatch.setattr("eco_core.cli.compose.launch", lambda *call: launched.append(call) or 1)
    words = ["--debug", "compose", "--data", "karate", "--set", "train.batch=auto", "--devices", "3"]
    assert eco(*words).code == 1
    assert launched == [(words, 3)]


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes this process one of two that torchrun started."""
    monkeypatch.setattr(app, "_PATIENCE", 0.0)

    def be(rank: int) -> None:
        world = {"RANK": rank, "WORLD_SIZE": 2, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": 2}
        for name, value in {**world, "MASTER_ADDR": "localhost", "MASTER_PORT": 1}.items():
            monkeypatch.setenv(name, str(value))

    return be


def test_only_rank_0_prints_and_others_tell_what_it_did_not(eco: Eco, launched: Callable[[int], None]) -> None:
    words = ("compose", "--data", "karate", "--head", "kmens")
    launched(0)
    first = eco(*words)
    assert eco("list", "heads").out
    launched(1)
    second = eco(*words)
    assert (first.code, second.code) == (2, 2)
    assert second.err == f"rank 1: {first.err}"
    assert eco("list", "heads").out == ""


def test_another_number_of_devices_than_were_launched_is_refused(eco: Eco, launched: Callable[[int], None]) -> None:
    launched(0)
    result = eco("compose", "--data", "karate", "--devices", "3")
    assert result.code == 2
    assert result.err.startswith("ECO405  3 devices were asked for, but this is one of 2 processes that torchrun")
