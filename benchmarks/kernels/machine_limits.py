"""Measured limits of the machine: memory bandwidth, and the rate of matrix products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import torch

_ARRAY_ENTRIES = 1 << 26
"""Entries of a single-precision array for the bandwidth: 256 MiB, far more than a cache."""

_GEMM_SIZE = 2048


@dataclass(frozen=True)
class Limits:
    """Measured limits of the machine, with torch's number of threads.

    Attributes:
        copy: Bytes read and written in a second by a copy.
        triad: Bytes read and written in a second by a + s b.
        gemm: Floating-point operations in a second of a product of two square matrices in single precision.
    """

    copy: float
    triad: float
    gemm: float

    @property
    def bandwidth(self) -> float:
        """The higher bandwidth, in bytes a second."""
        return max(self.copy, self.triad)


def measure(repetitions: int = 7, entries: int = _ARRAY_ENTRIES) -> Limits:
    """Measures the limits: the best of several repetitions.

    Args:
        repetitions: Number of repetitions of each measurement.
        entries: Number of entries of an array for the bandwidth.
    """
    copy, triad = _bandwidths(entries, repetitions)
    left, right = torch.randn(2, _GEMM_SIZE, _GEMM_SIZE)
    product = torch.empty_like(left)
    gemm = 2 * _GEMM_SIZE**3 / _best(lambda: torch.mm(left, right, out=product), repetitions)
    return Limits(copy, triad, gemm)


def _bandwidths(entries: int, repetitions: int) -> tuple[float, float]:
    a, b, out = torch.ones(entries), torch.ones(entries), torch.zeros(entries)
    copy = _best(lambda: out.copy_(a), repetitions)
    triad = _best(lambda: torch.add(a, b, alpha=0.5, out=out), repetitions)
    return 2 * a.nbytes / copy, 3 * a.nbytes / triad


def _best(function: Callable[[], object], repetitions: int) -> float:
    function()
    seconds = []
    for _ in range(repetitions):
        start = perf_counter()
        function()
        seconds.append(perf_counter() - start)
    return min(seconds)
