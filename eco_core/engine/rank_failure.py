"""Why one of several processes failed: the process writes it to a file, the launcher reads it. Light: no torch."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from eco_core._files import write_text

# Torch's launchers give each process a file of this name in a folder of its own. Under torchrun only with --log-dir.
_VARIABLE, _FILE = "TORCHELASTIC_ERROR_FILE", "error.json"


@dataclass(frozen=True)
class RankFailure:
    """Why a process failed.

    Attributes:
        rank: Number of the process, from 0.
        message: What the user reads.
        exit_code: With what the process exits.
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
        with contextlib.suppress(OSError):  # The disk may be what failed; the exit code remains.
            write_text(Path(path), json.dumps(asdict(failure)))


def failures_in(folder: Path) -> list[RankFailure]:
    """Reads what failed processes left below the launcher's folder."""
    return [RankFailure(**json.loads(path.read_text(encoding="utf-8"))) for path in folder.rglob(_FILE)]


def first_cause(failures: Iterable[RankFailure]) -> RankFailure | None:
    """The failure that came first, of those that did not only follow another; None, if there is none.

    Where several processes failed with the same message, the lowest rank stands for them.
    """
    causes = [failure for failure in failures if not failure.is_lost]
    if not causes:
        return None
    first = min(causes, key=lambda failure: failure.timestamp)
    return min((failure for failure in causes if failure.message == first.message), key=lambda failure: failure.rank)


__all__ = ["RankFailure", "failures_in", "first_cause", "leave_for_launcher"]
