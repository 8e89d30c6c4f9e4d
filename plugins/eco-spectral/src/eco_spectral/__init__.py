"""Spectral cluster heads for ECO. The classes are imported on first use: torch comes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eco_core import lazy_names

if TYPE_CHECKING:
    from eco_spectral.mincut import MinCutClusterHead

__version__ = "0.1.0"

_HOMES = {
    "MinCutClusterHead": "eco_spectral.mincut",
}

__all__ = ["MinCutClusterHead"]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
