"""Decides how numeric columns are scaled. Works on NumPy arrays alone, so that it needs no pandas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIMILAR = 10.0
"""Columns have a similar scale if the largest deviation is at most this many times the smallest."""

LARGE = 100.0
"""Numbers with a larger deviation than this are standardised in any case."""

LIMIT = 10.0
"""Standardised values are cut off at this many deviations, so that a slip of a digit does not decide all distances."""


@dataclass(frozen=True)
class NumberFacts:
    """What is known of the numbers of a column.

    Attributes:
        median: The median, which takes the place of missing values.
        mean: The mean, missing values replaced.
        deviation: The standard deviation; 0 for a constant column.
        largest: The largest absolute value.
        is_count: Whether the numbers look like counts or weights of words: none negative or large, half or more zero.
        is_truth: Whether all are 0 or 1.
    """

    median: float
    mean: float
    deviation: float
    largest: float
    is_count: bool
    is_truth: bool


def facts_of(numbers: NDArray[np.float64]) -> NumberFacts:
    """Describes the numbers of a column; NaN means missing.

    The numbers are sorted first, so that the order of the rows changes nothing, not even the last digit.
    """
    present = np.sort(numbers[~np.isnan(numbers)])
    if not len(present):
        return NumberFacts(0.0, 0.0, 0.0, 0.0, False, False)
    median = float(np.median(present))
    absent = len(numbers) - len(present)
    # Scaled by a power of two, squares of numbers such as 1e200 stay finite.
    unit = 2.0 ** np.floor(np.log2(max(abs(present[0]), abs(present[-1]), 1e-300)))
    scaled = present / unit
    centre = median / unit
    mean = (scaled.sum() + absent * centre) / len(numbers)
    variance = (((scaled - mean) ** 2).sum() + absent * (centre - mean) ** 2) / len(numbers)
    deviation = float(np.sqrt(variance)) if present[0] != present[-1] else 0.0
    zeros = int((present == 0).sum())
    largest = float(max(abs(present[0]), abs(present[-1])))
    return NumberFacts(
        median=median,
        mean=float(mean * unit),
        deviation=float(deviation * unit),
        largest=largest,
        is_count=present[0] >= 0 and 2 * zeros >= len(present) and largest <= LARGE,
        is_truth=bool(np.isin(present, (0.0, 1.0)).all()),
    )


def to_be_standardised(columns: list[NumberFacts], scale: str, others: bool) -> list[bool]:
    """Decides for each numeric column whether it is standardised.

    Args:
        columns: The facts of all numeric columns.
        scale: ``standard``, ``none`` or ``auto``. ``auto`` leaves the numbers as they are if all features are numbers
            whose deviations are similar and none is large, and it always leaves counts and truth values as they are.
        others: Whether the table has features of other kinds, such as categories.
    """
    if scale != "auto":
        return [scale == "standard"] * len(columns)
    measured = [facts.deviation for facts in columns if not (facts.is_count or facts.is_truth) and facts.deviation > 0]
    alike = not measured or (max(measured) <= SIMILAR * min(measured) and max(measured) <= LARGE)
    alike = alike and not others and all(facts.largest <= LARGE * 10 for facts in columns)
    return [not (alike or facts.is_count or facts.is_truth) for facts in columns]


def scaled(numbers: NDArray[np.float64], fill: float, mean: float, deviation: float) -> NDArray[np.float32]:
    """Fills missing numbers, subtracts the mean and divides by the deviation (0 and 1: leaves them as they are)."""
    values = np.where(np.isnan(numbers), fill, numbers)
    if (mean, deviation) == (0.0, 1.0):
        return np.clip(values, -3.4e38, 3.4e38).astype(np.float32)
    return np.clip((values - mean) / deviation, -LIMIT, LIMIT).astype(np.float32)


__all__ = ["LIMIT", "NumberFacts", "facts_of", "scaled", "to_be_standardised"]
