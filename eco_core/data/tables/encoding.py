"""The encoding of a table: a value that turns the columns of any such table into the same features.

It is saved as ``preparation.json`` and ``preparation.npz``: plain text and arrays, never a pickle.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eco_core._files import write_atomically, write_text
from eco_core.data.tables.scaling import scaled
from eco_core.data.tables.text import encode_texts
from eco_core.data.tables.values import numbers_of, texts_of
from eco_core.data.tables.word_embeddings import encode_embedded_texts
from eco_core.errors import DataError, Problem

PREPARATION, ARRAYS = "preparation.json", "preparation.npz"
FORMAT = 1


@dataclass(frozen=True, eq=False)
class ColumnEncoding:
    """How one column becomes features.

    Attributes:
        column: The column's name.
        kind: ``numeric``, ``vector``, ``boolean``, ``date``, ``categorical`` or ``text``.
        features: The names of its features.
        settings: What was learnt, as plain values: ``fill``, ``mean``, ``deviation``, ``categories``, ``format``,
            ``analyzer`` or ``model``, where the kind has them.
        arrays: What was learnt, as arrays: ``components`` of texts, with ``idf`` or ``mean``.
    """

    column: str
    kind: str
    features: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def encode(self, series: Any) -> NDArray[np.float32]:
        """Encodes a column.

        Args:
            series: A ``pandas.Series``; a value that cannot be read counts as missing.

        Returns:
            float32 (rows, features).
        """
        known = self.settings
        if self.kind == "categorical":
            codes, uniques = texts_of(series.astype(object))
            number = {text: place for place, text in enumerate(known["categories"])}
            others = len(number) if known.get("others") else -1
            table = np.array([*(number.get(text, others) for text in uniques), -1], dtype=np.int64)[codes]
            out = np.zeros((len(series), len(self.features)), dtype=np.float32)
            rows = np.flatnonzero(table >= 0)
            out[rows, table[rows]] = 1.0
            return out
        if self.kind == "text":
            codes, uniques = texts_of(series.astype(object))
            if "model" in known:
                encoded = encode_embedded_texts(uniques, dict(self.arrays), known["model"])
            else:
                encoded = encode_texts(uniques, dict(self.arrays), known["analyzer"])
            return np.concatenate([encoded, np.zeros((1, encoded.shape[1]), dtype=np.float32)])[codes]
        numbers = numbers_of(series, self.kind, known.get("format", ""))
        if self.kind == "vector":
            if numbers.ndim != 2 or numbers.shape[1] != len(self.features):
                raise DataError(
                    Problem(
                        "ECO303",
                        f"Column {self.column!r} holds no lists of {len(self.features)} numbers, as it did in the "
                        "table that the model was fitted on.",
                        "Give a table with the same columns.",
                    )
                )
            return scaled(numbers, known["fill"], known["mean"], known["deviation"])
        return scaled(numbers, known["fill"], known["mean"], known["deviation"])[:, None]


@dataclass(frozen=True, repr=False, eq=False)
class TableEncoding:
    """How the nodes tables of a model become features.

    Attributes:
        columns: The encodings of the columns that become features, in the order of the features.
        roles: The options that the first table was read with: the role of each column, by the names of
            `eco_core.data.tables.options.TableOptions`, as far as they say how another table is read.
        report: What was done with each column (``data.columns``).
    """

    columns: tuple[ColumnEncoding, ...]
    roles: Mapping[str, Any] = field(default_factory=dict)
    report: tuple[Mapping[str, Any], ...] = ()

    def __repr__(self) -> str:
        return f"TableEncoding({len(self.columns)} columns, {len(self.features)} features)"

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features."""
        return tuple(name for column in self.columns for name in column.features)

    @property
    def signed(self) -> bool:
        """Whether features are centred, so that the sums of a node's features mean nothing."""
        return any(
            column.kind in ("date", "text") or column.settings.get("mean", 0.0) != 0.0 for column in self.columns
        )

    def encode(self, table: Any, name: str = "The table") -> NDArray[np.float32]:
        """Encodes the nodes of a table exactly as those of the first table.

        Args:
            table: A ``pandas.DataFrame`` with at least the columns that became features; others are not read.
            name: The table's name, for messages.

        Returns:
            float32 (rows, features).

        Raises:
            DataError: ECO303, naming every column that is missing.
        """
        names = {str(column): column for column in table.columns}
        missing = [column.column for column in self.columns if column.column not in names]
        if missing:
            raise DataError(
                Problem(
                    "ECO303",
                    f"{name} has no column {' and no '.join(map(repr, missing))}; the model was fitted on a table that "
                    "has.",
                    "Give a table with the same columns; a column without values may be empty.",
                )
            )
        out = np.empty((len(table), len(self.features)), dtype=np.float32)
        first = 0
        for column in self.columns:
            out[:, first : first + len(column.features)] = column.encode(table[names[column.column]])
            first += len(column.features)
        return out

    def save(self, folder: Path) -> None:
        """Writes ``preparation.json`` and, if there are arrays, ``preparation.npz``.

        Args:
            folder: An existing folder.
        """
        arrays = {
            f"{place}.{key}": value for place, column in enumerate(self.columns) for key, value in column.arrays.items()
        }
        document = {
            "format": FORMAT,
            "roles": dict(self.roles),
            "columns": [dict(entry) for entry in self.report],
            "features": [
                {
                    "column": column.column,
                    "kind": column.kind,
                    "names": list(column.features),
                    "settings": dict(column.settings),
                    "arrays": list(column.arrays),
                }
                for column in self.columns
            ],
        }
        if arrays:
            write_atomically(folder / ARRAYS, lambda path: _save_arrays(path, arrays))
        write_text(folder / PREPARATION, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, **dict(arrays))  # type: ignore[arg-type]


