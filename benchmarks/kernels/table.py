"""The measured cases as markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.kernels.graphs import Graph
from benchmarks.kernels.machine_limits import Limits
from benchmarks.kernels.timing import Measured, Result
from eco_core.ops.sparse_factor import SparseFactor

_COLUMNS = ("kernel", "ECO ms", "MB", "MFLOP", "of bandwidth", "of GEMM", "other way", "its ms", "other / ECO")
_LEFT = {"kernel", "other way"}
LEGEND = """\
Times are medians over rounds; in each round, all ways of a row's kernel run in turn, in one process. The ratio is the
median of the rounds' ratios with [lowest, highest]; it is above 1 if ECO takes less time. Values that are made once for
a graph (sorted edges, sparse matrices, masks) are not timed, on either side.

MB is the least data that a kernel moves: each input read once and each output written once, with the gradients if there
is a backward pass. MFLOP is the least number of operations, in millions: multiplications and additions of the products,
nothing computed twice; for k-means, as if all restarts took as many iterations as the best restart. Both, divided by
the time, are shown as shares of the measured memory bandwidth and rate of matrix products. If all data stay in a cache,
the share of the bandwidth can exceed 100 %."""


def machine_text(machine: Mapping[str, Any], limits: Limits, threads: int) -> str:
    """Describes the machine and the versions of the figures.

    Args:
        machine: From `benchmarks.side_by_side.machine.describe`.
        limits: The measured limits of the machine.
        threads: Number of threads.
    """
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['ram_gib']} GiB, {machine['os']}, "
        f"Python {machine['python']}, {packages}, revision {machine['revision']}.\n\n"
        f"{threads} thread{'s' if threads > 1 else ''}: memory bandwidth {limits.bandwidth / 1e9:.1f} GB/s "
        f"(copy {limits.copy / 1e9:.1f}, triad {limits.triad / 1e9:.1f}), products of 2048 x 2048 matrices in single "
        f"precision {limits.gemm / 1e9:.1f} GFLOP/s."
    )


def graph_text(graph: Graph, results: Sequence[Result], limits: Limits) -> str:
    """Returns heading, table and remarks of a graph.

    Args:
        graph: The graph of the cases.
        results: The measurements.
        limits: The measured limits of the machine.
    """
    filled = "dense" if not graph.x.is_sparse else f"{100 * graph.x._nnz() / graph.x.numel():.2f} % not zero"
    heading = (
        f"## {graph.name}: {graph.num_nodes} nodes, {graph.num_edges} edges (both directions), "
        f"{graph.x.size(1)} features ({filled})"
    )
    held = [_features_text(graph)] if graph.x.is_sparse else []
    marks = ["---" if name in _LEFT else "---:" for name in _COLUMNS]
    lines = [_line(_COLUMNS), _line(marks)]
    lines += [_line(cells) for result in results for cells in _rows(result, limits)]
    remarks = list(_remarks(results))
    return "\n\n".join([heading, *held, "\n".join(lines), *(["\n".join(remarks)] if remarks else [])])


def _features_text(graph: Graph) -> str:
    x = graph.x.coalesce()
    by_rows, coo = SparseFactor.of(x).nbytes, x.indices().nbytes + x.values().nbytes
    rows, entries, dense = (f"{_number(size / 1e6)} MB" for size in (by_rows, coo, x.numel() * x.element_size()))
    return f"The features take {rows} by rows, as products read them, {entries} as torch's COO and {dense} dense."


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _rows(result: Result, limits: Limits) -> Iterator[list[str]]:
    work, seconds = result.work, result.seconds
    own = [
        result.case,
        _number(1000 * seconds),
        _number(work.num_bytes / 1e6),
        _number(work.flops / 1e6) if work.flops else "-",
        _share(work.num_bytes / seconds / limits.bandwidth),
        _share(work.flops / seconds / limits.gemm) if work.flops else "-",
    ]
    for other in result.others:
        yield [*own, *_other(result, other)]
        own = [""] * len(own)


def _other(result: Result, other: Measured) -> list[str]:
    if not other.seconds:
        return [other.way.name, f"not run: {other.way.reason}", "-"]
    ratios = result.ratios(other)
    spread = f"{_number(median(ratios))} [{_number(min(ratios))}, {_number(max(ratios))}]"
    return [other.way.name, _number(1000 * median(other.seconds)), spread]


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _share(value: float) -> str:
    return f"{100 * value:.2g} %" if value < 1 else f"{100 * value:.0f} %"


def _remarks(results: Iterable[Result]) -> Iterator[str]:
    for result in results:
        for other in result.others:
            if other.remark:
                yield f"- {result.case}, {other.way.name}: {other.remark}."


def slower_text(results: Mapping[str, Sequence[Result]]) -> str:
    """Lists the cases in which ECO is slower than another way; empty if there are none.

    Args:
        results: The measurements by name of the graph.
    """
    lines = []
    for graph, measured in results.items():
        for result in measured:
            for other in result.others:
                if other.seconds and median(result.ratios(other)) < 1:
                    lines.append(f"- {graph}: {result.case}: {_other(result, other)[2]} of {other.way.name}.")
    return "\n".join(["Cases in which another way takes less time than ECO:\n", *lines]) if lines else ""
