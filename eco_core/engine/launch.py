"""Starts several processes that work on one run together, and finds out which failed first. Light: no torch."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from eco_core.engine.rank_failure import RankFailure, failures_in, first_cause
from eco_core.engine.world import OUR_RUN_IDS
from eco_core.errors import Problem, TrainingError

_THREADS = "OMP_NUM_THREADS"


def launch(words: Sequence[str], processes: int) -> RankFailure | None:
    """Runs ``eco`` in several processes of this machine, as ``torchrun --standalone`` does, and waits for them.

    Signals are passed on to them. When one fails or is ended from outside, the others are stopped.

    Args:
        words: The arguments of ``eco``.
        processes: Number of processes.

    Returns:
        None if all succeeded, else the first failure. The processes do not print their failures themselves.

    Raises:
        TrainingError: ECO406, if a process or this launcher was ended from outside.
        KeyboardInterrupt: If the user interrupted the launcher.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    with contextlib.ExitStack() as closing:
        folder = closing.enter_context(tempfile.TemporaryDirectory())
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=processes,
            logs_specs=DefaultLogsSpecs(log_dir=folder),
            run_id=f"{OUR_RUN_IDS}{uuid.uuid4()}",
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
            return _first_failure(error.failures, failures_in(Path(folder)), processes)
        except SignalException as error:
            ended_by = error.sigval
        else:
            return None
    if ended_by == signal.SIGINT:
        raise KeyboardInterrupt
    os.kill(os.getpid(), ended_by)  # The others have ended. End this process by the same signal.
    raise TrainingError(Problem("ECO406", f"The launcher {_how(-ended_by)}.", "The run folder keeps what was written."))


def _first_failure(ended: Mapping[int, Any], reasons: Sequence[RankFailure], processes: int) -> RankFailure:
    """Finds out which process failed first.

    Args:
        ended: The processes that the launcher saw fail, by rank. The launcher then ended the other processes by
            SIGTERM.
        reasons: The failures that processes wrote to files, also processes that the launcher did not see fail: a
            process writes its reason before it closes its connections, and may exit later than a process that fails
            because of it.
        processes: Number of all processes.

    Raises:
        TrainingError: ECO406, if a process ended without leaving a reason.
    """
    cause = first_cause(reasons)
    if cause is not None:
        return cause
    lost = {failure.rank: failure for failure in reasons}
    own = {rank: failure for rank, failure in ended.items() if failure.exitcode != -signal.SIGTERM} or ended
    rank, failure = min(own.items(), key=lambda item: (item[0] in lost, item[0]))
    if rank in lost:
        return lost[rank]
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
    """Silences torch's launcher, which logs every process that it ends; ECO reports the cause in one sentence."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def _same_signal_handlers() -> Iterator[None]:
    """Restores the signal handlers on exit: torch's launcher replaces them."""
    names = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")
    before = {number: signal.getsignal(number) for name in names if (number := getattr(signal, name, None))}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _shared_cores(processes: int) -> Iterator[None]:
    """Gives each process its share of the cores as threads, unless OMP_NUM_THREADS is set."""
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
