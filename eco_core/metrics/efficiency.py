"""What a run cost: wall-clock seconds by phase, and peak memory. Light: only a look at a device imports torch."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_MIB = 2**20


def peak_memory_mb() -> float:
    """Peak resident memory of this process since it started, in MiB; 0 where the platform does not tell (Windows)."""
    # On Linux, getrusage's maximum survives exec: a process started by a large one begins with the peak of that one.
    # The high-water mark in /proc belongs to this program alone.
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _MIB if sys.platform == "darwin" else peak / 1024


def peak_device_memory_mb(device: torch.device | str | int) -> float:
    """Peak memory that torch's tensors took on a CUDA device, in MiB.

    Args:
        device: A torch device.

    Returns:
        The peak since the start, or since ``torch.cuda.reset_peak_memory_stats``; 0 for devices other than CUDA.
    """
    import torch

    device = torch.device(device)
    if device.type != "cuda" or not torch.cuda.is_available():
        return 0.0
    return torch.cuda.max_memory_allocated(device) / _MIB


class Stopwatch:
    """Adds up wall-clock seconds by phase; ``total`` runs from the construction.

    Args:
        phases: Phases that are reported even if they never ran.

    Example:
        >>> watch = Stopwatch()
        >>> with watch.phase("train"):
        ...     pass
        >>> list(watch.seconds)
        ['load', 'train', 'cluster', 'total']
    """

    def __init__(self, phases: Iterable[str] = ("load", "train", "cluster")) -> None:
        self._phases = dict.fromkeys(phases, 0.0)
        self._start = time.perf_counter()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Times the body of a ``with`` statement; a phase that runs again, or raises, adds up too."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._phases[name] = self._phases.get(name, 0.0) + time.perf_counter() - start

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by phase until now, and in ``total``."""
        return {**self._phases, "total": time.perf_counter() - self._start}
