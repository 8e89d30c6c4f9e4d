"""Prototype cluster heads for ECO. The classes are imported on first use: torch comes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eco_prototype.dec import DECClusterHead

__version__ = "0.1.0"
__all__ = ["DECClusterHead"]


def __getattr__(name: str) -> Any:
    if name == "DECClusterHead":
        from eco_prototype.dec import DECClusterHead

        return DECClusterHead
    raise AttributeError(f"module 'eco_prototype' has no attribute {name!r}")
