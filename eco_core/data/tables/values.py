"""Reads the values of a column: what is missing, and whether they are numbers, truth values, dates or texts.

The same values give the same result whatever they come from: a CSV file, Parquet, or objects in memory.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eco_core.data.tables.written_numbers import form_of, read_numbers

MISSING = frozenset(
    {"", "na", "n/a", "#n/a", "#na", "n.a.", "nan", "-nan", "null", "none", "<na>", "nil", "?", "-", "--", "."}
)
"""Texts that stand for a missing value, in lower case."""

_TRUTH = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0, "t": 1.0, "f": 0.0, "y": 1.0, "n": 0.0}
_PAIRS = ({"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"})
_CODE = re.compile(r"[-+]?0[0-9]")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(inf|infinity)", re.IGNORECASE)
_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}")
_FORMATS = (
    "ISO8601",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d.%m.%Y",
    "%m.%d.%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
)
DAY = 86_400.0


@dataclass(frozen=True)
class Values:
    """The values of a column.

    Attributes:
        kind: ``numeric``, ``boolean``, ``date``, ``text`` (any strings), ``vector`` (rows of numbers), ``mixed`` (half
            or more are numbers, the others are not), ``empty`` (all missing) or ``other``.
        numbers: float64 of the rows, NaN where missing (dates in days since 1970); for vectors a matrix.
        codes: For texts: the position of each row's text in ``uniques``, -1 where missing.
        uniques: For texts: the different texts, sorted.
        missing: Number of rows without a value.
        infinite: Number of infinite numbers, which count as missing.
        format: For dates and numbers that were texts: how they were read; empty for plain numbers.
        guess: For dates: whether day and month may as well be the other way round.
        proof: For dates: the column that shows the order of day and month.
        odd: For mixed columns: the row of the first value that is no number, the value, and their number.
        declared: Whether the column's type says that it holds categories.
    """

    kind: str
    numbers: NDArray[np.float64] | None = None
    codes: NDArray[np.int64] | None = None
    uniques: tuple[str, ...] = ()
    missing: int = 0
    infinite: int = 0
    format: str = ""
    guess: bool = False
    proof: str = ""
    odd: tuple[int, str, int] | None = None
    declared: bool = False


def values_of(series: Any, dates: str = "") -> Values:
    """Recognises the values of a column.

    Args:
        series: A ``pandas.Series``.
        dates: How dates are written in texts: ``day-first``, ``month-first`` or a format such as ``%d %b %Y``. By
            default it is found; if day and month are in doubt, the first of the known formats is a guess.
    """
    import pandas as pd

    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _declared(series)
    if pd.api.types.is_bool_dtype(dtype):
        numbers = series.to_numpy(dtype=np.float64, na_value=np.nan)
        return _counted("boolean", numbers)
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype):
        return _numbers(series.to_numpy(dtype=np.float64, na_value=np.nan))
    if pd.api.types.is_timedelta64_dtype(dtype):
        return _numbers(series.dt.total_seconds().to_numpy(dtype=np.float64))
    if pd.api.types.is_datetime64_any_dtype(dtype) or str(dtype).startswith(("timestamp", "date32", "date64")):
        return _counted("date", _days(pd.to_datetime(series, utc=True)))
    if pd.api.types.is_object_dtype(dtype):
        special = _of_objects(series)
        if special is not None:
            return special
    return _of_texts(*texts_of(series), dates)


def texts_of(series: Any) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Reads a column as texts, with spaces around them removed.

    Args:
        series: A ``pandas.Series`` of any type.

    Returns:
        The position of each row's text among the different texts (-1: missing), and the different texts, sorted.
    """
    codes, uniques = factorized(series)
    raw = [written(value) for value in np.asarray(uniques, dtype=object).tolist()]
    kept = sorted({text for text in raw if text.lower() not in MISSING})
    number = {text: position for position, text in enumerate(kept)}
    place = np.array([number.get(text, -1) for text in raw] + [-1], dtype=np.int64)
    return place[codes], tuple(kept)


