"""Recognises the kind of each column of a nodes table, and learns its encoding."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eco_core.data.tables.encoding import ColumnEncoding
from eco_core.data.tables.options import TableOptions
from eco_core.data.tables.origin import Origin, shortened
from eco_core.data.tables.roles import check_given, is_index_name, plain_name, speaks_of_ids
from eco_core.data.tables.scaling import LIMIT, NumberFacts, facts_of, to_be_standardised
from eco_core.data.tables.text import analyzer_of, fit_texts
from eco_core.data.tables.values import Values, numbers_of, texts_of, values_of
from eco_core.data.tables.word_embeddings import fit_embedded_texts
from eco_core.data.tables.written_numbers import form_of
from eco_core.errors import Problem

CATEGORIES = 40
"""Texts with at most this many different values are categories: skrub's threshold."""

KINDS = ("numeric", "boolean", "categorical", "date", "text")
_FEW = 10


class Fitted(NamedTuple):
    """What was learnt of one column: its encoding (None: it gives no feature), and what was done, for the report."""

    encoding: ColumnEncoding | None
    entry: dict[str, Any]


def fit_columns(
    table: Any, options: TableOptions, origin: Origin, taken: Mapping[str, dict[str, Any]], problems: list[Problem]
) -> list[Fitted]:
    """Recognises and learns the columns of a nodes table, in their order.

    Args:
        table: A ``pandas.DataFrame``.
        options: How it is read.
        origin: Where it comes from.
        taken: Report entries of the columns that have another role, such as the ids.
        problems: Takes a problem for each column that cannot be used.
    """
    found: dict[str, Values] = {}
    for column in map(str, table.columns):
        if column in taken or column in options.ignore_columns:
            continue
        values = values_of(table[column], dates_of(column, options))
        kind = options.kinds.get(column)
        found[column] = (
            values
            if kind is None
            else _as_kind(table[column], values, kind, dates_of(column, options), origin, problems)
        )
    order, proof = _proven_order(found)
    for column, values in found.items():
        if values.guess and order and "/" in values.format:
            found[column] = replace(values_of(table[column], order), proof=proof)
    numeric = {
        c: facts_of(v.numbers.ravel())
        for c, v in found.items()
        if v.kind in ("numeric", "vector") and v.numbers is not None and v.numbers.size
    }
    numeric = {c: facts for c, facts in numeric.items() if facts.deviation > 0 and not _is_id(c, found[c], options)}
    others = any(
        v.kind in ("date", "text", "categorical") and not _is_constant(v) and not _is_id(c, v, options)
        for c, v in found.items()
    )
    chosen = to_be_standardised(list(numeric.values()), options.scale, others)
    standard = dict(zip(numeric, chosen, strict=True))
    fitted = []
    for column in map(str, table.columns):
        if column in taken:
            fitted.append(Fitted(None, taken[column]))
        elif column in options.ignore_columns:
            fitted.append(Fitted(None, entry_of(column, "ignored", "left out, as asked")))
        else:
            fitted.append(
                _fit(column, found[column], options, origin, numeric.get(column), standard.get(column), problems)
            )
    return fitted


def dates_of(column: str, options: TableOptions) -> str:
    """How the user says that the dates of a column are written; empty if it is not said."""
    given = options.date_format
    return (given if isinstance(given, str) else given.get(column, "")) if given else ""


def check_date_formats(names: Sequence[str], options: TableOptions, table: str, problems: list[Problem]) -> None:
    """Reports date formats that cannot be one, and those of columns that the table lacks."""
    given = options.date_format or {}
    for name in () if isinstance(given, str) else given:
        check_given(name, names, "date_format", table, problems)
    for form in {given} if isinstance(given, str) else set(given.values()):
        if form not in ("day-first", "month-first") and "%" not in form:
            problems.append(
                Problem(
                    "ECO104",
                    f"The date format is {form!r}; expected day-first, month-first or a format such as '%d %b %Y'.",
                    "Change --set data.date_format=...",
                )
            )


