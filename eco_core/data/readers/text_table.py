"""Reads a table from a text file or from Parquet as a data frame; what was repaired is said.

A text file is read as texts alone: what they mean is decided later, in the same way for every format.
"""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import importlib.util
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eco_core.data.readers.csv_graph import looks_like_data
from eco_core.data.source import LISTS
from eco_core.data.tables.origin import Origin
from eco_core.data.validate import counted
from eco_core.errors import DataError, Problem

PACKED: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}
"""How packed files are unpacked, by their suffix."""

TEXT_SUFFIXES = (".csv", ".tsv", ".tab")
TABLE_SUFFIXES = (*TEXT_SUFFIXES, ".parquet", ".pq")
LIST_SUFFIXES = tuple(suffix for suffix in LISTS if not suffix.endswith(tuple(PACKED)))

_SAMPLE = 200
_SPACES = re.compile(rb"[ \t]+")
_COMMENT = re.compile(rb"(?m)^[ \t]*[#%][^\r\n]*")
_ATTRIBUTES = re.compile(rb"(?m)[ \t]*\{([^{}\r\n]*)\}[ \t]*\r?$")
_WEIGHT = re.compile(rb"'weight':\s*([^,\s]+)")
_DECIMAL_COMMA = re.compile(r"[-+]?\d+(,\d+)?")
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}


@dataclass
class FrameRead:
    """A table that was read.

    Attributes:
        frame: A ``pandas.DataFrame``.
        origin: Where it comes from.
        notes: What was repaired, for the log.
        header: Whether the names of the columns are the file's own.
    """

    frame: Any
    origin: Origin
    notes: list[str] = field(default_factory=list)
    header: bool = True


def table_suffix(path: Path) -> str:
    """The suffix that says what kind of table a file is, without that of a packed file: ``.csv`` of ``a.csv.gz``."""
    name = path.with_suffix("") if path.suffix.lower() in PACKED else path
    return name.suffix.lower()


def is_table(path: Path) -> bool:
    """Whether a path has the suffix of a table."""
    return table_suffix(path) in TABLE_SUFFIXES


def is_list(path: Path) -> bool:
    """Whether a path has the suffix of a list of edges."""
    return table_suffix(path) in LIST_SUFFIXES


def require_tables(what: str, extra: str = "tables") -> None:
    """Refuses what needs pandas and pyarrow, if they are missing.

    Args:
        what: What is read.
        extra: The extra that installs them.

    Raises:
        DataError: ECO302, naming the command that installs them.
    """
    missing = [name for name in ("pandas", "pyarrow") if importlib.util.find_spec(name) is None]
    if missing:
        raise DataError(
            Problem(
                "ECO302",
                f"Reading {what} needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not "
                "installed.",
                f"pip install 'eco-core[{extra}]'",
            )
        )


def read_frame(
    path: Path,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    is_data: Callable[[list[str]], bool] = lambda _: False,
) -> FrameRead:
    """Reads a table.

    Args:
        path: CSV or the like (``.csv``, ``.tsv``, ``.tab``, ``.txt``), also packed (``.gz``, ``.bz2``, ``.xz``), or
            Parquet.
        delimiter: The sign between columns; None: found in the file.
        encoding: The encoding of the text; None: UTF-8, or UTF-16 with its mark, or else Windows-1252, which is said.
        header: Whether the first line has the names of the columns; None: found in the file.
        is_data: Returns whether a first line is a row of data, for what the table alone cannot tell.

    Raises:
        DataError: ECO302, with file and line of everything that cannot be read.
    """
    require_tables(str(path))
    if table_suffix(path) in (".parquet", ".pq"):
        return _read_parquet(path)
    return _TextFile(path, delimiter, encoding).read(header, is_data)


def _unreadable(path: Path, reason: object, fix: str = "Mend the file.") -> DataError:
    lines = str(reason).strip().splitlines() or [type(reason).__name__]
    return DataError(Problem("ECO302", f"Cannot read {path}: {lines[0].rstrip('.')}.", fix))


