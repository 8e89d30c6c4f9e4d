"""Runs one cell in a process of its own, and reads its result. Light: no torch."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from eco_core._files import write_text
from eco_core.engine.world import without_launch
from eco_core.jobs.cell import Cell
from eco_core.spec.digest import spec_digest
from eco_core.spec.yaml_io import dump_yaml, load_yaml

ASKED, FAILURE = "cell.yaml", "failure.json"
"""Two more files in the run folder of a cell: the spec that was asked for, and the reason of a failure."""

# A run writes environment.json last, so a folder that has it is complete.
_METRICS, _ENVIRONMENT = "metrics.json", "environment.json"
_POLL_SECONDS = 0.2
_TAIL = 4000


@dataclass(frozen=True)
class CellOptions:
    """How cells are run.

    Attributes:
        threads: Threads of each cell.
        device: ``auto``, ``cpu`` or ``cuda``.
        timeout: Seconds after which a cell is stopped; None: never.
        environment: Environment variables that are set for each cell.
        owner: Id of the benchmark's process; when this process has ended, running cells are ended.
    """

    threads: int = 1
    device: str = "auto"
    timeout: float | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    owner: int = field(default_factory=os.getpid)


@dataclass(frozen=True)
class CellResult:
    """The result of a cell.

    Attributes:
        cell: The cell.
        status: ``done``, ``failed`` or ``pending``.
        metrics: Metrics by name; empty unless the cell is done.
        seconds: Seconds of training and clustering, without loading the graph; for a failed cell, all seconds until it
            failed.
        peak_memory_mb: Largest resident memory of the cell's process, in MB.
        message: Why the cell failed; empty otherwise.
    """

    cell: Cell
    status: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    peak_memory_mb: float | None = None
    message: str = ""

    def document(self) -> dict[str, Any]:
        """Returns the result as plain data."""
        return {
            "run": self.cell.run,
            "data": self.cell.data,
            "seed": self.cell.seed,
            "status": self.status,
            "metrics": dict(self.metrics),
            "seconds": self.seconds,
            "peak_memory_mb": self.peak_memory_mb,
            "message": self.message,
        }


def read_cell(cell: Cell, folder: Path) -> CellResult | None:
    """Reads the result of a cell; None if it is not finished or was run with another spec."""
    try:
        asked = load_yaml((folder / ASKED).read_text(encoding="utf-8"), str(folder))
        metrics = json.loads((folder / _METRICS).read_text(encoding="utf-8"))
        facts = json.loads((folder / _ENVIRONMENT).read_text(encoding="utf-8"))
        if spec_digest(asked) != spec_digest(cell.spec):
            return None
        seconds = facts["seconds"]["train"] + facts["seconds"]["cluster"]
        return CellResult(cell, "done", metrics, seconds, facts["peak_memory_mb"])
    except Exception:  # A file is incomplete or missing: the cell is run again.
        return None


def was_asked_differently(cell: Cell, folder: Path) -> bool:
    """Whether a folder holds a finished run of another spec."""
    try:
        asked = load_yaml((folder / ASKED).read_text(encoding="utf-8"), str(folder))
    except Exception:
        return False
    return (folder / _ENVIRONMENT).is_file() and spec_digest(asked) != spec_digest(cell.spec)


def run_cell(cell: Cell, folder: Path, options: CellOptions) -> CellResult:
    """Runs a cell. A failure of the cell is returned, not raised.

    Args:
        cell: The cell.
        folder: The run folder of the cell; files of an earlier attempt are replaced.
        options: How the cell is run.

    Returns:
        The result; a failure is also written to ``failure.json``.
    """
    start = time.perf_counter()
    if _is_worker(options.owner):
        # Ctrl-C reaches every process of a terminal. Workers ignore it: only the owner decides whether cells are ended.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Remove old results before cell.yaml changes: the folder never holds results of another spec than cell.yaml's.
        for stale in (_ENVIRONMENT, _METRICS, FAILURE):
            (folder / stale).unlink(missing_ok=True)
        write_text(folder / ASKED, dump_yaml(cell.spec))
        code, errors = _run_process(folder, options)
    except OSError as error:
        return _failed(cell, folder, start, f"{type(error).__name__}: {error}", None)
    if code == 0 and (result := read_cell(cell, folder)) is not None:
        return result
    return _failed(cell, folder, start, _reason(code, errors, options), code, errors)


def _is_worker(owner: int) -> bool:
    return os.getpid() != owner and threading.current_thread() is threading.main_thread()


def _run_process(folder: Path, options: CellOptions) -> tuple[int | None, str]:
    """Runs the cell; returns its exit code (None after a time-out) and the end of its output on stderr."""
    # The worker starts a new process for each cell. So the peak memory is the cell's own. And a cell that is killed or
    # crashes in native code does not end its worker: joblib would then end all other cells.
    command = [sys.executable, "-m", "eco_core.cli.child", "compose", str(folder / ASKED), "--out", str(folder)]
    command += ["--force", "--quiet", "--json", "--no-report"]
    command += ["--device", options.device, "--threads", str(options.threads)]
    environment = {**without_launch(os.environ), **options.environment}
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(  # noqa: S603 - this library's own module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=environment,
            start_new_session=True,
        )
        try:
            code = _wait(process, options)
        finally:
            _kill(process)
        return code, _tail(errors)


def _wait(process: subprocess.Popen[bytes], options: CellOptions) -> int | None:
    start = time.monotonic()
    # Stop when the owner's process is gone. Dask workers have another parent; the check does not apply to them.
    child_of_owner = hasattr(os, "getppid") and os.getppid() == options.owner
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(_POLL_SECONDS)
        if options.timeout is not None and time.monotonic() - start > options.timeout:
            return None
        if child_of_owner and os.getppid() != options.owner:
            _kill(process)
            os._exit(1)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Ends the cell and its child processes, unless the cell has ended already."""
    if process.poll() is None:
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _tail(file: IO[bytes]) -> str:
    file.seek(0, os.SEEK_END)
    file.seek(max(0, file.tell() - _TAIL))
    return file.read().decode("utf-8", "replace").strip()


def _reason(code: int | None, errors: str, options: CellOptions) -> str:
    if code is None:
        return f"It was stopped after {options.timeout:g} seconds, the time limit."
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        cause = "; the system does that when memory is short" if name == "SIGKILL" else ""
        return f"Its process was ended by {name}{cause}."
    lines = [line for line in errors.splitlines() if line.strip() and not line.startswith("warning:")]
    coded = next((number for number, line in enumerate(lines) if line.startswith("ECO")), None)
    if coded is not None:
        return "\n".join(lines[coded:])
    return lines[-1] if lines else f"Its process ended with exit code {code} and left no result."


def _failed(cell: Cell, folder: Path, start: float, message: str, code: int | None, errors: str = "") -> CellResult:
    seconds = time.perf_counter() - start
    document = {"message": message, "exit_code": code, "seconds": round(seconds, 2), "stderr": errors}
    with contextlib.suppress(OSError):  # The disk itself may have failed.
        write_text(folder / FAILURE, json.dumps(document, indent=2) + "\n")
    return CellResult(cell, "failed", seconds=seconds, message=message)
