"""Times two installations of ECO side by side, in alternating processes: training, memory, start-up, composing."""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.revisions.installation import Installation, InstallationError, Worker, introduction
from benchmarks.revisions.pairs import LEGEND, Pair, in_pairs, table
from benchmarks.side_by_side import machine
from benchmarks.side_by_side.compare import append_line

MEASURES = ("compose", "training", "start", "process")

_EPOCHS = {"dgi": 40, "dmon": 200, "ns4gc": 20, "ssgc": 0}
"""Epochs of each recipe on Cora, so that a process takes 10 to 20 seconds. The last recipe trains nothing."""

_FIRST_EPOCHS = 3
"""Number of first epochs that are not counted: they prepare values and warm caches."""

_COMPOSED = ("dgi", "daegc")
_COMPOSED_AT_ONCE = 20
_BLOCKS_OF_A_PAIR = 5
_RUNS_OF_A_PAIR = 2
_STARTS_OF_A_PAIR = 3
"""Short measurements are repeated this many times for each run of a recipe in a process of its own."""

_IMPORT = "import time; start = time.process_time(); import eco_core; print(time.process_time() - start)"
_FIRST_USE = "import eco_core; eco_core.compose(recipe='dgi')"


def training(recipe: str, data_root: str) -> Callable[[Worker], dict[str, float]]:
    """Returns a function that measures a recipe on Cora in a long-lived process that has run the recipe before.

    Args:
        recipe: Name of the recipe.
        data_root: Folder of downloaded data sets.
    """

    def measure(worker: Worker) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            cpu = _trained(worker, recipe, data_root, _EPOCHS[recipe], folder)["cpu_seconds"]
            with (Path(folder) / "history.csv").open(newline="", encoding="utf-8") as file:
                epochs = [1000 * float(row["seconds"]) for row in csv.DictReader(file)][_FIRST_EPOCHS:]
        of_epochs = {f"{recipe}: median epoch, ms": median(epochs)} if epochs else {}
        return {**of_epochs, f"{recipe}: CPU of a run, s": cpu}

    return measure


def running(recipe: str, data_root: str) -> Callable[[Installation], dict[str, float]]:
    """Returns a function that measures ``eco compose`` of a recipe on Cora, in a process of its own.

    Args:
        recipe: Name of the recipe.
        data_root: Folder of downloaded data sets.
    """

    def measure(installation: Installation) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            words = ["compose", "--recipe", recipe, "--data", "cora", "--data-root", data_root]
            words += ["--epochs", str(_EPOCHS[recipe]), "--seed", "0", "--threads", "1", "--device", "cpu"]
            done = installation.eco(*words, "--out", folder, "--force", "--quiet", "--json")
        document = json.loads(done.out)
        return {
            f"eco compose {recipe}: total, s": document["seconds"]["total"],
            f"eco compose {recipe}: CPU of the process, s": done.cpu_seconds,
            f"eco compose {recipe}: peak memory, MB": document["peak_memory_mb"],
        }

    return measure


def listing(installation: Installation) -> dict[str, float]:
    """Measures ``eco list``.

    Args:
        installation: One of the two.
    """
    return {"eco list: CPU, s": installation.eco("list").cpu_seconds}


def importing(installation: Installation) -> dict[str, float]:
    """Measures the import of the package alone, which loads neither torch nor PyG.

    Args:
        installation: One of the two.
    """
    return {"import eco_core: CPU, ms": 1000 * float(installation.run("-c", _IMPORT).out)}


def first_use(installation: Installation) -> dict[str, float]:
    """Measures a process that composes one model, including all imports.

    Args:
        installation: One of the two.
    """
    return {"a process that composes dgi: CPU, s": installation.run("-c", _FIRST_USE).cpu_seconds}


def composing(recipe: str) -> Callable[[Worker], dict[str, float]]:
    """Returns a function that measures `eco_core.compose` with a kept registry, in a long-lived process.

    Args:
        recipe: Name of the recipe.
    """

    def measure(worker: Worker) -> dict[str, float]:
        seconds = _asked(worker, "compose", recipe=recipe, times=_COMPOSED_AT_ONCE)["cpu_seconds"]
        return {f"compose {recipe}, registry kept: CPU, ms": 1000 * median(seconds)}

    return measure


