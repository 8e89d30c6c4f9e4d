"""Finds the role of each column by its name: ids, sources, targets, weights, types and classes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from eco_core.data.tables.options import TableOptions
from eco_core.errors import Problem, did_you_mean

IDS = (
    *("id", "node", "nodeid", "nodes", "uid", "uuid", "guid", "identifier", "key", "name", "cell", "cellid"),
    *("barcode", "userid", "user", "entity", "entityid", "vertex", "vertexid", "paperid", "itemid"),
)
"""Names of a column of ids in a nodes table, in the order of preference."""

ENDS = (
    ("source", "target"),
    ("src", "dst"),
    ("src", "tgt"),
    ("src", "dest"),
    ("sourceid", "targetid"),
    ("sourcenode", "targetnode"),
    ("from", "to"),
    ("fromid", "toid"),
    ("fromnode", "tonode"),
    ("fromnodeid", "tonodeid"),
    ("node1", "node2"),
    ("nodea", "nodeb"),
    ("id1", "id2"),
    ("vertex1", "vertex2"),
    ("u", "v"),
    ("i", "j"),
    ("a", "b"),
    ("s", "t"),
    ("start", "end"),
    ("startid", "endid"),
    ("origin", "destination"),
    ("sender", "receiver"),
    ("sender", "recipient"),
    ("head", "tail"),
    ("subject", "object"),
    ("follower", "followee"),
    ("citing", "cited"),
    ("parent", "child"),
    ("ego", "alter"),
    ("payer", "payee"),
    ("buyer", "seller"),
    ("lender", "borrower"),
    ("debtor", "creditor"),
    ("caller", "callee"),
)
"""Pairs of names of an edge's ends."""

_WORDS = tuple(
    pair
    for pair in ENDS
    if min(map(len, pair)) > 1 and pair not in (("start", "end"), ("head", "tail")) and "1" not in pair[0]
)
"""Pairs that also speak of ends within longer names, such as ``from_customer`` and ``to_customer``."""

WEIGHTS = ("weight", "weights", "edgeweight", "w", "strength", "similarity", "count", "value", "score")
TYPES = ("type", "edgetype", "relation", "relationship", "predicate", "rel", "kind", "label")
LABELS = (
    *("label", "labels", "class", "classes", "y", "target", "groundtruth", "truth", "truelabel", "classlabel"),
    *("nodelabel", "nodeclass"),
)
_NO_WEIGHT = re.compile(r"time|date|stamp|year|month|day|id$|index|distance|dist$|cost|length")
_NO_END = re.compile(
    r"time|date|stamp|year|month|day|hour|valid|age|price|amount|salary|value|currency|count|lat|lon|x|y"
)
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_INDEX = re.compile(r"|unnamed: \d+|__index_level_\d+__|index|level_\d+")


def plain_name(column: str) -> str:
    """A name in lower case without spaces and signs: ``"Source ID"`` becomes ``"sourceid"``."""
    return re.sub(r"[^0-9a-z]", "", column.lower())


def is_index_name(column: str) -> bool:
    """Whether pandas gives this name to the index that it writes into a file."""
    return _INDEX.fullmatch(column.strip().lower()) is not None


def ends_among(columns: Sequence[str]) -> tuple[str, str] | None:
    """Finds the two columns whose names say that they are the ends of an edge.

    Well-known pairs come first, such as ``source`` and ``target``; then names that differ only in such words, such as
    ``from_customer`` and ``to_customer``, ``sourceAccount`` and ``targetAccount``.

    Args:
        columns: The names of the columns.
    """
    by_name = {plain_name(column): column for column in reversed(columns)}
    pair = next(((by_name[a], by_name[b]) for a, b in ENDS if a in by_name and b in by_name), None)
    if pair is not None:
        return pair
    by_parts = {tuple(part.lower() for part in _PART.findall(column)): column for column in reversed(columns)}
    for one, other in _WORDS:
        for parts, column in reversed(by_parts.items()):
            if one not in parts or any(_NO_END.fullmatch(part) for part in parts):
                continue
            place = parts.index(one)
            partner = (*parts[:place], other, *parts[place + 1 :])
            if partner in by_parts:
                return column, by_parts[partner]
    return None


@dataclass(frozen=True)
class EdgeRoles:
    """The columns of an edges table.

    Attributes:
        source: The column of sources.
        target: The column of targets.
        weight: The column of weights, if there is one.
        type: The column of types, if there is one.
        by_position: Whether source and target were taken by position, since no name says it.
        only_weight: Whether the weight was taken since there is no other column, not by its name.
    """

    source: str
    target: str
    weight: str | None = None
    type: str | None = None
    by_position: bool = False
    only_weight: bool = False


