"""Measures a case: checks that the results of all ways agree, then runs all ways in turn, round after round."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.kernels.case import Case, DisagreementError, Way, Work

_SHORTEST = 0.005
"""Least seconds of a measurement: shorter functions run several times in a row."""

_CERTAIN = 3.0
"""If the first run, which may compile, takes more seconds than this, it serves as the estimate of later runs."""


@dataclass(frozen=True)
class Effort:
    """The number of rounds of a case.

    Attributes:
        least: Least number of rounds.
        most: Largest number of rounds.
        seconds: Within these limits, rounds are run for about this time.
    """

    least: int = 3
    most: int = 25
    seconds: float = 3.0


@dataclass
class Measured:
    """The times of one way.

    Attributes:
        way: The way.
        seconds: Seconds of one run, in each round.
        remark: The remark that the check returned.
    """

    way: Way
    seconds: list[float] = field(default_factory=list)
    remark: str = ""


@dataclass
class Result:
    """A measured case.

    Attributes:
        case: Its name.
        work: The least work.
        eco: ECO's times.
        others: The times of the other ways, in the same rounds; empty if a way is not run.
    """

    case: str
    work: Work
    eco: Measured
    others: list[Measured]

    @property
    def seconds(self) -> float:
        """The median of ECO's times."""
        return median(self.eco.seconds)

    def ratios(self, other: Measured) -> list[float]:
        """Returns another way's time divided by ECO's, in each round."""
        return [theirs / ours for ours, theirs in zip(self.eco.seconds, other.seconds, strict=True)]


def measure(case: Case, effort: Effort) -> Result:
    """Checks and measures a case.

    Args:
        case: The case.
        effort: The number of rounds.

    Raises:
        DisagreementError: Another way has a different result.
    """
    measured = [Measured(Way("ECO", case.eco)), *(Measured(way) for way in case.others)]
    running: list[tuple[Measured, Callable[[], Any], int]] = []
    expected, ours, work = 0.0, None, Work(0)
    for entry in measured:
        run = entry.way.run
        if run is None:
            continue
        seconds, result = _timed(run)
        if run is case.eco:
            ours, work = result, case.work_of(result)
        else:
            try:
                entry.remark = case.check(ours, result)
            except DisagreementError as error:
                raise DisagreementError(f"{case.name}: ECO and {entry.way.name} do not agree: {error}") from error
        del result
        if seconds < _CERTAIN:
            seconds = _timed(run)[0]
        times = ceil(_SHORTEST / seconds)
        running.append((entry, run, times))
        expected += seconds * times
    del ours
    rounds = max(effort.least, min(effort.most, round(effort.seconds / expected)))
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for entry, run, times in running:
                entry.seconds.append(_mean_seconds(run, times) * entry.way.scale)
    finally:
        gc.enable()
    return Result(case.name, work, measured[0], measured[1:])


def _timed(run: Callable[[], Any]) -> tuple[float, Any]:
    start = perf_counter()
    result = run()
    return perf_counter() - start, result


def _mean_seconds(run: Callable[[], Any], times: int) -> float:
    start = perf_counter()
    for _ in range(times):
        run()
    return (perf_counter() - start) / times