def _proven_order(found: Mapping[str, Values]) -> tuple[str, str]:
    """Whether columns of dates with slashes prove that the day or the month comes first, and the column that does."""
    proven = {
        "day-first" if values.format.startswith("%d") else "month-first": column
        for column, values in found.items()
        if values.kind == "date" and not values.guess and values.format.startswith(("%d/", "%m/"))
    }
    return next(iter(proven.items())) if len(proven) == 1 else ("", "")


def entry_of(column: str, kind: str, action: str, features: int = 0, missing: int = 0) -> dict[str, Any]:
    """Makes an entry of the report."""
    return {"column": column, "kind": kind, "action": action, "features": features, "missing": missing}


def _as_kind(series: Any, values: Values, kind: str, dates: str, origin: Origin, problems: list[Problem]) -> Values:
    """Reads a column as the kind that the user says."""
    column = str(series.name)
    if kind not in KINDS:
        problems.append(
            Problem(
                "ECO104",
                f"The kind of column {column!r} is {kind!r}; expected one of {', '.join(KINDS)}.",
                f"Use for example --set data.kinds.{column}=categorical.",
            )
        )
        return values
    if kind in ("categorical", "text"):
        codes, uniques = texts_of(series.astype(object))
        return Values(kind, codes=codes, uniques=uniques, missing=int((codes < 0).sum()))
    if values.kind == kind:
        return values
    form = values.format or ((dates if "%" in dates else "ISO8601") if kind == "date" else "")
    if kind == "numeric" and values.codes is not None:
        plain = int(np.isfinite(numbers_of(series, kind)).sum())
        found = form_of(values.uniques, some=True)
        form = found if found and int(np.isfinite(numbers_of(series, kind, found)).sum()) > plain else ""
    numbers = numbers_of(series, kind, form)
    missing = int(np.isnan(numbers).sum())
    if missing == len(numbers) and values.missing < len(numbers):
        given = series.notna().to_numpy() if values.codes is None else values.codes >= 0
        row = int(np.flatnonzero(given)[0])
        problems.append(
            origin.problem(
                "ECO302",
                row,
                f"column {column!r} is said to be {kind}, but no value can be read so; this one is "
                f"{shortened(series.iloc[row])}",
                0,
                f"Correct the values, or change --set data.kinds.{column}=...",
            )
        )
    return Values("empty" if missing == len(numbers) else kind, numbers=numbers, missing=missing, format=form)


def _is_constant(values: Values) -> bool:
    if values.kind == "empty":
        return True
    if values.kind in ("text", "categorical"):
        return len(values.uniques) <= 1 and not (values.missing and values.uniques)
    if values.numbers is None or not len(values.numbers):
        return values.kind != "mixed"
    present = values.numbers[~np.isnan(values.numbers)]
    return bool((present == present[0]).all()) if len(present) else True


def _is_id(column: str, values: Values, options: TableOptions) -> bool:
    """Whether a column only tells the nodes apart: an id, a name, or numbers of the rows."""
    if column in options.kinds:
        return False
    if is_index_name(column) and values.kind in ("numeric", "text"):
        return True
    if values.kind == "text":
        rows = len(values.codes) if values.codes is not None else 0
        different = len(values.uniques) == rows - values.missing and len(values.uniques) > 1
        single = sum(len(text.split()) for text in values.uniques[:2000]) < 3 * min(2000, max(1, len(values.uniques)))
        short = all(len(text) <= 80 for text in values.uniques[:2000])
        return different and single and short and (rows >= _FEW or speaks_of_ids(column)) and not values.declared
    if values.kind != "numeric" or values.numbers is None or values.missing:
        return False
    numbers = values.numbers
    if not bool((numbers == np.floor(numbers)).all()) or len(np.unique(numbers)) != len(numbers) or len(numbers) < 2:
        return False
    if speaks_of_ids(column):
        return True
    consecutive = numbers.max() - numbers.min() == len(numbers) - 1
    return bool(consecutive) and len(numbers) >= _FEW and bool((np.diff(numbers) == 1).all())


def _is_code(column: str, values: Values) -> bool:
    """Whether whole numbers are names of groups: a column such as ``company_id`` whose values come back."""
    if values.kind != "numeric" or values.numbers is None or re.search(r"(_id|Id|ID|_code|code)$", column) is None:
        return False
    present = values.numbers[~np.isnan(values.numbers)]
    return bool((present == np.floor(present)).all())


