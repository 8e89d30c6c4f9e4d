"""The head of DMoN: its formula, what must not change it and its recipe."""

from __future__ import annotations

import importlib.resources
import math
from typing import Any

import pytest
import torch
import yaml
from eco_modularity import DMoNClusterHead
from eco_modularity.dmon import collapse
from eco_modularity.modularity import modularity
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor
from torch_geometric.data import Data

from eco_core.inject.parameters import parameter_model
from eco_core.metrics import structure
from eco_core.ops.partition import Links

NODES, WIDTH, CLUSTERS = 12, 5, 3


def random_graph(seed: int, directed: bool = False, edges: int = 24) -> tuple[Tensor, Tensor]:
    """A simple weighted graph without loops."""
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.rand(NODES, NODES, generator=generator, dtype=torch.float64)
    matrix.fill_diagonal_(0)
    if not directed:
        matrix = matrix.triu() + matrix.triu().T
    matrix[matrix < matrix.flatten().sort().values[-edges]] = 0
    edge_index = matrix.nonzero().T
    return edge_index, matrix[tuple(edge_index)]


def dense(edge_index: Tensor, weight: Tensor) -> Tensor:
    return torch.zeros(NODES, NODES, dtype=torch.float64).index_put_(tuple(edge_index), weight, accumulate=True)


def embeddings(seed: int = 0, nodes: int = NODES) -> Tensor:
    return torch.randn(nodes, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def new_head(clusters: int = CLUSTERS, **parameters: Any) -> DMoNClusterHead:
    torch.manual_seed(0)
    return DMoNClusterHead(clusters, WIDTH, **parameters).double()


def one_hot(labels: Tensor, clusters: int = CLUSTERS) -> Tensor:
    return torch.nn.functional.one_hot(labels, clusters).double()


def naive_modularity(s: Tensor, matrix: Tensor) -> Tensor:
    matrix = (matrix + matrix.T) / 2
    total, degree = matrix.sum(), matrix.sum(1)
    return torch.trace(s.T @ (matrix - torch.outer(degree, degree) / total) @ s) / total


# ----------------------------------------------------------------------------------------------------------- formula


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("lam", [0.0, 1.0, 2.5])
def test_loss_is_the_published_formula(directed: bool, lam: float) -> None:
    edge_index, weight = random_graph(1, directed)
    head, z = new_head(lam=lam), embeddings()
    s = head.assignment(z)
    loss = head(z, edge_index, weight)
    torch.testing.assert_close(loss.modularity, -naive_modularity(s, dense(edge_index, weight)))
    sizes = s.sum(0)
    torch.testing.assert_close(loss.collapse, math.sqrt(CLUSTERS) / NODES * sizes.square().sum().sqrt() - 1)
    torch.testing.assert_close(loss.total, loss.modularity + lam * loss.collapse)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_hard_assignment_has_the_modularity_of_networkx(seed: int, weighted: bool) -> None:
    networkx = pytest.importorskip("networkx")
    edge_index, weight = random_graph(seed)
    labels = torch.randint(CLUSTERS, (NODES,), generator=torch.Generator().manual_seed(seed))
    graph = networkx.Graph()
    graph.add_nodes_from(range(NODES))
    for (source, target), value in zip(edge_index.T.tolist(), weight.tolist(), strict=True):
        graph.add_edge(source, target, weight=value)
    communities = [set((labels == k).nonzero().flatten().tolist()) for k in range(CLUSTERS)]
    expected = networkx.community.modularity(graph, communities, weight="weight" if weighted else None)
    links = Links(edge_index, weight if weighted else None, num_nodes=NODES)
    assert float(modularity(one_hot(labels), links)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("directed", [False, True])
def test_hard_assignment_has_the_modularity_that_the_metric_reports(directed: bool) -> None:
    edge_index, weight = random_graph(3, directed)
    edge_index, weight = torch.cat([edge_index, torch.tensor([[2], [2]])], 1), torch.cat([weight, torch.ones(1)])
    labels = torch.arange(NODES) % CLUSTERS
    found = modularity(one_hot(labels), Links(edge_index, weight, num_nodes=NODES))
    assert float(found) == pytest.approx(
        structure.modularity(labels, edge_index=edge_index, edge_weight=weight), abs=1e-12
    )


def test_collapse_is_zero_for_equal_sizes_and_largest_for_one_cluster() -> None:
    equal, single = one_hot(torch.arange(NODES) % CLUSTERS), one_hot(torch.zeros(NODES, dtype=torch.int64))
    assert float(collapse(equal)) == pytest.approx(0, abs=1e-12)
    assert float(collapse(single)) == pytest.approx(math.sqrt(CLUSTERS) - 1)


@pytest.mark.parametrize("directed", [False, True])
def test_gradients_agree_with_finite_differences(directed: bool) -> None:
    edge_index, weight = random_graph(2, directed)
    head, z = new_head(), embeddings().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: head(z, edge_index, weight).total, z)
    parameters = [parameter.detach().clone().requires_grad_() for parameter in head.parameters()]

    def loss(*values: Tensor) -> Tensor:
        named = dict(zip([name for name, _ in head.named_parameters()], values, strict=True))
        return torch.func.functional_call(head, named, (z.detach(), edge_index, weight)).total

    assert torch.autograd.gradcheck(loss, parameters)


# -------------------------------------------------------------------------------------------------------------- laws


@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3), directed=st.booleans())
def test_loss_sees_neither_names_of_nodes_or_clusters_nor_the_scale_of_weights(
    seed: int, scale: float, directed: bool
) -> None:
    edge_index, weight = random_graph(seed, directed)
    head, other, z = new_head(), new_head(), embeddings(seed)
    generator = torch.Generator().manual_seed(seed)
    nodes, clusters = torch.randperm(NODES, generator=generator), torch.randperm(CLUSTERS, generator=generator)
    with torch.no_grad():
        head.projection.bias.normal_(generator=generator)
        other.projection.weight.copy_(head.projection.weight[clusters])
        other.projection.bias.copy_(head.projection.bias[clusters])
    renamed = torch.empty_like(z)
    renamed[nodes] = z
    torch.testing.assert_close(
        other(renamed, nodes[edge_index], scale * weight).total, head(z, edge_index, weight).total
    )


