"""Graph auto-encoder objectives for ECO. The classes are imported on first use: torch comes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eco_core import lazy_names

if TYPE_CHECKING:
    from eco_autoencoder.arga import ARGA
    from eco_autoencoder.argva import ARGVA
    from eco_autoencoder.gae import GAE
    from eco_autoencoder.vgae import VGAE

__version__ = "0.1.0"

_HOMES = {
    "ARGA": "eco_autoencoder.arga",
    "ARGVA": "eco_autoencoder.argva",
    "GAE": "eco_autoencoder.gae",
    "VGAE": "eco_autoencoder.vgae",
}

__all__ = ["ARGA", "ARGVA", "GAE", "VGAE"]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