def _fit(
    column: str,
    values: Values,
    options: TableOptions,
    origin: Origin,
    facts: NumberFacts | None,
    standard: bool | None,
    problems: list[Problem],
) -> Fitted:
    missing = values.missing
    if values.kind == "mixed" and values.odd is not None:
        row, text, count = values.odd
        problems.append(
            origin.problem(
                "ECO302",
                row,
                f"column {column!r} is {shortened(text)}; expected a number, as in most rows",
                count - 1,
                f"Correct it, or say how to read the column: --set data.kinds.{column}=categorical (or text; numeric "
                f"takes such values as missing), or --ignore-columns {column}.",
            )
        )
        return Fitted(None, entry_of(column, "mixed", "cannot be used", missing=missing))
    if values.kind == "other":
        return Fitted(
            None, entry_of(column, "ignored", "left out: it holds objects, not numbers or texts", missing=missing)
        )
    if values.kind == "empty":
        return Fitted(None, entry_of(column, "constant", "left out: it has no values", missing=missing))
    if _is_constant(values) and not (values.kind == "boolean" and values.missing):
        value = values.uniques[0] if values.uniques or values.numbers is None else f"{np.nanmax(values.numbers):g}"
        return Fitted(
            None, entry_of(column, "constant", f"left out: every value is {shortened(value)}", missing=missing)
        )
    if _is_id(column, values, options):
        why = "the index that pandas wrote" if is_index_name(column) else "every node has another value"
        return Fitted(None, entry_of(column, "id", f"left out: {why}", missing=missing))
    if values.kind in ("numeric", "vector") and column not in options.kinds and _is_code(column, values):
        codes, uniques = _texts_of_numbers(values)
        return _categories(column, codes, uniques, missing)
    if values.kind in ("numeric", "vector") and facts is not None:
        return _numbers(column, values, facts, bool(standard))
    if values.kind == "boolean" and values.numbers is not None:
        return _truth(column, values)
    if values.kind == "date" and values.numbers is not None:
        return _dates(column, values)
    assert values.codes is not None  # noqa: S101 - only texts are left.
    as_categories = values.kind == "categorical" or (
        options.kinds.get(column) != "text" and (values.declared or len(values.uniques) <= _most(values))
    )
    if as_categories:
        return _categories(column, values.codes, values.uniques, missing)
    return _texts(column, values.codes, values.uniques, missing, options)


def _most(values: Values) -> int:
    """The most different texts that are categories: 40; texts of several words are texts if hardly any comes back."""
    rows = (len(values.codes) if values.codes is not None else 0) - values.missing
    if analyzer_of(values.uniques) == "word" and 2 * len(values.uniques) > rows:
        return 1
    return CATEGORIES


def _numbers(column: str, values: Values, facts: NumberFacts, standard: bool) -> Fitted:
    assert values.numbers is not None  # noqa: S101
    mean, deviation = (facts.mean, facts.deviation) if standard else (0.0, 1.0)
    action = f"standardised (mean {facts.mean:.4g}, deviation {facts.deviation:.4g})" if standard else "kept as it is"
    if standard:
        beyond = int((np.abs(np.nan_to_num(values.numbers, nan=mean) - mean) > LIMIT * deviation).sum())
        action += f", {beyond:,} beyond {LIMIT:g} deviations cut off" if beyond else ""
    action += f"; read as numbers written like {values.format}" if values.format else ""
    action += _filled(values, f"filled with the median {facts.median:.4g}")
    width = values.numbers.shape[1] if values.numbers.ndim == 2 else 1
    names = tuple(f"{column}[{place}]" for place in range(width)) if values.numbers.ndim == 2 else (column,)
    settings: dict[str, Any] = {"fill": facts.median, "mean": mean, "deviation": deviation}
    if values.format:
        settings["format"] = values.format
    encoding = ColumnEncoding(column, values.kind, names, settings)
    return Fitted(encoding, entry_of(column, "numeric", action, width, values.missing))


