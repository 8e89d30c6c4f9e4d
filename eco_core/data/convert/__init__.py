"""Makes a graph on disk from files, arrays and tables that may be larger than memory.

The names of this package are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eco_core import _lazy

if TYPE_CHECKING:
    from eco_core.data.convert.convert import save_on_disk

_HOMES = {
    "save_on_disk": "eco_core.data.convert.convert",
}

__all__ = [
    "save_on_disk",
]

__getattr__, __dir__ = _lazy.attach(__name__, _HOMES)
