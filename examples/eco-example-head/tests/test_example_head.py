"""The example plugin: its loss, its assignments, its registration."""

from __future__ import annotations

import importlib

import pytest
import torch
from eco_example_head import plugin
from eco_example_head.head import GraphAwareClusterHead

Z = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
EDGES = torch.tensor([[0, 1, 2, 3, 4, 5], [1, 0, 3, 2, 5, 4]])


@pytest.fixture
def head() -> GraphAwareClusterHead:
    torch.manual_seed(0)
    return GraphAwareClusterHead(n_clusters=3, n_features=4, alpha=0.5)


def test_loss_is_compactness_minus_weighted_agreement(head: GraphAwareClusterHead) -> None:
    loss = head(Z, EDGES)
    soft = torch.softmax(Z @ head.cluster_centers.t(), dim=-1)
    distance = torch.cdist(Z, head.cluster_centers)[torch.arange(8), soft.argmax(dim=-1)].mean()
    agreement = (soft @ soft.t())[EDGES[0], EDGES[1]].mean()
    torch.testing.assert_close(loss.total, distance - 0.5 * agreement)
    torch.testing.assert_close(loss.compactness, distance)
    torch.testing.assert_close(loss.structure, -agreement)


def test_training_lowers_the_loss(head: GraphAwareClusterHead) -> None:
    z = torch.nn.Parameter(Z.clone())
    optimizer = torch.optim.Adam([z, *head.parameters()], lr=0.05)
    first = head(z, EDGES).total.item()
    for _ in range(30):
        optimizer.zero_grad()
        head(z, EDGES).total.backward()
        optimizer.step()
    assert head(z, EDGES).total.item() < first - 0.5


def test_clusters_are_labels_or_probabilities(head: GraphAwareClusterHead) -> None:
    soft = head.cluster(Z, soft=True)
    assert soft.shape == (8, 3)
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(8))
    assert torch.equal(head.cluster(Z), soft.argmax(dim=1))


def test_graph_without_edges_has_a_finite_loss(head: GraphAwareClusterHead) -> None:
    loss = head(Z, torch.empty(2, 0, dtype=torch.long))
    assert loss.structure == 0
    assert loss.total.isfinite()


def test_node_at_its_centre_has_finite_gradients(head: GraphAwareClusterHead) -> None:
    with torch.no_grad():
        head.cluster_centers.copy_(torch.eye(3, 4))
    z = torch.eye(3, 4).requires_grad_()
    assert head(z, EDGES[:, :0]).compactness == 0
    head(z, torch.tensor([[0], [1]])).total.backward()
    assert z.grad is not None
    assert z.grad.isfinite().all()


def test_plugin_names_the_head_and_its_interface() -> None:
    (component,) = plugin.eco_heads()
    module, attribute = component.target.split(":")
    assert component.name == "graph-aware"
    assert getattr(importlib.import_module(module), attribute) is GraphAwareClusterHead
    assert plugin.eco_api() == ">=1,<2"
