"""Runs ECO and PyAGC in alternating processes and writes one line of JSON for each; resumes a stopped comparison."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.side_by_side import graphs, machine, memory, specs

_ROOT = Path(__file__).parents[2]
_ENDED_BY_THE_SYSTEM = -signal.SIGKILL


@dataclass(frozen=True)
class Job:
    """One process: everything that determines its figures, except the machine."""

    data: str
    recipe: str
    seed: int
    library: str
    threads: int
    epochs: int | None
    early_stopping: bool
    memory_limit: float | None


def jobs(options: argparse.Namespace) -> Iterator[Job]:
    """Yields the processes in order: in each pair first ECO, then PyAGC.

    Args:
        options: Options of the command line.
    """
    epochs = read_epochs(options.epochs)
    for data in options.data:
        for recipe in options.recipes:
            for seed in range(options.pairs):
                for library in ("eco", "pyagc"):
                    yield Job(
                        data,
                        recipe,
                        seed,
                        library,
                        options.threads,
                        epochs.get(data, epochs.get("")),
                        options.early_stopping,
                        options.memory_limit,
                    )


def run(job: Job, data_root: str | None, timeout: float | None) -> dict[str, Any]:
    """Runs one process and returns its output, or how it ended.

    Args:
        job: The process.
        data_root: Folder of downloaded data sets.
        timeout: Seconds after which the process is killed.
    """
    command = [sys.executable, "-m", "benchmarks.side_by_side.child"]
    command += ["--library", job.library, "--recipe", job.recipe, "--data", job.data]
    command += ["--seed", str(job.seed), "--threads", str(job.threads)]
    command += [] if data_root is None else ["--data-root", str(Path(data_root).resolve())]
    command += [] if job.epochs is None else ["--epochs", str(job.epochs)]
    command += [] if job.memory_limit is None else ["--memory-limit", str(job.memory_limit)]
    command += ["--early-stopping"] if job.early_stopping else []
    try:
        done = subprocess.run(  # noqa: S603 - this benchmark's own module
            command, cwd=_ROOT, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return {"status": "timed out", "message": f"after {timeout:g} seconds"}
    if done.returncode == 0:
        return json.loads(done.stdout)
    said = done.stderr[-500:]
    if done.returncode == _ENDED_BY_THE_SYSTEM or memory.is_out_of_memory(done.stderr):
        return {"status": "out of memory", "message": f"exit code {done.returncode}: {said}"}
    return {"status": "failed", "message": f"exit code {done.returncode}: {said}"}


def read_epochs(text: str | None) -> dict[str, int]:
    """Reads ``3``, ``physics=3`` or ``cora=50,physics=3`` as epochs by graph; ``""`` stands for all graphs.

    Args:
        text: The option's value.
    """
    parts = [part.rpartition("=") for part in (text or "").split(",") if part]
    return {name: int(count) for name, _, count in parts}


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Returns the records of a file; a cut-off line is left out.

    Args:
        path: File of `main`; it need not exist.
    """
    records = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            print(f"{path}: a line is cut off and is left out", file=sys.stderr)
    return records


def append_line(path: Path, record: dict[str, Any]) -> None:
    """Appends a record to a file, on a line of its own even if the last line is cut off.

    Args:
        path: File of `main`.
        record: The record.
    """
    is_cut_off = path.exists() and not path.read_bytes().endswith(b"\n") and path.stat().st_size > 0
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" * is_cut_off + json.dumps(record) + "\n")


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line."""
    options = _parser().parse_args(words)
    out = Path(options.out)
    finished = {Job(**{key: record[key] for key in Job.__annotations__}) for record in read_lines(out)}
    wanted = list(jobs(options))
    for number, job in enumerate(wanted, start=1):
        if job in finished:
            continue
        result = run(job, options.data_root, options.timeout)
        append_line(out, {**asdict(job), **result, "machine": machine.describe()})
        print(f"[{number}/{len(wanted)}] {job.data} {job.recipe} seed {job.seed} {job.library}: {_short(result)}")
        sys.stdout.flush()
    return 0


def _short(result: dict[str, Any]) -> str:
    if result["status"] != "ok":
        return f"{result['status']}: {' '.join(result['message'].split())[:120]}"
    epoch = result["epoch_seconds"]
    each = "" if epoch is None else f"{epoch * 1000:.1f} ms an epoch, "
    return f"{each}{result['total_seconds']:.2f} s, {result['peak_mb']:.0f} MB, NMI {100 * result['nmi']:.1f}"


def _names(known: Sequence[str]) -> Any:
    def read(text: str) -> list[str]:
        names = list(known) if text == "all" else text.split(",")
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose from {', '.join(known)}, or all")
        return names

    return read


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="compare", description=__doc__)
    parser.add_argument("--data", type=_names(graphs.NAMES), default=["cora"], help="names with commas, or all")
    parser.add_argument("--recipes", type=_names(specs.RECIPES), default=list(specs.RECIPES), help="the same")
    parser.add_argument("--pairs", type=int, default=3, help="pairs of processes, with the seeds from 0")
    parser.add_argument("--epochs", help="largest number in each stage: 3, or cora=50,physics=3")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--early-stopping", action="store_true", help="keep the recipes' patience in both libraries")
    parser.add_argument("--memory-limit", type=float, default=16.0, metavar="GIB", help="for each process")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="for each process")
    parser.add_argument("--data-root", help="folder of downloaded data sets")
    parser.add_argument("--out", required=True, help="file to append to")
    return parser


if __name__ == "__main__":
    sys.exit(main())
