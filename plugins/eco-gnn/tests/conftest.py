"""The small graph that the tests encode."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

NODES, FEATURES = 12, 6


@pytest.fixture
def x() -> Tensor:
    return torch.randn(NODES, FEATURES, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def edge_index() -> Tensor:
    source = torch.arange(NODES)
    forward = torch.stack([source, (source + 1) % NODES])
    chords = torch.stack([source, (source + 5) % NODES])
    return torch.cat([forward, forward.flip(0), chords, chords.flip(0)], dim=1)


@pytest.fixture
def edge_weight(edge_index: Tensor) -> Tensor:
    return 0.5 + torch.rand(edge_index.size(1), generator=torch.Generator().manual_seed(3))
