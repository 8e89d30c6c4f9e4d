"""Numbers for node ids: integers in a compiled hash table, texts in a dictionary."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ids: TypeAlias = "NDArray[np.int64] | list[str]"
"""Ids of a part of a table: integers where each is written as an integer is, else texts."""


def as_ids(texts: list[str]) -> Ids:
    """Returns ids as integers, if each text is the only way to write its integer: ``"7"``, but not ``"007"``."""
    try:
        integers = [int(text) for text in texts]
        if [str(integer) for integer in integers] == texts:
            return np.array(integers, dtype=np.int64)
    except (ValueError, OverflowError):
        pass
    return texts


class NodeIndex:
    """Ids in the order in which they come up, and from each to its number."""

    def __init__(self) -> None:
        self.count = 0
        self._integers = np.empty(0, dtype=np.int64)
        self._keys, self._numbers = np.empty(2, dtype=np.int64), np.full(2, -1, dtype=np.int64)
        self._texts: dict[str, int] | None = None

    def __len__(self) -> int:
        return self.count

    def add(self, ids: Ids) -> NDArray[np.int64]:
        """Numbers ids, new ones included; returns the numbers."""
        if self._texts is None and isinstance(ids, np.ndarray):
            self._make_room(self.count + len(ids))
            return self._look_up(ids, add=True)
        if self._texts is None:
            self._texts = {str(identifier): number for number, identifier in enumerate(self._known().tolist())}
            self._integers = self._keys = self._numbers = np.empty(0, dtype=np.int64)
        texts = self._texts
        numbers = [texts.setdefault(str(identifier), len(texts)) for identifier in ids]
        self.count = len(texts)
        return np.array(numbers, dtype=np.int64)

    def find(self, ids: Ids) -> NDArray[np.int64]:
        """Returns the number of each id; -1 where it has none."""
        if self._texts is not None:
            return np.array([self._texts.get(str(identifier), -1) for identifier in ids], dtype=np.int64)
        if isinstance(ids, np.ndarray):
            return self._look_up(ids, add=False)
        # Some of these are written as integers are.
        single = [as_ids([text]) for text in ids]
        found = [self._look_up(one, add=False)[0] if isinstance(one, np.ndarray) else -1 for one in single]
        return np.array(found, dtype=np.int64)

    def ids(self) -> Ids | None:
        """Returns all ids, in order; None where they are 0, 1, 2 and so on."""
        if self._texts is not None:
            return list(self._texts)
        known = self._known()
        return None if np.array_equal(known, np.arange(self.count)) else known

    def _known(self) -> NDArray[np.int64]:
        return self._integers[: self.count]

    def _make_room(self, count: int) -> None:
        if len(self._integers) < count:
            grown = np.empty(max(count, 2 * len(self._integers)), dtype=np.int64)
            grown[: self.count] = self._known()
            self._integers = grown
        if len(self._keys) < 2 * count:
            known, size = self._known().copy(), 1 << (2 * count).bit_length()
            self._keys, self._numbers = np.empty(size, dtype=np.int64), np.full(size, -1, dtype=np.int64)
            self.count = 0
            self._look_up(known, add=True)

    def _look_up(self, ids: NDArray[np.int64], add: bool) -> NDArray[np.int64]:
        from eco_core.data import _convert_kernels as kernels

        out = np.empty(len(ids), dtype=np.int64)
        table = (self._keys, self._numbers, self._integers)
        self.count = kernels.number_ids(np.ascontiguousarray(ids), *table, self.count, add, out)
        return out


__all__ = ["Ids", "NodeIndex", "as_ids"]
