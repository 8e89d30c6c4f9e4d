"""MAGI: its pairs, its formula, its embedding and its parameters."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from eco_contrastive import MAGI
from eco_contrastive.modularity_pairs import WalkPairs, modularity_pairs, positive_pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from torch import Tensor
from torch_geometric.data import Data

from eco_core.ops.random_walks import neighbors_of, random_walks

NODES, WIDTH = 12, 5


def both(edges: list[tuple[int, int]]) -> Tensor:
    edge_index = torch.tensor(edges).T
    return torch.cat([edge_index, edge_index.flip(0)], dim=1)


def ring(nodes: int = NODES) -> Tensor:
    return both([(i, (i + 1) % nodes) for i in range(nodes)])


def embeddings(seed: int = 0, nodes: int = NODES) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(nodes, WIDTH, generator=generator, dtype=torch.double)


def as_set(pairs: Tensor) -> set[tuple[int, ...]]:
    return set(map(tuple, pairs.t().tolist()))


def reference(z: Tensor, pairs: Tensor, tau: float, scaled: bool) -> Tensor:
    """InfoNCE, pair by pair."""
    rows = []
    for row in z:
        row = (row - row.min()) / (row.max() - row.min()) if scaled else row
        rows.append(row / row.norm())
    losses = []
    for v, u in pairs.t().tolist():
        others = torch.stack([torch.exp(rows[v] @ rows[w] / tau) for w in range(len(rows)) if w != v])
        losses.append(-torch.log(torch.exp(rows[v] @ rows[u] / tau) / others.sum()))
    return torch.stack(losses).mean()


# -------------------------------------------------------------------------------------------------------------- pairs


def test_pairs_are_those_of_positive_modularity_on_the_walks() -> None:
    edge_index = torch.cat([ring(30), both([(0, 7), (3, 20), (5, 6), (5, 6)])], dim=1)
    neighbors = neighbors_of(edge_index, 30)
    pairs = modularity_pairs(neighbors, num_walks=40, walk_length=4, seed=3)
    walks_seed = int(torch.randint(2**63 - 1, (), generator=torch.Generator().manual_seed(3)))
    walks = random_walks(neighbors, torch.arange(30).repeat_interleave(40), 4, seed=walks_seed)
    similarity = torch.zeros(30, 30, dtype=torch.double)
    for walk in walks.tolist():
        for node in walk[1:]:
            similarity[walk[0], node] += 1 / (40 * 4)
    modularity = (similarity - 1 / 30).fill_diagonal_(0)
    assert ((similarity > 0) & (modularity < 0)).any()  # Some nodes are visited, but less often than chance.
    assert as_set(pairs) == set(map(tuple, (modularity > 1e-12).nonzero().tolist()))


def test_walks_of_a_ring_find_all_that_are_near() -> None:
    # With so many walks, a ring's pairs are sure: the two neighbours at distance one and two.
    expected = {(v, (v + step) % NODES) for v in range(NODES) for step in (-2, -1, 1, 2)}
    assert as_set(modularity_pairs(neighbors_of(ring(), NODES), 300, 2)) == expected


def test_walks_follow_directions_and_weights() -> None:
    edge_index = torch.tensor([[0, 0, 1, 2], [1, 2, 3, 3]])
    pairs = modularity_pairs(neighbors_of(edge_index, 4, torch.tensor([1.0, 0.0, 1.0, 1.0])), 50, 2)
    assert as_set(pairs) == {(0, 1), (0, 3), (1, 3), (2, 3)}


def test_same_seed_same_pairs_and_another_gives_others() -> None:
    neighbors = neighbors_of(torch.randint(60, (2, 500), generator=torch.Generator().manual_seed(0)), 60)
    first = modularity_pairs(neighbors, 5, 3, seed=1)
    assert torch.equal(first, modularity_pairs(neighbors, 5, 3, seed=1))
    assert not torch.equal(first, modularity_pairs(neighbors, 5, 3, seed=2))


def test_nodes_that_reach_no_other_have_no_pairs() -> None:
    neighbors = neighbors_of(torch.tensor([[0, 1, 2], [1, 0, 2]]), 5)  # A link, a loop and two nodes alone.
    assert as_set(modularity_pairs(neighbors, 10, 3)) == {(0, 1), (1, 0)}
    assert modularity_pairs(neighbors_of(torch.empty(2, 0, dtype=torch.long), 3), 10, 2).shape == (2, 0)
    assert modularity_pairs(neighbors_of(torch.empty(2, 0, dtype=torch.long), 0), 10, 2).shape == (2, 0)


def test_pairs_of_a_batch_are_those_between_its_rows() -> None:
    # With so many walks, a ring's pairs are sure: the two neighbours at distance one and two.
    walks = WalkPairs(neighbors_of(ring(), NODES), 300, 2, seed=0)
    for nodes in (torch.tensor([4, 0, 2, 3]), torch.tensor([1, 5])):
        batch = walks.among(nodes)
        among = {
            (row, column)
            for row, v in enumerate(nodes.tolist())
            for column, u in enumerate(nodes.tolist())
            if 0 < min((v - u) % NODES, (u - v) % NODES) <= 2
        }
        assert as_set(batch.pairs) == among
        torch.testing.assert_close(
            batch.share, torch.bincount(batch.pairs[0], minlength=len(nodes)) / max(1, len(among))
        )
        assert batch.matrix.shape == (len(nodes), len(nodes))


def test_pairs_of_all_nodes_stay_and_those_of_a_batch_are_drawn_anew() -> None:
    neighbors = neighbors_of(torch.randint(60, (2, 500), generator=torch.Generator().manual_seed(0)), 60)
    walks = WalkPairs(neighbors, 5, 3, seed=1)
    everything = walks.of_all(torch.device("cpu"))
    assert torch.equal(everything.pairs, modularity_pairs(neighbors, 5, 3, seed=1))
    assert walks.of_all(torch.device("cpu")) is everything
    torch.manual_seed(0)
    first, second = (walks.among(torch.arange(60)).pairs for _ in range(2))
    assert not torch.equal(first, second)
    torch.manual_seed(0)
    assert torch.equal(first, walks.among(torch.arange(60)).pairs)


# ------------------------------------------------------------------------------------------------------------ formula


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("tau", [0.3, 1.0, 0.01])
def test_loss_is_the_published_formula(scaled: bool, tau: float) -> None:
    objective, z = MAGI(tau=tau, scale_embeddings=scaled, num_walks=9, walk_length=3), embeddings()
    graph = Data(x=z, edge_index=ring())
    positives = objective.prepare(graph, graph.edge_index)["positives"]
    loss = objective(lambda given: given.x, graph, graph.edge_index, positives=positives)
    pairs = positives.of_all(z.device).pairs
    torch.testing.assert_close(loss, reference(z, pairs, tau, scaled), rtol=1e-5, atol=1e-5)
    # Without what `prepare` returned, the same walks are sampled.
    torch.testing.assert_close(objective(lambda given: given.x, graph, graph.edge_index), loss)


@pytest.mark.parametrize("scaled", [True, False])
def test_gradient_is_correct_and_that_of_the_formula(scaled: bool) -> None:
    objective, edge_index = MAGI(tau=0.4, scale_embeddings=scaled), ring()
    positives = objective.walk_pairs(edge_index, NODES).of_all(torch.device("cpu"))
    positives = positives._replace(matrix=positives.matrix.double(), share=positives.share.double())
    z = embeddings().requires_grad_()

    def loss(z: Tensor) -> Tensor:
        return objective(lambda _: z, Data(edge_index=edge_index), edge_index, positives=positives)

    assert torch.autograd.gradcheck(loss, (z,))
    expected = reference(z, positives.pairs, 0.4, scaled)
    torch.testing.assert_close(torch.autograd.grad(loss(z), z), torch.autograd.grad(expected, z), rtol=1e-5, atol=1e-7)


def test_loss_of_a_sampled_batch_is_that_of_the_pairs_among_its_seeds() -> None:
    objective, z = MAGI(tau=0.5), embeddings()
    graph = Data(x=z, edge_index=ring())
    n_id = torch.tensor([7, 5, 6, 0])
    batch = Data(x=z[n_id], edge_index=torch.empty(2, 0, dtype=torch.long), n_id=n_id)
    prepared = objective.prepare(graph, graph.edge_index)
    loss = objective(lambda given: given.x, batch, batch.edge_index, n_id=n_id, **prepared)
    pairs = torch.tensor([[0, 0, 1, 1, 2, 2], [1, 2, 0, 2, 0, 1]])  # Nodes 5, 6 and 7 are on one stretch of the ring.
    torch.testing.assert_close(loss, reference(batch.x, pairs, 0.5, True), rtol=1e-5, atol=1e-5)


@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_order_of_the_nodes_does_not_matter(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    z, order = embeddings(seed), torch.randperm(NODES, generator=generator)
    pairs = torch.randint(NODES, (2, 30), generator=generator)
    pairs = pairs[:, pairs[0] != pairs[1]]
    moved = order.argsort()[pairs]
    graph, objective = Data(edge_index=ring()), MAGI()
    torch.testing.assert_close(
        objective(lambda _: z[order], graph, graph.edge_index, positives=positive_pairs(moved, NODES)),
        objective(lambda _: z, graph, graph.edge_index, positives=positive_pairs(pairs, NODES)),
    )


# ---------------------------------------------------------------------------------------------------------- embedding


def test_embedding_is_scaled_to_the_unit_range_and_to_unit_length() -> None:
    z = 3 * embeddings() - 1
    low, high = z.min(dim=1, keepdim=True).values, z.max(dim=1, keepdim=True).values
    expected = F.normalize((z - low) / (high - low), dim=1)
    torch.testing.assert_close(MAGI().embed(lambda _: z, None), expected)
    torch.testing.assert_close(MAGI(scale_embeddings=False).embed(lambda _: z, None), F.normalize(z, dim=1))


def test_embedding_whose_entries_are_all_the_same_is_zero_with_a_finite_gradient() -> None:
    z = torch.cat([torch.full((1, WIDTH), 2.0), torch.zeros(1, WIDTH), torch.ones(1, WIDTH).cumsum(1)]).requires_grad_()
    embedding = MAGI().embed(lambda _: z, None)
    assert torch.equal(embedding[:2], torch.zeros(2, WIDTH))
    MAGI()(lambda _: z, Data(edge_index=ring(3)), ring(3)).backward()
    assert z.grad is not None
    assert z.grad.isfinite().all()


@pytest.mark.parametrize("nodes", [1, 4])
def test_loss_without_pairs_is_zero_with_a_gradient(nodes: int) -> None:
    z, nothing = embeddings(nodes=nodes).requires_grad_(), torch.empty(2, 0, dtype=torch.long)
    loss = MAGI()(lambda _: z, Data(edge_index=nothing), nothing)
    loss.backward()
    assert loss.item() == 0
    assert z.grad is not None
    assert torch.equal(z.grad, torch.zeros_like(z))


def test_loss_is_computed_in_single_precision_under_autocast() -> None:
    graph, z = Data(edge_index=ring()), embeddings().float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = MAGI()(lambda _: z, graph, graph.edge_index)
    assert loss.dtype is torch.float32
    torch.testing.assert_close(loss, MAGI()(lambda _: z, graph, graph.edge_index))


# --------------------------------------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(("parameter", "wrong"), [("tau", 0.0), ("num_walks", 0), ("walk_length", 0)])
def test_annotations_reject_wrong_values_and_accept_the_defaults(parameter: str, wrong: Any) -> None:
    declared = inspect.signature(MAGI, eval_str=True).parameters[parameter]
    adapter = TypeAdapter(declared.annotation)
    assert adapter.validate_python(declared.default) == declared.default
    with pytest.raises(ValidationError):
        adapter.validate_python(wrong)
