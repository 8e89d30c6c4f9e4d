"""The tables of a benchmark: one with a row for each cell, others with the means over the training seeds."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eco_core.benchmark.reference import PERCENT_METRICS, Reference
from eco_core.jobs.cells import CellResult

_PLUS_MINUS = r" \pm "
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}


@dataclass(frozen=True)
class Row:
    """The results of a method on a data set, over its training seeds.

    Attributes:
        run: Label of the method.
        data: Label of the data set.
        asked: Number of training seeds in the suite.
        seeds: Number of training seeds whose cell is done.
        failed: Number of training seeds whose cell failed.
        means: Mean over the done seeds by metric, for the metrics that were measured.
        stds: Standard deviation over the done seeds (n - 1 in the denominator), if there are two or more.
        seconds: Mean seconds of training and clustering over the done seeds.
        peak_memory_mb: Largest peak memory over the done seeds, in MB.
        reference: Published mean and standard deviation by metric.
    """

    run: str
    data: str
    asked: int
    seeds: int
    failed: int
    means: Mapping[str, float] = field(default_factory=dict)
    stds: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    peak_memory_mb: float | None = None
    reference: Mapping[str, tuple[float, float | None]] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Returns the row as plain data."""
        metrics = {
            name: {"mean": mean, "std": self.stds.get(name), **self._published(name)}
            for name, mean in self.means.items()
        }
        counts = {"asked": self.asked, "seeds": self.seeds, "failed": self.failed}
        cost = {"seconds": self.seconds, "peak_memory_mb": self.peak_memory_mb}
        return {"run": self.run, "data": self.data, **counts, "metrics": metrics, **cost}

    def _published(self, metric: str) -> dict[str, float]:
        return {"reference": self.reference[metric][0]} if metric in self.reference else {}


def aggregate(results: Iterable[CellResult], metrics: Sequence[str], reference: Reference) -> list[Row]:
    """Computes means and sample standard deviations over the training seeds; rows are in the order of the cells."""
    groups: dict[tuple[str, str], list[CellResult]] = {}
    for result in results:
        groups.setdefault((result.cell.run, result.cell.data), []).append(result)
    rows = []
    for (run, data), group in groups.items():
        done = [result for result in group if result.status == "done"]
        values = {name: [result.metrics[name] for result in done if name in result.metrics] for name in metrics}
        rows.append(
            Row(
                run,
                data,
                asked=len(group),
                seeds=len(done),
                failed=sum(result.status == "failed" for result in group),
                means={name: statistics.fmean(found) for name, found in values.items() if found},
                stds={name: statistics.stdev(found) for name, found in values.items() if len(found) > 1},
                seconds=statistics.fmean(r.seconds or 0.0 for r in done) if done else None,
                peak_memory_mb=max(r.peak_memory_mb or 0.0 for r in done) if done else None,
                reference={name: reference[run, data, name] for name in metrics if (run, data, name) in reference},
            )
        )
    return rows


def results_csv(results: Iterable[CellResult], metrics: Sequence[str]) -> str:
    """Returns a CSV table with one row for each cell: metrics as fractions, the message in one line."""
    header = ["run", "data", "seed", "status", *metrics, "seconds", "peak_memory_mb", "message"]
    rows = [
        [
            result.cell.run,
            result.cell.data,
            result.cell.seed,
            result.status,
            *(result.metrics.get(name, "") for name in metrics),
            _rounded(result.seconds, 3),
            _rounded(result.peak_memory_mb, 1),
            " ".join(result.message.split()),
        ]
        for result in results
    ]
    return _csv(header, rows)


def table_csv(rows: Sequence[Row], metrics: Sequence[str]) -> str:
    """Returns a CSV table with one row for each run and data set: metrics as fractions, and any published figures."""
    published = [name for name in metrics if any(name in row.reference for row in rows)]
    header = ["run", "data", "seeds", "failed"]
    header += [f"{name}_{what}" for name in metrics for what in ("mean", "std")]
    header += [f"{name}_reference" for name in published]
    header += ["seconds_mean", "peak_memory_mb_max"]
    lines = []
    for row in rows:
        line: list[Any] = [row.run, row.data, row.seeds, row.failed]
        line += [by_metric.get(name, "") for name in metrics for by_metric in (row.means, row.stds)]
        line += [row.reference[name][0] if name in row.reference else "" for name in published]
        lines.append([*line, _rounded(row.seconds, 3), _rounded(row.peak_memory_mb, 1)])
    return _csv(header, lines)


