"""What all tests share, those of the plugins and examples included."""

from __future__ import annotations

import hypothesis
import pytest
import torch

# How fast an example is drawn says something about the machine, which is shared, and nothing about the code.
hypothesis.settings.register_profile(
    "shared-machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared-machine")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    # The graphs here are tiny: threads only wait for each other, and pytest-xdist has a process for each core.
    torch.set_num_threads(1)
