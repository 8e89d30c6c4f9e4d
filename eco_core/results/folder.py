"""Writes and reads the files of a run folder; each file is written atomically."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eco_core._files import write_atomically, write_text
from eco_core.data.source import is_path
from eco_core.engine.callbacks import FitInfo
from eco_core.engine.history import History
from eco_core.errors import Problem, RunFolderError
from eco_core.results.assignments import assignment_rows, read_assignments, write_assignments
from eco_core.results.clustering import Clustering
from eco_core.results.environment import describe_environment
from eco_core.spec.data_paths import portable_data
from eco_core.spec.models import IN_MEMORY
from eco_core.spec.yaml_io import dump_yaml

SPEC, ASSIGNMENTS, EMBEDDINGS, METRICS = "spec.yaml", "assignments.csv", "embeddings.npy", "metrics.json"
HISTORY, MODEL, ENVIRONMENT, LOG = "history.csv", "model.pt", "environment.json", "log.txt"
CHECKPOINT = "checkpoint.pt"
PREPARATION, PREPARATION_ARRAYS = "preparation.json", "preparation.npz"
CLUSTERS, EXPLANATION, REPORT = "clusters.csv", "explanation.json", "report.html"
RUN_FILES = (SPEC, ASSIGNMENTS, EMBEDDINGS, METRICS, HISTORY, MODEL, ENVIRONMENT, LOG)
EXPLAINED_FILES = (CLUSTERS, EXPLANATION, REPORT)
"""More files of a run, which a run with ``report: false`` does not have."""

FORMAT = 1


def check_free(folder: Path, force: bool) -> None:
    """Refuses a folder that must not be written to.

    Raises:
        RunFolderError: ECO402, if the folder has files in it and ``force`` is False; ECO403, if it is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(
            Problem("ECO403", f"{folder} is a file; a run is written to a folder.", "Give another --out.")
        )
    if not force and folder.is_dir() and any(folder.iterdir()):
        raise RunFolderError(
            Problem(
                "ECO402",
                f"Folder {folder} is not empty; a run does not overwrite other files.",
                "Give another --out, or --force to replace the run in it.",
            )
        )


def claim_folder(folder: Path, force: bool = False) -> Path:
    """Makes a run folder, or with ``force`` removes the files of an earlier run from it.

    Raises:
        RunFolderError: ECO402, if the folder has files in it and ``force`` is False; ECO403, if it is a file or cannot
            be written.
    """
    check_free(folder, force)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for stale in (*RUN_FILES, *EXPLAINED_FILES, CHECKPOINT, PREPARATION, PREPARATION_ARRAYS):
            (folder / stale).unlink(missing_ok=True)
        (folder / LOG).touch()
    except OSError as error:
        raise RunFolderError(
            Problem("ECO403", f"Folder {folder} cannot be written: {error.strerror}.", "Give another --out.")
        ) from error
    return folder


def fresh_folder(name: str, parent: Path = Path("runs")) -> Path:
    """Makes ``runs/<time>-<name>``; a number is appended if another run started in the same second."""
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    for attempt in range(1, 1000):
        folder = parent / (stem if attempt == 1 else f"{stem}-{attempt}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise RunFolderError(
                Problem("ECO403", f"Folder {folder} cannot be made: {error.strerror}.", "Give --out.")
            ) from error
        return folder
    raise RunFolderError(Problem("ECO403", f"There are a thousand runs {parent / stem}.", "Give --out."))


def files_of(folder: Path) -> list[str]:
    """The names of the run's files that exist in a folder, also in the folder of an unfinished run."""
    return [name for name in (*RUN_FILES, CHECKPOINT) if (folder / name).is_file()]


def write_spec(folder: Path, info: FitInfo) -> None:
    """Writes ``spec.yaml``. If the spec alone is not enough to run again, a comment in its first line explains why.

    Paths of the data are written relative to the folder: the spec works from anywhere, and after folder and data were
    moved together.

    Args:
        folder: An existing folder.
        info: The facts of the fit, with the resolved spec.
    """
    head = (
        ""
        if info.rerunnable
        else (
            "# Not re-runnable: names in <> are parts or values that were given from Python. Pass them to eco.load.\n"
        )
    )
    spec = dict(info.spec)
    data = spec.get("data")
    if isinstance(data, Mapping):
        name = data.get("name")
        spec["data"] = portable_data(data, folder, isinstance(name, str) and name != IN_MEMORY and is_path(name))
    write_text(folder / SPEC, head + dump_yaml(spec))


