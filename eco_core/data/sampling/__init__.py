"""Mini-batches of a graph: sampled neighbourhoods and groups of nodes.

The names of this package are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eco_core import _lazy

if TYPE_CHECKING:
    from eco_core.data.sampling.neighbors import NeighborLoader, NeighborSampler

_HOMES = {
    "NeighborLoader": "eco_core.data.sampling.neighbors",
    "NeighborSampler": "eco_core.data.sampling.neighbors",
}

__all__ = [
    "NeighborLoader",
    "NeighborSampler",
]

__getattr__, __dir__ = _lazy.attach(__name__, _HOMES)
