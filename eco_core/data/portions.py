"""How much of a large graph is read, sorted and written together."""

from __future__ import annotations

from typing import NamedTuple


class Portions(NamedTuple):
    """Sizes that bound the memory of a conversion. They do not change what is written.

    Attributes:
        rows: Rows of a table, or edges of a list, at most.
        values: Numbers of a table or of a matrix of features; of wide ones, fewer rows are read together.
        csv_bytes: Bytes of a CSV file that pyarrow parses together.
        sorted_edges: Entries of the adjacency that are sorted together, unless one node has more.
    """

    rows: int = 2**20
    values: int = 2**24
    csv_bytes: int = 2**23
    sorted_edges: int = 2**22


__all__ = ["Portions"]
