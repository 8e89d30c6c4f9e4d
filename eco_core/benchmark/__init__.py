"""Benchmarks (``eco benchmark``): runs recipes x data sets x training seeds and writes one table.

The names of this package are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eco_core import _lazy

if TYPE_CHECKING:
    from eco_core.benchmark.runner import run_suite

_HOMES = {
    "run_suite": "eco_core.benchmark.runner",
}

__all__ = [
    "run_suite",
]

__getattr__, __dir__ = _lazy.attach(__name__, _HOMES)
