"""Pages made of run folders: the report of one run, and the comparison of several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eco_core import _lazy

if TYPE_CHECKING:
    from eco_core.report.compare import write_comparison
    from eco_core.report.page import write_report

_HOMES = {
    "write_comparison": "eco_core.report.compare",
    "write_report": "eco_core.report.page",
}

__all__ = ["write_comparison", "write_report"]

__getattr__, __dir__ = _lazy.attach(__name__, _HOMES)
