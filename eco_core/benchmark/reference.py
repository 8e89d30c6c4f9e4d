"""Published figures to compare with, from the suite itself or from a CSV file beside it, as fractions."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from eco_core.errors import Problem, SpecError, did_you_mean

Figure = float | tuple[float, float]
Reference = Mapping[tuple[str, str, str], tuple[float, float | None]]

PERCENT_METRICS = frozenset(
    ("nmi", "ari", "acc", "f1", "homogeneity", "completeness", "modularity", "conductance", "cut_fraction")
)
"""The metrics that are fractions: the Markdown and LaTeX tables show them in percent."""

_COLUMNS = ("method", "data", "metric", "mean")


def read_reference(
    source: Mapping[str, Any] | str | None,
    folder: Path,
    runs: Sequence[str],
    data: Sequence[str],
    metrics: Sequence[str],
) -> Reference:
    """Reads the published figures that a suite refers to.

    Args:
        source: The suite's key ``reference``: metric -> run -> data set -> figure, the path of a CSV file, or None.
        folder: The folder that a relative path starts from.
        runs: The suite's runs. A CSV file may list other runs, data sets and metrics, so that one file serves many
            suites.
        data: The suite's data sets.
        metrics: The suite's metrics.

    Returns:
        Mean and, where known, standard deviation by (run, data set, metric), for the runs, data sets and metrics of
        the suite only.

    Raises:
        SpecError: ECO106, if the file cannot be read; ECO101 for an unknown run, data set or metric in the suite's own
            mapping; ECO104 for a figure that is not a fraction.
    """
    if source is None:
        return {}
    problems: list[Problem] = []
    if isinstance(source, str):
        rows = list(_rows(folder / Path(source).expanduser(), problems))
    else:
        rows = list(_entries(source, runs, data, metrics, problems))
    for where, key, figure in rows:
        bad = [value for value in figure if value is not None and not -1 <= value <= 1]
        if key[2] in PERCENT_METRICS and bad:
            message = f"{where}: {bad[0]:g} is not a fraction; metric '{key[2]}' is a fraction."
            problems.append(Problem("ECO104", message, f"If it is in percent, write {bad[0] / 100:g}."))
    if problems:
        raise SpecError(*problems)
    return {key: figure for _, key, figure in rows if key[0] in runs and key[1] in data and key[2] in metrics}


_Row = tuple[str, tuple[str, str, str], tuple[float, float | None]]


def _entries(
    source: Mapping[str, Mapping[str, Mapping[str, Any]]],
    runs: Sequence[str],
    data: Sequence[str],
    metrics: Sequence[str],
    problems: list[Problem],
) -> Iterator[_Row]:
    for metric, by_run in source.items():
        problems += _stranger("metric", metric, metrics)
        for run, by_data in by_run.items():
            problems += _stranger("run", run, runs)
            for dataset, figure in by_data.items():
                problems += _stranger("data set", dataset, data)
                mean, std = figure if isinstance(figure, (tuple, list)) else (figure, None)
                yield f"reference.{metric}.{run}.{dataset}", (run, dataset, metric), (mean, std)


def _stranger(what: str, name: str, known: Iterable[str]) -> list[Problem]:
    known = list(known)
    if name in known:
        return []
    return [Problem("ECO101", f"reference: the suite has no {what} {name!r}.", did_you_mean(name, known))]


def _rows(path: Path, problems: list[Problem]) -> Iterator[_Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                message = f"Reference {path} has no column {', '.join(missing)}; expected method,data,metric,mean,std."
                problems.append(Problem("ECO106", message, "Name the columns in its first line."))
                return
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                try:
                    figure = float(row["mean"]), float(row["std"]) if row.get("std") else None
                except (TypeError, ValueError):
                    problems.append(Problem("ECO106", f"{where}: mean or std is not a number.", "Mend the line."))
                    continue
                yield where, (row["method"], row["data"], row["metric"]), figure
    except OSError as error:
        message = f"Reference {path} cannot be read: {error.strerror}."
        problems.append(Problem("ECO106", message, "Give a CSV file, relative to the suite."))
    except (UnicodeDecodeError, csv.Error):
        problems.append(Problem("ECO106", f"Reference {path} is not a text file.", "Give a CSV file."))
