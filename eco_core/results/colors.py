"""Colours of clusters that are told apart on light and on dark ground."""

from __future__ import annotations

import colorsys

_PALETTE = (
    "#4c7bd9", "#ef8f36", "#35a37b", "#d8565b", "#9a6fd0", "#1fa5bb", "#de77b4", "#94714f",
    "#b39d1f", "#6a7b93", "#7aa6f0", "#f3a39f", "#6fbf5f", "#b05d86", "#4f8f9d", "#c48a3a",
)  # fmt: skip


def palette(count: int) -> list[str]:
    """Lists colours, as ``#rrggbb``; the first sixteen are chosen by hand.

    Args:
        count: How many.
    """
    return [_PALETTE[place] if place < len(_PALETTE) else _more(place) for place in range(count)]


def _more(place: int) -> str:
    hue = (place * 0.6180339887) % 1.0  # Steps of the golden ratio are far from all earlier hues.
    red, green, blue = colorsys.hls_to_rgb(hue, 0.5 + 0.1 * (place % 3 - 1), 0.5)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


__all__ = ["palette"]
