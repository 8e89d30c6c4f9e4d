"""The head of MinCut: its formula, what must not change it, and how it trains."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from eco_spectral import MinCutClusterHead
from eco_spectral.mincut import cut, orthogonality
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv
from torch_geometric.utils import to_undirected

import eco_core as eco
from eco_core.inject.parameters import parameter_model
from eco_core.metrics import structure
from eco_core.ops.partition import Links

NODES, WIDTH, CLUSTERS = 12, 5, 3
either_direction = pytest.mark.parametrize("directed", [False, True], ids=["undirected", "directed"])


def random_graph(seed: int, directed: bool = False, edges: int = 24) -> tuple[Tensor, Tensor]:
    """A weighted graph with loops; the last node has no edges."""
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.rand(NODES, NODES, generator=generator, dtype=torch.float64)
    if not directed:
        matrix = matrix.triu() + matrix.triu(1).T
    matrix[-1] = matrix[:, -1] = 0
    matrix[matrix < matrix.flatten().sort().values[-edges]] = 0
    edge_index = matrix.nonzero().T
    return edge_index, matrix[tuple(edge_index)]


def dense(edge_index: Tensor, weight: Tensor) -> Tensor:
    return torch.zeros(NODES, NODES, dtype=torch.float64).index_put_(tuple(edge_index), weight, accumulate=True)


def embeddings(seed: int = 0, nodes: int = NODES) -> Tensor:
    return torch.randn(nodes, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def soft(seed: int = 0) -> Tensor:
    return embeddings(seed)[:, :CLUSTERS].softmax(1)


def new_head(clusters: int = CLUSTERS, **parameters: Any) -> MinCutClusterHead:
    torch.manual_seed(0)
    return MinCutClusterHead(clusters, WIDTH, **parameters).double()


def one_hot(labels: Tensor, clusters: int = CLUSTERS) -> Tensor:
    return torch.nn.functional.one_hot(labels, clusters).double()


# ----------------------------------------------------------------------------------------------------------- formula


@either_direction
@pytest.mark.parametrize(("lam", "temperature", "squared"), [(1.0, 1.0, False), (0.0, 0.3, True), (2.5, 2.0, True)])
def test_loss_is_the_published_formula(directed: bool, lam: float, temperature: float, squared: bool) -> None:
    edge_index, weight = random_graph(1, directed)
    head, z = new_head(lam=lam, temperature=temperature, squared=squared), embeddings()
    logits = z @ head.projection.weight.T / temperature
    s = logits.exp() / logits.exp().sum(1, keepdim=True)
    matrix = dense(edge_index, weight)
    matrix = (matrix + matrix.T) / 2
    expected_cut = -torch.trace(s.T @ matrix @ s) / torch.trace(s.T @ torch.diag(matrix.sum(1)) @ s)
    overlap = s.T @ s
    apart = overlap / overlap.square().sum().sqrt() - torch.eye(CLUSTERS) / math.sqrt(CLUSTERS)
    expected_norm = apart.square().sum().sqrt()
    loss = head(z, edge_index, weight)
    torch.testing.assert_close(loss.cut, expected_cut)
    torch.testing.assert_close(loss.orthogonality, expected_norm.square() if squared else expected_norm)
    torch.testing.assert_close(loss.total, loss.cut + lam * loss.orthogonality)


@either_direction
@pytest.mark.parametrize("weighted", [False, True])
def test_hard_assignment_has_the_cut_that_the_metric_reports(directed: bool, weighted: bool) -> None:
    edge_index, weight = random_graph(2, directed)
    labels = torch.arange(NODES) % CLUSTERS
    given_weight = weight if weighted else None
    found = cut(one_hot(labels), Links(edge_index, given_weight, num_nodes=NODES))
    share = structure.cut_fraction(labels, edge_index=edge_index, edge_weight=given_weight)
    assert 1 + float(found) == pytest.approx(share, abs=1e-6)


def test_separate_components_have_the_lowest_cut_and_no_overlap() -> None:
    edge_index = torch.tensor([[0, 1, 2, 3, 4, 5], [1, 0, 3, 2, 5, 4]])
    s = one_hot(torch.tensor([0, 0, 1, 1, 2, 2])).requires_grad_()
    links = Links(edge_index, num_nodes=6)
    assert float(cut(s, links).detach()) == pytest.approx(-1)
    assert float(orthogonality(s).detach()) == pytest.approx(0, abs=1e-12)
    # At the lowest value, where a root would have an infinite gradient.
    (cut(s, links) + orthogonality(s)).backward()
    assert s.grad is not None
    assert s.grad.isfinite().all()


def test_one_cluster_for_all_is_as_far_from_orthogonal_as_an_even_mixture() -> None:
    single = one_hot(torch.zeros(NODES, dtype=torch.int64))
    mixture = torch.full((NODES, CLUSTERS), 1 / CLUSTERS, dtype=torch.float64)
    furthest = math.sqrt(2 - 2 / math.sqrt(CLUSTERS))
    assert float(orthogonality(single)) == pytest.approx(furthest)
    assert float(orthogonality(mixture)) == pytest.approx(furthest)
    assert float(orthogonality(single, squared=True)) == pytest.approx(furthest**2)


@either_direction
@pytest.mark.parametrize("squared", [False, True])
def test_gradients_agree_with_finite_differences(directed: bool, squared: bool) -> None:
    edge_index, weight = random_graph(3, directed)
    head, z = new_head(squared=squared, temperature=0.5), embeddings().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: head(z, edge_index, weight).total, z)


# -------------------------------------------------------------------------------------------------------------- laws


@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3), directed=st.booleans(), squared=st.booleans())
def test_loss_sees_neither_names_of_nodes_or_clusters_nor_the_scale_of_weights(
    seed: int, scale: float, directed: bool, squared: bool
) -> None:
    edge_index, weight = random_graph(seed, directed)
    head, other, z = new_head(squared=squared), new_head(squared=squared), embeddings(seed)
    generator = torch.Generator().manual_seed(seed)
    nodes, clusters = torch.randperm(NODES, generator=generator), torch.randperm(CLUSTERS, generator=generator)
    with torch.no_grad():
        other.projection.weight.copy_(head.projection.weight[clusters])
    renamed = torch.empty_like(z)
    renamed[nodes] = z
    torch.testing.assert_close(
        other(renamed, nodes[edge_index], scale * weight).total, head(z, edge_index, weight).total
    )


@given(seed=st.integers(0, 10_000), directed=st.booleans())
def test_parts_are_within_their_bounds(seed: int, directed: bool) -> None:
    edge_index, weight = random_graph(seed, directed)
    s = (4 * embeddings(seed)[:, :CLUSTERS]).softmax(1)
    assert -1 - 1e-9 <= float(cut(s, Links(edge_index, weight, num_nodes=NODES))) <= 0
    assert 0 <= float(orthogonality(s)) < math.sqrt(2)


def test_direction_of_edges_does_not_count() -> None:
    edge_index, weight = random_graph(4, directed=True)
    both = torch.cat([edge_index, edge_index.flip(0)], 1)
    one_way, both_ways = Links(edge_index, weight, num_nodes=NODES), Links(both, weight.repeat(2), num_nodes=NODES)
    torch.testing.assert_close(cut(soft(), one_way), cut(soft(), both_ways))


# ------------------------------------------------------------------------------------------------- edges of the domain


def test_graph_without_edges_leaves_the_term_of_orthogonality() -> None:
    head, z = new_head(), embeddings().requires_grad_()
    loss = head(z, torch.empty(2, 0, dtype=torch.int64))
    loss.total.backward()
    assert loss.cut == 0
    assert z.grad is not None
    assert z.grad.isfinite().all()


def test_edges_of_weight_zero_are_none() -> None:
    edge_index, weight = random_graph(5)
    assert new_head()(embeddings(), edge_index, 0 * weight).cut == 0


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("clusters", [1, NODES])
def test_one_cluster_and_as_many_as_nodes_are_fine(clusters: int, squared: bool) -> None:
    edge_index, weight = random_graph(6)
    head, z = new_head(clusters, squared=squared), embeddings().requires_grad_()
    loss = head(z, edge_index, weight)
    loss.total.backward()
    assert loss.total.isfinite()
    assert z.grad is not None
    assert z.grad.isfinite().all()
    if clusters == 1:
        assert float(loss.detach().total) == pytest.approx(-1)


def test_loss_is_in_single_precision_under_autocast() -> None:
    edge_index, weight = random_graph(7)
    head, z = new_head().float(), embeddings().float()
    expected = head(z, edge_index, weight.float()).total
    with torch.autocast("cpu", torch.bfloat16):
        found = head(z, edge_index, weight.float()).total
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("parameters", [{"lam": -1.0}, {"temperature": 0.0}])
def test_parameters_out_of_range_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(parameters))):
        parameter_model(MinCutClusterHead)(**parameters)


# --------------------------------------------------------------------------------------------------- prepared graphs


@pytest.mark.parametrize("weighted", [False, True])
def test_prepared_graph_gives_the_same_loss(weighted: bool) -> None:
    edge_index, weight = random_graph(8)
    graph = Data(edge_index=edge_index, num_nodes=NODES, **({"edge_weight": weight} if weighted else {}))
    head, z = new_head(), embeddings()
    given_weight = weight if weighted else None
    prepared = head.prepare(graph)
    assert prepared["links"].are_of(edge_index, given_weight)
    torch.testing.assert_close(
        head(z, edge_index, given_weight, **prepared).total, head(z, edge_index, given_weight).total
    )


def test_batch_is_not_taken_for_the_graph_that_was_prepared() -> None:
    edge_index, weight = random_graph(9)
    head, z = new_head(), embeddings()
    prepared = head.prepare(Data(edge_index=edge_index, edge_weight=weight, num_nodes=NODES))
    inside = (edge_index < 8).all(0)
    batch = edge_index[:, inside], weight[inside]
    assert head(z[:8], *batch, **prepared).total == head(z[:8], *batch).total


# ----------------------------------------------------------------------------------------------------------- training


class Convolution(nn.Module):
    """One layer of PyG, so that these tests need no other plugin."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.convolution = GCNConv(in_channels, 8)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.convolution(x, edge_index)


