"""Chooses the column of a nodes table that holds the ids of the nodes."""

from __future__ import annotations

from typing import Any, NamedTuple

from eco_core.data.tables.edges import EdgesRead
from eco_core.data.tables.ids import IdColumn, ids_of, may_be_ids
from eco_core.data.tables.options import INDEX, TableOptions
from eco_core.data.tables.origin import Origin
from eco_core.data.tables.roles import check_given, has_id_name, id_candidates, is_index_name, listed, speaks_of_ids
from eco_core.errors import Problem

_MOST_UNNAMED = 16
"""How many columns without a name of ids are compared with the ends of the edges."""


class ChosenIds(NamedTuple):
    """The column of ids.

    Attributes:
        column: Its name; None: the ids are the numbers of the rows.
        ids: Its values.
        how: How it was chosen, for the report; empty if its name says it.
    """

    column: str | None
    ids: IdColumn | None
    how: str


def choose_id_column(
    nodes: Any, edges: EdgesRead | None, options: TableOptions, origin: Origin, problems: list[Problem]
) -> ChosenIds:
    """Chooses the column of ids: the one that the user names, else the one that fits the ends of the edges best.

    Args:
        nodes: A ``pandas.DataFrame`` whose columns have unique names.
        edges: The ends of the edges, if there is an edges table.
        options: The user's choices.
        origin: Where the nodes come from.
        problems: Takes the problems.
    """
    names = list(nodes.columns)
    if options.id_column is not None:
        chosen = names[0] if options.id_column == INDEX else options.id_column
        check_given(chosen, names, "id_column", origin.name, problems)
        return ChosenIds(chosen, ids_of(nodes[chosen]), "") if chosen in names else ChosenIds(None, None, "")
    free = [name for name in names if name not in options.ignore_columns]
    candidates = [name for name in id_candidates(free) if has_id_name(name) or may_be_ids(nodes[name])]
    if edges is None:
        return _without_edges(nodes, free, candidates)
    ends = ends_of(edges)
    read = _read(nodes, candidates)
    whole = [name for name, ids in read.items() if ids.is_unique and ends <= set(ids.texts)]
    if whole:
        how = "" if _is_known(whole[0]) else ", since it holds all ids of the edges"
        # Numbers from 0 are in many columns: the user must see that there was a choice.
        more = [name for name in whole[1:] if not is_index_name(name)] if how and ends else []
        return ChosenIds(whole[0], read[whole[0]], how + (f", as does {listed(more, 3)}" if more else ""))
    named = [name for name in candidates if _is_known(name)]
    fits = {name: _fit(name, ids, ends) for name, ids in read.items()}
    best = max(fits, key=lambda name: fits[name], default=None)
    is_rows = all(text.isdecimal() and int(text) < len(nodes) for text in ends)
    if best is not None and fits[best] > 0 and (named or not is_rows):
        share = _share(read[best], ends)
        how = "" if _is_known(best) else f", since it holds more ids of the edges than others ({share:.0%})"
        return ChosenIds(best, read[best], how)
    if named:
        first = max(named[:4], key=lambda name: (read[name].is_unique, -named.index(name)))
        return ChosenIds(first, read[first], "")
    if is_rows:
        return ChosenIds(None, None, "no column holds the ids of the edges: they are the numbers of the rows, from 0")
    others = [name for name in candidates if not is_index_name(name)] or candidates
    if not others:
        problems.append(
            Problem(
                "ECO302",
                f"{origin.name} has no column of ids; its columns are {listed(names)}.",
                "Add a column id with the names that the edges use, or name it with --id-column.",
            )
        )
        return ChosenIds(None, None, "")
    return ChosenIds(others[0], ids_of(nodes[others[0]]), ", by its position")


def better_column(nodes: Any, chosen: str | None, edges: EdgesRead) -> str:
    """A sentence that names the column which holds more of the ends of the edges than the ids; empty if none does.

    Args:
        nodes: A ``pandas.DataFrame``; None if there is no nodes table.
        chosen: The column of ids; None: the numbers of the rows.
        edges: The ends of the edges.
    """
    if nodes is None:
        return ""
    ends = ends_of(edges)
    names = [name for name in id_candidates(list(nodes.columns)) if may_be_ids(nodes[name])]
    shares = {name: _share(ids, ends) for name, ids in _read(nodes, names).items() if name != chosen}
    rows = sum(text.isdecimal() and int(text) < len(nodes) for text in ends) / max(1, len(ends))
    own = rows if chosen is None else _share(ids_of(nodes[chosen]), ends)
    best = max(shares, key=lambda name: shares[name], default=None)
    if best is None or shares[best] <= own:
        return ""
    return f"Column {best!r} holds {shares[best]:.0%} of the ends of the edges: --id-column {best} takes it. "


def ends_of(edges: EdgesRead) -> set[str]:
    """The different ids that the edges name."""
    return set(edges.source.texts) | set(edges.target.texts)


def _without_edges(nodes: Any, free: list[str], candidates: list[str]) -> ChosenIds:
    import pandas as pd

    def is_number(name: str) -> bool:
        return bool(pd.api.types.is_numeric_dtype(nodes[name].dtype))

    # A filtered data frame has gaps in its index: it tells nodes apart, but less well than names.
    numbers = [name for name in candidates if is_index_name(name) and is_number(name)]
    for name in (name for name in candidates if has_id_name(name) and name not in numbers):
        ids = ids_of(nodes[name])
        if ids.is_unique:
            return ChosenIds(name, ids, "")
    named = [name for name in candidates if _is_known(name)]
    if named and not numbers:
        return ChosenIds(named[0], ids_of(nodes[named[0]]), "")
    first = next((name for name in free if not is_index_name(name)), None)
    if first is not None and not is_number(first) and may_be_ids(nodes[first]):
        ids = ids_of(nodes[first])
        if ids.is_unique and not _are_numbers(ids):
            return ChosenIds(first, ids, ", since it is the first column and every row has another text")
    for name in numbers:
        ids = ids_of(nodes[name])
        if ids.is_unique:
            return ChosenIds(name, ids, "")
    if named:
        return ChosenIds(named[0], ids_of(nodes[named[0]]), "")
    return ChosenIds(None, None, "no column is named as one of ids: the nodes are numbered by their rows, from 0")


def _is_known(name: str) -> bool:
    return has_id_name(name) and not is_index_name(name)


def _read(nodes: Any, candidates: list[str]) -> dict[str, IdColumn]:
    """Reads the candidates, of those without a name of ids the first ones only: each takes time in large tables."""
    others = [name for name in candidates if not has_id_name(name)][:_MOST_UNNAMED]
    return {name: ids_of(nodes[name]) for name in candidates if has_id_name(name) or name in others}


def _share(ids: IdColumn, ends: set[str]) -> float:
    return len(ends & set(ids.texts)) / max(1, len(ends))


def _fit(name: str, ids: IdColumn, ends: set[str]) -> float:
    """The share of the ends that a column holds, less where its name or repeated values speak against it."""
    trust = 1.0 if _is_known(name) else 0.5 if is_index_name(name) else 0.9 if speaks_of_ids(name) else 0.7
    return _share(ids, ends) * trust * (1.0 if ids.is_unique else 0.5)


def _are_numbers(ids: IdColumn) -> bool:
    try:
        for text in ids.texts:
            float(text)
    except ValueError:
        return False
    return True


__all__ = ["ChosenIds", "better_column", "choose_id_column", "ends_of"]
