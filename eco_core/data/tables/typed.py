"""Gives columns that were read as texts the types of their values, so that reports show them in the user's units."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from eco_core.data.tables.values import DAY, Values, numbers_of, values_of


def typed_table(table: Any, forms: Mapping[str, tuple[str, str]] = MappingProxyType({})) -> Any:
    """Returns a table in which texts that are all numbers, truth values or dates have these types.

    Args:
        table: A ``pandas.DataFrame``; it is not modified.
        forms: The kind of columns, and how they write numbers or dates (`Values.format`), where it is known.

    Returns:
        A data frame with the same columns, and rows numbered from 0.
    """
    import pandas as pd

    table = table.reset_index(drop=True)
    columns = {}
    for name in table.columns:
        series = table[name]
        if pd.api.types.is_string_dtype(series.dtype) or series.dtype == object:
            columns[name] = _typed(series, *forms.get(name, ("", "")))
    return table.assign(**columns) if columns else table


def _typed(series: Any, kind: str = "", form: str = "") -> Any:
    import pandas as pd

    values = Values(kind, numbers=numbers_of(series, kind, form)) if form else values_of(series)
    if values.kind == "numeric" and values.numbers is not None:
        return pd.Series(values.numbers)
    if values.kind == "boolean" and values.numbers is not None:
        return pd.Series(values.numbers).map({1.0: True, 0.0: False}).astype("boolean")
    if values.kind == "date" and values.numbers is not None:
        seconds = np.where(np.isnan(values.numbers), 0, values.numbers) * DAY
        dates = pd.Series(pd.to_datetime(seconds, unit="s"))
        return dates.mask(np.isnan(values.numbers))
    if values.kind == "text" and values.codes is not None:
        texts = np.array([*values.uniques, None], dtype=object)
        return pd.Series(texts[values.codes], dtype=object)
    return series


__all__ = ["typed_table"]
