"""The run folder: what is in it, written whole or not at all, file by file."""

from __future__ import annotations

import csv
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from eco_core.engine.checkpoints import write_atomically
from eco_core.errors import Problem, RunFolderError
from eco_core.yaml_io import dump_yaml

if TYPE_CHECKING:
    from eco_core.composition import Composition

SPEC, ASSIGNMENTS, EMBEDDINGS, METRICS = "spec.yaml", "assignments.csv", "embeddings.npy", "metrics.json"
HISTORY, MODEL, ENVIRONMENT, LOG = "history.csv", "model.pt", "environment.json", "log.txt"
CHECKPOINT = "checkpoint.pt"
RUN_FILES = (SPEC, ASSIGNMENTS, EMBEDDINGS, METRICS, HISTORY, MODEL, ENVIRONMENT, LOG)

FORMAT = 1
_VERSIONED = ("eco-core", "torch", "torch-geometric", "scikit-learn", "numpy", "scipy", "lightning-fabric")


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


def write_spec(folder: Path, model: Composition) -> None:
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


def describe_environment(model: Composition, device: str) -> dict[str, Any]:
    """Versions, plugins, device, threads and seed of a run."""
    from importlib_metadata import PackageNotFoundError, version

    versions = {"python": platform.python_version()}
    for name in _VERSIONED:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    parts = {kind: part.origin for kind, part in model.plan.parts.items() if part is not None}
    return {
        "versions": versions,
        "plugins": {
            plugin.distribution: {"version": plugin.version, "status": plugin.status}
            for plugin in model.plan.registry.plugins
        },
        "parts": parts,
        "device": device,
        "threads": torch.get_num_threads(),
        "seed": model.plan.spec.seed,
        "platform": platform.platform(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "pid": os.getpid(),
    }


def write_run(folder: Path, model: Composition, device: str = "cpu", **facts: Any) -> None:
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
    """Reads an assignments file: from node id to cluster and confidence (1.0 where the file has none).

    Raises:
        RunFolderError: ECO403, with the line, if it is missing or malformed.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # Spreadsheets put a byte order mark first.
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
                    raise _bad_line(path, reader.line_num, f"node {row['node']!r} stands twice")
                try:
                    cluster, confidence = int(row["cluster"]), float(row.get("confidence") or 1.0)
                    rows[row["node"]] = int(np.int64(cluster)), confidence
                except (TypeError, ValueError, OverflowError):
                    message = f"cluster {row['cluster']!r} is not an integer of 64 bits, or the confidence not a number"
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
