"""Numbers for node ids, from compiled hash tables: no Python object for any of them."""

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
    """Texts as UTF-8.

    Attributes:
        data: Their bytes, uint8.
        starts: Where each begins, int64.
        ends: Where each ends, int64.
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
"""Ids of a part of a table: integers where each is written as an integer is, else texts."""


def as_ids(texts: list[str]) -> Ids:
    """Returns ids as integers, if each text is the only way to write its integer: ``"7"``, but not ``"007"``."""
    try:
        integers = [int(text) for text in texts]
        if [str(integer) for integer in integers] == texts:
            return np.array(integers, dtype=np.int64)
    except (ValueError, OverflowError):
        pass
    return Texts.of(texts)


def interleaved(one: Ids, other: Ids) -> Ids:
    """Returns the ids of two columns row by row."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.stack([one, other], axis=1).reshape(-1)
    first, second = _as_texts(one), _as_texts(other)
    starts = np.stack([first.starts, second.starts + len(first.data)], axis=1).reshape(-1)
    ends = np.stack([first.ends, second.ends + len(first.data)], axis=1).reshape(-1)
    return Texts(np.concatenate([first.data, second.data]), starts, ends)


def _as_texts(ids: Ids) -> Texts:
    return ids if isinstance(ids, Texts) else Texts.of(map(str, ids.tolist()))


class NodeIndex:
    """Ids in the order in which they come up, and from each to its number.

    The first text among integers makes texts of all: ``7`` in one column and ``"7"`` in another are one id.
    """

    def __init__(self) -> None:
        self._count = 0
        self._integers = np.empty(0, dtype=np.int64)
        # The table: numbers (-1: free), with the ids beside them where these are integers.
        self._numbers, self._keys = np.full(2, -1, dtype=np.int64), np.empty(2, dtype=np.int64)
        self._bytes: NDArray[np.uint8] | None = None
        self._ends = np.zeros(1, dtype=np.int64)

    def __len__(self) -> int:
        return self._count

    def add(self, ids: Ids) -> NDArray[np.int64]:
        """Numbers ids, new ones included; returns the numbers."""
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
        """Returns the number of each id; -1 where it has none."""
        if self._bytes is not None:
            return self._look_up(_as_texts(ids), add=False)
        if isinstance(ids, np.ndarray):
            return self._look_up(ids, add=False)
        found = np.full(len(ids), -1, dtype=np.int64)
        places, integers = _integers_among(ids)
        found[places] = self._look_up(integers, add=False)
        return found

    def ids(self) -> Ids | None:
        """Returns all ids, in order; None where they are 0, 1, 2 and so on."""
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
            # Entered anew, each gets the number and the place that it has.
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
    """How the files of a graph name its nodes.

    Attributes:
        count: How many there are.
        index: Their ids; None: they are numbered from 0.
        path: The file that they are from; None: nodes are whatever edges name.
    """

    count: int
    index: NodeIndex | None
    path: Path | None

    def holds(self, ids: Ids) -> bool:
        """Whether all ids are those of nodes, or could be where any can."""
        if self.path is None:
            return isinstance(ids, np.ndarray)
        return bool((self._find(ids) >= 0).all())

    def numbers(self, ids: Ids, file: str, first: int, what: str) -> NDArray[np.int64]:
        """Returns the number of each node.

        Args:
            ids: From some rows of a file.
            file: Its name, for messages.
            first: Number of the first row.
            what: What the nodes are there.

        Raises:
            DataError: ECO305, for an id that is not a node's.
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
                    "Give every node a row of features, or leave it out here.",
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
    """Where there are integers among texts, and which."""
    single = {place: one for place, text in enumerate(texts) if isinstance(one := as_ids([text]), np.ndarray)}
    return list(single), np.concatenate([np.empty(0, dtype=np.int64), *single.values()])


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Some readers give arrays that cannot be written: kernels would be compiled for both kinds."""
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
