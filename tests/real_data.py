"""Where tests find the raw files of real graphs, which are not part of the repository. Light: no torch."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def real_data_root() -> Path | None:
    """The folder that holds ``Cora/raw`` and others.

    Returns:
        ``ECO_TEST_DATA`` if it is set, else ``shared/data`` beside the repository; None where there is no such folder.
    """
    configured = os.environ.get("ECO_TEST_DATA", "")
    root = Path(configured) if configured else Path(__file__).resolve().parents[2] / "shared" / "data"
    return root if (root / "Cora" / "raw").is_dir() else None


needs_real_data = pytest.mark.skipif(
    real_data_root() is None, reason="no real graphs here: set ECO_TEST_DATA to a folder with Cora/raw"
)