class Reconstruction(nn.Module):
    """Some objective: neighbours are alike."""

    def forward(self, encode: Any, graph: Any, edge_index: Tensor) -> Tensor:
        z = encode(graph)
        return (z[edge_index[0]] - z[edge_index[1]]).square().mean()


def groups(sparse: bool = False) -> Data:
    """Three groups of nodes, each with features and edges of its own. Without labels."""
    nodes = 30
    generator = torch.Generator().manual_seed(0)
    x = torch.eye(6)[torch.arange(nodes) % CLUSTERS] + 0.3 * torch.rand(nodes, 6, generator=generator)
    source = torch.arange(nodes)
    steps = torch.cat([torch.stack([source, (source + k * CLUSTERS) % nodes]) for k in (1, 2)], dim=1)
    return Data(x=x.to_sparse() if sparse else x, edge_index=to_undirected(steps))


def composed(epochs: int, objective: Any = None, seed: int = 0, squared: bool = False) -> eco.Composition:
    stage = {"epochs": epochs, "optimizer": {"name": "adam", "lr": 0.05}}
    strategy = {"name": "joint", "initialize": objective is not None, "pretrain": {"epochs": 2}, "joint": stage}
    head = {"name": MinCutClusterHead, "squared": squared}
    return eco.compose(
        encoder=Convolution, head=head, objective=objective, strategy=strategy, clusters=CLUSTERS, seed=seed
    )


