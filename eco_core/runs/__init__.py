"""A whole run: composes, loads, trains, clusters, evaluates and writes the run folder; `load` reads it back.

The names of this package are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eco_core import _lazy

if TYPE_CHECKING:
    from eco_core.runs.load import load
    from eco_core.runs.run import Run, run

_HOMES = {
    "Run": "eco_core.runs.run",
    "load": "eco_core.runs.load",
    "run": "eco_core.runs.run",
}

__all__ = [
    "Run",
    "load",
    "run",
]

__getattr__, __dir__ = _lazy.attach(__name__, _HOMES)