@given(seed=st.integers(0, 10_000), directed=st.booleans())
def test_modularity_and_collapse_are_within_their_bounds(seed: int, directed: bool) -> None:
    edge_index, weight = random_graph(seed, directed)
    s = (3 * embeddings(seed)[:, :CLUSTERS]).softmax(1)
    assert -0.5 <= float(modularity(s, Links(edge_index, weight, num_nodes=NODES))) < 1
    assert 0 <= float(collapse(s)) + 1e-12 <= math.sqrt(CLUSTERS) - 1 + 1e-9


def test_direction_of_edges_does_not_count() -> None:
    edge_index, weight = random_graph(4, directed=True)
    s = embeddings()[:, :CLUSTERS].softmax(1)
    both = torch.cat([edge_index, edge_index.flip(0)], 1)
    one_way, both_ways = Links(edge_index, weight, num_nodes=NODES), Links(both, weight.repeat(2), num_nodes=NODES)
    torch.testing.assert_close(modularity(s, one_way), modularity(s, both_ways))


# ------------------------------------------------------------------------------------------------- edges of the domain


def test_graph_without_edges_has_modularity_zero() -> None:
    head, z = new_head(), embeddings().requires_grad_()
    loss = head(z, torch.empty(2, 0, dtype=torch.int64))
    loss.total.backward()
    assert loss.modularity == 0
    assert z.grad is not None
    assert z.grad.isfinite().all()


def test_one_cluster_has_loss_zero() -> None:
    edge_index, weight = random_graph(0)
    head = new_head(1)
    loss = head(embeddings(), edge_index, weight).detach()
    assert float(loss.total) == pytest.approx(0, abs=1e-12)
    assert head.cluster(embeddings()).tolist() == [0] * NODES


def test_as_many_clusters_as_nodes_and_isolated_nodes_are_fine() -> None:
    head, z = new_head(NODES), embeddings().requires_grad_()
    loss = head(z, torch.tensor([[0, 1], [1, 0]]))
    loss.total.backward()
    assert loss.total.isfinite()
    assert z.grad is not None
    assert z.grad.isfinite().all()


def test_loss_is_in_single_precision_under_autocast() -> None:
    edge_index, weight = random_graph(5)
    head, z = new_head().float(), embeddings().float()
    expected = head(z, edge_index, weight.float()).total
    with torch.autocast("cpu", torch.bfloat16):
        found = head(z, edge_index, weight.float()).total
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)


# --------------------------------------------------------------------------------------------------- prepared graphs


@pytest.mark.parametrize("weighted", [False, True])
def test_prepared_graph_gives_the_same_loss(weighted: bool) -> None:
    edge_index, weight = random_graph(6)
    graph = Data(edge_index=edge_index, num_nodes=NODES, **({"edge_weight": weight} if weighted else {}))
    head, z = new_head(), embeddings()
    prepared = head.prepare(graph)
    given_weight = weight if weighted else None
    expected = head(z, edge_index, given_weight).total
    torch.testing.assert_close(head(z, edge_index, given_weight, **prepared).total, expected)


def test_batch_is_not_taken_for_the_graph_that_was_prepared() -> None:
    edge_index, weight = random_graph(7)
    head, z = new_head(), embeddings()
    prepared = head.prepare(Data(edge_index=edge_index, edge_weight=weight, num_nodes=NODES))
    inside = (edge_index < 6).all(0)
    batch = edge_index[:, inside], weight[inside]
    assert head(z[:6], *batch, **prepared).total == head(z[:6], *batch).total
    other = edge_index.flip(0)
    assert head(z, other, 2 * weight, **prepared).total == head(z, other, 2 * weight).total


# ------------------------------------------------------------------------------------------------------------ recipe


def test_recipe_has_the_published_values() -> None:
    text = importlib.resources.files("eco_modularity").joinpath("recipes/dmon.yaml").read_text(encoding="utf-8")
    spec = yaml.safe_load(text)
    stage = spec["strategy"]["joint"]
    assert (stage["epochs"], stage["patience"]) == (1000, 50)
    assert stage["optimizer"] == {"name": "adam", "lr": 0.001, "weight_decay": 0.00001}
    assert spec["head"]["lam"] == 1.0
    assert spec["strategy"]["initialize"] is False
    encoder = {**spec["encoder"], **spec["overrides"]["photo"]["encoder"]}
    assert (spec["encoder"]["num_layers"], encoder["num_layers"], encoder["norm"]) == (1, 2, "batch")


def test_negative_weight_of_the_collapse_term_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        parameter_model(DMoNClusterHead).model_validate({"lam": -1.0})
