"""One cell is one process: however it ends, the benchmark learns why and goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from eco_core.jobs.cell import Cell
from eco_core.jobs.cells import CellOptions, CellResult, read_cell, run_cell

CELL = Cell("kmeans", "karate", 0, {"data": {"name": "karate", "root": "here"}, "seed": 0})
FACTS = {"seconds": {"load": 9.0, "train": 1.0, "cluster": 0.5, "total": 11.0}, "peak_memory_mb": 321.0}

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-ins for Python are shell scripts")


@pytest.fixture
def run_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the cell with a shell script in Python's place; ``$3`` is the verb, ``$4`` the spec, ``$6`` the folder."""

    def run(script: str, **options: Any) -> CellResult:
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(python))
        return run_cell(CELL, tmp_path / "cell", CellOptions(**options))

    return run


FINISH = f"""echo '{{"nmi": 0.5}}' > $6/metrics.json; echo '{json.dumps(FACTS)}' > $6/environment.json"""


def test_the_result_is_read_from_the_run_folder(run_script: Any, tmp_path: Path) -> None:
    result = run_script(f'{FINISH}; echo "$@" > $6/words; echo $OMP_NUM_THREADS $COLOUR >> $6/words', threads=2)
    assert result == CellResult(CELL, "done", {"nmi": 0.5}, 1.5, 321.0)
    folder = tmp_path / "cell"
    words = (folder / "words").read_text()
    flags = "--force --quiet --json --no-report --device auto --threads 2"
    assert f"compose {folder}/cell.yaml --out {folder} {flags}" in words
    assert not (folder / "failure.json").exists()


def test_variables_for_the_cell_are_set(run_script: Any, tmp_path: Path) -> None:
    run_script(f"{FINISH}; echo $COLOUR > $6/colour", environment={"COLOUR": "blue"})
    assert (tmp_path / "cell" / "colour").read_text() == "blue\n"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("kill -9 $$", "Its process was ended by SIGKILL; the system does that when memory is short."),
        ("kill -11 $$", "Its process was ended by SIGSEGV."),
        ("echo 'warning: hot' >&2; printf 'ECO401  Loss is nan.\\n        Do.\\n' >&2; exit 1", "ECO401  Loss is nan."),
        ("printf 'Traceback\\n  line\\nOSError: full\\n' >&2; exit 1", "OSError: full"),
        ("exit 3", "Its process ended with exit code 3 and left no result."),
        ("exit 0", "Its process ended with exit code 0 and left no result."),
    ],
)
def test_a_failure_is_a_message(run_script: Any, tmp_path: Path, script: str, message: str) -> None:
    result = run_script(script)
    assert (result.status, result.metrics) == ("failed", {})
    assert result.message.splitlines()[0] == message
    failure = json.loads((tmp_path / "cell" / "failure.json").read_text())
    assert failure["message"] == result.message
    assert failure["seconds"] >= 0


def test_a_cell_that_takes_too_long_is_ended_with_what_it_started(run_script: Any, tmp_path: Path) -> None:
    start = time.monotonic()
    result = run_script("sleep 60 & echo $! > $6/helper; wait", timeout=0.5)
    assert result.message == "It was stopped after 0.5 seconds, the time limit."
    assert time.monotonic() - start < 30
    helper = int((tmp_path / "cell" / "helper").read_text())
    for _ in range(100):
        if not _runs(helper):
            break
        time.sleep(0.1)
    assert not _runs(helper)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_an_attempt_leaves_nothing_of_the_one_before(run_script: Any, tmp_path: Path) -> None:
    assert run_script("exit 3").status == "failed"
    assert run_script(FINISH).status == "done"
    assert not (tmp_path / "cell" / "failure.json").exists()
    assert run_script("kill -9 $$").status == "failed"
    assert read_cell(CELL, tmp_path / "cell") is None
    assert not (tmp_path / "cell" / "metrics.json").exists()


def test_a_folder_that_cannot_be_made_is_a_failure(run_script: Any, tmp_path: Path) -> None:
    (tmp_path / "cell").write_text("in the way")
    result = run_script(FINISH)
    assert (result.status, result.message.partition(":")[0]) == ("failed", "FileExistsError")


def test_a_cell_ends_when_its_benchmark_does() -> None:
    code = (
        "import eco_core.cli, time; eco_core.cli.main = lambda words: print('running', flush=True) or time.sleep(120);"
        "from eco_core.cli.child import main; main([])"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.stdin.close()
        assert process.wait(timeout=30) == 1
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
