"""Graphs whose arrays stay on disk and are read when they are used.

The names of this package are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eco_core import _lazy

if TYPE_CHECKING:
    from eco_core.data.on_disk.graph import OnDiskGraph, open_graph

_HOMES = {
    "OnDiskGraph": "eco_core.data.on_disk.graph",
    "open_graph": "eco_core.data.on_disk.graph",
}

__all__ = [
    "OnDiskGraph",
    "open_graph",
]

__getattr__, __dir__ = _lazy.attach(__name__, _HOMES)
