"""Compares two run folders: everything that a run computed, except its seconds."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_SECONDS = "seconds"


@dataclass(frozen=True)
class Compared:
    """Two runs that finished.

    Attributes:
        differences: One sentence for each file that differs; empty if the runs are the same.
        ari: Adjusted Rand index between the assignments; None if their nodes differ.
    """

    differences: tuple[str, ...]
    ari: float | None


def compare_runs(before: Path, after: Path) -> Compared:
    """Compares assignments, embeddings and metrics byte for byte, and the history without its column of seconds.

    Args:
        before: A finished run folder.
        after: Another one.

    Returns:
        The differences. A file that is missing on both sides is a difference, too: nothing was compared.
    """
    texts = []
    for name, difference in _FILES.items():
        ours, theirs = before / name, after / name
        missing = [side for side, path in (("before", ours), ("after", theirs)) if not path.is_file()]
        if missing:
            texts.append(f"{name} is missing {' and '.join(missing)}")
            continue
        text = difference(ours, theirs)
        if text:
            texts.append(text)
    return Compared(tuple(texts), _ari_of_files(before / "assignments.csv", after / "assignments.csv"))


def adjusted_rand_index(first: Sequence[Any], second: Sequence[Any]) -> float:
    """Returns the adjusted Rand index of two clusterings of the same nodes; 1 if they differ only in cluster names.

    Args:
        first: Cluster of each node.
        second: Cluster of each node in the other clustering, in the same order.
    """
    together = _pairs(Counter(zip(first, second, strict=True)))
    ours, theirs, all_pairs = _pairs(Counter(first)), _pairs(Counter(second)), math.comb(len(first), 2)
    expected = ours * theirs / all_pairs if all_pairs else 0.0
    largest = (ours + theirs) / 2
    return 1.0 if largest == expected else (together - expected) / (largest - expected)


def _pairs(sizes: Counter[Any]) -> int:
    return sum(math.comb(size, 2) for size in sizes.values())


def _assignments(before: Path, after: Path) -> str:
    if before.read_bytes() == after.read_bytes():
        return ""
    ours, theirs = _rows(before), _rows(after)
    if [row["node"] for row in ours] != [row["node"] for row in theirs]:
        return "assignments.csv has other nodes"
    moved = sum(a["cluster"] != b["cluster"] for a, b in zip(ours, theirs, strict=True))
    unsure = sum(a.get("confidence") != b.get("confidence") for a, b in zip(ours, theirs, strict=True))
    return f"assignments.csv: cluster of {moved} and confidence of {unsure} of {len(ours)} nodes"


def _ari_of_files(before: Path, after: Path) -> float | None:
    if not (before.is_file() and after.is_file()):
        return None
    ours, theirs = _rows(before), _rows(after)
    if [row["node"] for row in ours] != [row["node"] for row in theirs]:
        return None
    return adjusted_rand_index([row["cluster"] for row in ours], [row["cluster"] for row in theirs])


def _history(before: Path, after: Path) -> str:
    ours, theirs = _rows(before), _rows(after)
    columns, others = _columns(before), _columns(after)
    if columns != others:
        return f"history.csv has the columns {', '.join(columns)} / {', '.join(others)}"
    for number, (a, b) in enumerate(zip(ours, theirs, strict=False)):
        changed = [f"{name} {a[name]} / {b[name]}" for name in columns if name != _SECONDS and a[name] != b[name]]
        if changed:
            return f"history.csv from row {number} ({a['stage']} {a['epoch']}): {', '.join(changed)}"
    return f"history.csv has {len(ours)} / {len(theirs)} rows" if len(ours) != len(theirs) else ""


def _embeddings(before: Path, after: Path) -> str:
    if before.read_bytes() == after.read_bytes():
        return ""
    ours, theirs = np.load(before), np.load(after)
    if (ours.shape, ours.dtype) != (theirs.shape, theirs.dtype):
        return f"embeddings.npy: {ours.shape} {ours.dtype} / {theirs.shape} {theirs.dtype}"
    largest = float(np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max(initial=0.0))
    return f"embeddings.npy: largest difference {largest:.3g}"


def _metrics(before: Path, after: Path) -> str:
    if before.read_bytes() == after.read_bytes():
        return ""
    ours, theirs = (json.loads(path.read_text(encoding="utf-8")) for path in (before, after))
    names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    changed = [f"{name} {_figure(ours.get(name))} / {_figure(theirs.get(name))}" for name in names]
    return f"metrics.json: {', '.join(changed) or 'the same figures, written in another way'}"


def _figure(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _columns(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file).fieldnames or [])


_FILES = {
    "assignments.csv": _assignments,
    "history.csv": _history,
    "embeddings.npy": _embeddings,
    "metrics.json": _metrics,
}
