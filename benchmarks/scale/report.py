"""Tables of a file of `benchmarks.scale`, as markdown."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.side_by_side.report import machines, print_of_file

_RATES = "rates:"
_BATCHES_MEASURED = 10

_PAPERS_NODES, _PAPERS_ENTRIES, _PAPERS_CLASSES = 111_059_956, 3_231_371_744, 172
"""The size of ogbn-papers100M: 1,615,685,872 edges, each in both directions."""

_CLASSES = 47
"""The number of classes of the measured graph."""

_PROGRAM_MB = 500
"""The memory of a process before it opens a graph."""

_LEGEND = """\
Each step is a process with a limit on the memory that it may allocate. The peak is the peak of resident memory,
including the pages of mapped files that the system keeps. ``dmon`` and ``ns4gc`` train one epoch on subgraphs, then
embed and cluster all nodes; ``gcn`` only embeds and clusters, with DMoN's untrained encoder. Sampling: 1024 seed nodes,
15 neighbours of each and 10 neighbours of each of these; the best of three rounds."""

_RATES_LEGEND = f"""\
Each recipe trains for {_BATCHES_MEASURED} batches, twice; the seconds of a batch are from the second time. "Once" is
the time of values that are made once for the whole graph (parts, flows): everything up to the end of the first epoch,
without its batches. Then all nodes are embedded and clustered; k-means has one restart."""

_PROJECTION_LEGEND = f"""\
Projection to ogbn-papers100M ({_PAPERS_NODES:,} nodes, {_PAPERS_ENTRIES:,} directed entries,
{_PAPERS_CLASSES} classes), on the same machine: batches of the same size take the same time, and there are more of
them; the time of values that are made once (or in some epochs: DEC embeds all nodes for its targets) grows with the
entries, the time of clustering with nodes times classes, and memory (beyond {_PROGRAM_MB / 1000:g} GB of the program)
with the nodes. If a recipe has two stages, the slower stage is shown."""


def report(records: Sequence[dict[str, Any]]) -> str:
    """Returns the markdown.

    Args:
        records: Lines of the file.
    """
    parts = [machines(records), _LEGEND]
    for size in dict.fromkeys(record["size"] for record in records):
        own = {record["step"]: record for record in records if record["size"] == size}
        steps = {step: record for step, record in own.items() if not step.startswith(_RATES)}
        rates = {step.removeprefix(_RATES): own[step] for step in own if step not in steps}
        parts += [f"## {_heading(size, own)}", _table(steps)]
        if own.get("sampling", {}).get("status") == "ok":
            parts.append(_sampling(own["sampling"]["figures"]))
        if rates:
            parts += [_RATES_LEGEND, _rates(rates)]
            if "convert" in own:
                facts = own["convert"]["figures"]
                parts += [_PROJECTION_LEGEND, _projection(rates, facts["nodes"], facts["edges"])]
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


def _once(figures: dict[str, Any]) -> float:
    """Returns the seconds of all values that are made once for the whole graph."""
    epochs, batches = figures["first_epoch_seconds"], min(_BATCHES_MEASURED, figures["batches"])
    first = sum(max(0.0, epochs[stage] - batches * figures["batch_seconds"][stage]) for stage in epochs)
    return figures["ready_seconds"] + first


def _epoch(figures: dict[str, Any]) -> tuple[float, float]:
    """Returns the seconds of a batch, and the extra seconds of an update if one stage's batches take longer."""
    seconds = figures["batch_seconds"].values()
    extra = (max(seconds) - min(seconds)) * min(_BATCHES_MEASURED, figures["batches"])
    return (min(seconds), extra) if extra > 1 else (max(seconds), 0.0)


def _update_interval(figures: dict[str, Any]) -> int:
    """Returns the number of epochs between two updates that embed all nodes."""
    return figures.get("update_interval") or 1


def _rates(records: dict[str, dict[str, Any]]) -> str:
    lines = [
        "| recipe | batches | seeds | once s | a batch s | batches an epoch | embedding, clusters s | peak GB | NMI |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for recipe, record in records.items():
        figures = record["figures"]
        batch, extra = _epoch(figures)
        interval = _update_interval(figures)
        often = "once an epoch" if interval == 1 else f"every {interval} epochs"
        cells = [
            recipe,
            figures["batch"],
            f"{figures['batch_size']:,}",
            f"{_once(figures):.0f}",
            f"{batch:.3f}" + (f", and {extra:.0f} {often}" if extra else ""),
            f"{figures['batches']:,}",
            f"{figures['cluster_seconds']:.0f}",
            f"{record['peak_mb'] / 1000:.1f}",
            f"{100 * figures['metrics']['nmi']:.1f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _projection(records: dict[str, dict[str, Any]], nodes: int, entries: int) -> str:
    by_nodes, by_entries = _PAPERS_NODES / nodes, _PAPERS_ENTRIES / entries
    by_clusters = by_nodes * _PAPERS_CLASSES / _CLASSES
    lines = [
        f"| recipe | once min (x {by_entries:.1f}) | an epoch h (batches x seconds) | embedding and clusters h "
        f"(x {by_clusters:.0f}) | peak GB (x {by_nodes:.1f}) |",
        "|---|---:|---:|---:|---:|",
    ]
    for recipe, record in records.items():
        figures = record["figures"]
        batches = math.ceil(_PAPERS_NODES / figures["batch_size"])
        seconds, extra = _epoch(figures)
        interval = _update_interval(figures)
        more = f" + {extra:.0f} x {by_entries:.1f}" + f" / {interval}" * (interval > 1) if extra else ""
        hours = (batches * seconds + extra * by_entries / interval) / 3600
        cells = [
            recipe,
            f"{_once(figures) * by_entries / 60:.0f}",
            f"{batches:,} x {seconds:.3f}{more} s = {hours:.1f}",
            f"{figures['cluster_seconds'] * by_clusters / 3600:.1f}",
            f"{(record['peak_mb'] - _PROGRAM_MB) * by_nodes / 1000:.0f}",
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
