"""Recognises AnnData objects without importing anndata. Light: no torch."""

from __future__ import annotations

import sys
from typing import Any


def is_anndata(source: Any) -> bool:
    """Whether a source is an ``anndata.AnnData``; False where anndata was never imported."""
    module = sys.modules.get("anndata")
    return module is not None and isinstance(source, module.AnnData)


__all__ = ["is_anndata"]
