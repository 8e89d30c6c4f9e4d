"""Graphs: where they come from, how they are read and checked, and what they hold.

The names below are imported on first use, so that ``import eco_core.data`` needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eco_core.data.convert import save_on_disk
    from eco_core.data.formats import reader_for, save_npz
    from eco_core.data.info import graph_info
    from eco_core.data.load import load_graph
    from eco_core.data.on_disk import OnDiskGraph, open_graph
    from eco_core.data.sampling import NeighborLoader
    from eco_core.data.source import default_root, is_path
    from eco_core.data.validate import validate_graph

_HOMES = {
    "NeighborLoader": "sampling",
    "OnDiskGraph": "on_disk",
    "default_root": "source",
    "graph_info": "info",
    "is_path": "source",
    "load_graph": "load",
    "open_graph": "on_disk",
    "reader_for": "formats",
    "save_npz": "formats",
    "save_on_disk": "convert",
    "validate_graph": "validate",
}

__all__ = [
    "NeighborLoader",
    "OnDiskGraph",
    "default_root",
    "graph_info",
    "is_path",
    "load_graph",
    "open_graph",
    "reader_for",
    "save_npz",
    "save_on_disk",
    "validate_graph",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
