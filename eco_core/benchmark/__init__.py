"""Many runs, one table: recipes x data sets x training seeds (``eco benchmark``).

`run_suite` is imported on first use: importing this package is light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eco_core.benchmark.runner import run_suite

__all__ = ["run_suite"]


def __getattr__(name: str) -> Any:
    if name == "run_suite":
        from eco_core.benchmark.runner import run_suite

        return run_suite
    raise AttributeError(f"module 'eco_core.benchmark' has no attribute {name!r}")
