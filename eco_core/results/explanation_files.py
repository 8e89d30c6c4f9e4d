"""Writes and reads ``clusters.csv`` and ``explanation.json`` of a run folder."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

from eco_core._files import write_atomically, write_text
from eco_core.errors import Problem, RunFolderError
from eco_core.results.explanation import FORMAT, Explanation
from eco_core.results.folder import CLUSTERS, EXPLANATION

COLUMNS = ("cluster", "name", "size", "share", "density", "conductance", "confidence", "neighbours", "distinguishing")
"""The columns of ``clusters.csv``."""


def write_explanation(folder: Path, explanation: Explanation) -> None:
    """Writes ``clusters.csv`` and ``explanation.json``.

    Args:
        folder: An existing run folder.
        explanation: Why its clusters are clusters.
    """
    write_atomically(folder / CLUSTERS, lambda path: _write_clusters(path, explanation))
    document = _without_nan(explanation.document())
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    write_text(folder / EXPLANATION, text.encode("utf-8", "replace").decode("utf-8") + "\n")


def read_explanation(folder: Path) -> Explanation | None:
    """Reads ``explanation.json``; None if the folder has none.

    Args:
        folder: A run folder.

    Raises:
        RunFolderError: ECO403, if the file cannot be read, or has another format.
    """
    path = folder / EXPLANATION
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.get("format") != FORMAT:
            raise ValueError(f"it has format {document.get('format')}, this version reads {FORMAT}")
        return Explanation.from_document(document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunFolderError(
            Problem(
                "ECO403",
                f"{path} cannot be read: {error}.",
                "Delete it: the report is then made of the other files; or run the folder's spec.yaml again.",
            )
        ) from error


def _write_clusters(path: Path, explanation: Explanation) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for cluster in explanation.clusters:
            writer.writerow(
                (
                    cluster.cluster,
                    cluster.name,
                    cluster.size,
                    *map(_figure, (cluster.share, cluster.density, cluster.conductance, cluster.confidence)),
                    "; ".join(f"{each.cluster} ({each.share:.0%})" for each in cluster.neighbours),
                    "; ".join(difference.sentence() for difference in cluster.differences),
                )
            )


def _figure(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: it becomes null. Floats are cut to six digits, which keeps the file small."""
    if isinstance(value, dict):
        return {str(key): _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(inner) for inner in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value if value is None or isinstance(value, (str, int)) else str(value)


__all__ = ["COLUMNS", "read_explanation", "write_explanation"]
