"""One process of the comparison: one recipe on one graph in one library; prints one line of JSON."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line; the exit code is 0 even if the run failed: the printed line has the status."""
    options = _parser().parse_args(words)
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = str(options.threads)
    with contextlib.redirect_stdout(sys.stderr):
        result = measure(options)
    print(json.dumps(result))
    return 0


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Runs a recipe and returns its figures, or the reason why there are none.

    Args:
        options: Options of the command line.
    """
    from benchmarks.side_by_side import memory

    try:
        return {"status": "ok", "message": "", **_measured(options)}
    except Exception as error:  # any exception of a library is its result
        status = "out of memory" if memory.is_out_of_memory(error) else "failed"
        return {"status": status, "message": f"{type(error).__name__}: {error}"[:500]}


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    import torch

    from benchmarks.side_by_side import memory
    from benchmarks.side_by_side.outcome import figures

    torch.set_num_threads(options.threads)
    start = time.perf_counter()
    # The same recipe on a tiny graph first, for late imports and compilation.
    _Run(options, "tiny", epochs=1).go()
    warm_up = time.perf_counter() - start
    if options.memory_limit is not None:
        memory.limit(options.memory_limit)
    run = _Run(options, options.data, epochs=options.epochs)
    meter = memory.PeakMeter()
    outcome = run.go()
    peak = meter.peak_mb
    is_cut = any(count > (options.epochs or count) for count in run.full_epochs.values())
    return {
        **figures(outcome, is_cut),
        "warm_up_seconds": warm_up,
        "peak_mb": peak,
        "peak_is_exact": meter.is_exact,
        "nmi": run.nmi(outcome.labels),
        "notes": outcome.notes,
    }


class _Run:
    """A loaded graph and a recipe composed for it; the labels are kept apart, so that no model gets them."""

    def __init__(self, options: argparse.Namespace, data: str, epochs: int | None) -> None:
        from benchmarks.side_by_side import graphs, specs

        self.options = options
        self.model, self.full_epochs = specs.compose(
            options.recipe,
            data,
            root=options.data_root,
            seed=options.seed,
            epochs=epochs,
            early_stopping=options.early_stopping,
        )
        if options.library == "eco":
            self.graph = self.model.load_graph()
        else:
            self.graph = graphs.load(data, options.data_root)
        self.spec = {**self.model.spec, "clusters": int(self.graph.n_classes)}
        self._labels = self.graph.y
        del self.graph.y
        if options.library == "pyagc":
            self.graph = graphs.plain(self.graph)

    def go(self) -> Any:
        """Trains and clusters; returns the outcome."""
        if self.options.library == "eco":
            from benchmarks.side_by_side import eco_run

            return eco_run.run(self.model, self.graph, self.full_epochs)
        from benchmarks.side_by_side import pyagc_run

        return pyagc_run.run(self.options.recipe, self.spec, self.graph, self.options.seed, self.full_epochs)

    def nmi(self, labels: Any) -> float:
        """Compares clusters with the labels."""
        import eco_core as eco

        return eco.label_metrics(self._labels, labels, ["nmi"])["nmi"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="child", description=__doc__)
    parser.add_argument("--library", required=True, choices=["eco", "pyagc"])
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--data-root")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=int, help="largest number in each stage")
    parser.add_argument("--memory-limit", type=float, metavar="GIB")
    parser.add_argument("--early-stopping", action="store_true", help="keep the recipe's patience")
    return parser


if __name__ == "__main__":
    sys.exit(main())
