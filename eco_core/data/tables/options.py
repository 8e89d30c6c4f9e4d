"""How tables are read: which column has which role, and how columns are encoded. Light: no torch, no pandas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

INDEX = "<index>"
"""As ``id_column``: the ids are the index of the data frame."""


@dataclass(frozen=True)
class TableOptions:
    """How a nodes table and an edges table become a graph. Every default is a rule that goes by names.

    Attributes:
        id_column: The nodes' column of ids.
        source_column: The edges' column of sources.
        target_column: The edges' column of targets.
        weight_column: The edges' column of weights.
        type_column: The edges' column of types.
        label_column: The nodes' column of classes; they are used for reporting only.
        ignore_columns: Columns of either table that are left out.
        kinds: The kind of a column, where the recognised one is wrong: ``numeric``, ``boolean``, ``categorical``,
            ``date`` or ``text``.
        date_format: How dates are written in texts, for all columns or by column: ``day-first``, ``month-first`` or a
            format such as ``%d %b %Y``. None: it is found.
        edge_types: The types of edges that are used; none: all.
        dangling: What happens to edges that name an unknown node: ``error``, or ``drop``.
        scale: ``standard`` standardises every numeric column; ``none`` standardises none; ``auto`` standardises unless
            all features are numbers of a similar scale.
        text_features: How many features a column of texts becomes at most.
        text_model: Static word embeddings that texts are encoded by: a folder, or a name on the Hugging Face Hub, that
            model2vec loads. None: words are hashed and weighted by TF-IDF.
    """

    id_column: str | None = None
    source_column: str | None = None
    target_column: str | None = None
    weight_column: str | None = None
    type_column: str | None = None
    label_column: str | None = None
    ignore_columns: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    date_format: str | Mapping[str, str] | None = None
    edge_types: tuple[str, ...] = ()
    dangling: Literal["error", "drop"] = "error"
    scale: Literal["auto", "standard", "none"] = "auto"
    text_features: int = 64
    text_model: str | None = None


def names_of(value: Any) -> tuple[str, ...]:
    """Reads a list of names: from a list, or from a text with commas.

    Args:
        value: None, ``"a,b"`` or ``["a", "b"]``.
    """
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return tuple(str(name) for name in value) if isinstance(value, Iterable) else (str(value),)


__all__ = ["INDEX", "TableOptions", "names_of"]
