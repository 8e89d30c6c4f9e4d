"""Runs several cells at the same time, in joblib's processes or on a Dask cluster."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from eco_core.errors import EcoError, Problem, TrainingError
from eco_core.jobs.cell import Cell
from eco_core.jobs.cells import CellOptions, CellResult, run_cell

BACKENDS = ("loky", "dask")

Runner = Callable[[Cell, Path, CellOptions], CellResult]
"""Runs one cell in its folder. If the cell fails, it must return a failed result, not raise."""


def run_cells(
    cells: Sequence[Cell],
    folder: Path,
    options: CellOptions,
    *,
    jobs: int = 1,
    backend: str = "loky",
    runner: Runner = run_cell,
) -> Iterator[CellResult]:
    """Runs cells, several at a time, and yields each result as soon as its cell ends, in no fixed order.

    Closing the iterator, or an exception between two results, ends the running cells.

    Args:
        cells: The cells; each is run once.
        folder: Each cell's run folder is ``folder / cell.place``.
        options: How each cell is run.
        jobs: Number of cells that run at the same time.
        backend: One of `BACKENDS`: ``loky`` starts processes on this machine; ``dask`` uses the cluster of Dask's
            configuration, whose workers must share the folder, or starts a local cluster.
        runner: Runs one cell.

    Raises:
        EcoError: ECO104, if the backend is not installed.
        TrainingError: ECO406, if a worker process was killed from outside.
    """
    if not cells:
        return
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    tasks = (joblib.delayed(runner)(cell, folder / cell.place, options) for cell in cells)
    with _cluster(backend, jobs), joblib.parallel_config(backend=backend):
        # Each of joblib's batches is one cell, and a worker gets its next cell only when it is free.
        parallel = joblib.Parallel(
            n_jobs=min(jobs, len(cells)), batch_size=1, pre_dispatch="n_jobs", return_as="generator_unordered"
        )
        results = parallel(tasks)
        try:
            yield from results
        except TerminatedWorkerError as error:
            raise TrainingError(
                Problem("ECO406", f"A worker was ended from outside: {error}", "Start again: finished cells are kept.")
            ) from error
        finally:
            results.close()


def require_backend(backend: str) -> None:
    """Checks that the packages of a backend can be imported.

    Raises:
        EcoError: ECO104, if a package cannot be imported.
    """
    if backend == "dask":
        _import_dask()


def _import_dask() -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise EcoError(
            Problem(
                "ECO104",
                f"Backend 'dask' needs the package 'distributed', which cannot be imported: {error}.",
                "pip install 'dask[distributed]', or use --backend loky.",
            )
        ) from error


@contextlib.contextmanager
def _cluster(backend: str, jobs: int) -> Iterator[None]:
    """Context manager: connects to the cluster of Dask's configuration, or starts a local cluster, until its end."""
    if backend != "dask":
        yield
        return
    distributed = _import_dask()
    address = importlib.import_module("dask").config.get("scheduler-address", None)
    local = {} if address else {"n_workers": jobs, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.Client(address, **local):
        yield
