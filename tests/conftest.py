"""Fixtures that all tests share."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    # The graphs here are tiny: threads only wait for each other, and pytest-xdist has a process for each core.
    torch.set_num_threads(1)
