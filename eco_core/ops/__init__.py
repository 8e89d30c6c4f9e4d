"""Fast kernels. Importing this package is light; its names are imported on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eco_core.ops.kmeans import TorchKMeans

_HOME = {"TorchKMeans": "eco_core.ops.kmeans"}

__all__ = ["TorchKMeans"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'eco_core.ops' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