def factorized(series: Any) -> tuple[NDArray[np.int64], Any]:
    """Numbers the different values of a column, -1 where missing; objects such as dicts are compared as texts."""
    import pandas as pd

    try:
        codes, uniques = pd.factorize(series)
    except TypeError:  # They cannot be hashed.
        codes, uniques = pd.factorize(series.map(str, na_action="ignore"))
    return codes.astype(np.int64), uniques


def written(value: Any) -> str:
    """Writes any value as a text: bytes as UTF-8, and whole numbers without a fraction."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace").strip()
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    if hasattr(value, "isoformat"):
        return str(value.isoformat()).removesuffix("T00:00:00")
    return str(value).strip()


def numbers_of(series: Any, kind: str, form: str = "") -> NDArray[np.float64]:
    """Reads a column as numbers; what is no number is missing.

    Args:
        series: A ``pandas.Series`` of any type.
        kind: ``numeric``, ``boolean``, ``date`` or ``vector``.
        form: How dates or numbers are written in texts (`Values.format`); for numbers, by default it is found.

    Returns:
        float64, NaN where missing; dates in days since 1970.
    """
    import pandas as pd

    if form and kind in ("numeric", "date") and pd.api.types.infer_dtype(series, skipna=True) == "string":
        codes, uniques = texts_of(series)
        read = read_numbers(uniques, form) if kind == "numeric" else _parsed_dates(list(uniques), form)
        # Dates of another form are still dates; what is no date is missing.
        if read is not None and (kind == "numeric" or np.isfinite(read).any()):
            return np.append(read, np.nan)[codes]
    found = values_of(series)
    if found.kind == "empty" or (found.numbers is None and found.codes is None):
        return np.full(len(series), np.nan)
    if found.numbers is not None and (found.kind == kind or {found.kind, kind} <= {"numeric", "boolean"}):
        return found.numbers
    codes, uniques = (found.codes, found.uniques) if found.codes is not None else texts_of(series)
    if kind == "date":
        parsed = _parsed_dates(list(uniques), form) if form else None
        table = np.full(len(uniques), np.nan) if parsed is None else parsed
    elif kind == "boolean":
        table = np.array([_TRUTH.get(text.lower(), np.nan) for text in uniques], dtype=np.float64)
    else:
        table = pd.to_numeric(pd.Series(uniques, dtype=object), errors="coerce").to_numpy(dtype=np.float64)
    table = np.append(np.where(np.isfinite(table), table, np.nan), np.nan)
    return table[codes]


def _declared(series: Any) -> Values:
    codes, uniques = texts_of(series.astype(object))
    return Values("text", codes=codes, uniques=uniques, missing=int((codes < 0).sum()), declared=True)


def _numbers(numbers: NDArray[np.float64], form: str = "") -> Values:
    infinite = np.isinf(numbers)
    count = int(infinite.sum())
    if count:
        numbers = np.where(infinite, np.nan, numbers)
    present = numbers[~np.isnan(numbers)]
    kind = "boolean" if len(present) and bool(np.isin(present, (0.0, 1.0)).all()) and present.any() else "numeric"
    return _counted(kind, numbers, count, form)


def _counted(kind: str, numbers: NDArray[np.float64], infinite: int = 0, form: str = "") -> Values:
    missing = int(np.isnan(numbers).sum())
    kind = "empty" if missing == len(numbers) else kind
    return Values(kind, numbers=numbers, missing=missing, infinite=infinite, format=form)


def _of_objects(series: Any) -> Values | None:
    """Recognises vectors, and columns of Python's own numbers, truth values and dates; None for anything else."""
    import pandas as pd

    present = series[series.notna()] if not _has_vectors(series) else series
    if len(present) and all(isinstance(value, (list, tuple, np.ndarray)) for value in present):
        lengths = {len(value) for value in present}
        try:
            matrix = np.array([np.asarray(value, dtype=np.float64) for value in present])
        except (TypeError, ValueError):
            return Values("other")
        if len(lengths) != 1 or len(present) != len(series) or matrix.ndim != 2:
            return Values("other")
        return Values("vector", numbers=matrix, missing=int(np.isnan(matrix).any(axis=1).sum()))
    if not all(issubclass(kind, Hashable) for kind in set(map(type, present))):
        return Values("other", missing=len(series) - len(present))
    kind = pd.api.types.infer_dtype(present, skipna=True)
    if kind == "boolean":
        return _counted("boolean", pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64))
    if kind in ("integer", "floating", "mixed-integer-float", "decimal"):
        return _numbers(pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64))
    if kind in ("datetime", "date", "datetime64"):
        return _counted("date", _days(pd.to_datetime(series, utc=True)))
    return None


