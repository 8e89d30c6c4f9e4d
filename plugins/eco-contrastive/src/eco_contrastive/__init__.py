"""Contrastive objectives for ECO. The classes are imported on first use: torch comes with them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eco_contrastive.ccassg import CCASSG
    from eco_contrastive.dgi import DGI
    from eco_contrastive.gbt import GBT
    from eco_contrastive.magi import MAGI
    from eco_contrastive.ns4gc import NS4GC
    from eco_contrastive.s3gc import S3GC
    from eco_contrastive.s3gc_encoder import S3GCEncoder

__version__ = "0.1.0"
__all__ = ["CCASSG", "DGI", "GBT", "MAGI", "NS4GC", "S3GC", "S3GCEncoder"]

_MODULES = {
    "CCASSG": "ccassg",
    "DGI": "dgi",
    "GBT": "gbt",
    "MAGI": "magi",
    "NS4GC": "ns4gc",
    "S3GC": "s3gc",
    "S3GCEncoder": "s3gc_encoder",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"eco_contrastive.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'eco_contrastive' has no attribute {name!r}")