@pytest.mark.parametrize("squared", [False, True])
def test_training_finds_the_groups(squared: bool) -> None:
    model = composed(60, squared=squared).fit(groups())
    found = [set(model.labels_[group::CLUSTERS].tolist()) for group in range(CLUSTERS)]
    assert all(len(labels) == 1 for labels in found)
    assert len(set.union(*found)) == CLUSTERS
    last = {column.rpartition(".")[2]: value for column, value in model.history_[-1].items()}
    assert last["cut"] == pytest.approx(-1, abs=0.01)
    assert last["orthogonality"] == pytest.approx(0, abs=0.05)


def test_it_trains_jointly_with_an_objective() -> None:
    model = composed(3, Reconstruction).fit(groups())
    assert len(model.history_) == 5
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    torch.testing.assert_close(model.cluster(soft=True).sum(1), torch.ones(30))


def test_same_seed_same_result() -> None:
    runs = [composed(3, seed=seed).fit(groups()).cluster(soft=True) for seed in (1, 1, 2)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_recipe_trains_two_epochs(sparse: bool) -> None:
    pytest.importorskip("eco_gnn")
    model = eco.compose(recipe="mincut", epochs=2, clusters=CLUSTERS, seed=0).fit(groups(sparse))
    assert isinstance(model.cluster_head, MinCutClusterHead)
    assert model.cluster_head.squared
    assert len(model.history_) == 2
    assert model.labels_.shape == (30,)
