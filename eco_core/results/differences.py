"""What sets a cluster apart: columns of the user's table, words of its texts, or features of the graph.

Every difference has the figures inside and outside the cluster in the column's own units, and an effect size by which
differences of unlike columns are ordered: for numbers and dates the difference of the means in standard deviations, for
shares Cohen's h, which is close to it. Differences that samples of this size often have by chance are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eco_core.metrics.arrays import to_numpy

_LIMIT = 8
_LEAST_EFFECT = 0.2
_LEAST_Z = 4.0
"""Standard errors that a difference must have. Thousands of words are compared, so this is more than the usual two."""
_NAMED_EFFECT = 0.35
_CATEGORIES = 60
_WORDS_OF_COLUMN = 4
_SAMPLED_ROWS = 100_000
_WORDS = 4_000
_SPARSE_SHARE = 0.25
_LEFT_OUT = frozenset({"id", "label", "ignored", "constant", "source", "target", "weight", "type"})


@dataclass(frozen=True)
class Difference:
    """One way in which a cluster differs from the rest.

    Attributes:
        column: The column, or the feature.
        kind: ``numeric``, ``date``, ``share`` (of a category, or of true) or ``word``.
        value: The category or the word; empty for numbers and dates.
        inside: Mean in the cluster, or share of its nodes; dates in seconds since 1970.
        outside: The same of all other nodes.
        effect: Signed effect size; positive if the cluster has more.
    """

    column: str
    kind: str
    value: str
    inside: float
    outside: float
    effect: float

    def sentence(self) -> str:
        """Says the difference in a few words and the user's own units."""
        if self.kind == "word":
            return f"{self.what()} in {percent(self.inside)} of the nodes, elsewhere in {percent(self.outside)}"
        if self.kind == "share":
            return f"{self.what()}: {percent(self.inside)}, elsewhere {percent(self.outside)}"
        show = number if self.kind == "numeric" else date
        return f"{self.column}: mean {show(self.inside)}, elsewhere {show(self.outside)} ({self.effect:+.1f} sd)"

    def what(self) -> str:
        """The column with its category or word."""
        if self.kind == "word":
            return f"'{self.value}' in {self.column}" if self.column else f"'{self.value}'"
        return f"{self.column} = {self.value}" if self.value else self.column

    def short(self) -> str:
        """The difference as a part of a name."""
        if self.kind == "word":
            return self.value
        if self.kind == "share":
            return self.what()
        more, less = ("high", "low") if self.kind == "numeric" else ("late", "early")
        return f"{more if self.effect > 0 else less} {self.column}"


def percent(share: float) -> str:
    """Writes a share as a percentage: ``4 %``, ``0.3 %``."""
    value = 100 * share
    return f"{value:.0f} %" if value >= 1 or value == 0 else f"{value:.1f} %" if value >= 0.1 else "< 0.1 %"


def number(value: float) -> str:
    """Writes a number with four digits, large ones with separators and without an exponent."""
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:,.4g}"


def date(seconds: float) -> str:
    """Writes seconds since 1970 as a day; years that the calendar does not have, as a number."""
    try:
        return str(np.datetime64(int(seconds), "s").astype("datetime64[D]"))
    except (ValueError, OverflowError):
        return number(seconds)


def proposed_name(differences: Sequence[Difference], parts: int = 2) -> str:
    """Proposes a name from the strongest differences; empty if none is strong enough.

    Args:
        differences: What sets the cluster apart, the largest effect first.
        parts: How many differences the name is made of.
    """
    # A name says what the members are; the absence of a word or of a category says little.
    strong = [
        difference
        for difference in differences
        if abs(difference.effect) >= _NAMED_EFFECT and (difference.effect > 0 or difference.kind in ("numeric", "date"))
    ]
    words = list(dict.fromkeys(difference.short() for difference in strong[:parts]))
    if len(words) > 1 and all(word.startswith("feature ") for word in words):
        return "features " + ", ".join(word.removeprefix("feature ") for word in words)
    return ", ".join(words)


def differences_of(graph: Any, index: NDArray[np.int64], count: int) -> list[tuple[Difference, ...]]:
    """Compares each cluster with all other nodes.

    Args:
        graph: A graph; with ``node_table``, the user's columns are compared, else the features ``x``, under the names
            in ``feature_names`` if it has them. Columns that hold ids or labels are left out.
        index: The row of each node's cluster, shape (num_nodes,).
        count: Number of clusters K.

    Returns:
        For each cluster its strongest differences, the largest effect first.
    """
    groups = _Groups(index, count)
    if count < 2:
        return [()] * count
    table = graph.get("node_table")
    found: list[list[Difference]] = [[] for _ in range(count)]
    if table is not None and len(table) == len(index) and len(table.columns):
        kinds = {str(entry.get("column")): str(entry.get("kind")) for entry in graph.get("columns") or ()}
        candidates = _of_table(table, kinds, groups)
    else:
        candidates = _of_features(graph, groups)
    for row, difference in candidates:
        found[row].append(difference)
    return [tuple(_strongest(each)) for each in found]


