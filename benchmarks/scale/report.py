"""Tables of a file of `benchmarks.scale`, as markdown."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.side_by_side.report import machines, print_of_file

_LEGEND = """\
Each step is a process with a limit on the memory that it may allocate. The peak is that of resident memory, the pages
of mapped files that the system keeps among them. ``dmon`` and ``ns4gc`` train one epoch on subgraphs, then embed and
cluster all nodes; ``gcn`` only does the latter, with DMoN's encoder as it was drawn. Sampling: 1024 seeds, 15
neighbours and 10 of each of these; the best of three rounds."""


def report(records: Sequence[dict[str, Any]]) -> str:
    """Returns the markdown.

    Args:
        records: Lines of the file.
    """
    parts = [machines(records), _LEGEND]
    for size in dict.fromkeys(record["size"] for record in records):
        own = {record["step"]: record for record in records if record["size"] == size}
        parts += [f"## {_heading(size, own)}", _table(own)]
        if own.get("sampling", {}).get("status") == "ok":
            parts.append(_sampling(own["sampling"]["figures"]))
    return "\n\n".join(parts)


def _heading(size: str, records: dict[str, dict[str, Any]]) -> str:
    facts = records.get("convert", {}).get("figures", {})
    found = (
        f": {facts['nodes']:,} nodes, {facts['edges']:,} directed edges, {facts['features']} features" if facts else ""
    )
    threads = next(iter(records.values()))["threads"]
    return f"{size}{found}, {threads} threads"


def _table(records: dict[str, dict[str, Any]]) -> str:
    lines = [
        "| step | limit GiB | seconds | of that training | clustering | peak MB | NMI |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for step, record in records.items():
        figures = record.get("figures", {})
        seconds, metrics = figures.get("seconds", {}), figures.get("metrics", {})
        inner = seconds if isinstance(seconds, dict) else {}
        cells = [
            step,
            f"{record['limit_gib']:g}",
            f"{record['seconds']:.0f}" if record["status"] == "ok" else record["status"],
            f"{inner['train']:.0f}" if "train" in inner else "-",
            f"{inner['cluster']:.0f}" if "cluster" in inner else "-",
            f"{record['peak_mb']:.0f}",
            f"{100 * metrics['nmi']:.1f}" if "nmi" in metrics else "-",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _sampling(figures: dict[str, float]) -> str:
    names = {
        "edges_per_second": "edges sampled, without local numbers",
        "edges_per_second_with_local_numbers": "edges sampled, with local numbers",
        "walk_steps_per_second": "steps of uniform walks",
        "seeds_per_second_in_whole_batches": "seeds in batches with features",
    }
    lines = ["| | millions a second |", "|---|---:|"]
    return "\n".join([*lines, *(f"| {text} | {figures[name] / 1e6:.3g} |" for name, text in names.items())])


if __name__ == "__main__":
    sys.exit(print_of_file(None, __doc__, report))
