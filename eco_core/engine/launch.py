"""Processes that work on one run together: whether this is one of them, and how they are started. Light: no torch."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from eco_core.engine.world import _OURS
from eco_core.errors import Problem, TrainingError

_THREADS = "OMP_NUM_THREADS"


def launch(words: Sequence[str], processes: int) -> int:
    """Runs ``eco`` in several processes of this machine, as ``torchrun --standalone`` does, and waits for them.

    Signals are passed on to them. When one fails or is ended from outside, the others are stopped.

    Args:
        words: The arguments of ``eco``.
        processes: How many.

    Returns:
        The exit code: 0, or that of the process that failed first, which has said why.

    Raises:
        TrainingError: ECO406, if a process could not say why it ended.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    with contextlib.ExitStack() as closing:
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=processes,
            logs_specs=DefaultLogsSpecs(log_dir=closing.enter_context(tempfile.TemporaryDirectory())),
            run_id=f"{_OURS}{uuid.uuid4()}",
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            max_restarts=0,
            local_addr="localhost",
        )
        for context in (_quiet_logging(), _same_signal_handlers(), _shared_cores(processes)):
            closing.enter_context(context)
        try:
            elastic_launch(config, sys.executable)("-m", "eco_core.cli", *words)
        except ChildFailedError as error:
            return _exit_code(error.failures, processes)
        except SignalException as error:
            ended_by = error.sigval
        else:
            return 0
    if ended_by == signal.SIGINT:
        raise KeyboardInterrupt
    os.kill(os.getpid(), ended_by)  # By now the others have ended: as this process would have without them.
    return 1


def _exit_code(failures: Mapping[int, Any], processes: int) -> int:
    """The exit code of the process that failed first; the launcher then ends the others with SIGTERM."""
    own = {rank: failure for rank, failure in failures.items() if failure.exitcode != -signal.SIGTERM} or failures
    # A process that says why it fails exits with a code.
    rank, failure = min(own.items(), key=lambda item: (item[1].exitcode in (1, 2), item[0]))
    if failure.exitcode in (1, 2):
        return failure.exitcode
    raise TrainingError(
        Problem(
            "ECO406",
            f"Rank {rank} of {processes} (process {failure.pid}) {_how(failure.exitcode)}; the others were stopped.",
            "The run folder keeps what was written.",
        )
    )


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was ended by {name}" + (" (as by the system when memory is short)" if name == "SIGKILL" else "")


@contextlib.contextmanager
def _quiet_logging() -> Iterator[None]:
    """Torch's launcher logs each step of ending processes; what became of them is told in one sentence."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def _same_signal_handlers() -> Iterator[None]:
    """Torch's launcher leaves its own handlers behind."""
    names = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")
    before = {number: signal.getsignal(number) for name in names if (number := getattr(signal, name, None))}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _shared_cores(processes: int) -> Iterator[None]:
    """Each process has its share of the cores as its threads, unless their number is given."""
    if _THREADS in os.environ:
        yield
        return
    from joblib import cpu_count

    os.environ[_THREADS] = str(max(1, cpu_count() // processes))
    try:
        yield
    finally:
        del os.environ[_THREADS]


__all__ = ["launch"]
