"""The head: its loss, what it does with odd graphs, and its training by the engine."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from eco_sbm import SBMClusterHead
from eco_sbm.likelihood import fit_blocks, inner_share, poisson
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv

import eco_core as eco

VARIANTS = ["bernoulli", "poisson", "bernoulli-dc", "poisson-dc", "match"]
NODES, WIDTH, CLUSTERS = 20, 4, 3

each_variant = pytest.mark.parametrize("variant", VARIANTS)


def new_head(variant: str = "poisson-dc", clusters: int = CLUSTERS, **parameters: float) -> SBMClusterHead:
    torch.manual_seed(0)
    return SBMClusterHead(clusters, WIDTH, variant, **parameters)  # type: ignore[arg-type]


def embeddings(seed: int = 0, nodes: int = NODES) -> Tensor:
    return torch.randn(nodes, WIDTH, generator=torch.Generator().manual_seed(seed))


def ring(nodes: int = NODES) -> Tensor:
    one_way = torch.stack([torch.arange(nodes), (torch.arange(nodes) + 1) % nodes])
    return torch.cat([one_way, one_way.flip(0)], dim=1)


def check_finite(head: SBMClusterHead, z: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
    """Returns the gradient by z."""
    z = z.clone().requires_grad_()
    loss = head(z, edge_index, edge_weight).total
    (gradient,) = torch.autograd.grad(loss, z)
    assert loss.isfinite()
    assert gradient.isfinite().all()
    return gradient


# ------------------------------------------------------------------------------------------------------------ loss


def test_loss_is_the_likelihood_of_an_edge_and_the_weighted_distance_of_the_inner_shares_from_one() -> None:
    head, z, edge_index = new_head(alpha=0.3), embeddings(), ring()
    weight = torch.rand(edge_index.size(1), generator=torch.Generator().manual_seed(0))
    p = head.cluster(z, soft=True)
    model = fit_blocks(p, edge_index, weight, degree_corrected=True)
    likelihood = poisson(model, edge_index, weight) / weight.sum()
    distance = (1 - inner_share(model.links)).square().sum().sqrt()
    loss = head(z, edge_index, weight)
    torch.testing.assert_close(loss.likelihood, likelihood)
    torch.testing.assert_close(loss.assortativity, distance)
    torch.testing.assert_close(loss.total, likelihood + 0.3 * distance)


@each_variant
def test_gradient_is_that_of_finite_differences(variant: str) -> None:
    head, edge_index = new_head(variant).double(), ring()

    def loss(z: Tensor) -> Tensor:
        torch.manual_seed(0)
        return head(z, edge_index).total

    assert torch.autograd.gradcheck(loss, (embeddings().double().requires_grad_(),))


@each_variant
def test_variants_differ_and_the_sample_alone_is_random(variant: str) -> None:
    # A hub: where all degrees are the same, correcting for them changes nothing.
    z, edge_index = embeddings(), torch.cat([ring(), torch.tensor([[0, 0, 4, 5], [4, 5, 0, 0]])], dim=1)
    losses = {each: float(new_head(each)(z, edge_index).likelihood.detach()) for each in VARIANTS}
    assert len(set(losses.values())) == len(VARIANTS)
    head = new_head(variant)
    again = [float(head(z, edge_index).total.detach()) for _ in range(3)]
    assert (len(set(again)) > 1) == (variant == "bernoulli")


def test_more_samples_for_each_edge_make_the_bernoulli_loss_less_random() -> None:
    z, edge_index = embeddings(), ring()

    def spread(eta: float) -> float:
        head = new_head("bernoulli", eta=eta)
        return float(torch.stack([head(z, edge_index).total.detach() for _ in range(50)]).std())

    assert spread(0.1) > 2 * spread(3.0) > 0


@each_variant
def test_scale_of_the_weights_matters_to_no_variant_but_as_a_number_of_edges(variant: str) -> None:
    z, edge_index = embeddings(), ring()
    weight = torch.full((edge_index.size(1),), 5.0)
    torch.manual_seed(0)
    plain = new_head(variant)(z, edge_index)
    torch.manual_seed(0)
    heavy = new_head(variant)(z, edge_index, weight)
    torch.testing.assert_close(heavy.assortativity, plain.assortativity)
    if variant.startswith("bernoulli"):
        torch.testing.assert_close(heavy.likelihood, plain.likelihood)
    elif variant == "match":
        torch.testing.assert_close(heavy.likelihood, 5 * plain.likelihood)
    else:
        torch.testing.assert_close(heavy.likelihood, plain.likelihood - torch.tensor(5.0).log())


def test_clusters_are_the_most_probable_ones_and_centres_can_be_placed() -> None:
    head, z = new_head(), embeddings()
    soft = head.cluster(z, soft=True)
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(NODES))
    assert torch.equal(head.cluster(z), soft.argmax(dim=1))
    head.reset_cluster_centers(torch.eye(CLUSTERS, WIDTH))
    assert head.cluster(torch.eye(CLUSTERS, WIDTH)).tolist() == list(range(CLUSTERS))


def test_unknown_variant_is_refused_by_its_name() -> None:
    with pytest.raises(ValueError, match="variant is 'binomial': input should be 'bernoulli', 'poisson'"):
        SBMClusterHead(2, 3, "binomial")  # type: ignore[arg-type]
    with pytest.raises(eco.CompositionError, match=r"head\.variant is 'binomial'"):
        eco.compose(head={"name": "eco-sbm:sbm", "variant": "binomial"}, strategy="joint", clusters=2)


# ------------------------------------------------------------------------------------------------------ odd graphs


@each_variant
def test_graph_without_edges_has_no_gradient_and_no_likelihood(variant: str) -> None:
    head = new_head(variant)
    empty = torch.empty(2, 0, dtype=torch.long)
    assert not check_finite(head, embeddings(), empty).any()
    assert head(embeddings(), empty).likelihood == 0
    assert not check_finite(head, embeddings(), ring(), torch.zeros(2 * NODES)).any()


@each_variant
def test_isolated_nodes_are_clustered_too(variant: str) -> None:
    check_finite(new_head(variant), embeddings(nodes=NODES + 5), ring())


@each_variant
@pytest.mark.parametrize("clusters", [1, NODES, NODES + 3])
def test_any_number_of_communities_works(variant: str, clusters: int) -> None:
    head = new_head(variant, clusters)
    gradient = check_finite(head, embeddings(), ring())
    assert head.cluster(embeddings()).max() < clusters
    if clusters == 1:
        assert not gradient.any()


@each_variant
def test_empty_communities_and_certain_nodes_do_no_harm(variant: str) -> None:
    head = new_head(variant)
    with torch.no_grad():
        head.projection.weight.copy_(1e4 * torch.eye(CLUSTERS, WIDTH))
        head.projection.bias.copy_(torch.tensor([0.0, 0.0, -1e30]))
    assert (head.cluster(embeddings(), soft=True)[:, 2] == 0).all()
    check_finite(head, embeddings(), ring())
    # All of the same community, and one of a node alone.
    check_finite(head, torch.eye(1, WIDTH).expand(NODES, WIDTH), ring())
    alone = torch.eye(CLUSTERS, WIDTH)[(torch.arange(NODES) == 0).long()]
    check_finite(head, alone, ring())


@each_variant
def test_complete_graph_and_loops_are_finite(variant: str) -> None:
    everything = torch.cartesian_prod(torch.arange(NODES), torch.arange(NODES)).t()
    check_finite(new_head(variant), embeddings(), everything)
    loops = torch.arange(NODES).repeat(2, 1)
    check_finite(new_head(variant), embeddings(), loops)
    check_finite(new_head(variant, NODES), 100 * torch.eye(NODES, WIDTH), loops)


@each_variant
def test_hubs_are_finite(variant: str) -> None:
    star = torch.stack([torch.zeros(NODES - 1, dtype=torch.long), torch.arange(1, NODES)])
    check_finite(new_head(variant), 30 * embeddings(), torch.cat([star, star.flip(0)], dim=1))


@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3))
@settings(max_examples=30)
@each_variant
def test_loss_is_finite_for_any_embedding_and_directed_graph(variant: str, seed: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    edge_index = torch.randint(NODES, (2, 30), generator=generator)
    weight = torch.rand(30, generator=generator) * (torch.rand(30, generator=generator) < 0.8)
    check_finite(new_head(variant), scale * embeddings(seed), edge_index, weight)


@each_variant
def test_losses_are_in_single_precision_under_autocast(variant: str) -> None:
    head, z = new_head(variant), embeddings()
    torch.manual_seed(0)
    expected = head(z, ring()).total
    torch.manual_seed(0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = head(z, ring()).total
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected)


@each_variant
def test_memory_is_that_of_the_edges_and_not_of_all_pairs(variant: str) -> None:
    nodes = 300_000  # All pairs would be 360 GB.
    edge_index = torch.stack([torch.arange(nodes - 1), torch.arange(1, nodes)])
    check_finite(new_head(variant, eta=0.1), embeddings(nodes=nodes), edge_index)


# -------------------------------------------------------------------------------------------------------- training


class Convolution(nn.Module):
    """One layer of PyG, so that these tests need no other plugin."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.convolution = GCNConv(in_channels, 8)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.convolution(x, edge_index)


