"""Every encoder within a composed method: it trains, and what it learns is used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from eco_gnn import plugin
from torch_geometric.data import Data

import eco_core

NAMES = [component.name for component in plugin.eco_encoders()]
SMALL: dict[str, dict[str, Any]] = {"polynormer": {"local_layers": 2, "global_layers": 1}}


@pytest.fixture
def two_blocks() -> Data:
    generator = torch.Generator().manual_seed(0)
    block = torch.arange(24) // 12
    linked = torch.rand(24, 24, generator=generator) < torch.where(block[:, None] == block[None, :], 0.5, 0.05)
    linked = linked.triu(diagonal=1)
    x = torch.randn(24, 6, generator=generator) + block[:, None]
    return Data(x=x, edge_index=(linked | linked.t()).nonzero().t().contiguous())


@pytest.mark.parametrize("name", NAMES)
def test_it_trains_two_epochs_with_gae(name: str, two_blocks: Data) -> None:
    pytest.importorskip("eco_autoencoder")

    def train() -> Any:
        encoder = {"name": f"eco-gnn:{name}", "hidden_channels": 8, **SMALL.get(name, {})}
        model = eco_core.compose(encoder=encoder, objective="gae", head="kmeans", clusters=2, epochs=2, seed=0)
        model.fit(two_blocks)
        return model

    model, again = train(), train()
    assert len(model.history_) == 2
    assert all(np.isfinite(row["loss"]) for row in model.history_)
    assert model.history_[0]["loss"] != model.history_[1]["loss"]
    assert set(np.asarray(model.labels_).tolist()) <= {0, 1}
    assert np.array_equal(np.asarray(model.embedding_), np.asarray(again.embedding_))
