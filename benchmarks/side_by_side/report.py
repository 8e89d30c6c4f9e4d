"""Tables of a file of `benchmarks.side_by_side.compare`, as markdown."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

from benchmarks.side_by_side.compare import read_lines

Record = dict[str, Any]
_LIBRARIES = ("eco", "pyagc")
_COLUMNS = (
    "recipe",
    "epoch ms ECO",
    "epoch ms PyAGC",
    "ratio",
    "total s ECO",
    "total s PyAGC",
    "ratio",
    "peak MB ECO",
    "peak MB PyAGC",
    "ratio",
    "NMI ECO",
    "NMI PyAGC",
)
_LEGEND = """\
Figures are medians over the pairs of processes; ratios are PyAGC / ECO, as medians of the pairs' ratios with [lowest,
highest]. The seconds of an epoch are the median of all epochs except the first, or the first epoch if no other was run;
stages are weighted by their full epochs. A total is training, with all preparation, and clustering, in a process that
has run the recipe on a tiny graph before; ~ marks totals that are projected from fewer epochs, for which no NMI is
given. The peak is the peak of resident memory above the loaded graph, in MiB. NMI is a mean in percent ± the standard
deviation."""


@dataclass
class Row:
    """The records of one recipe on one graph and one processor.

    Attributes:
        recipe: Name of the recipe.
        records: The records of each library, by seed.
    """

    recipe: str
    records: dict[str, dict[int, Record]] = field(default_factory=lambda: {library: {} for library in _LIBRARIES})

    def ok(self, library: str) -> list[Record]:
        """Returns the finished runs of a library."""
        return [record for record in self.records[library].values() if record["status"] == "ok"]

    def ratios(self, figure: Callable[[Record], float | None]) -> list[float]:
        """Returns PyAGC's figure divided by ECO's, for each pair that has both."""
        found = []
        for seed, eco in self.records["eco"].items():
            pyagc = self.records["pyagc"].get(seed)
            if pyagc is None or eco["status"] != "ok" or pyagc["status"] != "ok":
                continue
            ours, theirs = figure(eco), figure(pyagc)
            if ours and theirs is not None:
                found.append(theirs / ours)
        return found

    def failure(self, library: str) -> str:
        """Returns how the runs of a library ended if none finished; empty if there are no runs."""
        return ", ".join(dict.fromkeys(record["status"] for record in self.records[library].values()))


def epoch_seconds(record: Record) -> float | None:
    """Returns the seconds of an epoch; None for methods without training."""
    return record["epoch_seconds"]


def total_seconds(record: Record) -> float:
    """Returns the seconds of the whole recipe, projected if fewer epochs were run."""
    projected = record["projected_total_seconds"]
    return record["total_seconds"] if projected is None else projected


def peak_mb(record: Record) -> float:
    """Returns the peak memory above the loaded graph."""
    return record["peak_mb"]


def report(records: Sequence[Record]) -> str:
    """Returns the markdown.

    Args:
        records: Lines of the file.
    """
    parts = [machines(records), _LEGEND]
    for heading, rows in _tables(records).items():
        parts += [f"## {heading}", _table(rows), _summary(rows), _notes(rows)]
    return "\n\n".join(part for part in parts if part)


def _tables(records: Iterable[Record]) -> dict[str, list[Row]]:
    tables: dict[str, dict[str, Row]] = {}
    for record in records:
        rows = tables.setdefault(_heading(record), {})
        row = rows.setdefault(record["recipe"], Row(record["recipe"]))
        row.records[record["library"]][record["seed"]] = record
    return {heading: list(rows.values()) for heading, rows in tables.items()}


def _heading(record: Record) -> str:
    threads = f"{record['threads']} threads" if record["threads"] > 1 else "1 thread"
    words = [record["data"], record["machine"]["cpu"], threads]
    if record["epochs"] is not None:
        epochs = "epoch" if record["epochs"] == 1 else "epochs"
        words.append(f"at most {record['epochs']} {epochs} a stage")
    if record["early_stopping"]:
        words.append("early stopping")
    if record["memory_limit"] is not None:
        words.append(f"memory limit {record['memory_limit']:g} GiB")
    return ", ".join(words)


def _table(rows: Iterable[Row]) -> str:
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|---|" + "---:|" * (len(_COLUMNS) - 1)]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in rows]
    return "\n".join(lines)


def _cells(row: Row) -> list[str]:
    epochs = [_value(row, library, epoch_seconds, lambda value: f"{1000 * value:.3g}") for library in _LIBRARIES]
    totals = [_value(row, library, total_seconds, _seconds(row, library)) for library in _LIBRARIES]
    peaks = [_value(row, library, peak_mb, lambda value: f"{value:.0f}") for library in _LIBRARIES]
    qualities = [_nmi(row, library) for library in _LIBRARIES]
    ratios = [_spread(row.ratios(figure)) for figure in (epoch_seconds, total_seconds, peak_mb)]
    return [row.recipe, *epochs, ratios[0], *totals, ratios[1], *peaks, ratios[2], *qualities]


def _value(row: Row, library: str, figure: Callable[[Record], float | None], shown: Callable[[float], str]) -> str:
    records = row.ok(library)
    if not records:
        return row.failure(library) or "-"
    values = [value for record in records if (value := figure(record)) is not None]
    return shown(median(values)) if values else "-"


def _seconds(row: Row, library: str) -> Callable[[float], str]:
    is_projected = any(record["projected_total_seconds"] is not None for record in row.ok(library))
    return lambda value: f"{'~' if is_projected else ''}{value:.3g}"


def _nmi(row: Row, library: str) -> str:
    values = [100 * r["nmi"] for r in row.ok(library) if r["projected_total_seconds"] is None]
    if not values:
        return "-"
    return f"{mean(values):.1f} ± {stdev(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "-"
    return f"{median(values):.2f} [{min(values):.2f}, {max(values):.2f}]"


def _summary(rows: Iterable[Row]) -> str:
    lines = ["| PyAGC / ECO | recipes | median of the ratios | lowest ratio |", "|---|---:|---:|---:|"]
    figures: dict[str, Callable[[Record], float | None]] = {
        "seconds of an epoch": epoch_seconds,
        "total seconds": total_seconds,
        "peak memory": peak_mb,
    }
    rows = list(rows)
    for name, figure in figures.items():
        of_recipes = {row.recipe: median(ratios) for row in rows if (ratios := row.ratios(figure))}
        if of_recipes:
            lowest = min(of_recipes, key=lambda recipe: of_recipes[recipe])
            middle = median(of_recipes.values())
            lines.append(f"| {name} | {len(of_recipes)} | {middle:.2f} | {of_recipes[lowest]:.2f} ({lowest}) |")
    return "\n".join(lines) if len(lines) > 2 else ""


def _notes(rows: Iterable[Row]) -> str:
    lines = []
    for row in rows:
        notes = dict.fromkeys(note for library in _LIBRARIES for r in row.ok(library) for note in r["notes"])
        lines += [f"- {row.recipe}: {note}." for note in notes]
        for library in _LIBRARIES:
            short = [r for r in row.ok(library) if r["early_stopping"] and r["epochs_run"] < r["epochs_full"]]
            if short and row.records[library]:
                lines.append(f"- {row.recipe}: {library} stopped after {short[0]['epochs_run']} epochs.")
            missing = [r for r in row.records[library].values() if r["status"] != "ok"]
            said = dict.fromkeys(" ".join(f"{r['status']}: {r['message']}".split())[:160] for r in missing)
            lines += [f"- {row.recipe}: {library} {len(missing)} x {text}" for text in said]
    return "\n".join(lines)


def machines(records: Iterable[Record]) -> str:
    """Returns the machines and versions of records, one line for each machine and set of packages.

    Args:
        records: Records with a ``machine``, as returned by `benchmarks.side_by_side.machine.describe`.
    """
    revisions: dict[str, dict[str, None]] = {}
    for record in records:
        found = record["machine"]
        packages = ", ".join(f"{name} {number}" for name, number in found["packages"].items())
        cores = f"{found['cores']} core{'s' * (found['cores'] != 1)}"
        line = (
            f"{found['cpu']}, {cores}, {found['ram_gib']} GiB, {found['os']}, kernel {found['kernel']}, "
            f"Python {found['python']}, {packages}"
        )
        revisions.setdefault(line, {})[found["revision"]] = None
    lines = [f"{line}, revision{'s' * (len(of) > 1)} {', '.join(of)}." for line, of in revisions.items()]
    if len(lines) > 1:
        lines.insert(0, "The lines of this file are from different machines or versions:")
    return "\n\n".join(lines)


def print_of_file(words: Sequence[str] | None, description: str | None, make: Callable[[list[Record]], str]) -> int:
    """Runs a command line that names a file of records, and prints a report of the records.

    Args:
        words: The command line.
        description: Description of the command.
        make: Makes markdown of records.
    """
    parser = argparse.ArgumentParser(prog="report", description=description)
    parser.add_argument("file", type=Path, help="file of lines of JSON")
    records = read_lines(parser.parse_args(words).file)
    if not records:
        print("There are no records.", file=sys.stderr)
        return 1
    print(make(records))
    return 0


if __name__ == "__main__":
    sys.exit(print_of_file(None, __doc__, report))
