"""Runs a suite: keeps finished cells, runs the other cells, and writes the tables after each cell."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from eco_core._files import write_text
from eco_core.benchmark import table
from eco_core.benchmark.suite import Suite, SuitePlan, plan_suite
from eco_core.errors import EcoError, Problem, RunFolderError, did_you_mean
from eco_core.jobs.cell import Cell, file_name
from eco_core.jobs.cells import CellOptions, CellResult, read_cell, run_cell, was_asked_differently
from eco_core.jobs.pool import BACKENDS, Runner, require_backend, run_cells
from eco_core.registry.records import BLOCK_VARIABLE
from eco_core.registry.registry import Registry
from eco_core.spec.yaml_io import dump_yaml

SUITE_FILE, RESULTS = "suite.yaml", "results.csv"
TABLES = ("table.csv", "table.md", "table.tex")

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def run_suite(
    suite: Mapping[str, Any] | Suite | str | Path,
    out: str | Path | None = None,
    *,
    seeds: int | Sequence[int] | None = None,
    jobs: int = 1,
    backend: str = "loky",
    threads: int | None = None,
    timeout: float | None = None,
    device: str = "auto",
    data_root: str | Path | None = None,
    force: bool = False,
    stream: IO[str] | None = None,
    registry: Registry | None = None,
    runner: Runner = run_cell,
) -> dict[str, Any]:
    """Runs recipes x data sets x training seeds and writes the tables.

    Finished cells of an earlier start are kept; failed and unfinished ones are run again. A cell that fails does not
    stop the others. An interruption (``KeyboardInterrupt``) ends the running cells, writes the tables of the finished
    ones, and is raised again.

    Args:
        suite: A YAML file, its content as a mapping, or a `eco_core.benchmark.suite.Suite`.
        out: The benchmark's folder; default ``runs/benchmark-<name>``. It gets ``cells/<run>/<data>/seed-<n>/``,
            ``results.csv`` and ``table.csv``, ``.md``, ``.tex``.
        seeds: A list of training seeds, or their number; default the suite's.
        jobs: Number of cells that run at the same time.
        backend: ``loky`` runs cells in processes of this machine. ``dask`` runs them on the workers of the cluster that
            Dask's configuration names (``DASK_SCHEDULER_ADDRESS``), which must share the folder; without an address it
            starts a local cluster.
        threads: Threads of each cell; default the cores of this machine divided by ``jobs``.
        timeout: Seconds after which a cell is stopped; default the suite's.
        device: ``auto``, ``cpu`` or ``cuda``.
        data_root: Folder of downloaded data sets.
        force: Whether finished cells are run again.
        stream: Progress messages are written to it; None writes none.
        registry: Where names are looked up; default all installed plugins. Cells have all installed plugins.
        runner: Runs one cell. If the cell fails, the runner must return a failed result, not raise.

    Returns:
        ``{"suite", "out", "cells": [...], "table": [...]}`` as plain data: metrics are fractions, seconds are
        wall-clock seconds of training and clustering, memory is the peak of a cell's process in MB.

    Raises:
        SpecError: If the suite has a mistake; nothing is written then.
        RunFolderError: ECO402, if the folder is not empty and holds no benchmark; ECO403, if it cannot be written.
        TrainingError: ECO406, if a worker process was killed from outside.
    """
    _check(jobs, threads, timeout, backend)
    plan = plan_suite(suite, seeds=seeds, data_root=data_root, registry=registry)
    require_backend(backend)
    folder = _claim(Path(out) if out is not None else Path("runs", f"benchmark-{file_name(plan.suite.name)}"), plan)
    options = CellOptions(
        threads=threads or _threads_per_cell(jobs),
        device=device,
        timeout=timeout if timeout is not None else plan.suite.timeout,
        environment=_environment(threads or _threads_per_cell(jobs)),
    )
    board = _Board(plan, folder, stream)
    board.report(plan.notes)
    waiting = board.take_finished(force)
    board.write()
    try:
        for result in run_cells(waiting, folder, options, jobs=jobs, backend=backend, runner=runner):
            board.add(result)
    finally:
        board.write()
    return board.document()


def _check(jobs: int, threads: int | None, timeout: float | None, backend: str) -> None:
    problems = [
        Problem("ECO104", f"{name} is {value}; it must be {least}.", f"Use --{name} {good}.")
        for name, value, wrong, least, good in (
            ("jobs", jobs, jobs < 1, "1 or more", "2"),
            ("threads", threads, threads is not None and threads < 1, "1 or more", "1"),
            ("timeout", timeout, timeout is not None and timeout <= 0, "a positive number of seconds", "3600"),
        )
        if wrong
    ]
    if backend not in BACKENDS:
        message = f"There is no backend {backend!r}; expected {' or '.join(BACKENDS)}."
        problems.append(Problem("ECO104", message, did_you_mean(backend, BACKENDS)))
    if problems:
        raise EcoError(*problems)


def _threads_per_cell(jobs: int) -> int:
    from joblib import cpu_count

    return max(1, cpu_count() // jobs)


def _environment(threads: int) -> dict[str, str]:
    """The environment variables of each cell, on whatever machine it runs."""
    block = os.environ.get(BLOCK_VARIABLE)
    return {
        **dict.fromkeys(_THREAD_VARIABLES, str(threads)),
        **({} if block is None else {BLOCK_VARIABLE: block}),
    }


def _claim(folder: Path, plan: SuitePlan) -> Path:
    """Makes the benchmark's folder, or reuses the folder of an earlier start, and writes the suite into it.

    Raises:
        RunFolderError: ECO402, if the folder is not empty and holds no benchmark; ECO403, if it cannot be written.
    """
    folder = folder.expanduser().absolute()
    try:
        if folder.is_dir() and any(folder.iterdir()) and not (folder / SUITE_FILE).is_file():
            raise RunFolderError(
                Problem(
                    "ECO402",
                    f"Folder {folder} is not empty, and it is not a benchmark folder: it has no {SUITE_FILE}.",
                    "Give another --out.",
                )
            )
        folder.mkdir(parents=True, exist_ok=True)
        content = plan.suite.model_dump(mode="json", by_alias=True, exclude_unset=True)
        write_text(folder / SUITE_FILE, dump_yaml({"schema": 1, **content}))
    except OSError as error:
        raise RunFolderError(
            Problem("ECO403", f"Folder {folder} cannot be written: {error.strerror}.", "Give another --out.")
        ) from error
    return folder


class _Board:
    """Collects the results so far, and writes the tables.

    Args:
        plan: The checked suite.
        folder: The benchmark's folder.
        stream: Progress messages are written to it; None writes none.
    """

    def __init__(self, plan: SuitePlan, folder: Path, stream: IO[str] | None) -> None:
        self._plan = plan
        self._folder = folder
        self._stream = stream
        self._results = {cell.place: CellResult(cell, "pending") for cell in plan.cells}

    def report(self, lines: Sequence[str]) -> None:
        for line in lines:
            if self._stream is not None:
                self._stream.write(f"{line}\n")
                self._stream.flush()

    def take_finished(self, force: bool) -> list[Cell]:
        """Reads the results of an earlier start; returns the cells that still have to run."""
        waiting = []
        for cell in self._plan.cells:
            folder = self._folder / cell.place
            result = None if force else read_cell(cell, folder)
            if result is None:
                if not force and was_asked_differently(cell, folder):
                    self.report([f"{cell}: was run with another spec, and is run again."])
                waiting.append(cell)
            else:
                self._results[cell.place] = result
        kept = len(self._plan.cells) - len(waiting)
        self.report([f"{len(self._plan.cells)} cells" + (f", {kept} of them finished before" if kept else "")])
        return waiting

    def add(self, result: CellResult) -> None:
        """Records a result, reports it, and writes the tables."""
        self._results[result.cell.place] = result
        done = sum(known.status != "pending" for known in self._results.values())
        if result.status == "done":
            metric = next((name for name in ("nmi", *self._plan.metrics) if name in result.metrics), None)
            what = "" if metric is None else f"{metric} {result.metrics[metric]:.4f}, "
            what += f"{result.seconds or 0:.1f} s"
        else:
            what = f"{result.status}: {next(iter(result.message.splitlines()), '')}"
        self.report([f"[{done}/{len(self._results)}] {result.cell}: {what}"])
        self.write()

    def write(self) -> None:
        """Writes all tables, each atomically."""
        metrics, results = self._plan.metrics, list(self._results.values())
        rows = self._rows()
        write_text(self._folder / RESULTS, table.results_csv(results, metrics))
        makers = table.table_csv, table.table_markdown, table.table_latex
        for name, make in zip(TABLES, makers, strict=True):
            write_text(self._folder / name, make(rows, metrics))

    def document(self) -> dict[str, Any]:
        """Returns the return value of `run_suite`."""
        return {
            "suite": self._plan.suite.name,
            "out": str(self._folder),
            "cells": [result.document() for result in self._results.values()],
            "table": [row.document() for row in self._rows()],
        }

    def _rows(self) -> list[table.Row]:
        return table.aggregate(self._results.values(), self._plan.metrics, self._plan.reference)