def write_run(folder: Path, info: FitInfo, clustering: Clustering, **facts: Any) -> None:
    """Writes all files of a finished run except the log.

    Args:
        folder: An existing folder.
        info: The facts of the fit; its module now has the final weights.
        clustering: The result of the fit.
        **facts: More entries of ``environment.json``.
    """
    write_spec(folder, info)
    rows = assignment_rows(clustering.labels, clustering.confidence, clustering.node_ids)
    write_atomically(folder / ASSIGNMENTS, lambda path: write_assignments(path, rows))
    write_atomically(folder / EMBEDDINGS, lambda path: _save_array(path, clustering.embedding.numpy()))
    write_text(folder / METRICS, json.dumps(dict(clustering.metrics), indent=2) + "\n")
    write_atomically(folder / HISTORY, clustering.history.to_csv)
    if info.preparation is not None:
        info.preparation.save(folder)
    state = {name: tensor.detach().cpu() for name, tensor in info.module.state_dict().items()}
    saved = {"format": FORMAT, "facts": dict(info.facts), "state": state}
    write_atomically(folder / MODEL, lambda path: torch.save(saved, path))
    environment = {**describe_environment(info), **facts}
    write_text(folder / ENVIRONMENT, json.dumps(environment, indent=2) + "\n")


@dataclass(frozen=True)
class StoredRun:
    """The content of a run folder, without the spec.

    Attributes:
        facts: The sizes that the parts were built for: ``in_channels``, ``num_nodes`` and, where known, ``n_clusters``.
        state: The ``state_dict`` of the model.
        clustering: The result of the fit.
    """

    facts: Mapping[str, int]
    state: Mapping[str, Tensor]
    clustering: Clustering


def check_finished(folder: Path) -> None:
    """Checks that a folder holds a finished run.

    Raises:
        RunFolderError: ECO403, if files are missing; the message names them.
    """
    missing = [name for name in RUN_FILES if name != LOG and not (folder / name).is_file()]
    if missing:
        raise RunFolderError(
            Problem(
                "ECO403",
                f"{folder} is not a finished run folder: it has no {', '.join(missing)}.",
                "Give the folder that 'eco compose' printed.",
            )
        )


def read_run(folder: Path) -> StoredRun:
    """Reads all of a finished run except its spec.

    Raises:
        RunFolderError: ECO403, if a file is missing, unreadable or of another format.
    """
    check_finished(folder)
    try:
        saved = torch.load(folder / MODEL, map_location="cpu", weights_only=True)
    except Exception as error:
        raise RunFolderError(
            Problem("ECO403", f"{folder / MODEL} cannot be read: {error}", "Run the folder's spec.yaml again.")
        ) from error
    if not isinstance(saved, dict) or saved.get("format") != FORMAT:
        found = saved.get("format") if isinstance(saved, dict) else type(saved).__name__
        raise RunFolderError(
            Problem(
                "ECO403",
                f"{folder / MODEL} has format {found}; this version of eco-core reads format {FORMAT}.",
                "Load it with the version in its environment.json, or run its spec.yaml again.",
            )
        )
    rows = read_assignments(folder / ASSIGNMENTS)
    ids = list(rows)
    clustering = Clustering(
        labels=torch.tensor([cluster for cluster, _ in rows.values()]),
        confidence=torch.tensor([confidence for _, confidence in rows.values()]),
        embedding=torch.from_numpy(np.load(folder / EMBEDDINGS)),
        node_ids=None if ids == [str(number) for number in range(len(ids))] else ids,
        metrics=json.loads((folder / METRICS).read_text(encoding="utf-8")),
        history=History.from_csv(folder / HISTORY),
    )
    return StoredRun(saved["facts"], saved["state"], clustering)


def _save_array(path: Path, array: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, array)
