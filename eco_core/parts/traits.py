"""What a part can do, read in one place."""

from __future__ import annotations

from typing import Any


def reads_sparse(part: Any) -> bool:
    """Whether a part, or the class of one, reads features that are a sparse COO tensor."""
    return bool(getattr(part, "supports_sparse_x", False))


def prepares_for_batches(part: Any) -> bool:
    """Whether batches use what a part's ``prepare`` makes of the whole graph."""
    return bool(getattr(part, "prepared_for_batches", True))