def _bytes_of(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        unpack = PACKED.get(path.suffix.lower())
        return raw if unpack is None else unpack(raw)
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise _unreadable(
            path, f"the archive is damaged or was cut off ({error})", "Copy or download the file again."
        ) from error
    except (OSError, ValueError) as error:
        cut = path.suffix.lower() in PACKED
        raise _unreadable(path, f"the archive is damaged or was cut off ({error})" if cut else error) from error


def _read_parquet(path: Path) -> FrameRead:
    import pandas as pd
    import pyarrow as pa
    from pyarrow import parquet

    if path.stat().st_size == 0:
        raise DataError(Problem("ECO302", f"{path} is empty: it has no bytes.", "Write the table again."))
    try:
        # The file is opened by its name alone: pyarrow would take names of folders such as "a=1" for columns.
        table = parquet.ParquetFile(path, memory_map=True).read(use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(
            path, f"it is no Parquet file, or was cut off ({error})", "Write or copy the file again."
        ) from error
    if not table.num_columns:
        raise DataError(Problem("ECO302", f"{path} is empty: it has no columns.", "Write the table again."))
    table = table.replace_schema_metadata(None)  # What pandas noted would hide its index from the columns.
    texts = {pa.string(): pd.StringDtype("pyarrow"), pa.large_string(): pd.StringDtype("pyarrow")}
    frame = table.to_pandas(types_mapper=texts.get, self_destruct=True, split_blocks=True, use_threads=False)
    return FrameRead(frame, Origin(str(path)))


class _TextFile:
    """A text file with a table."""

    def __init__(self, path: Path, delimiter: str | None, encoding: str | None) -> None:
        self.path = path
        self.notes: list[str] = []
        raw = _bytes_of(path)
        if not raw.strip():
            raise DataError(
                Problem(
                    "ECO302", f"{path}, line 1: the file is empty; expected a header line.", "Write the table again."
                )
            )
        self.raw = self._as_utf8(raw, encoding)
        if b"\0" in self.raw:
            raise _unreadable(path, "it is not a text: it has zero bytes", "Give a table as CSV or Parquet.")
        self.names: list[str] | None = None
        if is_list(path):
            self.skipped = 0
            self.delimiter = self._as_list(delimiter)
        else:
            self.skipped = self._comments()
            self.delimiter = delimiter or self._delimiter(self._sample())
        self._check_quotes()

    def read(self, header: bool | None, is_data: Callable[[list[str]], bool]) -> FrameRead:
        rows = list(self._rows(_SAMPLE))
        if not rows:
            raise DataError(Problem("ECO302", f"{self.path}, line 1: the file is empty; expected a header line.", ""))
        first = rows[0][1]
        if self.names is not None and len(self.names) == len(first):
            header = False
        elif header is None:
            self.names = None
            header = not (is_data(first) or _is_row(first, [row for _, row in rows[1:]]))
            if not header:
                self.notes.append(
                    f"{self.path}: the first line is a row, not a header: the columns are called column1, column2 and "
                    "so on; --set data.header=true takes it for a header"
                )
        names = [cell.strip() for cell in first] if header else [f"column{place + 1}" for place in range(len(first))]
        names = self.names or names
        start = rows[1][0] if header and len(rows) > 1 else rows[0][0]
        frame = self._frame(len(names), rows[0][0] if not header else (start if len(rows) > 1 else None))
        frame.columns = names
        width = len(names)
        return FrameRead(
            self._decimal_commas(frame), Origin(str(self.path), _Lines(self, width, header)), self.notes, header
        )

    def _as_utf8(self, raw: bytes, encoding: str | None) -> bytes:
        if encoding is not None:
            try:
                return raw.decode(encoding).encode()
            except (LookupError, UnicodeError) as error:
                raise _unreadable(self.path, f"it cannot be read as {encoding}: {error}") from error
        for mark, name in ((codecs.BOM_UTF8, ""), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
            if raw.startswith(mark):
                return raw[len(mark) :] if not name else self._as_utf8(raw, name)
        try:
            raw.decode("utf-8")
            return raw
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            self.notes.append(
                f"{self.path} is not UTF-8 (line {line}): it was read as Windows-1252, which Western European "
                "spreadsheets write; --set data.encoding=... names another encoding"
            )
            return raw.decode("cp1252", errors="replace").encode()

    def _as_list(self, delimiter: str | None) -> str:
        """Prepares a list of edges: empties comments, makes spaces one tab; returns the delimiter.

        Lines keep their numbers.
        """
        comments = _COMMENT.findall(self.raw)
        if comments:
            self.raw = _COMMENT.sub(b"", self.raw)
            self.notes.append(f"{self.path}: {counted(len(comments), 'line')} of comments skipped")
            if not self.raw.strip():
                raise _unreadable(self.path, "it holds comments alone, no edges", "Write the list again.")
        if delimiter is not None:
            return delimiter
        lines = [line for line in self._sample().splitlines() if line.strip()][:200]
        for sign in (",", ";", "|", "\t"):
            if lines and lines[0].count(sign) and all(line.count(sign) == lines[0].count(sign) for line in lines):
                found = sign
                break
        else:
            self._take_weights()
            self.raw = b"\n".join(_SPACES.sub(b"\t", line.strip(b" \t\r")) for line in self.raw.split(b"\n"))
            found = "\t"
        title = comments[-1].decode(errors="replace").strip(" \t#%").split() if comments else []
        if len(title) > 1 and _are_ends(title):
            self.names = title
        return found

    def _take_weights(self) -> None:
        """Replaces the attributes that networkx writes behind an edge, such as ``{'weight': 2.0}``, by the weight."""
        attributes = _ATTRIBUTES.findall(self.raw)
        if not attributes:
            return
        weighted = all(_WEIGHT.search(found) for found in attributes)

        def weight(match: re.Match[bytes]) -> bytes:
            found = _WEIGHT.search(match[1])
            return b" " + found[1] if weighted and found else b""

        self.raw = _ATTRIBUTES.sub(weight, self.raw)
        taken = "the weight was taken" if weighted else "they were left out"
        self.notes.append(f"{self.path}: {counted(len(attributes), 'edge')} with attributes in braces: {taken}")

    def _check_quotes(self) -> None:
        """Refuses a file whose last quote is never closed: the rest of the file would be a single value."""
        if self.raw.count(b'"') % 2 == 0:
            return
        reader = csv.reader(io.StringIO(self.raw.decode(), newline=""), delimiter=self.delimiter, strict=True)
        begin = 1
        try:
            for _ in reader:
                begin = reader.line_num + 1
        except csv.Error as error:
            raise DataError(
                Problem(
                    "ECO302",
                    f"{self.path}, line {begin}: a quote is opened and not closed ({error}).",
                    'Close the quote; a quote within a quoted value is written twice ("").',
                )
            ) from error

    def _comments(self) -> int:
        """Number of bytes at the beginning that are comments."""
        place = 0
        while self.raw.startswith(b"#", place):
            end = self.raw.find(b"\n", place)
            if end < 0:
                break
            place = end + 1
        if place and self.raw[place:].strip():
            self.notes.append(f"{self.path}: {self.raw.count(b'#', 0, place):,} lines of comments (#) skipped")
            return place
        return 0

    def _sample(self) -> str:
        part = self.raw[self.skipped : self.skipped + 2**16]
        if len(self.raw) > self.skipped + 2**16:
            part = part[: part.rfind(b"\n") + 1] or part
        return part.decode(errors="ignore")

    def _delimiter(self, sample: str) -> str:
        best, score = ",", (0.0, 0)
        for candidate in (",", "\t", ";", "|", " "):
            try:
                rows = [row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=candidate) if row][:50]
            except csv.Error:
                continue
            width = len(rows[0]) if rows else 0
            if width < 2 or (candidate == " " and any("" in row for row in rows)):
                continue
            found = sum(len(row) == width for row in rows) / len(rows), width if candidate != " " else 0
            if found > score:
                best, score = candidate, found
        usual = "\t" if table_suffix(self.path) in (".tsv", ".tab") else ","
        if best != usual and score[1] >= 0 and score[0] > 0:
            self.notes.append(f"{self.path}: the columns are separated by {_NAMES[best]}")
        return best if score[0] > 0 else usual

    def _rows(self, most: int | None = None) -> Iterator[tuple[int, list[str]]]:
        """Yields the rows that are not empty, each with the number of its first line."""
        offset = self.raw.count(b"\n", 0, self.skipped)
        text = self.raw[self.skipped :] if most is None else self.raw[self.skipped : self.skipped + 2**22]
        reader = csv.reader(
            io.StringIO(text.decode(errors="ignore"), newline=""), delimiter=self.delimiter, skipinitialspace=True
        )
        begin, count = 1, 0
        try:
            for row in reader:
                if row:
                    yield begin + offset, row
                    count += 1
                    if count == most:
                        return
                begin = reader.line_num + 1
        except csv.Error as error:
            raise DataError(
                Problem("ECO302", f"{self.path}, line {reader.line_num + offset}: {error}.", "Check the quotes.")
            ) from error

    def _frame(self, width: int, first_line: int | None) -> Any:
        import pandas as pd
        import pyarrow as pa
        from pyarrow import csv as arrow

        names = [f"c{place}" for place in range(width)]
        if first_line is None:
            return pd.DataFrame({name: pd.Series([], dtype=pd.StringDtype("pyarrow")) for name in names})
        wrong = 0

        def skip(_: Any) -> str:
            nonlocal wrong
            wrong += 1
            return "skip"

        convert = arrow.ConvertOptions(column_types={name: pa.string() for name in names}, strings_can_be_null=False)
        parse = arrow.ParseOptions(
            delimiter=self.delimiter, newlines_in_values=True, invalid_row_handler=skip, ignore_empty_lines=True
        )
        size = min(max(len(self.raw) + 1, 2**16), 2**27)
        read = arrow.ReadOptions(column_names=names, skip_rows=first_line - 1, block_size=size, use_threads=False)
        try:
            table = arrow.read_csv(pa.py_buffer(self.raw), read, parse, convert)
        except (pa.ArrowException, ValueError) as error:
            raise _unreadable(self.path, error, "Check the quotes and the number of columns.") from error
        if wrong:
            raise DataError(self._wrong_rows(width, wrong))
        return table.to_pandas(
            types_mapper={pa.string(): pd.StringDtype("pyarrow")}.get, self_destruct=True, split_blocks=True
        )

    def _wrong_rows(self, width: int, count: int) -> Problem:
        line, found = next(((line, len(row)) for line, row in self._rows() if len(row) != width), (1, 0))
        others = f" ({count - 1:,} more line{'' if count == 2 else 's'} like this)" if count > 1 else ""
        return Problem(
            "ECO302",
            f"{self.path}, line {line}: this line has {found} column{'' if found == 1 else 's'}; the header has "
            f"{width}{others}.",
            f"Correct the lines; the columns are separated by {_NAMES.get(self.delimiter, repr(self.delimiter))}.",
        )

    def _decimal_commas(self, frame: Any) -> Any:
        """Reads ``1,5`` as 1.5, as spreadsheets write it that separate columns by semicolons or tabs."""
        if self.delimiter == "," or not len(frame):
            return frame
        changed = []
        for name in frame.columns:
            series = frame[name] if list(frame.columns).count(name) == 1 else None
            if series is None:
                continue
            uniques = [str(text).strip() for text in series.unique()]
            present = [text for text in uniques if text]
            if any("," in text for text in present) and all(_DECIMAL_COMMA.fullmatch(text) for text in present):
                frame[name] = series.str.replace(",", ".", regex=False)
                changed.append(str(name))
        if changed:
            self.notes.append(f"{self.path}: commas in {', '.join(map(repr, changed[:8]))} were read as decimal points")
        return frame


@dataclass
class _Lines:
    """Finds the line of a row; the file is read again only when a message needs it."""

    file: _TextFile
    width: int
    header: bool
    _known: list[int] | None = None

    def __call__(self, row: int) -> int:
        if self._known is None:
            lines = [line for line, cells in self.file._rows() if len(cells) == self.width]
            self._known = lines if self.header else [0, *lines]
        return self._known[row + 1] if row + 1 < len(self._known) else len(self._known) + 1


def _are_ends(names: list[str]) -> bool:
    """Whether two names in a line of comments are those of an edge's ends, as SNAP writes them."""
    from eco_core.data.tables.roles import ends_among

    return ends_among(names) is not None


def _is_row(first: list[str], others: list[list[str]]) -> bool:
    """Whether a first line is a row like the others: numbers only, or values that come back in their columns."""
    cells = [cell.strip() for cell in first]
    if not others or len(cells) < 1:
        return len(cells) > 1 and all(_is_number(cell) for cell in cells)
    if all(_is_number(cell) for cell in cells) and cells != [str(place) for place in range(len(cells))]:
        return True
    if len(cells) > 1 and looks_like_data(cells):
        return True
    from eco_core.data.tables.roles import ENDS, IDS, LABELS, WEIGHTS, plain_name

    known = {*IDS, *LABELS, *WEIGHTS, *(name for pair in ENDS for name in pair)}
    if any(plain_name(cell) in known for cell in cells) or _are_ends(cells):
        return False
    back = 0
    for place, cell in enumerate(cells):
        column = [row[place].strip() for row in others if place < len(row)]
        numbers = [_is_number(text) for text in column if text]
        if cell and not _is_number(cell) and numbers and sum(numbers) > 0.5 * len(numbers):
            return False  # A text above numbers is a name.
        back += bool(cell) and cell in column
    return back > 0


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


__all__ = ["TABLE_SUFFIXES", "FrameRead", "is_list", "is_table", "read_frame", "require_tables", "table_suffix"]
