"""Makes a large graph, converts it, samples from it, trains on it and embeds it; one line of JSON for each step."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.scale.graphs import SIZES, write_arrays
from benchmarks.side_by_side import machine
from benchmarks.side_by_side.compare import append_line, read_lines

_ROOT = Path(__file__).parents[2]
_ECO = [sys.executable, "-m", "eco_core.cli"]
_SUBGRAPHS = ["--set", "train.batch=subgraph", "--set", "train.batch_size={}"]
_COMMANDS: dict[str, list[str]] = {
    "convert": ["data", "convert", "{work}/edges.npy", "--features", "{work}/x.npy", "--labels", "{work}/y.npy"],
    "ssgc": ["--recipe", "ssgc", "--set", "head.n_init=1"],
    "dmon": ["--recipe", "dmon", "--epochs", "1", *_SUBGRAPHS],
    "ns4gc": ["--recipe", "ns4gc", "--epochs", "1", "--set", "head.n_init=1", *_SUBGRAPHS],
    "gcn": ["--recipe", "dmon", "--epochs", "0"],
}
_BATCH_SIZES = {"dmon": 65536, "ns4gc": 4096}
_RATES = {
    **dict.fromkeys(("dmon", "neuromap", "mincut", "dgcluster", "gcsbm"), ("subgraph", 65536)),
    **dict.fromkeys(("gae", "daegc", "ns4gc", "magi", "s3gc"), ("subgraph", 4096)),
    **dict.fromkeys(("dgi", "ccassg", "gbt", "dinknet"), ("neighbor", 1024)),
}
"""The kind and size of each recipe's batches, a few of which stand for an epoch. Recipes whose losses pair nodes along
edges or walks get subgraphs."""

STEPS = ("arrays", "convert", "sampling", "ssgc", "dmon", "ns4gc", "gcn", *(f"rates:{name}" for name in _RATES))
"""``gcn`` embeds all nodes with an untrained encoder, and clusters them: inference alone."""


def command(step: str, size: str, work: Path, threads: int) -> list[str]:
    """Returns the command of a step.

    Args:
        step: One of `STEPS`, except the first.
        size: Name of the graph's size.
        work: Folder of the graph's files.
        threads: Threads of torch and of the sampler.
    """
    folder = work / "graph"
    if step == "sampling":
        return [sys.executable, "-m", "benchmarks.scale.sampling", str(folder), "--threads", str(threads)]
    if step.startswith("rates:"):
        recipe = step.removeprefix("rates:")
        batch, batch_size = _RATES[recipe]
        words = [sys.executable, "-m", "benchmarks.scale.recipes", str(folder), recipe, "--threads", str(threads)]
        return [*words, "--batch", batch, "--batch-size", str(batch_size)]
    size_of_batch = str(_BATCH_SIZES.get(step, ""))
    words = [word.replace("{work}", str(work)).replace("{}", size_of_batch) for word in _COMMANDS[step]]
    if step == "convert":
        classes = str(SIZES[size].n_classes)
        return [*_ECO, *words, "--classes", classes, "--out", str(folder), "--force", "--json"]
    options = ["--data", str(folder), "--set", "data.normalize_features=none", "--threads", str(threads)]
    return [*_ECO, "compose", *words, *options, "--out", str(work / step), "--force", "--json"]


def run(words: list[str], limit: float) -> dict[str, Any]:
    """Runs a command; returns its seconds, its peak memory, and its output or its failure.

    Args:
        words: The command.
        limit: Memory that the command may allocate, in GiB, without mapped files.
    """
    allowed = int(limit * 2**30)
    start = time.perf_counter()
    child = subprocess.Popen(  # noqa: S603 - this benchmark's own commands
        words,
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed)),
    )
    out, said = child.communicate()
    seconds = time.perf_counter() - start
    # The largest peak of all children so far. So each step is run by a process of its own.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    result: dict[str, Any] = {"seconds": seconds, "peak_mb": peak, "limit_gib": limit}
    if child.returncode == 0:
        return {**result, "status": "ok", "figures": _figures(json.loads(out))}
    return {**result, "status": "failed", "message": f"exit code {child.returncode}: {said[-800:]}"}


def _figures(document: dict[str, Any]) -> dict[str, Any]:
    if "run" not in document:
        return {key: value for key, value in document.items() if key != "folder"}  # A path of this machine.
    kept = {key: document[key] for key in ("metrics", "seconds", "peak_memory_mb")}
    kept["train"] = document["spec"]["train"]
    return kept


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="scale", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="products")
    parser.add_argument("--steps", default=",".join(STEPS), help="names with commas")
    parser.add_argument("--work", type=Path, required=True, help="folder for the graph: tens of GB")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-limit", type=float, default=20.0, metavar="GIB")
    parser.add_argument("--out", type=Path, required=True, help="file to append to")
    options = parser.parse_args(words)
    done = {(record["size"], record["step"]) for record in read_lines(options.out) if record["status"] == "ok"}
    for step in options.steps.split(","):
        if step == "arrays":
            if not (options.work / "x.npy").exists():
                write_arrays(SIZES[options.size], options.work)
            continue
        if (options.size, step) in done:
            continue
        # In a process of its own, so that the peak belongs to this step alone.
        pid = os.fork()
        if pid == 0:
            result = run(command(step, options.size, options.work, options.threads), options.memory_limit)
            record = {"size": options.size, "step": step, "threads": options.threads, **result}
            append_line(options.out, {**record, "machine": machine.describe()})
            print(f"{options.size} {step}: {json.dumps(result)[:2000]}", flush=True)
            os._exit(0 if result["status"] == "ok" else 1)
        if os.waitpid(pid, 0)[1]:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
