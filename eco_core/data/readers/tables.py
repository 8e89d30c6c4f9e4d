"""Reads tables of node ids and numbers in chunks: CSV, and Parquet if pyarrow is installed."""

from __future__ import annotations

import importlib.util
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eco_core.data.node_ids import Ids, Texts, as_ids
from eco_core.data.portions import Portions
from eco_core.data.readers.csv_graph import csv_table
from eco_core.errors import DataError, Problem


class Chunk(NamedTuple):
    """Some rows of a table.

    Attributes:
        first: Number of the chunk's first row; the first row after the header is 1.
        ids: The ids of each requested column of ids.
        numbers: The numbers, float64, of shape (rows, columns of numbers). A column of lists of length n gives n
            columns.
    """

    first: int
    ids: list[Ids]
    numbers: NDArray[np.float64]


class Table(ABC):
    """A table with named columns.

    Args:
        path: The file of the table.
        columns: The names of the columns.
        portions: How much is read together.
    """

    def __init__(self, path: Path, columns: Sequence[str], portions: Portions) -> None:
        self.path, self.columns, self.portions = path, list(columns), portions

    @abstractmethod
    def chunks(self, ids: Sequence[int], numbers: Sequence[int]) -> Iterator[Chunk]:
        """Yields the rows in order.

        Args:
            ids: Positions of columns that hold node ids, or other texts.
            numbers: Positions of columns that hold numbers.

        Raises:
            DataError: ECO302, if the table cannot be read.
        """

    def rows_of_a_chunk(self) -> int:
        """Number of rows that are read at a time."""
        return max(1, min(self.portions.rows, self.portions.values // len(self.columns)))


def open_table(path: Path, portions: Portions = Portions()) -> Table:
    """Opens a CSV file with a header, or a Parquet file.

    Args:
        path: The file.
        portions: How much is read together.

    Raises:
        DataError: ECO302, if the file cannot be read, or if it needs pyarrow and pyarrow is not installed.
    """
    with_arrow = importlib.util.find_spec("pyarrow") is not None
    if path.suffix.lower() == ".parquet":
        if not with_arrow:
            raise DataError(
                Problem("ECO302", f"Reading {path} needs pyarrow, which is not installed.", "pip install pyarrow")
            )
        return _ParquetTable(path, portions)
    with csv_table(path) as (header, _):
        columns = header
    return (_ArrowCsvTable if with_arrow else _CsvTable)(path, columns, portions)


def open_array(path: Path) -> NDArray[Any]:
    """Maps an ``.npy`` file.

    Raises:
        DataError: ECO302, if it cannot be read.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, reason: object) -> DataError:
    """Makes the error for a table that cannot be read."""
    lines = str(reason).strip().splitlines() or [type(reason).__name__]
    return DataError(Problem("ECO302", f"Cannot read {path}: {lines[0].rstrip('.')}.", "Mend the table."))


class _CsvTable(Table):
    """A CSV table that Python's own parser reads."""

    def chunks(self, ids: Sequence[int], numbers: Sequence[int]) -> Iterator[Chunk]:
        width, size = len(self.columns), self.rows_of_a_chunk()
        with csv_table(self.path) as (_, reader):
            first = 1
            rows = (row for row in reader if row)
            while chunk := list(itertools.islice(rows, size)):
                wrong = next((position for position, row in enumerate(chunk) if len(row) != width), None)
                if wrong is not None:
                    found = len(chunk[wrong])
                    raise unreadable(self.path, f"row {first + wrong} has {found} columns; the header has {width}")
                texts = [as_ids([row[column] for row in chunk]) for column in ids]
                yield Chunk(first, texts, self._numbers(chunk, numbers, first))
                first += len(chunk)

    def _numbers(self, chunk: list[list[str]], numbers: Sequence[int], first: int) -> NDArray[np.float64]:
        try:
            return np.array([[float(row[column]) for column in numbers] for row in chunk], dtype=np.float64).reshape(
                len(chunk), len(numbers)
            )
        except ValueError:
            for position, row in enumerate(chunk):
                for column in numbers:
                    try:
                        float(row[column])
                    except ValueError:
                        raise unreadable(
                            self.path,
                            f"row {first + position}, column {self.columns[column]!r} is {row[column]!r}; expected a "
                            "number",
                        ) from None
            raise


class _ArrowCsvTable(Table):
    """A CSV table that pyarrow reads, ten times as fast."""

    def chunks(self, ids: Sequence[int], numbers: Sequence[int]) -> Iterator[Chunk]:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        names = [f"c{position}" for position in range(len(self.columns))]  # Column names may be repeated.
        types: dict[str, Any] = {name: pa.string() for name in names}
        types.update({names[column]: pa.float64() for column in numbers})
        try:
            # With threads, pyarrow would read ahead and hold one block for each core in memory.
            reader = arrow_csv.open_csv(
                self.path,
                arrow_csv.ReadOptions(
                    column_names=names, skip_rows=1, block_size=self.portions.csv_bytes, use_threads=False
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=types, null_values=[], include_columns=[names[column] for column in (*ids, *numbers)]
                ),
            )
            first = 1
            for batch in reader:
                yield _chunk_of(batch, len(ids), first, self.path)
                first += batch.num_rows
        except pa.ArrowInvalid as error:
            if "Empty CSV file" not in str(error):  # pyarrow raises this for a header without rows, which is valid.
                raise unreadable(self.path, self._named(str(error))) from error
        except OSError as error:
            raise unreadable(self.path, error) from error

    def _named(self, message: str) -> str:
        for position, name in enumerate(self.columns):
            message = message.replace(f"column #{position}:", f"column {name!r}:")
        return message


class _ParquetTable(Table):
    def __init__(self, path: Path, portions: Portions) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        try:
            self._file = parquet.ParquetFile(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise unreadable(path, error) from error
        self._schema = self._file.schema_arrow
        super().__init__(path, self._schema.names, portions)

    def rows_of_a_chunk(self) -> int:
        widths = [getattr(field.type, "list_size", 1) for field in self._schema]
        return max(1, min(self.portions.rows, self.portions.values // sum(widths)))

    def chunks(self, ids: Sequence[int], numbers: Sequence[int]) -> Iterator[Chunk]:
        import pyarrow as pa

        names = [self.columns[column] for column in (*ids, *numbers)]
        first = 1
        try:
            for batch in self._file.iter_batches(self.rows_of_a_chunk(), columns=names, use_threads=False):
                yield _chunk_of(batch.select(names), len(ids), first, self.path)
                first += batch.num_rows
        except (pa.ArrowInvalid, OSError) as error:
            raise unreadable(self.path, error) from error


def _chunk_of(batch: Any, n_ids: int, first: int, path: Path) -> Chunk:
    columns = list(zip(batch.schema.names, batch.columns, strict=True))
    ids = [_ids_of(name, column, path) for name, column in columns[:n_ids]]
    parts = [_numbers_of(name, column, path) for name, column in columns[n_ids:]]
    numbers = np.concatenate(parts, axis=1) if parts else np.empty((batch.num_rows, 0))
    return Chunk(first, ids, numbers)


def _ids_of(name: str, column: Any, path: Path) -> Ids:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.null_count:
        raise unreadable(path, f"column {name!r} has {column.null_count} missing values; expected an id in each row")
    if pa.types.is_integer(column.type):
        return column.cast(pa.int64()).to_numpy(zero_copy_only=False)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise unreadable(path, f"column {name!r} holds {column.type}; expected node ids, integers or texts")
    column = pc.ascii_ltrim(column, characters=" ")
    if len(column) and isinstance(as_ids([column[0].as_py()]), Texts):
        return _texts_of(column)
    try:
        integers = column.cast(pa.int64())
        if pc.all(pc.equal(integers.cast(column.type), column)).as_py() is not False:
            return integers.to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        pass
    return _texts_of(column)


def _texts_of(column: Any) -> Texts:
    import pyarrow as pa

    _, ends, data = column.cast(pa.large_string()).buffers()
    places = np.frombuffer(ends, dtype=np.int64)[column.offset : column.offset + len(column) + 1]
    return Texts(np.frombuffer(data or b"", dtype=np.uint8), places[:-1], places[1:])


def _numbers_of(name: str, column: Any, path: Path) -> NDArray[np.float64]:
    import pyarrow as pa

    width = getattr(column.type, "list_size", None)
    values = column if width is None else column.flatten()
    if column.null_count or values.null_count:
        raise unreadable(path, f"column {name!r} has missing values; expected a number in each row")
    kind = values.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise unreadable(path, f"column {name!r} holds {column.type}; expected numbers, or lists of a fixed length")
    # Arrow stores booleans as bits; convert them to bytes first.
    values = values.cast(pa.uint8()) if pa.types.is_boolean(kind) else values
    return values.to_numpy(zero_copy_only=False).astype(np.float64).reshape(len(column), width or 1)


__all__ = ["Chunk", "Table", "open_array", "open_table", "unreadable"]