class Smoothness(nn.Module):
    """Some objective: neighbours are alike."""

    def forward(self, encode: Any, graph: Any, edge_index: Tensor) -> Tensor:
        z = encode(graph)
        return (z[edge_index[0]] - z[edge_index[1]]).square().mean()


def blocks() -> Data:
    return eco.load_graph("sbm", num_nodes=200, n_blocks=4, num_features=8, average_degree=12.0, mixing=0.1)


@each_variant
def test_planted_communities_are_recovered(variant: str) -> None:
    graph = blocks()
    model = eco.compose(
        encoder=Convolution,
        head={"name": "eco-sbm:sbm", "variant": variant},
        objective=None,
        strategy={"name": "joint", "initialize": False, "joint": {"epochs": 150, "optimizer": {"lr": 0.03}}},
        clusters=4,
        seed=0,
    ).fit(graph)
    assert normalized_mutual_info_score(graph.y, model.labels_) > 0.95


@each_variant
@pytest.mark.parametrize("objective", [None, Smoothness], ids=["none", "other"])
def test_every_variant_trains_jointly(variant: str, objective: type | None) -> None:
    strategy = {"name": "joint", "pretrain": {"epochs": 2}, "joint": {"epochs": 2}}
    head = {"name": "eco-sbm:sbm", "variant": variant}

    def fitted() -> eco.Composition:
        return eco.compose(
            encoder=Convolution, head=head, objective=objective, strategy=strategy, clusters=4, seed=3
        ).fit(blocks())

    model = fitted()
    recorded = {name.split(".")[-1] for name in model.history_[-1]}
    assert {"likelihood", "assortativity"} <= recorded
    assert torch.equal(torch.as_tensor(model.embedding_), torch.as_tensor(fitted().embedding_))


def test_graph_auto_encoder_and_this_head_train_jointly() -> None:
    pytest.importorskip("eco_autoencoder")
    model = eco.compose(
        {"strategy": {"name": "joint", "pretrain": {"epochs": 2}, "joint": {"epochs": 2}}},
        encoder=Convolution,
        head="eco-sbm:sbm",
        objective="gae",
        clusters=4,
        seed=0,
    ).fit(blocks())
    assert set(model.labels_.tolist()) <= set(range(4))
