"""A cell, that is, one run of a benchmark: its name, its spec and its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Cell:
    """One run of a benchmark: a method on a data set with a training seed.

    Attributes:
        run: Label of the method.
        data: Label of the data set.
        seed: Training seed.
        spec: The whole spec, with every default written out.
    """

    run: str
    data: str
    seed: int
    spec: dict[str, Any]

    @property
    def place(self) -> Path:
        """The run folder of the cell, relative to the benchmark's folder."""
        return Path("cells", file_name(self.run), file_name(self.data), f"seed-{self.seed}")

    def __str__(self) -> str:
        return f"{self.run} on {self.data}, seed {self.seed}"


def file_name(label: str) -> str:
    """Turns a label into a valid name of a folder."""
    name = "".join(c if c.isalnum() or c in "-_.+" else "-" for c in label)
    return f"-{name}" if name.startswith(".") else name
