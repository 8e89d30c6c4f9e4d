"""Numbers node ids by compiled hash tables, without a Python object for each id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from eco_core.errors import DataError, Problem


@dataclass(frozen=True)
class Texts:
    """A list of texts, stored as UTF-8 in one array.

    Attributes:
        data: The bytes of all texts, uint8.
        starts: The position in ``data`` where each text begins, int64.
        ends: The position in ``data`` where each text ends, int64.
    """

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Texts:
        """Encodes texts."""
        encoded = [text.encode() for text in texts]
        ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
        return cls(np.frombuffer(b"".join(encoded), dtype=np.uint8), ends[:-1], ends[1:])

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, position: int) -> str:
        return self.data[self.starts[position] : self.ends[position]].tobytes().decode()

    def __iter__(self) -> Iterator[str]:
        return (self[position] for position in range(len(self)))


Ids: TypeAlias = "NDArray[np.int64] | Texts"
"""The ids of some rows of a table: integers if every id is written as a plain integer, else texts."""


def as_ids(texts: list[str]) -> Ids:
    """Returns ids as integers if every text is a plain integer (``"7"``, but not ``"007"``), else as texts."""
    try:
        integers = [int(text) for text in texts]
        if [str(integer) for integer in integers] == texts:
            return np.array(integers, dtype=np.int64)
    except (ValueError, OverflowError):
        pass
    return Texts.of(texts)


def interleaved(left: Ids, right: Ids) -> Ids:
    """Returns the ids of two columns row by row: left[0], right[0], left[1], right[1], ..."""
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return np.stack([left, right], axis=1).reshape(-1)
    first, second = _as_texts(left), _as_texts(right)
    starts = np.stack([first.starts, second.starts + len(first.data)], axis=1).reshape(-1)
    ends = np.stack([first.ends, second.ends + len(first.data)], axis=1).reshape(-1)
    return Texts(np.concatenate([first.data, second.data]), starts, ends)


def _as_texts(ids: Ids) -> Texts:
    return ids if isinstance(ids, Texts) else Texts.of(map(str, ids.tolist()))


class NodeIndex:
    """Numbers ids in the order of their first occurrence, and finds the number of an id.

    When the first text is added, all earlier integers become texts, so that ``7`` in one column and ``"7"`` in another
    column are the same id.
    """

    def __init__(self) -> None:
        self._count = 0
        self._integers = np.empty(0, dtype=np.int64)
        # The hash table: numbers (-1: free), and the integer ids as keys; texts are compared through _bytes and _ends.
        self._numbers, self._keys = np.full(2, -1, dtype=np.int64), np.empty(2, dtype=np.int64)
        self._bytes: NDArray[np.uint8] | None = None
        self._ends = np.zeros(1, dtype=np.int64)

    def __len__(self) -> int:
        return self._count

    def add(self, ids: Ids) -> NDArray[np.int64]:
        """Returns the number of each id; new ids get new numbers."""
        if self._bytes is None and isinstance(ids, Texts):
            known = _as_texts(self._integers[: self._count])
            self._count, self._bytes, self._numbers = 0, np.empty(0, dtype=np.uint8), np.empty(0, dtype=np.int64)
            self._integers = self._keys = np.empty(0, dtype=np.int64)
            self.add(known)
        if self._bytes is not None:
            ids = _as_texts(ids)
        self._make_room(ids)
        return self._look_up(ids, add=True)

    def find(self, ids: Ids) -> NDArray[np.int64]:
        """Returns the number of each id; -1 for an unknown id."""
        if self._bytes is not None:
            return self._look_up(_as_texts(ids), add=False)
        if isinstance(ids, np.ndarray):
            return self._look_up(ids, add=False)
        found = np.full(len(ids), -1, dtype=np.int64)
        places, integers = _integers_among(ids)
        found[places] = self._look_up(integers, add=False)
        return found

    def ids(self) -> Ids | None:
        """Returns all ids, in order; None if they are the integers 0, 1, 2 and so on."""
        if self._bytes is not None:
            ends = self._ends[: self._count + 1]
            return Texts(self._bytes[: ends[-1]], ends[:-1], ends[1:])
        known = self._integers[: self._count]
        return None if np.array_equal(known, np.arange(self._count)) else known

    def _make_room(self, ids: Ids) -> None:
        count = self._count + len(ids)
        if isinstance(ids, Texts) and self._bytes is not None:
            used = int(self._ends[self._count])
            self._bytes = _grown(self._bytes, used, used + int((ids.ends - ids.starts).sum()))
            self._ends = _grown(self._ends, self._count + 1, count + 1)
        else:
            self._integers = _grown(self._integers, self._count, count)
        if len(self._numbers) < 2 * count:
            size = 1 << (2 * count).bit_length()
            # Re-enter all ids in their order, so that each keeps its number.
            known = self.ids() if self._bytes is not None else self._integers[: self._count].copy()
            self._numbers = np.full(size, -1, dtype=np.int64)
            self._keys = np.empty(size if self._bytes is None else 0, dtype=np.int64)
            self._count = 0
            if known is not None:
                self._look_up(known, add=True)

    def _look_up(self, ids: Ids, add: bool) -> NDArray[np.int64]:
        from eco_core.data import _node_id_kernels as kernels

        out = np.empty(len(ids), dtype=np.int64)
        if isinstance(ids, Texts):
            texts = (_read_only(ids.data), _read_only(ids.starts), _read_only(ids.ends))
            known = (self._numbers, self._bytes, self._ends, self._count)
            self._count = kernels.number_texts(*texts, *known, add, out)
        else:
            table = (self._numbers, self._keys, self._integers, self._count)
            self._count = kernels.number_integers(_read_only(ids), *table, add, out)
        return out


@dataclass(frozen=True)
class Nodes:
    """The nodes of a graph that is being read from files.

    Attributes:
        count: Number of nodes, if ``index`` is None.
        index: The ids of the nodes; None: the ids are the numbers from 0.
        path: The file of features, which lists the nodes; None: every id that an edge names is a node.
    """

    count: int
    index: NodeIndex | None
    path: Path | None

    def holds(self, ids: Ids) -> bool:
        """Whether all ids are ids of nodes. If ``path`` is None, every integer is taken for the id of a node."""
        if self.path is None:
            return isinstance(ids, np.ndarray)
        return bool((self._find(ids) >= 0).all())

    def numbers(self, ids: Ids, file: str, first: int, what: str) -> NDArray[np.int64]:
        """Returns the number of each node.

        Args:
            ids: The ids in some rows of a file.
            file: The name of the file, for messages.
            first: Number of the first row.
            what: The role of the nodes in the file, such as ``"source"``, for messages.

        Raises:
            DataError: ECO305, if an id is not the id of a node.
        """
        found = self._find(ids)
        unknown = np.flatnonzero(found < 0)
        if len(unknown):
            at = int(unknown[0])
            nodes = "one of the nodes" if self.path is None else f"a node of {self.path}"
            raise DataError(
                Problem(
                    "ECO305",
                    f"{file}, row {first + at}: {what} {str(ids[at])!r} is not {nodes}.",
                    "Give every node a row of features, or leave this row out.",
                )
            )
        return found

    def _find(self, ids: Ids) -> NDArray[np.int64]:
        if self.index is not None:
            return self.index.find(ids)
        if isinstance(ids, Texts):
            places, among = _integers_among(ids)
            integers = np.full(len(ids), -1, dtype=np.int64)
            integers[places] = among
        else:
            integers = ids
        return np.where((integers >= 0) & (integers < self.count), integers, -1)


def _integers_among(texts: Texts) -> tuple[list[int], NDArray[np.int64]]:
    """Returns the positions of the texts that are plain integers, and these integers."""
    single = {place: ids for place, text in enumerate(texts) if isinstance(ids := as_ids([text]), np.ndarray)}
    return list(single), np.concatenate([np.empty(0, dtype=np.int64), *single.values()])


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Returns a read-only view. Some readers return read-only arrays; kernels would be compiled for both kinds."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def _grown(array: NDArray[Any], used: int, needed: int) -> NDArray[Any]:
    if len(array) >= needed:
        return array
    grown = np.empty(max(needed, len(array) + len(array) // 2), dtype=array.dtype)
    grown[:used] = array[:used]
    return grown


__all__ = ["Ids", "NodeIndex", "Nodes", "Texts", "as_ids", "interleaved"]
