"""Graph auto-encoder objectives for ECO. The classes are imported on first use: torch comes with them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eco_autoencoder.arga import ARGA
    from eco_autoencoder.argva import ARGVA
    from eco_autoencoder.gae import GAE
    from eco_autoencoder.vgae import VGAE

__version__ = "0.1.0"
__all__ = ["ARGA", "ARGVA", "GAE", "VGAE"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"eco_autoencoder.{name.lower()}"), name)
    raise AttributeError(f"module 'eco_autoencoder' has no attribute {name!r}")
