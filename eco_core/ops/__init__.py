"""Fast kernels on tensors: a graph is a few tensors here, and parts do not occur.

Its names are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eco_core import _lazy

if TYPE_CHECKING:
    from eco_core.ops.kmeans import TorchKMeans

_HOMES = {
    "TorchKMeans": "eco_core.ops.kmeans",
}

__all__ = [
    "TorchKMeans",
]

__getattr__, __dir__ = _lazy.attach(__name__, _HOMES)
