"""The comparison of several runs of the same nodes: their metrics, how far they agree, and what moved where."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eco_core._files import write_text
from eco_core.errors import Problem, RunFolderError
from eco_core.metrics.labels import ari, nmi
from eco_core.report.charts import FLOW_MARGIN, FLOW_WIDTH, flows_between
from eco_core.report.folder import StoredResults, read_results
from eco_core.report.page import duration, method_of, metric_name, metric_text, title_of
from eco_core.report.rendering import render
from eco_core.results.colors import palette


def write_comparison(
    folders: Sequence[str | Path], out: str | Path = "comparison.html", *, force: bool = False
) -> Path:
    """Writes a page that compares runs.

    Args:
        folders: At least two run folders of the same nodes.
        out: The file to write.
        force: Whether an existing file is replaced.

    Returns:
        The file.

    Raises:
        RunFolderError: ECO402, if the file exists; ECO403, if a folder is not a finished run, or two runs have no node
            in common.
    """
    path = Path(out).expanduser()
    if path.exists() and not force:
        raise RunFolderError(Problem("ECO402", f"{path} exists already.", "Give another --out, or --force."))
    page = comparison_page([read_results(Path(folder).expanduser(), explained=False) for folder in folders])
    try:
        write_text(path, page)
    except OSError as error:
        raise RunFolderError(
            Problem("ECO403", f"{path} cannot be written: {error.strerror}.", "Give another --out.")
        ) from error
    return path


def comparison_page(runs: Sequence[StoredResults]) -> str:
    """Makes the page.

    Args:
        runs: At least two runs.

    Returns:
        The HTML of the page.
    """
    common, labels = _common(runs)
    names = [name for run in runs for name in run.metrics]
    rows = [
        (metric_name(name), [metric_text(name, run.metrics.get(name)) for run in runs]) for name in dict.fromkeys(names)
    ]
    seconds = [run.environment.get("seconds", {}).get("total") for run in runs]
    rows.append(("Time", ["–" if value is None else duration(value) for value in seconds]))
    return render(
        "compare.html",
        title="Comparison of runs",
        runs=[
            {"letter": letter_of(place), "name": run.folder.resolve().name, "data": title_of(run),
             "method": method_of(run.spec), "clusters": len(set(run.labels.tolist()))}
            for place, run in enumerate(runs)
        ],
        nodes=common,
        is_partial=any(len(run.ids) != common for run in runs),
        metrics=rows,
        matrices=[
            ("ARI", "Adjusted Rand index: 1 for the same clusters, about 0 for unrelated ones", _matrix(labels, ari)),
            ("NMI", "Normalised mutual information, from 0 to 1", _matrix(labels, nmi)),
        ],
        letters=[letter_of(place) for place in range(len(runs))],
        flows=[
            {"from": letter_of(place), "to": letter_of(place + 1),
             "flows": flows_between(a, b, _names(runs[place]), _names(runs[place + 1])),
             "colors": palette(len(np.unique(a)))}
            for place, (a, b) in enumerate(itertools.pairwise(labels))
        ],
        flow_width=FLOW_WIDTH,
        flow_margin=FLOW_MARGIN,
    )  # fmt: skip


def letter_of(place: int) -> str:
    """The letter by which the page names a run.

    Args:
        place: Its place, from 0.
    """
    return chr(ord("A") + place) if place < 26 else f"R{place + 1}"


def _names(run: StoredResults) -> dict[int, str]:
    """The names of a run's clusters that say more than their numbers."""
    named = {each.cluster: each.name for each in run.explanation.clusters}
    return {cluster: name for cluster, name in named.items() if name and name != f"cluster {cluster}"}


def _common(runs: Sequence[StoredResults]) -> tuple[int, list[np.ndarray]]:
    """The number of common nodes, and their clusters in each run, in the same order."""
    first = runs[0].ids
    if all(run.ids == first for run in runs):
        return len(first), [run.labels for run in runs]
    places: list[dict[str, int]] = [{node: place for place, node in enumerate(run.ids)} for run in runs]
    shared = [node for node in first if all(node in place for place in places)]
    if not shared:
        raise RunFolderError(
            Problem(
                "ECO403",
                "The runs have no node in common: "
                + ", ".join(f"{run.folder} has {run.ids[0]!r}" for run in runs if run.ids)
                + ".",
                "Give runs on the same graph.",
            )
        )
    chosen: list[Any] = [[place[node] for node in shared] for place in places]
    return len(shared), [run.labels[rows] for run, rows in zip(runs, chosen, strict=True)]


def _matrix(labels: Sequence[np.ndarray], score: Any) -> list[list[dict[str, Any]]]:
    table = [[1.0] * len(labels) for _ in labels]
    for row, first in enumerate(labels):
        for column in range(row):
            table[row][column] = table[column][row] = float(score(labels[column], y=_numbered(first)))
    return [
        [
            {"text": f"{value:.2f}", "shade": round(0.04 + 0.96 * max(value, 0.0), 3), "dark": value > 0.55}
            for value in row
        ]
        for row in table
    ]


def _cell(value: float) -> dict[str, Any]:
    return {"text": f"{value:.2f}", "shade": round(0.04 + 0.96 * max(value, 0.0), 3), "dark": value > 0.55}


def _numbered(labels: np.ndarray) -> np.ndarray:
    return np.unique(labels, return_inverse=True)[1]  # -1 would count as unlabelled.


__all__ = ["comparison_page", "write_comparison"]