def read_encoding(folder: Path) -> TableEncoding | None:
    """Reads the encoding of a run folder.

    Args:
        folder: The folder.

    Returns:
        The encoding; None if the run's graph was not made of a table.

    Raises:
        DataError: ECO302, if a file is damaged.
    """
    path = folder / PREPARATION
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise ValueError(f"it has format {document['format']}, expected {FORMAT}")
        arrays: dict[str, NDArray[Any]] = {}
        if any(column["arrays"] for column in document["features"]):
            with np.load(folder / ARRAYS, allow_pickle=False) as archive:
                arrays = {key: archive[key] for key in archive.files}
        columns = tuple(
            ColumnEncoding(
                column["column"],
                column["kind"],
                tuple(column["names"]),
                column["settings"],
                {key: arrays[f"{place}.{key}"] for key in column["arrays"]},
            )
            for place, column in enumerate(document["features"])
        )
        return TableEncoding(columns, document["roles"], tuple(document["columns"]))
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise DataError(
            Problem("ECO302", f"{path} cannot be read: {error}.", "Run the folder's spec.yaml again.")
        ) from error


def is_same(one: TableEncoding | None, other: TableEncoding | None) -> bool:
    """Whether two encodings give the same features."""
    if one is None or other is None:
        return one is other
    if len(one.columns) != len(other.columns):
        return False
    return all(_same_column(a, b) for a, b in zip(one.columns, other.columns, strict=True))


def _same_column(one: ColumnEncoding, other: ColumnEncoding) -> bool:
    plain = [{**asdict(c), "arrays": sorted(c.arrays), "settings": json.dumps(dict(c.settings))} for c in (one, other)]
    return plain[0] == plain[1] and all(np.array_equal(one.arrays[key], other.arrays[key]) for key in one.arrays)


def columns_of(report: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Copies a report as plain dictionaries."""
    return [dict(entry) for entry in report]


__all__ = ["ARRAYS", "PREPARATION", "ColumnEncoding", "TableEncoding", "columns_of", "is_same", "read_encoding"]
