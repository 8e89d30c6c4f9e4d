"""Writes and reads the file ``assignments.csv``."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from eco_core.errors import Problem, RunFolderError


def assignment_rows(
    labels: torch.Tensor, confidence: torch.Tensor, node_ids: Sequence[str] | None
) -> Iterator[tuple[Any, int, str]]:
    """Yields ``(node, cluster, confidence)`` with the user's own node ids."""
    ids = range(labels.shape[0]) if node_ids is None else node_ids
    for node, label, sure in zip(ids, labels.tolist(), confidence.tolist(), strict=True):
        yield node, label, f"{sure:.6f}"


def write_assignments(path: Path, rows: Iterator[tuple[Any, int, str]]) -> None:
    """Writes ``assignments.csv``."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("node", "cluster", "confidence"))
        writer.writerows(rows)


def read_assignments(path: Path) -> dict[str, tuple[int, float]]:
    """Reads an assignments file.

    Args:
        path: The file.

    Returns:
        Cluster and confidence by node id; the confidence is 1.0 if the file has none.

    Raises:
        RunFolderError: ECO403, if the file is missing or malformed; the message names the line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # Spreadsheets write a byte order mark.
            reader = csv.reader(file)
            names = next(reader, [])
            if not {"node", "cluster"} <= set(names):
                raise RunFolderError(
                    Problem(
                        "ECO403",
                        f"{path} has the columns {', '.join(names) or 'none'}; expected node,cluster.",
                        "Start it with the line 'node,cluster'.",
                    )
                )
            node_at, cluster_at = names.index("node"), names.index("cluster")
            confidence_at = names.index("confidence") if "confidence" in names else len(names)
            rows: dict[str, tuple[int, float]] = {}
            for row in reader:
                if not row:
                    continue
                try:
                    node, cluster = row[node_at], int(row[cluster_at])
                    sure = float(row[confidence_at] or 1.0) if len(row) > confidence_at else 1.0
                except (IndexError, ValueError):
                    raise _bad_line(path, reader.line_num, _what_is_wrong(row, cluster_at)) from None
                if not -(2**63) <= cluster < 2**63:
                    raise _bad_line(path, reader.line_num, _what_is_wrong(row, cluster_at))
                if node in rows:
                    raise _bad_line(path, reader.line_num, f"node {node!r} is listed twice")
                rows[node] = cluster, sure
            return rows
    except OSError as error:
        raise RunFolderError(
            Problem(
                "ECO403",
                f"Assignments file {path} cannot be read: {error.strerror}.",
                "Give the assignments.csv of a run, or another CSV file with the columns node and cluster.",
            )
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise RunFolderError(Problem("ECO403", f"{path} is not a text file.", "Give a CSV file.")) from error


def _what_is_wrong(row: Sequence[str], cluster_at: int) -> str:
    cluster = row[cluster_at] if cluster_at < len(row) else None
    return f"cluster {cluster!r} is not a 64-bit integer, or the confidence is not a number"


def _bad_line(path: Path, line: int, what: str) -> RunFolderError:
    return RunFolderError(Problem("ECO403", f"{path}, line {line}: {what}.", "Mend the line."))
