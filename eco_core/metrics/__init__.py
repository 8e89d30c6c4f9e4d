"""Metrics of a finished clustering: agreement with labels, structure in the graph, run time and memory.

The names of this package are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eco_core import _lazy

if TYPE_CHECKING:
    from eco_core.metrics.labels import label_metrics
    from eco_core.metrics.structure import structure_metrics

_HOMES = {
    "label_metrics": "eco_core.metrics.labels",
    "structure_metrics": "eco_core.metrics.structure",
}

__all__ = [
    "label_metrics",
    "structure_metrics",
]

__getattr__, __dir__ = _lazy.attach(__name__, _HOMES)
