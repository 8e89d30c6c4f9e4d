"""The command line: measures all kernels and prints the tables."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter

import torch
from threadpoolctl import threadpool_limits

from benchmarks.kernels import (
    cases_all_pairs,
    cases_edges,
    cases_kmeans,
    cases_sparse,
    cases_walks,
    graphs,
    machine_limits,
    table,
)
from benchmarks.kernels.case import Case
from benchmarks.kernels.graphs import Graph
from benchmarks.kernels.timing import Effort, Result, measure
from benchmarks.side_by_side.machine import describe

_SOURCES: tuple[Callable[[Graph], Iterator[Case]], ...] = (
    cases_sparse.cases,
    cases_edges.cases,
    cases_all_pairs.cases,
    cases_walks.cases,
    cases_kmeans.cases,
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernels", description=__doc__)
    parser.add_argument("--threads", type=int, help="threads of everything (default: torch's)")
    parser.add_argument("--graphs", default=",".join(graphs.NAMES), help="comma-separated (default: %(default)s)")
    parser.add_argument("--kernels", default="", help="only cases whose names contain this text")
    parser.add_argument("--out", type=Path, help="file for the tables (default: standard output)")
    parser.add_argument("--quick", action="store_true", help="everything on a tiny graph, to see that it works")
    return parser


def _run(name: str, kernels: str, effort: Effort) -> tuple[Graph, list[Result]]:
    graph = graphs.load(name)
    results = []
    for source in _SOURCES:
        for case in source(graph):
            if kernels not in case.name:
                continue
            start = perf_counter()
            results.append(measure(case, effort))
            print(f"{name}: {case.name}: {perf_counter() - start:.1f} s", file=sys.stderr, flush=True)
    return graph, results


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        words: Arguments of the command; None: the process's arguments.
    """
    parser = _parser()
    options = parser.parse_args(words)
    names = ["tiny"] if options.quick else options.graphs.split(",")
    unknown = sorted(set(names) - {*graphs.NAMES, "tiny"})
    if unknown:
        parser.error(f"unknown graphs {', '.join(unknown)}; expected some of {', '.join(graphs.NAMES)}")
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    threads = torch.get_num_threads()
    effort = Effort(2, 2) if options.quick else Effort()
    torch.manual_seed(0)
    with threadpool_limits(threads):
        limits = machine_limits.measure(2, 1 << 22) if options.quick else machine_limits.measure()
        parts = [table.machine_text(describe(), limits, threads), table.LEGEND]
        all_results: dict[str, list[Result]] = {}
        for name in names:
            graph, all_results[name] = _run(name, options.kernels, effort)
            parts.append(table.graph_text(graph, all_results[name], limits))
            del graph
    if not options.quick:  # On a tiny graph, the times are only overheads of the calls.
        parts.append(table.slower_text(all_results))
    text = "\n\n".join(part for part in parts if part) + "\n"
    if options.out is None:
        print(text)
    else:
        options.out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
