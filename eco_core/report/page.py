"""The report of one run: ``report.html``, a single file that asks nothing of the network."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eco_core._files import write_text
from eco_core.data.info import edges_once
from eco_core.data.tables.summary import column_rows
from eco_core.data.validate import counted
from eco_core.report.charts import confidence_bars, heat_map, loss_curves
from eco_core.report.folder import StoredResults, read_results
from eco_core.report.rendering import escape_json, render
from eco_core.results.colors import palette
from eco_core.results.differences import Difference, date, number, percent
from eco_core.results.explanation import ClusterSummary
from eco_core.results.folder import METRICS, REPORT

_CARDS = 60
_LONGEST_LEGEND = 60
_LOWER_IS_BETTER = frozenset({"conductance", "cut_fraction"})
_COUNTS = frozenset({"n_clusters"})
_FACTS = {
    "nodes": "nodes",
    "features": "features",
    "weighted": "weighted",
    "undirected": "undirected",
    "average_degree": "average degree",
    "max_degree": "largest degree",
    "components": "components",
    "isolated_nodes": "isolated nodes",
    "self_loops": "self-loops",
    "duplicate_edges": "duplicate edges",
    "labelled_nodes": "labelled nodes",
}
_METRIC_NAMES = {
    "nmi": "NMI",
    "ari": "ARI",
    "acc": "Accuracy",
    "f1": "F1",
    "n_clusters": "Clusters",
    "cut_fraction": "Cut fraction",
}


def write_report(folder: str | Path) -> Path:
    """Writes ``report.html`` of a run folder, from the folder alone.

    Args:
        folder: A folder that ``eco compose`` wrote. Neither the data nor the plugins of the run are needed.

    Returns:
        The file.

    Raises:
        RunFolderError: ECO403, if the folder is not a finished run, or jinja2 is not installed.
    """
    path = Path(folder).expanduser()
    results = read_results(path)
    write_text(path / REPORT, report_page(results))
    return path / REPORT


def report_page(results: StoredResults) -> str:
    """Makes the page of a run.

    Args:
        results: What the run folder holds.

    Returns:
        The HTML of the page.
    """
    explanation = results.explanation
    clusters = explanation.clusters
    colors = {cluster.cluster: color for cluster, color in zip(clusters, palette(len(clusters)), strict=True)}
    names = {cluster.cluster: cluster.name for cluster in clusters}
    labelled = any(name in results.metrics for name in ("nmi", "ari", "acc"))
    return render(
        "report.html",
        title=title_of(results),
        folder=results.folder.resolve().name,
        finished=time.strftime("%d %B %Y, %H:%M", time.localtime((results.folder / METRICS).stat().st_mtime)),
        method=method_of(results.spec),
        nodes=len(results.labels),
        clusters=[_card(cluster, colors, names) for cluster in clusters[:_CARDS]],
        more_clusters=max(0, len(clusters) - _CARDS),
        tiles=_tiles(results),
        sizes=_sizes(clusters, colors),
        facts=_facts(results),
        columns=column_rows(explanation.columns),
        metrics=_metric_rows(results),
        baselines=explanation.baselines,
        labelled=labelled,
        log="\n".join(results.log),
        notes=explanation.notes,
        curves=loss_curves(results.history),
        heat=heat_map(explanation.blocks, names, colors),
        confidence=confidence_bars(explanation.confidence),
        map_method=explanation.map.method,
        points=len(explanation.map.xy),
        payload=escape_json(_payload(results, colors)),
        environment=results.environment,
        versions=results.environment.get("versions", {}),
        plugins=results.environment.get("plugins", {}),
        seconds=results.environment.get("seconds", {}),
        memory=results.environment.get("peak_memory_mb"),
        command=_command(results.environment.get("command", ())),
        spec=results.spec_text,
    )


def _command(words: Sequence[str]) -> str:
    """The command of the run, as it is typed."""
    return " ".join(["eco", *map(str, words[1:])]) if words and str(words[0]) in ("eco", "__main__.py") else ""


def title_of(results: StoredResults) -> str:
    """The name of the data, without folders.

    Args:
        results: What the run folder holds.
    """
    data = results.spec.get("data", {})
    name = str(data.get("name", "graph")) if isinstance(data, Mapping) else str(data)
    if name.startswith("<"):
        name = str(results.explanation.data.get("name") or "graph")
    return Path(name).name or name


def method_of(spec: Mapping[str, Any]) -> str:
    """The parts of a run in a line.

    Args:
        spec: The resolved spec.
    """
    parts = []
    for kind in ("encoder", "objective", "head", "strategy"):
        part = spec.get(kind)
        name = part.get("name") if isinstance(part, Mapping) else part
        if name and name != "none":
            parts.append(str(name).rpartition(":")[2])
    return " + ".join(parts)


def metric_text(name: str, value: float | None) -> str:
    """Writes a metric as people read it: counts whole, all others with three digits.

    Args:
        name: Name of the metric.
        value: Its value; None: unknown.
    """
    if value is None:
        return "–"
    return f"{value:,.0f}" if name in _COUNTS or isinstance(value, int) else f"{value:.3f}"


def metric_name(name: str) -> str:
    """The name of a metric as a heading.

    Args:
        name: Name of the metric.
    """
    return _METRIC_NAMES.get(name, name.replace("_", " ").capitalize())


def _tiles(results: StoredResults) -> list[tuple[str, str, str]]:
    metrics, memory = results.metrics, results.environment.get("peak_memory_mb")
    clusters, edges = results.explanation.clusters, _edges_text(results.explanation.data)
    tiles = [
        ("Nodes", f"{len(results.labels):,}", edges),
        ("Clusters", f"{len(clusters):,}", f"the largest has {percent(clusters[0].share)} of the nodes"),
    ]
    for name, hint in (
        ("modularity", "edges within clusters beyond chance"),
        ("conductance", "lower is better"),
        ("nmi", "agreement with the labels"),
    ):
        if name in metrics:
            tiles.append((metric_name(name), metric_text(name, metrics[name]), hint))
    total = results.environment.get("seconds", {}).get("total")
    if total is not None:
        tiles.append(("Time", duration(total), f"at most {memory:,.0f} MB of memory" if memory else ""))
    return tiles


def duration(seconds: float) -> str:
    """Writes a duration in seconds or minutes.

    Args:
        seconds: The duration.
    """
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _sizes(clusters: Sequence[ClusterSummary], colors: Mapping[int, str]) -> list[dict[str, Any]]:
    largest = max((cluster.size for cluster in clusters), default=1)
    return [
        {
            "cluster": cluster.cluster,
            "name": cluster.name,
            "size": f"{cluster.size:,}",
            "nodes": counted(cluster.size, "node"),
            "share": percent(cluster.share),
            "width": round(100 * cluster.size / largest, 2),
            "color": colors[cluster.cluster],
        }
        for cluster in clusters[:_LONGEST_LEGEND]
    ]


def _edges_text(facts: Mapping[str, Any]) -> str:
    """The number of edges; one that is listed in both directions counts once."""
    if facts.get("edges") is None:
        return ""
    kind = "undirected edge" if facts.get("undirected") else "directed edge"
    return counted(edges_once(facts), kind)


def _facts(results: StoredResults) -> list[tuple[str, str]]:
    count, _, kind = _edges_text(results.explanation.data).partition(" ")
    facts = [(kind, count)] if kind else []
    for key, label in _FACTS.items():
        value = results.explanation.data.get(key)
        if value is None:
            continue
        text = "yes" if value is True else "no" if value is False else number(float(value))
        facts.append((label, f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else text))
    return facts


def _metric_rows(results: StoredResults) -> list[dict[str, Any]]:
    baselines = results.explanation.baselines
    rows = []
    for name, value in results.metrics.items():
        others = [baseline.metrics.get(name) for baseline in baselines]
        known = [other for other in others if other is not None]
        lower = name in _LOWER_IS_BETTER
        best = bool(known) and name not in _COUNTS and (value <= min(known) if lower else value >= max(known))
        rows.append(
            {
                "name": metric_name(name),
                "hint": "lower is better" if lower else "",
                "value": metric_text(name, value),
                "others": [metric_text(name, other) for other in others],
                "best": best,
            }
        )
    return rows


def _card(cluster: ClusterSummary, colors: Mapping[int, str], names: Mapping[int, str]) -> dict[str, Any]:
    return {
        "cluster": cluster.cluster,
        "name": cluster.name,
        "is_numbered": cluster.name == f"cluster {cluster.cluster}",
        "color": colors[cluster.cluster],
        "nodes": counted(cluster.size, "node"),
        "share": percent(cluster.share),
        "figures": [
            ("density", _figure(cluster.density)),
            ("conductance", _figure(cluster.conductance)),
            ("confidence", _figure(cluster.confidence)),
        ],
        "differences": [_difference(difference) for difference in cluster.differences],
        "neighbours": [
            {
                "cluster": neighbour.cluster,
                "name": names.get(neighbour.cluster, f"cluster {neighbour.cluster}"),
                "color": colors.get(neighbour.cluster, "currentColor"),
                "share": percent(neighbour.share),
            }
            for neighbour in cluster.neighbours
        ],
        "typical": cluster.typical,
        "uncertain": [(member.node, percent(member.confidence)) for member in cluster.uncertain],
    }


def _figure(value: float | None) -> str:
    if value is None or value != value:
        return "–"
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.001 else f"{value:.1e}"


def _difference(difference: Difference) -> dict[str, Any]:
    """A difference as a row of the page: two bars of shares, or one bar to the left or right of the mean."""
    if difference.kind in ("share", "word"):
        return {
            "what": difference.what(),
            "is_share": True,
            "inside": percent(difference.inside),
            "outside": percent(difference.outside),
            "inside_width": round(100 * difference.inside, 2),
            "outside_width": round(100 * difference.outside, 2),
        }
    show = date if difference.kind == "date" else number
    width = round(min(abs(difference.effect), 2.0) * 25, 2)
    return {
        "what": difference.column,
        "is_share": False,
        "inside": show(difference.inside),
        "outside": show(difference.outside),
        "effect": f"{difference.effect:+.1f} sd",
        "left": 50 if difference.effect > 0 else 50 - width,
        "width": width,
    }


def _payload(results: StoredResults, colors: Mapping[int, str]) -> dict[str, Any]:
    """What the script of the page draws: the points of the map with their ids and clusters."""
    plane = results.explanation.map
    rows = np.arange(len(plane.xy)) if plane.rows is None else plane.rows
    order = {cluster.cluster: place for place, cluster in enumerate(results.explanation.clusters)}
    places = np.array([order[int(results.labels[row])] for row in rows], dtype="<u4")
    ids: Any = [results.ids[row] for row in rows]
    if ids == [str(row) for row in range(len(ids))]:
        ids = None  # Numbers from 0: the script counts them itself.
    return {
        "xy": base64.b64encode(plane.xy.astype("<u2").tobytes()).decode("ascii"),
        "cluster": base64.b64encode(places.tobytes()).decode("ascii"),
        "ids": ids,
        "clusters": [
            {"cluster": cluster.cluster, "name": cluster.name, "color": colors[cluster.cluster]}
            for cluster in results.explanation.clusters
        ],
    }


__all__ = ["report_page", "write_report"]
