"""Compares the ids of two tables, whatever their types: integers, floats, texts or bytes."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eco_core.data.tables.values import factorized, written

_WHOLE = re.compile(r"-?\d+\.0+")
_MISSING = frozenset({"", "nan", "<na>", "none", "null"})


@dataclass(frozen=True)
class IdColumn:
    """The ids of a column, each different id once.

    Attributes:
        codes: The position of each row's id in ``texts``, int64; -1 where the id is missing.
        texts: The different ids, as the user writes them.
    """

    codes: NDArray[np.int64]
    texts: tuple[str, ...]

    @property
    def is_unique(self) -> bool:
        """Whether every row has an id of its own."""
        return len(self.texts) == len(self.codes) and not bool((self.codes < 0).any())

    def rows(self) -> list[str]:
        """The id of each row; only for columns without missing ids."""
        if len(self.texts) == len(self.codes) and np.array_equal(self.codes, np.arange(len(self.codes))):
            return list(self.texts)
        return [self.texts[code] for code in self.codes.tolist()]


def ids_of(series: Any) -> IdColumn:
    """Reads a column as ids: spaces around texts are removed, bytes are decoded, ``1.0`` is ``1``.

    Args:
        series: A ``pandas.Series`` of any type.
    """
    import pandas as pd

    codes, uniques = factorized(series)
    if pd.api.types.is_integer_dtype(series.dtype) and not isinstance(series.dtype, pd.CategoricalDtype):
        return IdColumn(codes, tuple(map(str, np.asarray(uniques).tolist())))
    # As Python objects first: going through the values of an Arrow column one by one takes ten times as long.
    texts = [written(value) for value in np.asarray(uniques, dtype=object).tolist()]
    if texts and all(_WHOLE.fullmatch(text) for text in texts):
        texts = [text.partition(".")[0] for text in texts]
    if len(set(texts)) == len(texts) and not any(len(text) <= 4 and text.lower() in _MISSING for text in texts):
        return IdColumn(codes, tuple(texts))
    number: dict[str, int] = {}
    places = [-1 if text.lower() in _MISSING else number.setdefault(text, len(number)) for text in texts]
    return IdColumn(np.array([*places, -1], dtype=np.int64)[codes], tuple(number))


class NodeNumbers:
    """Numbers the nodes of a graph.

    Args:
        ids: The id of each node; no id occurs twice.
    """

    def __init__(self, ids: list[str]) -> None:
        self.ids = ids
        self._number = dict(zip(ids, range(len(ids)), strict=True))

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, text: str) -> bool:
        return text in self._number

    def find(self, column: IdColumn) -> NDArray[np.int64]:
        """Returns the number of the node in each row: -1 for an unknown id, -2 for a missing one."""
        known = [self._number.get(text, -1) for text in column.texts]
        return np.array([*known, -2], dtype=np.int64)[column.codes]

    def holds(self, column: IdColumn, least: float = 1.0) -> bool:
        """Whether at least this share of the different ids are ids of nodes."""
        known = sum(text in self._number for text in column.texts)
        return known >= least * len(column.texts)


def may_be_ids(series: Any) -> bool:
    """Whether a column may hold ids: neither numbers with fractions, nor truth values, nor lists.

    Args:
        series: A ``pandas.Series``.
    """
    import pandas as pd

    if pd.api.types.is_float_dtype(series.dtype):
        present = series.dropna()
        return not bool((present != np.floor(present)).any())
    if series.dtype == object:
        kinds = set(map(type, series))
        return all(issubclass(kind, Hashable) and not issubclass(kind, tuple) for kind in kinds)
    return not pd.api.types.is_bool_dtype(series.dtype)


def in_order(texts: set[str]) -> list[str]:
    """Sorts ids: as integers if all are integers, else as texts. So the order of the rows does not matter."""
    try:
        return sorted(texts, key=lambda text: (int(text), text))
    except ValueError:
        return sorted(texts)


__all__ = ["IdColumn", "NodeNumbers", "ids_of", "in_order", "may_be_ids"]
