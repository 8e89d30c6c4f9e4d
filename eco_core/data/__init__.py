"""Loads, checks and describes graphs, and samples mini-batches from them.

The names of this package are imported on first use, so that ``import eco_core.data`` needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eco_core import _lazy

if TYPE_CHECKING:
    from eco_core.data.convert.convert import save_on_disk
    from eco_core.data.info import graph_info
    from eco_core.data.load import load_graph
    from eco_core.data.on_disk.graph import OnDiskGraph, open_graph
    from eco_core.data.readers.archives import save_npz
    from eco_core.data.readers.formats import reader_for
    from eco_core.data.sampling.neighbors import NeighborLoader
    from eco_core.data.source import default_root, is_path
    from eco_core.data.validate import validate_graph

_HOMES = {
    "NeighborLoader": "eco_core.data.sampling.neighbors",
    "OnDiskGraph": "eco_core.data.on_disk.graph",
    "default_root": "eco_core.data.source",
    "graph_info": "eco_core.data.info",
    "is_path": "eco_core.data.source",
    "load_graph": "eco_core.data.load",
    "open_graph": "eco_core.data.on_disk.graph",
    "reader_for": "eco_core.data.readers.formats",
    "save_npz": "eco_core.data.readers.archives",
    "save_on_disk": "eco_core.data.convert.convert",
    "validate_graph": "eco_core.data.validate",
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

__getattr__, __dir__ = _lazy.attach(__name__, _HOMES)