def _has_vectors(series: Any) -> bool:
    first = next((value for value in series if value is not None), None)
    return isinstance(first, (list, tuple, np.ndarray))


def _of_texts(codes: NDArray[np.int64], uniques: tuple[str, ...], dates: str = "") -> Values:
    import pandas as pd

    missing = int((codes < 0).sum())
    if not uniques:
        return Values("empty", codes=codes, missing=missing)
    texts = Values("text", codes=codes, uniques=uniques, missing=missing)
    if "%" in dates:
        parsed = _parsed_dates(list(uniques), dates)
        if parsed is not None and not np.isnan(parsed).any():
            return _counted("date", np.append(parsed, np.nan)[codes], form=dates)
    lowered = {text.lower() for text in uniques} if len(uniques) <= 4 else set()
    if lowered and any(lowered <= pair for pair in _PAIRS):
        table = np.array([*(_TRUTH[text.lower()] for text in uniques), np.nan])
        return _counted("boolean", table[codes])
    if any(_CODE.match(text) and not text.startswith(("0.", "-0.", "+0.")) for text in uniques):
        are_dates = all(_DATE.match(text) for text in uniques[:1000])
        if not are_dates:
            return texts  # Numbers with leading zeros are codes, such as those of places.
    is_number = np.array([_NUMBER.fullmatch(text) is not None for text in uniques])
    if is_number.all():
        table = pd.to_numeric(pd.Series(uniques, dtype=object), errors="coerce").to_numpy(dtype=np.float64)
        return _numbers(np.append(table, np.nan)[codes])
    form = form_of(uniques)
    if form:
        return _numbers(np.append(read_numbers(uniques, form), np.nan)[codes], form)
    if is_number.any():
        rows = np.append(is_number, True)[codes]
        odd = np.flatnonzero(~rows)
        present = len(codes) - missing
        if len(odd) * 2 <= present:
            return Values(
                "mixed",
                codes=codes,
                uniques=uniques,
                missing=missing,
                odd=(int(odd[0]), uniques[codes[odd[0]]], len(odd)),
            )
        return texts
    if _DATE.match(uniques[0]) and _DATE.match(uniques[-1]):
        first = {"day-first": "%d", "month-first": "%m"}.get(dates)
        for date_format in sorted(_FORMATS, key=lambda known: first is not None and not known.startswith(first)):
            parsed = _parsed_dates(list(uniques), date_format)
            if parsed is not None and not np.isnan(parsed).any():
                guess = first is None and _is_guess(list(uniques), date_format)
                return replace(_counted("date", np.append(parsed, np.nan)[codes], form=date_format), guess=guess)
    return texts


def _is_guess(texts: list[str], date_format: str) -> bool:
    """Whether dates can be read with day and month the other way round, too."""
    if not date_format.startswith(("%d", "%m")):
        return False
    other = date_format.replace("%d", "%#").replace("%m", "%d").replace("%#", "%m")
    parsed = _parsed_dates(texts, other)
    return parsed is not None and not np.isnan(parsed).any()


def _parsed_dates(texts: list[str], date_format: str) -> NDArray[np.float64] | None:
    import pandas as pd

    try:
        return _days(pd.to_datetime(pd.Series(texts, dtype=object), errors="coerce", format=date_format, utc=True))
    except (ValueError, TypeError, OverflowError):
        return None


def _days(dates: Any) -> NDArray[np.float64]:
    import pandas as pd

    moments = pd.DatetimeIndex(dates)
    seconds = moments.as_unit("s").asi8.astype(np.float64)
    return np.where(np.asarray(moments.isna()), np.nan, seconds / DAY)


__all__ = ["DAY", "MISSING", "Values", "factorized", "numbers_of", "texts_of", "values_of", "written"]
