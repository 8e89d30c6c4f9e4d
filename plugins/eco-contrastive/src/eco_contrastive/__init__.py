"""Contrastive objectives for ECO. The classes are imported on first use: torch comes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eco_core import lazy_names

if TYPE_CHECKING:
    from eco_contrastive.ccassg import CCASSG
    from eco_contrastive.dgi import DGI
    from eco_contrastive.gbt import GBT
    from eco_contrastive.magi import MAGI
    from eco_contrastive.ns4gc import NS4GC
    from eco_contrastive.s3gc import S3GC
    from eco_contrastive.s3gc_encoder import S3GCEncoder

__version__ = "0.1.0"

_HOMES = {
    "CCASSG": "eco_contrastive.ccassg",
    "DGI": "eco_contrastive.dgi",
    "GBT": "eco_contrastive.gbt",
    "MAGI": "eco_contrastive.magi",
    "NS4GC": "eco_contrastive.ns4gc",
    "S3GC": "eco_contrastive.s3gc",
    "S3GCEncoder": "eco_contrastive.s3gc_encoder",
}

__all__ = ["CCASSG", "DGI", "GBT", "MAGI", "NS4GC", "S3GC", "S3GCEncoder"]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
