"""Tools for AnnData objects, called as scanpy's: ``eco.tl.cluster(adata, recipe=...)``.

The names of this package are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eco_core import _lazy

if TYPE_CHECKING:
    from eco_core.tl.cells import cluster

__all__ = ["cluster"]

__getattr__, __dir__ = _lazy.attach(__name__, {"cluster": "eco_core.tl.cells"})
