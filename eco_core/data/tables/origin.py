"""The place that a table comes from, for messages that name the file and the line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from eco_core.errors import Problem


@dataclass(frozen=True)
class Origin:
    """Where the rows of a table come from.

    Attributes:
        name: The file, or words such as ``"the nodes table"``.
        line_of: Finds the line of a row in a text file, where row 0 is the first after the header. None: the table has
            rows instead of lines.
    """

    name: str
    line_of: Callable[[int], int] | None = None

    def place(self, row: int) -> str:
        """Names a row: ``"nodes.csv, line 3"``, or ``"nodes.parquet, row 2"`` (the first row is row 1)."""
        return f"{self.name}, {self.row(row)}"

    def row(self, row: int) -> str:
        """Names a row without the file."""
        return f"row {row + 1}" if self.line_of is None else f"line {self.line_of(row)}"

    def problem(self, code: str, row: int, message: str, more: int = 0, fix: str = "") -> Problem:
        """Makes a problem that names its first row and counts the others.

        Args:
            code: The code of the problem.
            row: The first row that has it.
            message: What is wrong with that row, without the full stop.
            more: How many other rows have it.
            fix: What to do.
        """
        others = f" ({more:,} more row{'' if more == 1 else 's'} like this)" if more else ""
        return Problem(code, f"{self.place(row)}: {message}{others}.", fix)


def shortened(value: object, limit: int = 40) -> str:
    """Writes a value for a message, in at most ``limit`` characters."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 4] + "..." + text[-1]


__all__ = ["Origin", "shortened"]
