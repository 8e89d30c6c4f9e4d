"""The run folder: what is in it, written whole or not at all, file by file."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from eco_core._files import write_atomically
from eco_core.errors import Problem, RunFolderError
from eco_core.results.assignments import assignment_rows, write_assignments
from eco_core.results.environment import describe_environment
from eco_core.spec.yaml_io import dump_yaml

if TYPE_CHECKING:
    pass

SPEC, ASSIGNMENTS, EMBEDDINGS, METRICS = "spec.yaml", "assignments.csv", "embeddings.npy", "metrics.json"
HISTORY, MODEL, ENVIRONMENT, LOG = "history.csv", "model.pt", "environment.json", "log.txt"
CHECKPOINT = "checkpoint.pt"
RUN_FILES = (SPEC, ASSIGNMENTS, EMBEDDINGS, METRICS, HISTORY, MODEL, ENVIRONMENT, LOG)

FORMAT = 1


def check_free(folder: Path, force: bool) -> None:
    """Refuses a folder that must not be written to.

    Raises:
        RunFolderError: ECO402, if it has files in it and ``force`` is not given; ECO403, if it is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(
            Problem("ECO403", f"{folder} is a file; a run is written to a folder.", "Give another --out.")
        )
    if not force and folder.is_dir() and any(folder.iterdir()):
        raise RunFolderError(
            Problem(
                "ECO402",
                f"Folder {folder} is not empty; a run does not overwrite what is there.",
                "Give another --out, or --force to replace the run in it.",
            )
        )


def claim_folder(folder: Path, force: bool = False) -> Path:
    """Makes a run folder, refusing to overwrite another run.

    Raises:
        RunFolderError: ECO402 and ECO403 (see `check_free`), also where it cannot be made.
    """
    check_free(folder, force)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for stale in (*RUN_FILES, CHECKPOINT, "report.html"):
            (folder / stale).unlink(missing_ok=True)
        (folder / LOG).touch()
    except OSError as error:
        raise RunFolderError(
            Problem("ECO403", f"Folder {folder} cannot be written: {error.strerror}.", "Give another --out.")
        ) from error
    return folder


def fresh_folder(name: str, parent: Path = Path("runs")) -> Path:
    """Makes ``runs/<time>-<name>``, with a number behind it where two runs start in the same second."""
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
    """The names of a run's files that a folder holds, those of an unfinished run included."""
    return [name for name in (*RUN_FILES, CHECKPOINT) if (folder / name).is_file()]


def _write_text(path: Path, text: str) -> None:
    write_atomically(path, lambda temporary: _write(temporary, text))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def write_spec(folder: Path, model: Any) -> None:
    """Writes ``spec.yaml``, with a first line that says so if it cannot be run again."""
    head = (
        ""
        if model.plan.rerunnable
        else ("# Not re-runnable: names in <> are parts or values that were given from Python. eco.load takes them.\n")
    )
    _write_text(folder / SPEC, head + dump_yaml(model.spec))


def write_environment(folder: Path, environment: dict[str, Any]) -> None:
    """Writes ``environment.json``."""
    _write_text(folder / ENVIRONMENT, json.dumps(environment, indent=2) + "\n")


def write_run(folder: Path, model: Any, device: str = "cpu", **facts: Any) -> None:
    """Writes everything of a fitted model but the log.

    Args:
        folder: An existing folder.
        model: A fitted composition.
        device: What it was trained on.
        **facts: More entries of ``environment.json``.
    """
    write_spec(folder, model)
    node_ids = getattr(model, "node_ids_", None)
    rows = assignment_rows(model.labels_, model.confidence_, node_ids)
    write_atomically(folder / ASSIGNMENTS, lambda path: write_assignments(path, rows))
    write_atomically(folder / EMBEDDINGS, lambda path: _save_array(path, model.embedding_.numpy()))
    _write_text(folder / METRICS, json.dumps(model.metrics_, indent=2) + "\n")
    write_atomically(folder / HISTORY, model.history_.to_csv)
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    saved = {"format": FORMAT, "facts": dict(model.graph_facts), "state": state}
    write_atomically(folder / MODEL, lambda path: torch.save(saved, path))
    write_environment(folder, {**describe_environment(model, device), **facts})


def _save_array(path: Path, array: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, array)
