"""Measures the wall-clock seconds of phases, and peak memory. Light: only `peak_device_memory_mb` imports torch."""

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
    """Peak resident memory of this process since it started, in MiB; 0 if the platform does not report it (Windows)."""
    # On Linux, the maximum of getrusage survives exec: a process inherits the peak of the process that started it. The
    # high-water mark in /proc counts this program only.
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
    """Peak memory of torch's tensors on a CUDA device, in MiB.

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
    """Adds up wall-clock seconds by phase; ``total`` counts from the construction of this object.

    Args:
        phases: Phases that are reported even if they never run.

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
        """Times the body of a ``with`` statement, also if it raises. Several bodies of the same phase add up."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._phases[name] = self._phases.get(name, 0.0) + time.perf_counter() - start

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of each phase so far, and ``total``."""
        return {**self._phases, "total": time.perf_counter() - self._start}
