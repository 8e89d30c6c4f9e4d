"""A fitted clustering as a piece of HTML for notebooks: metrics, sizes and the map. It needs no other library."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from html import escape

import numpy as np

from eco_core.results.clustering import Clustering
from eco_core.results.colors import palette
from eco_core.results.embedding_map import embedding_map

_POINTS = 3_000
_BARS = 12
_SIDE = 300

_pages: weakref.WeakKeyDictionary[Clustering, str] = weakref.WeakKeyDictionary()
"""The pages made so far: a notebook shows the same clustering again and again, and a map takes a second."""

_STYLE = (
    "display:flex;flex-wrap:wrap;gap:24px;align-items:flex-start;font-family:system-ui,sans-serif;font-size:13px;"
    "line-height:1.5"
)


def summary_html(clustering: Clustering, title: str) -> str:
    """Describes a clustering for a notebook.

    Args:
        clustering: The result of a fit.
        title: The heading.

    Returns:
        HTML without scripts, which reads on light and on dark ground.
    """
    if clustering not in _pages:
        _pages[clustering] = _page(clustering)
    return f'<div><div style="font:600 15px system-ui,sans-serif">{escape(title)}</div>{_pages[clustering]}</div>'


def _page(clustering: Clustering) -> str:
    labels = clustering.labels.numpy()
    ids, index, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    order = np.argsort(-sizes, kind="stable")
    place = np.empty(len(ids), dtype=np.int64)
    place[order] = np.arange(len(ids))
    colors = palette(len(ids))
    metrics = "".join(
        f'<tr><td style="text-align:left">{escape(name)}</td>'
        f'<td style="text-align:right">{value if isinstance(value, int) else f"{value:.3f}"}</td></tr>'
        for name, value in clustering.metrics.items()
    )
    return (
        f'<div style="opacity:.75;font:13px system-ui,sans-serif">{len(labels):,} nodes in {len(ids):,} clusters</div>'
        f'<div style="{_STYLE};margin-top:8px">{_map(clustering, place[index], colors)}'
        f"<div>{_bars(ids[order], sizes[order], colors)}</div>"
        f"<table>{metrics}</table></div>"
    )


def _map(clustering: Clustering, places: np.ndarray, colors: Sequence[str]) -> str:
    plane = embedding_map(clustering.embedding, most=_POINTS)
    rows = np.arange(len(plane.xy)) if plane.rows is None else plane.rows
    x = np.rint(8 + plane.xy[:, 0] / 65535 * (_SIDE - 16) * 1.0).astype(int)
    y = np.rint(_SIDE - 8 - plane.xy[:, 1] / 65535 * (_SIDE - 16)).astype(int)
    paths = []
    for place in np.unique(places[rows]):
        chosen = np.flatnonzero(places[rows] == place)
        dots = "".join(f"M{a} {b}h0" for a, b in zip(x[chosen], y[chosen], strict=True))
        paths.append(f'<path d="{dots}" stroke="{colors[place]}"/>')
    dot = 4 if len(rows) < 1000 else 3
    return (
        f'<svg width="{_SIDE}" height="{_SIDE}" viewBox="0 0 {_SIDE} {_SIDE}" role="img" aria-label="Map of the nodes">'
        f'<g fill="none" stroke-width="{dot}" stroke-linecap="round" stroke-opacity=".8">{"".join(paths)}</g>'
        f'<rect x=".5" y=".5" width="{_SIDE - 1}" height="{_SIDE - 1}" rx="8" fill="none" stroke="#8886"/></svg>'
    )


def _bars(ids: np.ndarray, sizes: np.ndarray, colors: Sequence[str]) -> str:
    rows = "".join(
        f'<div style="display:flex;align-items:center;gap:8px"><span style="width:9px;height:9px;border-radius:50%;'
        f'background:{color}"></span><span style="min-width:70px">cluster {cluster}</span><span style="height:8px;'
        f'border-radius:4px;background:{color};width:{max(2, round(120 * size / sizes[0]))}px"></span>'
        f"<span>{size:,}</span></div>"
        for cluster, size, color in zip(ids[:_BARS].tolist(), sizes[:_BARS].tolist(), colors, strict=False)
    )
    rest = len(ids) - _BARS
    return rows + (f"<div>and {rest:,} smaller clusters</div>" if rest > 0 else "")


__all__ = ["summary_html"]