def edge_roles(
    columns: Sequence[str],
    options: TableOptions,
    table: str,
    problems: list[Problem],
    may_be_weight: Callable[[str], bool] = lambda _: True,
) -> EdgeRoles | None:
    """Finds the roles of an edges table's columns.

    Names decide: first those that the user gave, then the well-known ones. If no name says which columns are the ends,
    the first two columns are taken that pandas did not write as an index. If no name says which column is the weight,
    the only other column is taken if it may be one and its name does not speak against it. That does not depend on how
    the ends were found.

    Args:
        columns: The names of the columns.
        options: The user's choices.
        table: The table's name, for messages.
        problems: Takes the problems.
        may_be_weight: Whether the values of a column may be weights.

    Returns:
        The roles; None if there is a problem.
    """
    before = len(problems)
    for flag, name in (
        ("source_column", options.source_column),
        ("target_column", options.target_column),
        ("weight_column", options.weight_column),
        ("type_column", options.type_column),
    ):
        check_given(name, columns, flag, table, problems)
    if len(problems) > before:
        return None
    free = [column for column in columns if column not in options.ignore_columns]
    by_name = {plain_name(column): column for column in reversed(free)}
    source, target, by_position = options.source_column, options.target_column, False
    if source is None and target is None:
        pair = ends_among(free)
        if pair is not None:
            source, target = pair
        else:
            rest = [c for c in free if not is_index_name(c)] if len(free) > 2 else free
            if len(rest) < 2:
                problems.append(
                    Problem(
                        "ECO302",
                        f"{table} has no two columns for the ends of an edge; its columns are {listed(columns)}.",
                        "Give it the columns source and target, or name them with --source-column and --target-column.",
                    )
                )
                return None
            source, target, by_position = rest[0], rest[1], True
    elif source is None or target is None:
        given = source or target
        known = [a if target == given else b for a, b in ENDS]
        other = next((by_name[name] for name in known if name in by_name and by_name[name] != given), None)
        pair = ends_among(free)
        if other is None and pair is not None and given in pair:
            other = pair[1] if given == pair[0] else pair[0]
        left = [c for c in free if c != given and not is_index_name(c)]
        other = other or (left[0] if len(left) == 1 else None)
        if other is None:
            missing = "source" if source is None else "target"
            problems.append(
                Problem(
                    "ECO302",
                    f"{table} has no column that is known as the {missing}; its columns are {listed(columns)}.",
                    f"Name it with --{missing}-column.",
                )
            )
            return None
        source, target = (other, target) if source is None else (source, other)
    ends = {source, target}
    weight = options.weight_column or next(
        (by_name[n] for n in WEIGHTS if n in by_name and by_name[n] not in ends), None
    )
    kind = options.type_column or next(
        (by_name[n] for n in TYPES if n in by_name and by_name[n] not in {*ends, weight}), None
    )
    only_weight = False
    if weight is None:
        rest = [c for c in free if c not in {*ends, kind} and not is_index_name(c)]
        if len(rest) == 1 and _NO_WEIGHT.search(plain_name(rest[0])) is None and may_be_weight(rest[0]):
            weight, only_weight = rest[0], True
    return EdgeRoles(str(source), str(target), weight, kind, by_position, only_weight)


def id_candidates(columns: Sequence[str]) -> list[str]:
    """The columns of a nodes table that may hold the ids: known names, names such as customer_id, the index, others."""
    by_name = {plain_name(column): column for column in reversed(columns)}
    known = [by_name[name] for name in IDS if name in by_name]
    index = [column for column in columns if is_index_name(column)]
    alike = [column for column in columns if column not in index and speaks_of_ids(column)]
    return list(dict.fromkeys([*known, *alike, *index, *columns]))


def has_id_name(column: str) -> bool:
    """Whether a column has a name that is well known for ids, or that pandas gives to an index."""
    return plain_name(column) in IDS or is_index_name(column)


def speaks_of_ids(column: str) -> bool:
    """Whether a column's name is one of ids, or ends as one: ``customer_id``, ``orderKey``."""
    return has_id_name(column) or re.search(r"(_|\b|[a-z])(id|ID|Id|uuid|UUID|key)$", column) is not None


def check_given(name: str | None, columns: Sequence[str], flag: str, table: str, problems: list[Problem]) -> None:
    """Reports a column that the user named and the table lacks."""
    if name is not None and name not in columns:
        problems.append(
            Problem(
                "ECO302",
                f"{table} has no column {name!r}; its columns are {listed(columns)}.",
                f"{did_you_mean(name, columns, list_all=False)} It was named by --{flag.replace('_', '-')}.".strip(),
            )
        )


def listed(columns: Sequence[str], most: int = 12) -> str:
    """Lists names for a message."""
    shown = ", ".join(repr(column) for column in columns[:most])
    return shown + (f" and {len(columns) - most:,} more" if len(columns) > most else "")


__all__ = [
    "ENDS",
    "IDS",
    "LABELS",
    "TYPES",
    "WEIGHTS",
    "EdgeRoles",
    "check_given",
    "edge_roles",
    "ends_among",
    "has_id_name",
    "id_candidates",
    "is_index_name",
    "listed",
    "plain_name",
    "speaks_of_ids",
]
