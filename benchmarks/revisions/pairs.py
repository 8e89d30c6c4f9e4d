"""Figures that are measured in pairs, and the table of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, TypeVar

_COLUMNS = ("figure", "pairs", "before", "after", "after / before", "lowest before", "lowest after", "after / before")
LEGEND = """\
Each pair is measured on one side and directly afterwards on the other side, in the order before, after, after, before.
Before and after are medians of all pairs. The first ratio is the median of the pairs' ratios with [lowest, highest].
The second is the ratio of the lowest figures, which other processes of the machine disturb least. Above 1, after takes
more."""

_Side = TypeVar("_Side")


@dataclass(frozen=True)
class Pair:
    """One figure, measured on both sides.

    Attributes:
        figure: What was measured, with its unit.
        number: Number of the pair, from 0.
        before: The figure of the installation before.
        after: The figure of the installation after.
    """

    figure: str
    number: int
    before: float
    after: float

    def document(self) -> dict[str, Any]:
        """Returns the pair as a line of the file."""
        return asdict(self)


def in_pairs(measure: Callable[[_Side], dict[str, float]], sides: Sequence[_Side], count: int) -> Iterator[list[Pair]]:
    """Measures pairs, in the order before, after, after, before: an even drift affects both sides equally.

    Args:
        measure: Returns figures by name, with the same names for both sides.
        sides: The arguments of ``measure``, for the side before and the side after.
        count: Number of pairs.

    Yields:
        The figures of each pair.
    """
    before, after = sides
    for number in range(count):
        if number % 2 == 0:
            first, second = measure(before), measure(after)
        else:
            second, first = measure(after), measure(before)
        yield [Pair(figure, number, first[figure], second[figure]) for figure in first]


def table(pairs: Sequence[Pair]) -> str:
    """Returns the markdown table: a row for each figure.

    Args:
        pairs: In the order of the table.
    """
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|---|" + "---:|" * (len(_COLUMNS) - 1)]
    for figure in dict.fromkeys(pair.figure for pair in pairs):
        lines.append("| " + " | ".join(_row(figure, [pair for pair in pairs if pair.figure == figure])) + " |")
    return "\n".join(lines)


def _row(figure: str, pairs: Sequence[Pair]) -> list[str]:
    before, after = [pair.before for pair in pairs], [pair.after for pair in pairs]
    ratios = [pair.after / pair.before for pair in pairs]
    return [
        figure,
        str(len(pairs)),
        _number(median(before)),
        _number(median(after)),
        f"{median(ratios):.3f} [{min(ratios):.3f}, {max(ratios):.3f}]",
        _number(min(before)),
        _number(min(after)),
        f"{min(after) / min(before):.3f}",
    ]


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
