"""Batch normalisation: after training its statistics are those of the final weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch_geometric.nn import GCNConv

import eco_core as eco
from eco_core.engine.batch_norm import recalibrated_batch_norm
from tests.graphs import blocks
from tests.parts import SimpleClusterHead, Smoothness


class NormalisedEncoder(nn.Module):
    """A convolution, batch normalisation and dropout; the features drift with every epoch."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv = GCNConv(in_channels, 6)
        self.norm = nn.BatchNorm1d(6)

    def forward(self, x, edge_index):
        return nn.functional.dropout(self.norm(self.conv(x, edge_index)), 0.5, self.training)


def fitted(strategy="joint", **options):
    options = {"encoder": NormalisedEncoder, "objective": Smoothness, "clusters": 3, "epochs": 3, **options}
    return eco.compose(head="kmeans" if strategy == "decoupled" else SimpleClusterHead, strategy=strategy, **options)


@pytest.mark.parametrize("strategy", ["joint", "decoupled"])
@pytest.mark.parametrize("restore_best", [False, True])
def test_after_training_on_the_graph_the_statistics_are_those_of_the_final_weights(strategy, restore_best):
    stage = "joint" if strategy == "joint" else "train"
    graph = blocks()
    overrides = [f"strategy.{stage}.optimizer.lr=0.3", f"strategy.{stage}.restore_best={str(restore_best).lower()}"]
    model = fitted(strategy, overrides=overrides).fit(graph)
    encoder = model.encoder
    with torch.no_grad():
        h = encoder.conv(model.load_graph(graph).x, graph.edge_index)
    torch.testing.assert_close(encoder.norm.running_mean, h.mean(dim=0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(encoder.norm.running_var, h.var(dim=0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        model.clustering_.embedding.mean(dim=0), encoder.norm.bias.detach(), rtol=1e-3, atol=1e-4
    )


def test_centres_are_placed_in_embeddings_with_the_statistics_of_the_stage_before():
    seen = []

    class Recording(SimpleClusterHead):
        def reset_cluster_centers(self, centers):
            seen.append(centers)

    model = eco.compose(
        encoder=NormalisedEncoder,
        objective=Smoothness,
        head=Recording,
        strategy="joint",
        clusters=1,
        normalize_embeddings=False,
        overrides=["strategy.pretrain.epochs=3", "strategy.joint.epochs=1", "strategy.joint.optimizer.lr=1e-12"],
    ).fit(blocks())
    # One cluster: its centre is the mean of the embeddings, which exact statistics move to the bias of the layer.
    encoder: Any = model.encoder
    torch.testing.assert_close(seen[-1][0], encoder.norm.bias.detach(), rtol=1e-3, atol=1e-4)


def test_in_mini_batches_the_running_averages_stay():
    graph = blocks()
    train = {"batch": "neighbor", "batch_size": 20, "fan_out": [3]}
    model = fitted(train=train, overrides=["strategy.joint.optimizer.lr=0.3"]).fit(graph)
    with torch.no_grad():
        h = model.encoder.conv(model.load_graph(graph).x, graph.edge_index)
    assert not torch.allclose(model.encoder.norm.running_mean, h.mean(dim=0), rtol=1e-2)


def test_the_pass_leaves_modes_momenta_and_layers_that_nothing_passes_through_as_they_were():
    used, unused, dropout = nn.BatchNorm1d(3, momentum=None), nn.BatchNorm1d(3), nn.Dropout(0.5)
    frozen = nn.BatchNorm1d(3, track_running_stats=False)
    model = nn.Sequential(used, frozen, dropout, unused)
    unused.eval()
    x = torch.randn(50, 3) * 4 + 2
    with recalibrated_batch_norm(model):
        torch.testing.assert_close(dropout(used(x)), used(x))
    torch.testing.assert_close(used.running_mean, x.mean(dim=0))
    assert unused.running_mean is not None
    assert torch.equal(unused.running_mean, torch.zeros(3))
    assert (used.momentum, unused.momentum) == (None, 0.1)
    assert [module.training for module in model] == [True, True, True, False]
