"""The failure of one of several processes: the process writes it to a file, the launcher reads it. Light: no torch."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from eco_core._files import write_text

# Torch's launchers set this variable to the path of a file of this name, in a folder for each process. Torchrun sets it
# only with --log-dir.
_VARIABLE, _FILE = "TORCHELASTIC_ERROR_FILE", "error.json"


@dataclass(frozen=True)
class RankFailure:
    """The failure of one process.

    Attributes:
        rank: Number of the process, from 0.
        message: The error message for the user.
        exit_code: The exit code of the process.
        is_lost: Whether the process failed only because another process ended.
        timestamp: When it failed, in seconds since the epoch.
    """

    rank: int
    message: str
    exit_code: int
    is_lost: bool
    timestamp: float


def leave_for_launcher(failure: RankFailure) -> None:
    """Writes the failure of this process to the file that its launcher reads, if the launcher named one."""
    path = os.environ.get(_VARIABLE)
    if path:
        with contextlib.suppress(OSError):  # The disk itself may have failed; the launcher still sees the exit code.
            write_text(Path(path), json.dumps(asdict(failure)))


def failures_in(folder: Path) -> list[RankFailure]:
    """Reads the failures that processes wrote below the launcher's folder."""
    return [RankFailure(**json.loads(path.read_text(encoding="utf-8"))) for path in folder.rglob(_FILE)]


def first_cause(failures: Iterable[RankFailure]) -> RankFailure | None:
    """Returns the earliest failure that was not a consequence of another (``is_lost``); None if there is none.

    If several processes failed with that message, the failure of the lowest rank is returned.
    """
    causes = [failure for failure in failures if not failure.is_lost]
    if not causes:
        return None
    first = min(causes, key=lambda failure: failure.timestamp)
    return min((failure for failure in causes if failure.message == first.message), key=lambda failure: failure.rank)


__all__ = ["RankFailure", "failures_in", "first_cause", "leave_for_launcher"]