def _truth(column: str, values: Values) -> Fitted:
    assert values.numbers is not None  # noqa: S101
    present = values.numbers[~np.isnan(values.numbers)]
    share = round(float(present.sum()) / len(present), 12)
    action = f"1 for true, 0 for false ({share:.1%} are true)" + _filled(values, "filled with that share")
    encoding = ColumnEncoding(column, "boolean", (column,), {"fill": share, "mean": 0.0, "deviation": 1.0})
    return Fitted(encoding, entry_of(column, "boolean", action, 1, values.missing))


def _dates(column: str, values: Values) -> Fitted:
    assert values.numbers is not None  # noqa: S101
    facts = facts_of(values.numbers)
    first, last = (str(np.datetime64(int(np.floor(day)), "D")) for day in _ends(values.numbers))
    action = f"time, standardised ({first} to {last})"
    written = values.format.partition(" ")[0].replace("%d", "day").replace("%m", "month").replace("%Y", "year")
    if values.guess:
        action += f"; read as {written}, a guess: no day is above 12 (--set data.date_format=day-first or month-first)"
    elif values.proof:
        action += f"; read as {written}, as column {values.proof!r} shows"
    action += _filled(values, "filled with the median date")
    settings = {"fill": facts.median, "mean": facts.mean, "deviation": facts.deviation, "format": values.format}
    return Fitted(
        ColumnEncoding(column, "date", (column,), settings), entry_of(column, "date", action, 1, values.missing)
    )


def _ends(numbers: NDArray[np.float64]) -> tuple[float, float]:
    return float(np.nanmin(numbers)), float(np.nanmax(numbers))


def _categories(column: str, codes: NDArray[np.int64], uniques: tuple[str, ...], missing: int) -> Fitted:
    kept, others = uniques, False
    if len(uniques) > CATEGORIES:
        counts = np.bincount(codes[codes >= 0], minlength=len(uniques))
        order = sorted(range(len(uniques)), key=lambda place: (-counts[place], uniques[place]))
        kept, others = tuple(sorted(uniques[place] for place in order[:CATEGORIES])), True
    names = tuple(f"{column}={text}" for text in kept) + ((f"{column}=(another)",) if others else ())
    action = f"one feature for each of {len(kept)} categories"
    if others:
        action = f"one feature for each of the {len(kept)} most frequent of {len(uniques):,} categories, one for others"
    action += f"; {missing:,} missing: in no category" if missing else ""
    encoding = ColumnEncoding(column, "categorical", names, {"categories": list(kept), "others": others})
    return Fitted(encoding, entry_of(column, "categorical", action, len(names), missing))


def _texts(
    column: str, codes: NDArray[np.int64], uniques: tuple[str, ...], missing: int, options: TableOptions
) -> Fitted:
    counts = np.bincount(codes[codes >= 0], minlength=len(uniques))
    if options.text_model is not None:
        settings = {"model": options.text_model}
        arrays = fit_embedded_texts(uniques, counts, options.text_features, options.text_model)
        what = f"word embeddings of {options.text_model}, averaged"
    else:
        settings = {"analyzer": analyzer_of(uniques)}
        arrays = fit_texts(uniques, counts, options.text_features, settings["analyzer"])
        what = "words" if settings["analyzer"] == "word" else "parts of words"
        what += " hashed, weighted by TF-IDF"
    names = tuple(f"{column}[{place}]" for place in range(arrays["components"].shape[1]))
    action = f"{what}, reduced to {len(names)} directions"
    action += f"; {missing:,} missing: all zeros" if missing else ""
    encoding = ColumnEncoding(column, "text", names, settings, arrays)
    return Fitted(encoding, entry_of(column, "text", action, len(names), missing))


def _texts_of_numbers(values: Values) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    import pandas as pd

    return texts_of(pd.Series(values.numbers))


def _filled(values: Values, how: str) -> str:
    if not values.missing:
        return ""
    infinite = f" ({values.infinite:,} infinite)" if values.infinite else ""
    return f"; {values.missing:,} missing{infinite} {how}"


__all__ = ["KINDS", "Fitted", "entry_of", "fit_columns", "plain_name"]
