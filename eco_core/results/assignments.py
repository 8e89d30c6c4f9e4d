"""Writes and reads the file ``assignments.csv``."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
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
            reader = csv.DictReader(file)
            if reader.fieldnames is None or not {"node", "cluster"} <= set(reader.fieldnames):
                raise RunFolderError(
                    Problem(
                        "ECO403",
                        f"{path} has the columns {', '.join(reader.fieldnames or []) or 'none'}; "
                        "expected node,cluster.",
                        "Start it with the line 'node,cluster'.",
                    )
                )
            rows: dict[str, tuple[int, float]] = {}
            for row in reader:
                if row["node"] in rows:
                    raise _bad_line(path, reader.line_num, f"node {row['node']!r} is listed twice")
                try:
                    cluster, confidence = int(row["cluster"]), float(row.get("confidence") or 1.0)
                    rows[row["node"]] = int(np.int64(cluster)), confidence
                except (TypeError, ValueError, OverflowError):
                    message = f"cluster {row['cluster']!r} is not a 64-bit integer, or the confidence is not a number"
                    raise _bad_line(path, reader.line_num, message) from None
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


def _bad_line(path: Path, line: int, what: str) -> RunFolderError:
    return RunFolderError(Problem("ECO403", f"{path}, line {line}: {what}.", "Mend the line."))
