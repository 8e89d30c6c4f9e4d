"""The likelihoods of block models, against dense formulas over all pairs of nodes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from eco_sbm import likelihood
from eco_sbm.likelihood import BlockModel, bernoulli, erased_poisson, fit_blocks, inner_share, matching, poisson
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

NODES, CLUSTERS = 12, 3
VARIANTS = ["bernoulli", "poisson", "bernoulli-dc", "poisson-dc", "match"]


# ------------------------------------------------------------------------------------------- graphs and references


def random_graph(seed: int, edges: int = 40, nodes: int = NODES) -> Tensor:
    """A directed graph with loops and isolated nodes (the last two), each edge once."""
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randperm((nodes - 2) ** 2, generator=generator)[:edges]
    return torch.stack([numbers // (nodes - 2), numbers % (nodes - 2)])


def both_ways(edge_index: Tensor) -> Tensor:
    """Each edge in both directions, each pair once, without loops."""
    pairs = {(min(u, v), max(u, v)) for u, v in edge_index.t().tolist() if u != v}
    one_way = torch.tensor(sorted(pairs)).t()
    return torch.cat([one_way, one_way.flip(0)], dim=1)


def soft(seed: int, nodes: int = NODES, clusters: int = CLUSTERS, sharpness: float = 3.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed + 1)
    return (sharpness * torch.randn(nodes, clusters, generator=generator, dtype=torch.float64)).softmax(dim=1)


def hard(labels: Tensor, clusters: int = CLUSTERS) -> Tensor:
    return torch.eye(clusters, dtype=torch.float64)[labels]


def random_labels(seed: int, nodes: int = NODES, clusters: int = CLUSTERS) -> Tensor:
    return torch.randint(clusters, (nodes,), generator=torch.Generator().manual_seed(seed + 2))


def adjacency(edge_index: Tensor, weight: Tensor | None = None, nodes: int = NODES) -> Tensor:
    a = torch.zeros(nodes, nodes, dtype=torch.float64)
    for e, (u, v) in enumerate(edge_index.t().tolist()):
        a[u, v] += 1.0 if weight is None else float(weight[e])
    return a


def ratio(a: Tensor, b: Tensor) -> Tensor:
    """Elementwise a / b, with 0 / 0 = 0."""
    return torch.where(b > 0, a / b.clamp(min=1e-300), torch.zeros_like(a))


def dense_model(p: Tensor, a: Tensor, corrected: bool) -> tuple[Tensor, Tensor]:
    """The structure matrix and the means of all ordered pairs."""
    n = p.sum(dim=0)
    out, into = torch.ones(len(p), dtype=p.dtype), torch.ones(len(p), dtype=p.dtype)
    if corrected:
        out, into = (ratio((p @ n) * d, p @ (p.T @ d)) for d in (a.sum(dim=1), a.sum(dim=0)))
    theta = ratio(p.T @ a @ p, torch.outer(p.T @ out, p.T @ into))
    return theta, out[:, None] * (p @ theta @ p.T) * into[None, :]


def dense(variant: str, p: Tensor, a: Tensor) -> Tensor:
    theta, mu = dense_model(p, a, variant.endswith("-dc"))
    if variant == "match":
        return -torch.trace(a.T @ p @ theta @ p.T)
    linked = a > 0
    if variant.startswith("poisson"):
        return -(a[linked] * mu[linked].log()).sum() + mu.sum()
    probability = 1 - torch.exp(-mu) if variant == "bernoulli-dc" else mu
    return -probability[linked].log().sum() - (1 - probability[~linked]).log().sum()


def measured(variant: str, p: Tensor, edge_index: Tensor, weight: Tensor | None = None, samples: int = 50) -> Tensor:
    model = fit_blocks(p, edge_index, weight, degree_corrected=variant.endswith("-dc"))
    if variant == "match":
        return matching(model)
    if variant == "bernoulli":
        return bernoulli(model, edge_index, weight, samples)
    function: Callable[[BlockModel, Tensor, Tensor | None], Tensor] = (
        erased_poisson if variant == "bernoulli-dc" else poisson
    )
    return function(model, edge_index, weight)


@pytest.fixture
def every_pair_once(monkeypatch: pytest.MonkeyPatch) -> int:
    """Makes the sample all ordered pairs: the mean over all that can be drawn. Returns their number."""

    def middle(count: int, **options: Any) -> Tensor:
        assert count == NODES**2
        return torch.full((count,), 0.5, **options)

    monkeypatch.setattr(likelihood.torch, "rand", middle)
    return NODES**2


# ----------------------------------------------------------------------------------------------- against the dense


@pytest.mark.parametrize("kind", ["soft", "hard"])
@pytest.mark.parametrize("directed", [True, False], ids=["directed", "undirected"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_likelihood_is_that_of_all_pairs(variant: str, directed: bool, kind: str, every_pair_once: int) -> None:
    for seed in range(5):
        edge_index = random_graph(seed) if directed else both_ways(random_graph(seed, edges=25))
        p = soft(seed) if kind == "soft" else hard(soft(seed).argmax(dim=1))
        expected = dense(variant, p, adjacency(edge_index))
        torch.testing.assert_close(measured(variant, p, edge_index, samples=every_pair_once), expected)


@pytest.mark.parametrize("variant", ["poisson", "poisson-dc", "match"])
def test_weights_are_numbers_of_edges(variant: str) -> None:
    edge_index, p = random_graph(0), soft(0)
    weight = torch.rand(edge_index.size(1), dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3
    weight[:5] = 0
    expected = dense(variant, p, adjacency(edge_index, weight))
    torch.testing.assert_close(measured(variant, p, edge_index, weight), expected)
    twice = torch.cat([edge_index, edge_index], dim=1)
    torch.testing.assert_close(measured(variant, p, twice, torch.cat([weight / 4, weight * 3 / 4])), expected)


@pytest.mark.parametrize("variant", ["bernoulli", "bernoulli-dc"])
def test_edges_of_weight_zero_are_pairs_that_are_not_linked(variant: str, every_pair_once: int) -> None:
    edge_index, p = random_graph(1), soft(1)
    weight = (torch.arange(edge_index.size(1)) % 3 > 0).double()
    expected = dense(variant, p, adjacency(edge_index[:, weight > 0]))
    torch.testing.assert_close(measured(variant, p, edge_index, weight, every_pair_once), expected)


def test_sampled_bernoulli_is_off_by_no_more_than_the_sampling() -> None:
    edge_index, p = both_ways(random_graph(2, edges=45)), soft(2)
    a = adjacency(edge_index)
    _, mu = dense_model(p, a, False)
    rest = torch.where(a > 0, 0.0, -torch.log1p(-mu) - mu - mu**2 / 2)
    exact, samples, repeats = dense("bernoulli", p, a), 60, 400
    torch.manual_seed(0)
    mean = torch.stack([measured("bernoulli", p, edge_index, samples=samples) for _ in range(repeats)]).mean()
    bound = 4 * NODES**2 * rest.std() / math.sqrt(samples * repeats)
    assert abs(mean - exact) < bound
    # The bound would notice a sum that is wrong by a tenth of what is sampled.
    assert bound < rest.sum() / 10


@pytest.mark.parametrize("count", [3, 10, 25])
def test_every_number_is_drawn_with_the_same_probability(count: int) -> None:
    size, repeats = 10, 4000
    torch.manual_seed(0)
    drawn = torch.cat([likelihood.spread_numbers(size, count, torch.device("cpu")) for _ in range(repeats)])
    expected = count * repeats / size
    assert (drawn.bincount(minlength=size) - expected).abs().max() < 4 * math.sqrt(expected)
    assert len(drawn) == count * repeats


def test_one_draw_of_a_sparse_graph_is_nearly_exact() -> None:
    nodes = 300
    edge_index = both_ways(random_graph(3, edges=900, nodes=nodes))
    p = soft(3, nodes=nodes)
    torch.manual_seed(0)
    drawn = measured("bernoulli", p, edge_index, samples=3 * edge_index.size(1))
    torch.testing.assert_close(drawn, dense("bernoulli", p, adjacency(edge_index, nodes=nodes)), rtol=1e-6, atol=0)


@pytest.mark.parametrize("corrected", [True, False])
def test_expected_number_of_edges_is_that_of_the_graph(corrected: bool) -> None:
    edge_index = random_graph(4)
    model = fit_blocks(soft(4), edge_index, degree_corrected=corrected)
    _, mu = dense_model(soft(4), adjacency(edge_index), corrected)
    torch.testing.assert_close(model.sum_of_means(), torch.tensor(float(edge_index.size(1)), dtype=torch.float64))
    torch.testing.assert_close(model.sum_of_squares(), (mu**2).sum())
    pairs = torch.cartesian_prod(torch.arange(NODES), torch.arange(NODES)).t()
    torch.testing.assert_close(model.means(pairs), mu.flatten())


def test_bernoulli_probabilities_are_at_most_one() -> None:
    everything = torch.cartesian_prod(torch.arange(NODES), torch.arange(NODES)).t()
    model = fit_blocks(soft(5), everything)
    torch.testing.assert_close(model.theta, torch.ones(CLUSTERS, CLUSTERS, dtype=torch.float64))
    assert bernoulli(model, everything, None, 100).abs() < 1e-9


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_is_that_of_finite_differences(variant: str, weighted: bool) -> None:
    edge_index = random_graph(6)
    weight = None
    if weighted:
        weight = (torch.arange(edge_index.size(1)) % 4).double()
        weight = (weight > 0).double() if variant.startswith("bernoulli") else weight
    logits = torch.randn(NODES, CLUSTERS, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def loss(logits: Tensor) -> Tensor:
        torch.manual_seed(0)
        return measured(variant, logits.softmax(dim=1), edge_index, weight)

    assert torch.autograd.gradcheck(loss, (logits.requires_grad_(),))


# ------------------------------------------------------------------------------------------------------------ laws


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25)
@pytest.mark.parametrize("variant", VARIANTS)
def test_names_of_communities_do_not_matter(variant: str, seed: int) -> None:
    edge_index, p = random_graph(seed), soft(seed)
    order = torch.randperm(CLUSTERS, generator=torch.Generator().manual_seed(seed))
    torch.manual_seed(seed)
    expected = measured(variant, p, edge_index)
    torch.manual_seed(seed)
    torch.testing.assert_close(measured(variant, p[:, order], edge_index), expected)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25)
@pytest.mark.parametrize("variant", [v for v in VARIANTS if v != "bernoulli"])
def test_names_of_nodes_and_the_direction_of_all_edges_do_not_matter(variant: str, seed: int) -> None:
    edge_index, p = random_graph(seed), soft(seed)
    expected = measured(variant, p, edge_index)
    order = torch.randperm(NODES, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(measured(variant, p[order.argsort()], order[edge_index]), expected)
    torch.testing.assert_close(measured(variant, p, edge_index.flip(0)), expected)


@given(seed=st.integers(0, 10_000))
def test_hard_communities_have_the_profile_likelihoods_of_karrer_and_newman(seed: int) -> None:
    edge_index, labels = both_ways(random_graph(seed)), random_labels(seed)
    a, s = adjacency(edge_index), hard(labels)
    links, sizes, degree = s.T @ a @ s, s.sum(dim=0), a.sum(dim=1)
    volume = s.T @ degree
    present = links > 0

    def profile(denominators: Tensor) -> Tensor:
        return (links[present] * (links / torch.outer(denominators, denominators).clamp(min=1))[present].log()).sum()

    # Their equations (5) and (14), with the terms that are the same for all communities of a graph.
    total = a.sum()
    of_degrees = 2 * torch.special.xlogy(degree, degree).sum()
    torch.testing.assert_close(measured("poisson", s, edge_index), total - profile(sizes))
    torch.testing.assert_close(measured("poisson-dc", s, edge_index), total - profile(volume) - of_degrees)


@given(seed=st.integers(0, 10_000))
def test_degrees_alone_are_no_reason_for_communities_with_degree_correction(seed: int) -> None:
    # Each pair has the weight that the degrees make expect: any hard communities explain the graph equally well.
    degree = torch.arange(1.0, NODES + 1, dtype=torch.float64)
    pairs = torch.cartesian_prod(torch.arange(NODES), torch.arange(NODES)).t()
    weight = degree[pairs[0]] * degree[pairs[1]] / degree.sum()
    one = hard(torch.zeros(NODES, dtype=torch.long))
    by_degree = hard((torch.arange(NODES) >= NODES // 2).long())
    torch.testing.assert_close(
        measured("poisson-dc", hard(random_labels(seed)), pairs, weight), measured("poisson-dc", one, pairs, weight)
    )
    assert measured("poisson", by_degree, pairs, weight) < measured("poisson", one, pairs, weight) - 1


@given(seed=st.integers(0, 10_000))
@pytest.mark.parametrize("variant", ["bernoulli-dc", "poisson-dc"])
def test_communities_of_isolated_nodes_do_not_matter_with_degree_correction(variant: str, seed: int) -> None:
    edge_index, labels = random_graph(seed), random_labels(seed)
    others = torch.cat([labels[:-2], (labels[-2:] + 1) % CLUSTERS])
    torch.testing.assert_close(measured(variant, hard(others), edge_index), measured(variant, hard(labels), edge_index))


@given(seed=st.integers(0, 10_000))
def test_matching_is_the_distance_to_the_block_model(seed: int) -> None:
    edge_index, s = random_graph(seed), hard(random_labels(seed))
    a = adjacency(edge_index)
    theta, _ = dense_model(s, a, False)
    expected = (a - s @ theta @ s.T).square().sum() - a.square().sum()
    torch.testing.assert_close(measured("match", s, edge_index), expected)


def planted(seed: int, nodes: int = 60, inside: float = 0.4, between: float = 0.05) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(nodes) % CLUSTERS
    probability = torch.where(labels[:, None] == labels[None], inside, between)
    upper = torch.rand(nodes, nodes, generator=generator).triu(diagonal=1)
    one_way = ((upper > 0) & (upper < probability)).nonzero().t()
    return torch.cat([one_way, one_way.flip(0)], dim=1), labels


@pytest.mark.parametrize("variant", VARIANTS)
def test_planted_communities_are_the_most_likely(variant: str) -> None:
    edge_index, labels = planted(0)
    torch.manual_seed(0)
    truth = measured(variant, hard(labels), edge_index, samples=20_000)
    others = [random_labels(seed, len(labels)) for seed in range(30)]
    others += [torch.zeros_like(labels), torch.where(torch.arange(len(labels)) < 6, (labels + 1) % CLUSTERS, labels)]
    for other in others:
        assert truth < measured(variant, hard(other), edge_index, samples=20_000) - 1


def test_close_to_equal_communities_links_matter_in_the_fourth_order_and_inner_shares_in_the_second() -> None:
    edge_index, labels = planted(1)
    direction = hard(labels) - 1 / CLUSTERS

    def change(value: Callable[[Tensor], Tensor], step: float) -> float:
        equal = torch.full_like(direction, 1 / CLUSTERS)
        return float(value(equal + step * direction) - value(equal))

    def shares(p: Tensor) -> Tensor:
        return inner_share(fit_blocks(p, edge_index).links).sum()

    def loss(p: Tensor) -> Tensor:
        return measured("poisson-dc", p, edge_index)

    assert change(loss, 0.02) / change(loss, 0.01) == pytest.approx(2**4, rel=0.1)
    assert change(shares, 0.02) / change(shares, 0.01) == pytest.approx(2**2, rel=0.1)


# ---------------------------------------------------------------------------------------------------- inner shares


def test_inner_share_is_that_of_the_edge_ends() -> None:
    edge_index, labels = random_graph(7), random_labels(7)
    expected = torch.zeros(CLUSTERS, dtype=torch.float64)
    ends = torch.zeros(CLUSTERS, dtype=torch.float64)
    for u, v in edge_index.t().tolist():
        for node in (u, v):
            ends[labels[node]] += 1
            expected[labels[node]] += float(labels[u] == labels[v])
    share = inner_share(fit_blocks(hard(labels), edge_index).links)
    torch.testing.assert_close(share, expected / ends)


def test_inner_share_is_one_for_components_and_zero_for_empty_communities() -> None:
    edge_index = torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]])
    share = inner_share(fit_blocks(hard(torch.tensor([0, 0, 1, 1])), edge_index).links)
    assert share.tolist() == [1, 1, 0]


@given(seed=st.integers(0, 10_000))
def test_inner_shares_are_fractions(seed: int) -> None:
    share = inner_share(fit_blocks(soft(seed), random_graph(seed)).links)
    assert ((share >= 0) & (share <= 1 + 1e-12)).all()