def _strongest(differences: list[Difference]) -> list[Difference]:
    ordered = sorted(differences, key=lambda each: (-abs(each.effect), each.effect < 0, each.column, each.value))
    kept: list[Difference] = []
    for difference in ordered:
        of_column = sum(other.column == difference.column for other in kept)
        # One column with many categories or words must not crowd out the others. Named features have no column.
        if not difference.column or of_column < (_WORDS_OF_COLUMN if difference.kind == "word" else 2):
            kept.append(difference)
        if len(kept) == _LIMIT:
            break
    return kept


_Found = Iterator[tuple[int, Difference]]


class _Groups:
    """The clusters of the nodes, and sums over them."""

    def __init__(self, index: NDArray[np.int64], count: int) -> None:
        self.index, self.count = index, count
        self.sizes = np.bincount(index, minlength=count).astype(float)

    def sampled(self, limit: int = _SAMPLED_ROWS) -> NDArray[np.int64] | None:
        """Rows of a fixed sample; None if there are few enough nodes."""
        if len(self.index) <= limit:
            return None
        return np.sort(np.random.default_rng(0).choice(len(self.index), limit, replace=False))

    def of_rows(self, rows: NDArray[np.int64] | None) -> _Groups:
        return self if rows is None else _Groups(self.index[rows], self.count)


def _of_table(table: Any, kinds: Mapping[str, str], groups: _Groups) -> _Found:
    import pandas as pd

    for position, column in enumerate(map(str, table.columns)):
        kind = kinds.get(column, "")
        if kind in _LEFT_OUT:
            continue
        values = table.iloc[:, position]
        is_date = kind == "date" or pd.api.types.is_datetime64_any_dtype(values.dtype)
        if is_date:
            yield from _means(column, "date", _seconds(values), groups)
        elif pd.api.types.is_bool_dtype(values.dtype):
            yield from _truth(column, values, groups)
        elif pd.api.types.is_numeric_dtype(values.dtype) and kind not in ("categorical", "boolean"):
            yield from _means(column, "numeric", values.to_numpy(dtype=float, na_value=np.nan), groups)
        elif kind == "text" or (not kind and _looks_like_text(values)):
            yield from _words(column, values, groups)
        else:
            yield from _categories(column, values, groups)


def _seconds(values: Any) -> NDArray[np.float64]:
    import pandas as pd

    moments = pd.to_datetime(values, errors="coerce", utc=True)
    seconds = moments.to_numpy(dtype="datetime64[s]", na_value=np.datetime64("NaT", "s"))
    return np.where(np.isnat(seconds), np.nan, seconds.astype(np.int64))


def _looks_like_text(values: Any) -> bool:
    texts = values.dropna().astype(str).head(200)
    return bool(len(texts)) and texts.nunique() > 0.8 * len(texts) and texts.str.count(r"\s").mean() >= 2


def _means(column: str, kind: str, values: NDArray[np.float64], groups: _Groups) -> _Found:
    valid = np.isfinite(values)
    if not valid.any():
        return
    index, kept = groups.index[valid], values[valid]
    counts = np.bincount(index, minlength=groups.count).astype(float)
    sums = np.bincount(index, kept, minlength=groups.count)
    deviation = float(kept.std())
    if deviation <= 1e-12 * max(1.0, abs(float(kept.mean()))):
        return
    others = counts.sum() - counts
    for row in np.flatnonzero((counts > 0) & (others > 0)):
        inside, outside = sums[row] / counts[row], (sums.sum() - sums[row]) / others[row]
        effect = (inside - outside) / deviation
        if abs(effect) >= _LEAST_EFFECT and abs(effect) >= _LEAST_Z * np.sqrt(1 / counts[row] + 1 / others[row]):
            yield int(row), Difference(column, kind, "", float(inside), float(outside), round(float(effect), 3))


def _truth(column: str, values: Any, groups: _Groups) -> _Found:
    filled = values.astype("boolean")
    known = filled.notna().to_numpy()
    truth = filled.fillna(False).to_numpy(dtype=bool)
    present = np.bincount(groups.index[truth & known], minlength=groups.count).astype(float)
    counts = np.bincount(groups.index[known], minlength=groups.count).astype(float)
    yield from _shares(present[:, None], counts, lambda _: (column, "share", "yes"))


