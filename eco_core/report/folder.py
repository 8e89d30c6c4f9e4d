"""Reads what a page needs from a run folder. Neither models nor plugins are loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from eco_core.engine.history import History
from eco_core.errors import Problem, RunFolderError
from eco_core.results.assignments import read_assignments
from eco_core.results.clustering import Clustering
from eco_core.results.explanation import Explanation, explain_from_results
from eco_core.results.explanation_files import read_explanation
from eco_core.results.folder import ASSIGNMENTS, EMBEDDINGS, ENVIRONMENT, HISTORY, LOG, METRICS, SPEC
from eco_core.spec.yaml_io import load_yaml

_NEEDED = (SPEC, ASSIGNMENTS, METRICS, HISTORY, ENVIRONMENT)


@dataclass(frozen=True, eq=False)
class StoredResults:
    """A finished run as its folder describes it.

    Attributes:
        folder: The folder.
        spec: The resolved spec, as plain data.
        spec_text: The content of ``spec.yaml``.
        ids: The ids of the nodes, in order.
        labels: The cluster of each node, shape (num_nodes,).
        metrics: The metrics by name.
        history: The rows of the training's history.
        environment: The content of ``environment.json``.
        log: The lines of ``log.txt``.
        explanation: Why the clusters are clusters.
    """

    folder: Path
    spec: Mapping[str, Any]
    spec_text: str
    ids: list[str]
    labels: np.ndarray
    metrics: Mapping[str, float]
    history: History
    environment: Mapping[str, Any]
    log: list[str]
    explanation: Explanation


def read_results(folder: Path, *, explained: bool = True) -> StoredResults:
    """Reads a run folder for a page.

    Args:
        folder: A folder that ``eco compose`` wrote.
        explained: Whether the explanation is made of the embeddings if the folder has none.

    Raises:
        RunFolderError: ECO403, if files are missing or unreadable.
    """
    missing = [name for name in _NEEDED if not (folder / name).is_file()]
    if missing:
        raise RunFolderError(
            Problem(
                "ECO403",
                f"{folder} is not a finished run folder: it has no {', '.join(missing)}.",
                "Give the folder that 'eco compose' printed.",
            )
        )
    assignments = read_assignments(folder / ASSIGNMENTS)
    labels = np.array([cluster for cluster, _ in assignments.values()], dtype=np.int64)
    explanation = read_explanation(folder)
    try:
        if explanation is None:
            explanation = explain_from_results(_clustering(folder, assignments, explained))
        return StoredResults(
            folder=folder,
            spec=load_yaml((folder / SPEC).read_text(encoding="utf-8"), str(folder / SPEC)),
            spec_text=(folder / SPEC).read_text(encoding="utf-8"),
            ids=list(assignments),
            labels=labels,
            metrics=json.loads((folder / METRICS).read_text(encoding="utf-8")),
            history=History.from_csv(folder / HISTORY),
            environment=json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8")),
            log=(folder / LOG).read_text(encoding="utf-8").splitlines() if (folder / LOG).is_file() else [],
            explanation=explanation,
        )
    except (OSError, ValueError, KeyError) as error:
        raise RunFolderError(
            Problem("ECO403", f"Run folder {folder} cannot be read: {error}", "Run the folder's spec.yaml again.")
        ) from error


def _clustering(folder: Path, assignments: Mapping[str, tuple[int, float]], explained: bool) -> Clustering:
    path = folder / EMBEDDINGS
    has_map = explained and path.is_file()
    embedding = torch.from_numpy(np.load(path)) if has_map else torch.zeros(len(assignments), 2)
    return Clustering(
        labels=torch.tensor([cluster for cluster, _ in assignments.values()]),
        confidence=torch.tensor([confidence for _, confidence in assignments.values()]),
        embedding=embedding,
        node_ids=list(assignments),
    )


__all__ = ["StoredResults", "read_results"]
