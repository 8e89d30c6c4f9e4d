"""What all tests share, those of the plugins and examples included."""

from __future__ import annotations

import importlib.util

import hypothesis
import pytest

# How fast an example is drawn says something about the machine, which is shared, and nothing about the code.
hypothesis.settings.register_profile(
    "shared-machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared-machine")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    # The graphs here are tiny: threads only wait for each other, and pytest-xdist has a process for each core.
    if importlib.util.find_spec("torch") is not None:  # The session ``pythons`` runs some tests where there is none.
        import torch

        torch.set_num_threads(1)