def _categories(column: str, values: Any, groups: _Groups) -> _Found:
    import pandas as pd

    codes, levels = pd.factorize(values.astype(str).where(values.notna()), sort=False)
    known = codes >= 0
    if not known.any() or len(levels) > max(_CATEGORIES, len(codes) // 2):
        return  # Nearly every value is another one: ids, not categories.
    frequent = np.argsort(-np.bincount(codes[known]), kind="stable")[:_CATEGORIES]
    place = np.full(len(levels), -1)
    place[frequent] = np.arange(len(frequent))
    chosen = known & (place[codes] >= 0)
    cells = groups.index[chosen] * len(frequent) + place[codes[chosen]]
    present = np.bincount(cells, minlength=groups.count * len(frequent)).reshape(groups.count, -1).astype(float)
    counts = np.bincount(groups.index[known], minlength=groups.count).astype(float)
    yield from _shares(present, counts, lambda level: (column, "share", str(levels[frequent[level]])))


def _words(column: str, values: Any, groups: _Groups) -> _Found:
    from sklearn.feature_extraction.text import CountVectorizer

    rows = groups.sampled()
    texts = values if rows is None else values.iloc[rows]
    least = max(2, len(texts) // 5000)
    word = r"(?u)\b[^\W\d_]\w{2,}\b"  # Numbers are no words; 'gpt4' is one.
    vectorizer = CountVectorizer(
        binary=True,
        max_features=_WORDS,
        min_df=least,
        stop_words="english",
        token_pattern=word,
    )
    try:
        matrix = vectorizer.fit_transform(texts.fillna("").astype(str))
    except ValueError:
        return  # No word occurs often enough.
    names = vectorizer.get_feature_names_out()
    of_rows = groups.of_rows(rows)
    present = _sums(matrix, of_rows)
    yield from _shares(present, of_rows.sizes, lambda word: (column, "word", str(names[word])))


def _of_features(graph: Any, groups: _Groups) -> _Found:
    import scipy.sparse as sp

    x = graph.x
    names = graph.get("feature_names")
    names = None if names is None or len(names) != x.shape[1] else [str(name) for name in names]
    rows = groups.sampled(max(1, min(_SAMPLED_ROWS, (1 << 28) // max(1, int(x.shape[1])))))
    of_rows = groups.of_rows(rows)
    if getattr(x, "is_sparse", False):
        entries, values = x.coalesce().indices().cpu().numpy(), x.coalesce().values().cpu().numpy()
        matrix = sp.csr_matrix((values, (entries[0], entries[1])), tuple(x.shape))
        matrix = matrix if rows is None else matrix[rows]
    else:
        dense = to_numpy(x if rows is None else _rows_of(x, rows)).astype(np.float32, copy=False)
        if np.count_nonzero(dense) > _SPARSE_SHARE * dense.size or (dense.size and dense.min() < 0):
            yield from _dense_features(dense, names, of_rows)
            return
        matrix = sp.csr_matrix(dense)
    if matrix.nnz and matrix.data.min() < 0:
        if matrix.shape[0] * matrix.shape[1] <= 1 << 28:
            yield from _dense_features(matrix.toarray(), names, of_rows)
        return
    present = _sums(matrix != 0, of_rows)
    kind = "share" if names is None else "word"

    def who(feature: int) -> tuple[str, str, str]:
        return (f"feature {feature}", kind, "") if names is None else ("", kind, names[feature])

    yield from _shares(present, of_rows.sizes, who)


def _rows_of(x: Any, rows: NDArray[np.int64]) -> Any:
    import torch

    return x.index_select(0, torch.from_numpy(rows))


def _dense_features(x: NDArray[Any], names: Sequence[str] | None, groups: _Groups) -> _Found:
    for feature in range(x.shape[1]):
        name = f"feature {feature}" if names is None else names[feature]
        yield from _means(name, "numeric", x[:, feature].astype(float), groups)


def _sums(matrix: Any, groups: _Groups) -> NDArray[np.float64]:
    """Sums the rows of a sparse matrix by cluster: shape (K, width)."""
    import scipy.sparse as sp

    nodes = np.arange(len(groups.index))
    member = sp.csr_matrix((np.ones(len(nodes)), (groups.index, nodes)), (groups.count, len(nodes)))
    return (member @ matrix).toarray().astype(float)


def _shares(
    present: NDArray[np.float64], counts: NDArray[np.float64], who: Callable[[int], tuple[str, str, str]]
) -> _Found:
    """Compares shares, all columns of a cluster at a time.

    Args:
        present: How many nodes of each cluster have each value, shape (K, values).
        counts: How many nodes of each cluster are known, shape (K,).
        who: Column, kind and value of a column of ``present``.
    """
    everywhere, all_nodes = present.sum(0), counts.sum()
    for row in np.flatnonzero((counts > 0) & (counts < all_nodes)):
        size, others = counts[row], all_nodes - counts[row]
        inside, outside = present[row] / size, np.clip((everywhere - present[row]) / others, 0.0, 1.0)
        effect = 2 * np.arcsin(np.sqrt(np.clip(inside, 0.0, 1.0))) - 2 * np.arcsin(np.sqrt(outside))
        share = everywhere / all_nodes
        error = np.sqrt(np.maximum(share * (1 - share), 1e-12) * (1 / size + 1 / others))
        clear = (np.abs(effect) >= _LEAST_EFFECT) & (np.abs(inside - outside) >= _LEAST_Z * error)
        chosen = np.flatnonzero(clear)
        for column in chosen[np.argsort(-np.abs(effect[chosen]), kind="stable")][: 3 * _LIMIT]:
            name, kind, value = who(int(column))
            yield (
                int(row),
                Difference(
                    name, kind, value, float(inside[column]), float(outside[column]), round(float(effect[column]), 3)
                ),
            )


__all__ = ["Difference", "date", "differences_of", "number", "percent", "proposed_name"]
