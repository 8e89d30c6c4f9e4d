"""Figures of a page as coordinates: curves of losses, the block matrix, confidence and flows between two runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eco_core.data.validate import counted
from eco_core.engine.history import History
from eco_core.results.blocks import Blocks
from eco_core.results.differences import number, percent

_POINTS = 300
WIDTH, HEIGHT = 640, 220
_LEFT, _TOP, _BOTTOM, _RIGHT = 58, 10, 26, 8


@dataclass(frozen=True)
class Curve:
    """One line of a chart: the name of a loss and its points as SVG writes them."""

    name: str
    points: str
    last: str


@dataclass(frozen=True)
class Chart:
    """The curves of a stage, with the marks of both axes: pairs of position and text."""

    title: str
    curves: tuple[Curve, ...]
    x_marks: tuple[tuple[float, str], ...]
    y_marks: tuple[tuple[float, str], ...]


def loss_curves(history: History) -> list[Chart]:
    """Draws the losses of each stage.

    Args:
        history: One row for each epoch.

    Returns:
        A chart for each stage with at least two epochs.
    """
    charts = []
    for stage in dict.fromkeys(row["stage"] for row in history):
        rows = history.stage(stage)
        if len(rows) < 2:
            continue
        rows = [rows[int(place)] for place in np.unique(np.linspace(0, len(rows) - 1, _POINTS).round())]
        names = [name for name in history.columns if name not in ("stage", "epoch", "seconds")]
        series = {
            name: [(row["epoch"], row[name]) for row in rows if name in row and math.isfinite(row[name])]
            for name in names
        }
        # A component that is the whole loss is drawn once.
        series = {name: points for name, points in series.items() if name == "loss" or points != series.get("loss")}
        charts.append(_chart(stage, {name: points for name, points in series.items() if points}))
    return charts


def _chart(title: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> Chart:
    epochs = [epoch for points in series.values() for epoch, _ in points]
    values = [value for points in series.values() for _, value in points]
    low, high = min(values), max(values)
    pad = 0.05 * (high - low) or max(abs(high), 1.0) * 0.05
    low, high = low - pad, high + pad
    first, last = min(epochs), max(epochs)

    def x(epoch: float) -> float:
        return round(_LEFT + (epoch - first) / max(last - first, 1) * (WIDTH - _LEFT - _RIGHT), 1)

    def y(value: float) -> float:
        return round(_TOP + (high - value) / (high - low) * (HEIGHT - _TOP - _BOTTOM), 1)

    return Chart(
        title=title,
        curves=tuple(
            Curve(name, " ".join(f"{x(epoch)},{y(value)}" for epoch, value in points), number(points[-1][1]))
            for name, points in series.items()
        ),
        x_marks=tuple((x(mark), f"{mark:,.0f}") for mark in _marks(first, last, 5) if float(mark).is_integer()),
        y_marks=tuple((y(mark), number(mark)) for mark in _marks(low, high, 4)),
    )


def _marks(low: float, high: float, about: int) -> list[float]:
    """Round numbers between two bounds."""
    if high <= low:
        return [low]
    step = 10 ** math.floor(math.log10((high - low) / about))
    step = next(step * factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= about)
    marks = np.arange(math.ceil(low / step), math.floor(high / step) + 1) * step
    return [float(f"{mark:.10g}") for mark in marks]


def heat_map(blocks: Blocks, names: Mapping[int, str], colors: Mapping[int, str]) -> dict[str, Any] | None:
    """Shades the block matrix: each row is what share of a cluster's edge weight leads where.

    Args:
        blocks: The block matrix.
        names: The names of the clusters.
        colors: Their colours.

    Returns:
        Rows of cells; None if there are no edges.
    """
    if len(blocks.clusters) < 2 or not any(blocks.volumes):
        return None
    rows = []
    for cluster, weights, volume in zip(blocks.clusters, blocks.weights, blocks.volumes, strict=True):
        cells = []
        for other, weight in zip(blocks.clusters, weights, strict=True):
            share = weight / volume if volume else 0.0
            where = "within it" if other == cluster else f"to {names.get(other, other)}"
            cells.append(
                {
                    "shade": round(0.04 + 0.96 * math.sqrt(min(share, 1.0)), 3) if weight else 0,
                    "text": f"{100 * share:.0f}" if share >= 0.005 else "",
                    "dark": share > 0.35,
                    "title": f"{names.get(cluster, cluster)}: {percent(share)} of its edge weight {where} "
                    f"({number(weight)})",
                }
            )
        rows.append({"cluster": cluster, "name": names.get(cluster, ""), "color": colors.get(cluster), "cells": cells})
    return {"rows": rows, "show_text": len(rows) <= 16}


def confidence_bars(counts: Sequence[int]) -> list[dict[str, Any]]:
    """The histogram of the confidence as bars.

    Args:
        counts: Nodes by confidence, in bins of equal width from 0 to 1.
    """
    largest, total = max(counts, default=0) or 1, sum(counts) or 1
    width = 1 / max(len(counts), 1)
    return [
        {
            "height": round(100 * count / largest, 2),
            "title": f"confidence {place * width:.2f} to {(place + 1) * width:.2f}: {counted(count, 'node')} "
            f"({percent(count / total)})",
        }
        for place, count in enumerate(counts)
    ]


@dataclass(frozen=True)
class Flows:
    """Ribbons between the clusters of two runs, in the coordinates of an SVG image.

    Attributes:
        height: Height of the image.
        left: Bars of the first run: position, height and text.
        right: Bars of the second run.
        ribbons: Path, place of the left bar and title of each flow.
    """

    height: float
    left: tuple[tuple[float, float, str], ...]
    right: tuple[tuple[float, float, str], ...]
    ribbons: tuple[tuple[str, int, str], ...]


FLOW_WIDTH, FLOW_MARGIN = 860, 210
_BAR, _GAP = 10, 6
_LINE = 17
"""Height of a line of text: the bars of small clusters stand so far apart that their labels do not overlap."""

_LONGEST_LABEL = 26
_MOST_BARS = 30


def flows_between(
    first: np.ndarray,
    second: np.ndarray,
    first_names: Mapping[int, str] | None = None,
    second_names: Mapping[int, str] | None = None,
) -> Flows:
    """Draws which clusters of one run become which clusters of another one.

    Args:
        first: Clusters of the common nodes in the first run.
        second: Their clusters in the second run.
        first_names: Names of clusters of the first run; without a name, its number is shown.
        second_names: Names of clusters of the second run.

    Returns:
        The flows between the largest clusters.
    """
    left_names, right_names = first_names or {}, second_names or {}
    left_ids, left = np.unique(first, return_inverse=True)
    right_ids, right = np.unique(second, return_inverse=True)
    table = np.zeros((len(left_ids), len(right_ids)), dtype=np.int64)
    np.add.at(table, (left, right), 1)
    left_order = np.argsort(-table.sum(1), kind="stable")[:_MOST_BARS]
    table, left_ids = table[left_order], left_ids[left_order]
    # A cluster of the right stands beside the cluster of the left that it comes from: fewer ribbons cross.
    right_order = np.argsort(-table.sum(0), kind="stable")[:_MOST_BARS]
    sums = np.maximum(table.sum(0), 1)
    centre = (np.arange(len(left_ids))[:, None] * table).sum(0) / sums
    right_order = right_order[np.argsort(centre[right_order], kind="stable")]
    table, right_ids = table[:, right_order], right_ids[right_order]
    bars = max(table.shape)
    scale = max(240.0, 26.0 * bars) / max(int(table.sum()), 1)
    tops_left, tops_right = _tops(table.sum(1) * scale), _tops(table.sum(0) * scale)
    at_left, at_right = list(tops_left), list(tops_right)
    ribbons = []
    x0, x1 = FLOW_MARGIN + _BAR, FLOW_WIDTH - FLOW_MARGIN - _BAR
    middle = (x0 + x1) / 2
    for row in range(len(left_ids)):
        for column in range(len(right_ids)):
            count = int(table[row, column])
            if not count:
                continue
            size = count * scale
            a, b = at_left[row], at_right[column]
            at_left[row] += size
            at_right[column] += size
            path = (
                f"M{x0},{a:.1f} C{middle},{a:.1f} {middle},{b:.1f} {x1},{b:.1f} L{x1},{b + size:.1f} "
                f"C{middle},{b + size:.1f} {middle},{a + size:.1f} {x0},{a + size:.1f} Z"
            )
            share = percent(count / int(table[row].sum()))
            ends = f"{_name(left_names, left_ids[row])} to {_name(right_names, right_ids[column])}"
            ribbons.append((path, row, f"{ends}: {counted(count, 'node')}, {share} of the first"))
    height = max(
        [240.0]
        + [top + size for top, size in zip(tops_left, table.sum(1) * scale, strict=True)]
        + [top + size for top, size in zip(tops_right, table.sum(0) * scale, strict=True)]
    )
    return Flows(
        height=round(height + 4, 1),
        left=_bars(tops_left, table.sum(1), scale, left_ids, left_names),
        right=_bars(tops_right, table.sum(0), scale, right_ids, right_names),
        ribbons=tuple(ribbons),
    )


def _tops(sizes: np.ndarray) -> list[float]:
    tops, at = [], 0.0
    for size in sizes:
        tops.append(at)
        at += max(float(size) + _GAP, _LINE)
    return tops


def _name(names: Mapping[int, str], cluster: Any) -> str:
    return names.get(int(cluster), str(cluster))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"


def _bars(
    tops: Sequence[float], counts: np.ndarray, scale: float, ids: np.ndarray, names: Mapping[int, str]
) -> tuple[tuple[float, float, str], ...]:
    return tuple(
        (round(top, 1), round(max(float(count) * scale, 1.0), 1), f"{_cut(_name(names, cluster))} ({count:,})")
        for top, count, cluster in zip(tops, counts, ids, strict=True)
    )


__all__ = [
    "FLOW_MARGIN",
    "FLOW_WIDTH",
    "Chart",
    "Curve",
    "Flows",
    "confidence_bars",
    "flows_between",
    "heat_map",
    "loss_curves",
]