def measured(
    sides: Sequence[Installation], measures: Container[str], data_root: str, count: int
) -> Iterator[list[Pair]]:
    """Measures pairs.

    Args:
        sides: Before and after.
        measures: The wanted elements of `MEASURES`.
        data_root: Folder of downloaded data sets.
        count: Pairs of processes for each recipe; short measurements get more pairs.

    Yields:
        The figures of each pair, as soon as they are measured.

    Raises:
        InstallationError: A command or a task fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        workers = [Worker(side, Path(folder) / f"{side.side}.log") for side in sides]
        try:
            for worker in workers:
                # This also helps the processes that are measured later: compiled kernels are kept on disk.
                for recipe in _EPOCHS:
                    _trained(worker, recipe, data_root, 1, str(Path(folder) / "run"))
            if "compose" in measures:
                for recipe in _COMPOSED:
                    list(in_pairs(composing(recipe), workers, 1))  # Not counted: imports the parts.
                    yield from in_pairs(composing(recipe), workers, count * _BLOCKS_OF_A_PAIR)
            if "training" in measures:
                for recipe in _EPOCHS:
                    yield from in_pairs(training(recipe, data_root), workers, count * _RUNS_OF_A_PAIR)
        finally:
            for worker in workers:
                worker.close()
    if "start" in measures:
        for start in (importing, listing):
            list(in_pairs(start, sides, 1))  # Not counted, because the first start reads files from disk.
            yield from in_pairs(start, sides, count * _STARTS_OF_A_PAIR)
        yield from in_pairs(first_use, sides, count)
    if "process" in measures:
        for recipe in _EPOCHS:
            yield from in_pairs(running(recipe, data_root), sides, count)


def _trained(worker: Worker, recipe: str, data_root: str, epochs: int, out: str) -> dict[str, Any]:
    values = {"data": "cora", "data_root": data_root, "epochs": epochs, "seed": 0, "overrides": [], "out": out}
    return _asked(worker, "run", recipe=recipe, **values)


def _asked(worker: Worker, task: str, **values: Any) -> dict[str, Any]:
    answer = worker.ask(task, **values)
    if answer["status"] != "ok":
        raise InstallationError(f"{worker.side}: {task} {values['recipe']}: {answer['message']}")
    return answer


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line."""
    options = _parser().parse_args(words)
    sides = [Installation("before", options.before), Installation("after", options.after)]
    data_root = str(Path(options.data_root).resolve())
    pairs: list[Pair] = []
    try:
        descriptions = [side.describe() for side in sides]
        options.out.write_text("", encoding="utf-8")
        append_line(options.out, {"before": descriptions[0], "after": descriptions[1], "machine": machine.describe()})
        for found in measured(sides, options.measures, data_root, options.pairs):
            pairs += found
            for pair in found:
                append_line(options.out, pair.document())
            if found[0].number == 0:
                print(found[0].figure.partition(":")[0], file=sys.stderr, flush=True)
    except (InstallationError, OSError) as error:
        print(error, file=sys.stderr)
        if pairs:
            print(table(pairs))
        return 1
    found_on = machine.describe()
    print(f"{introduction(descriptions)}\n- {found_on['cpu']}, {found_on['cores']} cores, one thread, Cora\n")
    print(f"{LEGEND}\n\n{table(pairs)}")
    return 0


def _measures(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose from {', '.join(MEASURES)}")
    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="speed", description=__doc__)
    parser.add_argument("--before", required=True, metavar="PYTHON", help="Python of one installation")
    parser.add_argument("--after", required=True, metavar="PYTHON", help="Python of the other")
    parser.add_argument("--pairs", type=int, default=4, help="for each recipe; an even number cancels drift")
    parser.add_argument("--measures", type=_measures, default=MEASURES, help="names with commas; default all")
    parser.add_argument("--data-root", required=True, help="folder of downloaded data sets, with Cora")
    parser.add_argument("--out", type=Path, required=True, help="file for the pairs, as lines of JSON; written anew")
    return parser


if __name__ == "__main__":
    sys.exit(main())
