"""Times two installations of ECO side by side, in alternating processes: training, memory, start-up, composing."""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks.revisions.installation import Installation, InstallationError, Worker, introduction
from benchmarks.revisions.pairs import LEGEND, Pair, in_pairs, table
from benchmarks.side_by_side import machine
from benchmarks.side_by_side.compare import append_line

_EPOCHS = {"dgi": 40, "dmon": 200, "ns4gc": 20, "ssgc": 0}
"""Epochs of each recipe on Cora: a process takes 10 to 20 seconds. The last one trains nothing."""

_FIRST_EPOCHS = 3
"""Epochs that are not counted: the first ones prepare something, and warm caches."""

_COMPOSED = ("dgi", "daegc")
_COMPOSED_AT_ONCE = 20
_BLOCKS_OF_A_PAIR = 5
_STARTS_OF_A_PAIR = 3
"""What is short is measured so many times more often than the training of a recipe."""

_IMPORT = "import time; start = time.perf_counter(); import eco_core; print(time.perf_counter() - start)"
_FIRST_USE = "import eco_core; eco_core.compose(recipe='dgi')"


def training(recipe: str, data_root: str) -> Callable[[Installation], dict[str, float]]:
    """Returns what measures a recipe on Cora, in a process of its own.

    Args:
        recipe: Name of the recipe.
        data_root: Folder of downloaded data sets.
    """

    def measure(installation: Installation) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            words = ["compose", "--recipe", recipe, "--data", "cora", "--data-root", data_root]
            words += ["--epochs", str(_EPOCHS[recipe]), "--seed", "0", "--threads", "1", "--device", "cpu"]
            done = installation.eco(*words, "--out", folder, "--force", "--quiet", "--json")
            with (Path(folder) / "history.csv").open(newline="", encoding="utf-8") as file:
                epochs = [1000 * float(row["seconds"]) for row in csv.DictReader(file)][_FIRST_EPOCHS:]
        document = json.loads(done.out)
        of_epochs = {"median epoch, ms": median(epochs), "shortest epoch, ms": min(epochs)} if epochs else {}
        figures = {
            **of_epochs,
            "total, s": document["seconds"]["total"],
            "CPU of the process, s": done.cpu_seconds,
            "peak memory, MB": document["peak_memory_mb"],
        }
        return {f"{recipe}: {name}": value for name, value in figures.items()}

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
    return {"import eco_core, ms": 1000 * float(installation.run("-c", _IMPORT).out)}


def first_use(installation: Installation) -> dict[str, float]:
    """Measures a process that composes one model, with all that is imported for it.

    Args:
        installation: One of the two.
    """
    return {"a process that composes dgi: CPU, s": installation.run("-c", _FIRST_USE).cpu_seconds}


def composing(recipe: str) -> Callable[[Worker], dict[str, float]]:
    """Returns what measures `eco_core.compose` with a registry that is kept, in a process that stays.

    Args:
        recipe: Name of the recipe.
    """

    def measure(worker: Worker) -> dict[str, float]:
        seconds = _asked(worker, "compose", recipe=recipe, times=_COMPOSED_AT_ONCE)["seconds"]
        return {f"compose {recipe}, registry kept: ms": 1000 * median(seconds)}

    return measure


def measured(sides: Sequence[Installation], data_root: str, count: int) -> Iterator[list[Pair]]:
    """Measures everything.

    Args:
        sides: Before and after.
        data_root: Folder of downloaded data sets.
        count: Pairs of processes for each recipe; what is short gets more.

    Yields:
        The figures of a pair, as soon as there are some.

    Raises:
        InstallationError: Something does not run.
    """
    with tempfile.TemporaryDirectory() as folder:
        workers = [Worker(one, Path(folder) / f"{one.side}.log") for one in sides]
        try:
            for worker in workers:
                _warm_up(worker, data_root, Path(folder))
            for recipe in _COMPOSED:
                list(in_pairs(composing(recipe), workers, 1))  # Not counted: the first time imports the parts.
                yield from in_pairs(composing(recipe), workers, count * _BLOCKS_OF_A_PAIR)
        finally:
            for worker in workers:
                worker.close()
    for start in (importing, listing):
        list(in_pairs(start, sides, 1))  # Not counted: files are read for the first time.
        yield from in_pairs(start, sides, count * _STARTS_OF_A_PAIR)
    yield from in_pairs(first_use, sides, count)
    for recipe in _EPOCHS:
        yield from in_pairs(training(recipe, data_root), sides, count)


def _warm_up(worker: Worker, data_root: str, folder: Path) -> None:
    """Runs every recipe once, so that no measured process compiles kernels: they are kept on disk."""
    for recipe in _EPOCHS:
        values = {"recipe": recipe, "data": "cora", "data_root": data_root, "epochs": 1, "seed": 0}
        _asked(worker, "run", **values, overrides=[], out=str(folder / "run"))


def _asked(worker: Worker, task: str, **values: object) -> dict[str, list[float]]:
    answer = worker.ask(task, **values)
    if answer["status"] != "ok":
        raise InstallationError(f"{worker.side}: {task} {values.get('recipe')}: {answer['message']}")
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
        for found in measured(sides, data_root, options.pairs):
            pairs += found
            for pair in found:
                append_line(options.out, pair.document())
            if found[0].number == 0:
                print(found[0].figure.partition(":")[0], file=sys.stderr, flush=True)
    except (InstallationError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    found_on = machine.describe()
    print(f"{introduction(descriptions)}\n- {found_on['cpu']}, {found_on['cores']} cores, one thread, Cora\n")
    print(f"{LEGEND}\n\n{table(pairs)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="speed", description=__doc__)
    parser.add_argument("--before", required=True, metavar="PYTHON", help="of one installation")
    parser.add_argument("--after", required=True, metavar="PYTHON", help="of the other")
    parser.add_argument("--pairs", type=int, default=4, help="of processes for each recipe; even, to cancel drift")
    parser.add_argument("--data-root", required=True, help="folder of downloaded data sets, with Cora")
    parser.add_argument("--out", type=Path, required=True, help="file for the pairs, as lines of JSON; written anew")
    return parser


if __name__ == "__main__":
    sys.exit(main())
