"""What encoders make once for each graph: used for that very graph, and for no other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from eco_gnn import GAT, GCN, GIN, H2GCN, MLP, SAGE, Polynormer, SGFormer
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform

from eco_core.transforms import AddNoise, DropEdges, MaskFeatures, ShuffleFeatures

NODES, FEATURES = 12, 6
ENCODERS = [GAT, GCN, SAGE, GIN, H2GCN, SGFormer, Polynormer, MLP]


def graph(sparse: bool, seed: int = 0) -> Data:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(NODES, FEATURES, generator=generator).relu()
    edge_index = torch.randint(NODES, (2, 40), generator=generator)
    return Data(x=x.to_sparse() if sparse else x, edge_index=edge_index, num_nodes=NODES)


def prepared(encoder: Any, one: Data) -> Any:
    return encoder.prepare(one, one.x, one.edge_index)["prepared"]


def build(encoder: type) -> Any:
    torch.manual_seed(0)
    return encoder(FEATURES, 8).eval()


def same(one: Tensor, two: Tensor) -> None:
    torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_embeddings_of_a_prepared_graph_and_of_its_views_are_what_they_are_without(encoder: type, sparse: bool) -> None:
    model, one = build(encoder), graph(sparse)
    made = prepared(model, one)
    views: list[BaseTransform] = [
        MaskFeatures(0.4),
        MaskFeatures(0.4, "entries"),
        DropEdges(0.5),
        ShuffleFeatures(),
        AddNoise(0.3),
    ]
    for each in (one, *(view(one) for view in views), graph(sparse, seed=1)):
        same(model(each.x, each.edge_index, prepared=made), model(each.x, each.edge_index))


def test_adjacency_is_made_once_for_a_graph_and_anew_for_other_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    model, one = build(GCN), graph(sparse=False)
    calls = []
    make = model.make_adjacency

    def counting(*arguments: Any) -> Any:
        calls.append(1)
        return make(*arguments)

    monkeypatch.setattr(model, "make_adjacency", counting)
    made = prepared(model, one)
    for _ in range(3):
        model(one.x, one.edge_index, prepared=made)
    assert len(calls) == 1
    fewer = DropEdges(0.5)(one)
    model(fewer.x, fewer.edge_index, prepared=made)
    assert len(calls) == 2
    one.edge_index[0, 0] = one.edge_index[0, 1]
    model(one.x, one.edge_index, prepared=made)
    assert len(calls) == 3


def test_masked_sparse_features_share_the_pattern_that_was_prepared() -> None:
    model, one = build(GCN), graph(sparse=True)
    made = prepared(model, one)
    assert made.features_of(one.x) is not None
    assert made.features_of(MaskFeatures(0.5)(one).x) is not None
    assert made.features_of(ShuffleFeatures()(one).x) is None
    assert made.features_of(graph(sparse=True).x) is None


def test_edge_weights_that_are_trained_get_their_gradient_from_a_prepared_graph_too() -> None:
    model, one = build(GCN), graph(sparse=False)
    weight = torch.rand(40, requires_grad=True)
    made = model.prepare(one, one.x, one.edge_index, weight)["prepared"]
    (gradient,) = torch.autograd.grad(model(one.x, one.edge_index, weight, made).sum(), weight)
    assert gradient.abs().sum() > 0