def table_markdown(rows: Sequence[Row], metrics: Sequence[str]) -> str:
    """Returns a Markdown table in percent; beside each metric its published figure and the difference to it."""
    header = ["data", "run", "seeds"]
    published = [name for name in metrics if any(name in row.reference for row in rows)]
    for name in metrics:
        header += [name, f"{name} published (difference)"] if name in published else [name]
    header += ["seconds", "memory (MB)"]
    body = []
    for row in rows:
        line = [row.data, row.run, _seeds(row)]
        for name in metrics:
            line.append(_figure(row, name, " ± "))
            if name in published:
                line.append(_compared(row, name))
        body.append([*line, _cost(row.seconds, 1), _cost(row.peak_memory_mb, 0)])
    table = [[cell.replace("|", "\\|") for cell in line] for line in (header, *body)]
    widths = [max(len(line[column]) for line in table) for column in range(len(header))]
    # Align words to the left, figures to the right.
    pad: list[Callable[[str, int], str]] = [str.ljust, str.ljust, *[str.rjust] * (len(header) - 2)]
    rule = [("-" * width) if p is str.ljust else "-" * (width - 1) + ":" for width, p in zip(widths, pad, strict=True)]
    lines = [[p(cell, width) for p, cell, width in zip(pad, line, widths, strict=True)] for line in table]
    return "".join(f"| {' | '.join(line)} |\n" for line in (lines[0], rule, *lines[1:]))


def table_latex(rows: Sequence[Row], metrics: Sequence[str]) -> str:
    """Returns a LaTeX ``tabular`` for the package booktabs, grouped by data set; figures in percent."""
    header = ["Data", "Method", *(_title(name) for name in metrics), "Seconds", "Memory (MB)"]
    lines = [r"\begin{tabular}{ll" + "r" * (len(header) - 2) + "}", r"\toprule"]
    lines += [" & ".join(map(_escaped, header)) + r" \\", r"\midrule"]
    before = None
    for row in rows:
        if before is not None and row.data != before:
            lines.append(r"\midrule")
        figures = [f"${_figure(row, name, _PLUS_MINUS)}$" if name in row.means else "--" for name in metrics]
        names = [_escaped("" if row.data == before else row.data), _escaped(row.run)]
        cost = [_cost(row.seconds, 1) or "--", _cost(row.peak_memory_mb, 0) or "--"]
        lines.append(" & ".join([*names, *figures, *cost]) + r" \\")
        before = row.data
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _seeds(row: Row) -> str:
    counts = str(row.seeds) if row.seeds == row.asked else f"{row.seeds} of {row.asked}"
    return f"{counts}, {row.failed} failed" if row.failed else counts


def _shown(value: float, metric: str, sign: str = "") -> str:
    return f"{100 * value if metric in PERCENT_METRICS else value:{sign}.2f}"


def _figure(row: Row, metric: str, plus_minus: str) -> str:
    if metric not in row.means:
        return ""
    mean = _shown(row.means[metric], metric)
    return f"{mean}{plus_minus}{_shown(row.stds[metric], metric)}" if metric in row.stds else mean


def _compared(row: Row, metric: str) -> str:
    if metric not in row.reference:
        return ""
    mean, std = row.reference[metric]
    published = _shown(mean, metric) + (f" ± {_shown(std, metric)}" if std is not None else "")
    if metric not in row.means:
        return published
    return f"{published} ({_shown(row.means[metric] - mean, metric, '+')})"


def _title(metric: str) -> str:
    return metric.upper() if len(metric) <= 3 else metric.replace("_", " ").capitalize()


def _cost(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _rounded(value: float | None, digits: int) -> Any:
    return "" if value is None else round(value, digits)


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
