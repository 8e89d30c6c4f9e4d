"""Measures a case: checks that all ways agree, then runs them in turn, again and again."""

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
"""Seconds of a measurement at least: what takes less is run several times in a row."""

_CERTAIN = 3.0
"""Seconds above which a first run, which may compile, is taken for the duration of the next ones."""


@dataclass(frozen=True)
class Effort:
    """How often the ways of a case are run.

    Attributes:
        least: Rounds at least.
        most: Rounds at most.
        seconds: Between these, as many rounds as take this time.
    """

    least: int = 3
    most: int = 25
    seconds: float = 3.0


@dataclass
class Measured:
    """The times of one way.

    Attributes:
        way: The way.
        seconds: Of one run, in each round.
        remark: What the check said.
    """

    way: Way
    seconds: list[float] = field(default_factory=list)
    remark: str = ""


@dataclass
class Result:
    """A measured case.

    Attributes:
        case: Its name.
        work: What has to be done at least.
        eco: ECO's times.
        others: Those of the other ways, in the same rounds; no times where a way is not run.
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
        """Another way's time divided by ECO's, in each round."""
        return [theirs / ours for ours, theirs in zip(self.eco.seconds, other.seconds, strict=True)]


def measure(case: Case, effort: Effort) -> Result:
    """Checks and measures a case.

    Args:
        case: What is measured.
        effort: How often.

    Raises:
        DisagreementError: Another way has another result.
    """
    measured = [Measured(Way("ECO", case.eco)), *(Measured(way) for way in case.others)]
    running: list[tuple[Measured, Callable[[], Any], int]] = []
    expected, ours, work = 0.0, None, Work(0)
    for one in measured:
        run = one.way.run
        if run is None:
            continue
        seconds, result = _timed(run)
        if run is case.eco:
            ours, work = result, case.work_of(result)
        else:
            try:
                one.remark = case.check(ours, result)
            except DisagreementError as error:
                raise DisagreementError(f"{case.name}: ECO and {one.way.name} do not agree: {error}") from error
        del result
        if seconds < _CERTAIN:
            seconds = _timed(run)[0]
        times = ceil(_SHORTEST / seconds)
        running.append((one, run, times))
        expected += seconds * times
    del ours
    rounds = max(effort.least, min(effort.most, round(effort.seconds / expected)))
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for one, run, times in running:
                one.seconds.append(_mean_seconds(run, times) * one.way.scale)
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
