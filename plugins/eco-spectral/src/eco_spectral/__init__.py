"""Spectral cluster heads for ECO. The classes are imported on first use: torch comes with them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eco_spectral.mincut import MinCutClusterHead

__version__ = "0.1.0"
__all__ = ["MinCutClusterHead"]

_MODULES = {"MinCutClusterHead": "mincut"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"eco_spectral.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'eco_spectral' has no attribute {name!r}")
