"""Metrics of a finished clustering: agreement with labels, structure in the graph, and what the run cost.

Importing this package is light; `label_metrics` and `structure_metrics` are imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eco_core.metrics.labels import label_metrics
    from eco_core.metrics.structure import structure_metrics

_HOME = {"label_metrics": "eco_core.metrics.labels", "structure_metrics": "eco_core.metrics.structure"}

__all__ = ["label_metrics", "structure_metrics"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'eco_core.metrics' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
