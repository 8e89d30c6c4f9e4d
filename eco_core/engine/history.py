"""The record of a training: one row per epoch."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

_FIRST = ("stage", "epoch", "loss")
_LAST = ("seconds",)


class History(list[dict[str, Any]]):
    """Rows ``{"stage", "epoch", "loss", <components>, "seconds"}``; each stage has its own loss components.

    Attributes:
        stopped: If a callback stopped the training, a sentence that says where and why; else empty.
    """

    stopped: str = ""

    @property
    def columns(self) -> list[str]:
        """All columns of all rows, in the order of the file."""
        components = dict.fromkeys(key for row in self for key in row if key not in (*_FIRST, *_LAST))
        return [*_FIRST, *components, *_LAST]

    def stage(self, name: str) -> list[dict[str, Any]]:
        """The rows of one stage."""
        return [row for row in self if row["stage"] == name]

    def to_csv(self, path: Path) -> None:
        """Writes the rows as CSV; figures in full precision, so that equal runs write equal files."""
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(self)

    @classmethod
    def from_csv(cls, path: Path) -> History:
        """Reads a file that `to_csv` wrote."""
        history = cls()
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                values = {key: float(value) for key, value in row.items() if key not in ("stage", "epoch") and value}
                history.append({"stage": row["stage"], "epoch": int(row["epoch"]), **values})
        return history
