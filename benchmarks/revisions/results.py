"""Runs recipes in two installations of ECO and compares the results; the exit code is 0 if all are the same."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.revisions.comparison import Compared, compare_runs
from benchmarks.revisions.installation import Installation, InstallationError, Worker, introduction

_COLUMNS = ("recipe", "data", "result", "ARI", "what differs (before / after)")


@dataclass(frozen=True)
class Cell:
    """One recipe on one graph, run on both sides.

    Attributes:
        recipe: Name of the recipe.
        data: Name of the graph, or the path of one.
    """

    recipe: str
    data: str

    @property
    def folder(self) -> str:
        """Name of its run folders."""
        return "".join(c if c.isalnum() or c in "-_." else "-" for c in f"{self.recipe}-{self.data}")


@dataclass(frozen=True)
class Outcome:
    """The result of comparing a cell.

    Attributes:
        cell: The cell.
        verdict: ``same``, ``different`` or, if neither side finished, ``not compared``.
        ari: Adjusted Rand index between the two assignments; None if there are no two.
        texts: The differences, or the failures.
    """

    cell: Cell
    verdict: str
    ari: float | None = None
    texts: tuple[str, ...] = ()


class Lane:
    """A worker of each installation, which run the same cells in the same order.

    Args:
        installations: Before and after.
        options: Options of the command line.
        number: Number of the lane, from 0; each lane has logs of its own.
    """

    def __init__(self, installations: Sequence[Installation], options: argparse.Namespace, number: int) -> None:
        self._installations = installations
        self._options = options
        self._logs = [options.out / f"{installation.side}-{number}.log" for installation in installations]
        for log in self._logs:
            log.unlink(missing_ok=True)
        self._workers: list[Worker] = []

    def run(self, cell: Cell) -> Outcome:
        """Runs a cell on both sides, and compares the results.

        Args:
            cell: The cell.
        """
        if not all(worker.is_alive for worker in self._workers):
            self.close()  # Both sides start anew, because a process that has run a cell before may be in another state.
        if not self._workers:
            pairs = zip(self._installations, self._logs, strict=True)
            self._workers = [Worker(installation, log) for installation, log in pairs]
        folders = [self._options.out / installation.side / cell.folder for installation in self._installations]
        with ThreadPoolExecutor(min(2, self._options.jobs)) as pool:
            answers = list(pool.map(lambda side: self._ask(self._workers[side], cell, folders[side]), (0, 1)))
        failed = [answer["status"] != "ok" for answer in answers]
        if any(failed):
            messages = [
                f"{installation.side} failed: {' '.join(answer['message'].split())[:200]}"
                for installation, answer in zip(self._installations, answers, strict=True)
                if answer["status"] != "ok"
            ]
            return Outcome(cell, "not compared" if all(failed) else "different", None, tuple(messages))
        return outcome(cell, compare_runs(*folders))

    def _ask(self, worker: Worker, cell: Cell, folder: Path) -> dict[str, Any]:
        return worker.ask(
            "run",
            recipe=cell.recipe,
            data=cell.data,
            data_root=self._options.data_root,
            epochs=self._options.epochs,
            seed=self._options.seed,
            overrides=self._options.set,
            out=str(folder),
        )

    def close(self) -> None:
        """Ends the workers."""
        for worker in self._workers:
            worker.close()
        self._workers = []


def outcome(cell: Cell, compared: Compared) -> Outcome:
    """Returns the outcome of a cell that finished on both sides.

    Args:
        cell: The cell.
        compared: The comparison of its two run folders.
    """
    verdict = "different" if compared.differences else "same"
    return Outcome(cell, verdict, compared.ari, compared.differences)


def report(outcomes: Sequence[Outcome]) -> str:
    """Returns the markdown: a row for each cell, and the number of cells of each verdict.

    Args:
        outcomes: In the order of the table.
    """
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|---|---|---|---:|---|"]
    for result in outcomes:
        ari = "" if result.ari is None else f"{result.ari:.4f}"
        text = "; ".join(result.texts).replace("|", "\\|")
        lines.append(f"| {result.cell.recipe} | {result.cell.data} | {result.verdict} | {ari} | {text} |")
    counts = {
        kind: sum(result.verdict == kind for result in outcomes) for kind in ("same", "different", "not compared")
    }
    summary = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    return "\n".join([*lines, "", f"{len(outcomes)} runs on each side: {summary}."])


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line; the exit code is 0 only if every run finished on both sides with the same results."""
    options = _parser().parse_args(words)
    installations = [Installation("before", options.before), Installation("after", options.after)]
    options.out = options.out.resolve()
    options.data_root = None if options.data_root is None else str(Path(options.data_root).resolve())
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        head = introduction([installation.describe() for installation in installations])
        known = [installation.recipes() for installation in installations]
    except (InstallationError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    recipes = options.recipes or sorted({*known[0], *known[1]})
    cells = [Cell(recipe, data) for data in options.data for recipe in recipes]
    found = _run_all(cells, installations, options)
    text = f"{head}\n\n{report([found[cell] for cell in cells])}"
    (options.out / "report.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    return int(any(result.verdict != "same" for result in found.values()))


def _run_all(
    cells: Sequence[Cell], installations: Sequence[Installation], options: argparse.Namespace
) -> dict[Cell, Outcome]:
    """Spreads the cells over lanes by their places in the list, so that each lane always has the same cells."""
    count = max(1, options.jobs // 2)
    found: dict[Cell, Outcome] = {}

    def work(number: int) -> None:
        lane = Lane(installations, options, number)
        try:
            for cell in cells[number::count]:
                found[cell] = result = lane.run(cell)
                said = f"[{len(found)}/{len(cells)}] {cell.recipe} {cell.data}: {result.verdict}"
                print(": ".join([said, *result.texts[:1]]), file=sys.stderr, flush=True)
        finally:
            lane.close()

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(work, range(count)))  # `list` raises the exceptions of the lanes.
    return found


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(name for name in text.split(",") if name))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="results", description=__doc__)
    parser.add_argument("--before", required=True, metavar="PYTHON", help="Python of the reference")
    parser.add_argument("--after", required=True, metavar="PYTHON", help="Python that must give the same results")
    parser.add_argument("--recipes", type=_names, help="names with commas; default all that are installed")
    parser.add_argument("--data", type=_names, default=["karate", "digits"], help="names with commas")
    parser.add_argument("--data-root", help="folder of downloaded data sets")
    parser.add_argument("--epochs", type=int, default=20, help="of every stage")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of every spec, repeatable")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time; from 2 on, the sides run together")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs, the logs and report.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
