"""Losses over all pairs: against dense references, their gradients, and that no (N x N) tensor is made."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from eco_core.ops.all_pairs import (
    LinkedPairs,
    draw_anchors,
    linked_pairs,
    log_sum_exp_of_others,
    mean_sigmoid_of_others,
    pair_matrix,
    pair_sum,
)

NODES, WIDTH = 23, 5


@pytest.fixture(params=[1, 4, NODES], ids=lambda rows: f"blocks of {rows}")
def block_rows(request: pytest.FixtureRequest) -> int:
    """Several blocks, the last of them smaller, although the graph is tiny."""
    return request.param


def tables(seed: int = 0, nodes: int = NODES, dtype: torch.dtype = torch.double) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    left, right = (torch.randn(nodes, WIDTH, generator=generator, dtype=torch.double) for _ in range(2))
    return left.to(dtype).requires_grad_(), right.to(dtype).requires_grad_()


def messy_edges(seed: int = 0, nodes: int = NODES, edges: int = 40) -> Tensor:
    """Directed, with a loop, parallel edges and isolated nodes."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(max(1, nodes - 2), (2, edges), generator=generator)
    return torch.cat([drawn, drawn[:, :3], torch.tensor([[0], [0]])], dim=1)


def dense_matrix(pairs: Tensor, weight: Tensor | None, nodes: int = NODES) -> Tensor:
    matrix = torch.zeros(nodes, nodes, dtype=torch.double)
    values = torch.ones(pairs.size(1)) if weight is None else weight
    for (i, j), value in zip(pairs.t().tolist(), values.tolist(), strict=True):
        if i != j:
            matrix[i, j] += value / 2
            matrix[j, i] += value / 2
    return matrix


def dense_sigmoids(left: Tensor, right: Tensor, edge_index: Tensor, shift: float, temperature: float) -> Tensor:
    others = ~torch.eye(left.size(0), dtype=torch.bool)
    for i, j in edge_index.t().tolist():
        others[i, j] = others[j, i] = False
    return torch.sigmoid((left @ right.T - shift) / temperature)[others].mean()


def dense_log_sums(z: Tensor, temperature: float) -> Tensor:
    logits = z @ z.T / temperature
    own = torch.eye(z.size(0), dtype=torch.bool)
    return torch.logsumexp(logits.masked_fill(own, -torch.inf), dim=1)


def gradients(value: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(value, inputs)


# -------------------------------------------------------------------------------------------------- pairs of nodes


@pytest.mark.parametrize("weighted", [False, True])
def test_pair_matrix_is_the_symmetric_part_without_loops(weighted: bool) -> None:
    pairs = messy_edges()
    generator = torch.Generator().manual_seed(1)
    weight = torch.rand(pairs.size(1), generator=generator, dtype=torch.double) if weighted else None
    matrix = pair_matrix(pairs, NODES, weight)
    assert matrix.layout is torch.sparse_csr
    assert matrix.dtype is (torch.double if weighted else torch.float)
    torch.testing.assert_close(matrix.to_dense().double(), dense_matrix(pairs, weight))


def test_pair_sum_is_the_weighted_sum_of_products_and_its_gradient_is_correct() -> None:
    left, right = tables()
    matrix = pair_matrix(messy_edges(), NODES)
    dense = matrix.to_dense().double()
    torch.testing.assert_close(pair_sum(left, right, matrix), (dense * (left @ right.T)).sum())
    torch.testing.assert_close(pair_sum(left, left, matrix), (dense * (left @ left.T)).sum())
    assert torch.autograd.gradcheck(lambda a, b: pair_sum(a, b, matrix), (left, right))
    assert torch.autograd.gradcheck(lambda a: pair_sum(a, a, matrix), (left,))


def test_pair_sum_over_no_pairs_is_zero_with_a_gradient() -> None:
    left, right = tables()
    value = pair_sum(left, right, pair_matrix(torch.empty(2, 0, dtype=torch.long), NODES))
    assert value.item() == 0
    assert all(torch.equal(grad, torch.zeros_like(grad)) for grad in gradients(value, left, right))


# ------------------------------------------------------------------------------------------------- mean of sigmoids


def test_mean_sigmoid_is_that_of_all_pairs_not_linked(block_rows: int) -> None:
    left, right = tables()
    edge_index = messy_edges()
    links = linked_pairs(edge_index, NODES, block_rows=block_rows)
    assert len(links.taken) == -(-NODES // block_rows)
    value = mean_sigmoid_of_others(left, right, links, 0.4, 0.7)
    expected = dense_sigmoids(left, right, edge_index, 0.4, 0.7)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradients(value, left, right), gradients(expected, left, right))


def test_gradient_of_mean_sigmoid_is_correct(block_rows: int) -> None:
    left, right = tables()
    links = linked_pairs(messy_edges(), NODES, block_rows=block_rows)
    assert torch.autograd.gradcheck(lambda a, b: 3 * mean_sigmoid_of_others(a, b, links, 0.1, 0.5), (left, right))
    assert torch.autograd.gradcheck(lambda a: mean_sigmoid_of_others(a, a, links, 0.1, 0.5), (left,))


@pytest.mark.parametrize("needs", [(True, False), (False, True)])
def test_mean_sigmoid_differentiates_by_one_table_alone(needs: tuple[bool, bool]) -> None:
    left, right = (table.detach().requires_grad_(flag) for table, flag in zip(tables(), needs, strict=True))
    edge_index = messy_edges()
    wanted = left if needs[0] else right
    value = mean_sigmoid_of_others(left, right, linked_pairs(edge_index, NODES))
    torch.testing.assert_close(
        gradients(value, wanted), gradients(dense_sigmoids(left, right, edge_index, 0, 1), wanted)
    )


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_order_of_the_nodes_does_not_matter(seed: int) -> None:
    left, right = (table.detach() for table in tables(seed))
    edge_index, order = messy_edges(seed), torch.randperm(NODES, generator=torch.Generator().manual_seed(seed))
    number = order.argsort()  # The node order[i] becomes node i.
    moved = linked_pairs(number[edge_index], NODES)
    torch.testing.assert_close(
        mean_sigmoid_of_others(left[order], right[order], moved, 0.2, 0.3),
        mean_sigmoid_of_others(left, right, linked_pairs(edge_index, NODES), 0.2, 0.3),
    )
    z = left / left.norm(dim=1, keepdim=True)
    for bound in (None, 1.0):
        torch.testing.assert_close(
            log_sum_exp_of_others(z[order], 0.3, bound), log_sum_exp_of_others(z, 0.3, bound)[order]
        )


def test_direction_parallel_edges_and_loops_do_not_change_who_is_linked() -> None:
    once = torch.tensor([[0, 1, 4], [1, 2, 3]])
    same = torch.cat([once, once.flip(0), once, torch.tensor([[5], [5]])], dim=1)
    plain, messy = linked_pairs(once, NODES), linked_pairs(same, NODES)
    assert plain.num_others == messy.num_others == NODES * (NODES - 1) - 6
    assert all(torch.equal(a, b) for a, b in zip(plain.taken, messy.taken, strict=True))


def test_linked_pairs_are_left_out_exactly_and_not_subtracted() -> None:
    # All but two nodes are linked. Theirs is a sigmoid of 1e-13 beside thousands of 1: a difference would lose it.
    nodes = 60
    edge_index = torch.combinations(torch.arange(nodes)).T[:, 1:]
    z = torch.ones(nodes, 1)
    z[1] = -1.0
    value = mean_sigmoid_of_others(z, z, linked_pairs(edge_index, nodes), 0.0, 1 / 30)
    torch.testing.assert_close(value.double(), torch.tensor(-30.0).double().sigmoid(), rtol=1e-4, atol=0)


def test_complete_graph_and_single_node_have_no_others() -> None:
    for nodes in (1, 4):
        left, right = tables(nodes=nodes)
        links = linked_pairs(torch.combinations(torch.arange(nodes)).T, nodes)
        value = mean_sigmoid_of_others(left, right, links)
        assert links.num_others == 0
        assert value.item() == 0
        assert all(torch.equal(grad, torch.zeros_like(grad)) for grad in gradients(value, left, right))


def test_links_of_another_graph_are_refused() -> None:
    left, right = tables()
    with pytest.raises(ValueError, match=r"23 and 23 rows.*made for 9 and 9 nodes.*linked_pairs\(edge_index, 23\)"):
        mean_sigmoid_of_others(left, right, linked_pairs(torch.tensor([[0], [1]]), 9))


def test_saturated_sigmoids_have_finite_gradients() -> None:
    left, right = tables(dtype=torch.float)
    value = mean_sigmoid_of_others(left, right, linked_pairs(messy_edges(), NODES), 0.0, 1e-6)
    assert 0 < value < 1
    assert all(grad.isfinite().all() for grad in gradients(value, left, right))


# ------------------------------------------------------------------------------------------------------ log-sum-exp


@pytest.mark.parametrize("bound", [None, 1.0], ids=["rows", "symmetric"])
def test_log_sums_are_those_over_all_other_nodes(block_rows: int, bound: float | None) -> None:
    z = torch.nn.functional.normalize(tables()[0].detach(), dim=1).requires_grad_()
    value, expected = log_sum_exp_of_others(z, 0.2, bound, block_rows=block_rows), dense_log_sums(z, 0.2)
    torch.testing.assert_close(value, expected)
    weight = torch.linspace(-1, 2, NODES, dtype=torch.double)
    torch.testing.assert_close(gradients(weight @ value, z), gradients(weight @ expected, z))


@pytest.mark.parametrize("bound", [None, 30.0], ids=["rows", "symmetric"])
def test_gradient_of_log_sums_is_correct(block_rows: int, bound: float | None) -> None:
    z = tables()[0]
    assert (z.detach() @ z.detach().T).abs().max() < 30
    assert torch.autograd.gradcheck(lambda z: log_sum_exp_of_others(z, 0.9, bound, block_rows=block_rows), (z,))


@pytest.mark.parametrize("temperature", [0.5, 0.02, 1e-3])
def test_log_sums_neither_overflow_nor_vanish_at_low_temperatures(temperature: float) -> None:
    # One node is opposite to all others: at 0.001 its exponents lie 2000 below theirs.
    z = torch.nn.functional.normalize(torch.randn(NODES, WIDTH).abs(), dim=1)
    z[0] = -z[1:].mean(dim=0)
    z = torch.nn.functional.normalize(z, dim=1).requires_grad_()
    value = log_sum_exp_of_others(z, temperature, bound=1.0)
    torch.testing.assert_close(value.double(), dense_log_sums(z.detach().double(), temperature), rtol=1e-4, atol=1e-3)
    assert gradients(value.sum(), z)[0].isfinite().all()


def test_log_sums_of_long_embeddings_do_not_overflow() -> None:
    z = (1e3 * torch.randn(NODES, WIDTH, generator=torch.Generator().manual_seed(0))).requires_grad_()
    value = log_sum_exp_of_others(z)
    torch.testing.assert_close(value.double(), dense_log_sums(z.detach().double(), 1.0), rtol=1e-5, atol=0)
    assert gradients(value.sum(), z)[0].isfinite().all()


@pytest.mark.parametrize("bound", [None, 1.0])
def test_single_node_has_no_other_and_two_have_each_other(bound: float | None) -> None:
    alone = torch.ones(1, 1, requires_grad=True)
    value = log_sum_exp_of_others(alone, 1.0, bound)
    assert value.tolist() == [-torch.inf]
    assert gradients(value, alone)[0].tolist() == [[0.0]]
    two = torch.tensor([[1.0], [-0.5]])
    assert log_sum_exp_of_others(two, 0.5, bound).tolist() == pytest.approx([-1.0, -1.0])


# ------------------------------------------------------------------------------------------- precision and memory

LOSSES: dict[str, Callable[[Tensor, LinkedPairs], Tensor]] = {
    "sigmoid": lambda z, links: mean_sigmoid_of_others(z, z, links, 0.6, 0.1),
    "rows": lambda z, links: log_sum_exp_of_others(z, 0.5).mean(),
    "symmetric": lambda z, links: log_sum_exp_of_others(z, 0.5, 1.0).mean(),
    "pairs": lambda z, links: pair_sum(z, z, links.matrix),
}


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_is_computed_in_single(name: str) -> None:
    z = torch.nn.functional.normalize(torch.randn(NODES, WIDTH), dim=1).bfloat16()
    links = linked_pairs(messy_edges(), NODES)
    expected = LOSSES[name](z.float(), links)
    half = z.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = LOSSES[name](half, links)
    assert value.dtype is torch.float32
    torch.testing.assert_close(value, expected)
    assert gradients(value, half)[0].dtype is torch.bfloat16


@pytest.mark.parametrize("name", LOSSES)
def test_memory_is_a_block_and_not_the_square_of_the_nodes(name: str) -> None:
    nodes = 3000
    z = torch.nn.functional.normalize(torch.randn(nodes, 8), dim=1).requires_grad_()
    links = linked_pairs(messy_edges(nodes=nodes), nodes)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        LOSSES[name](z, links).backward()
    largest = max(event.self_cpu_memory_usage for event in profile.events())
    assert largest <= 1.01 * 4 * (1 << 20)
    assert largest < nodes * nodes * 4 / 8


@pytest.mark.parametrize("name", LOSSES)
def test_inputs_are_left_as_they_are_and_a_loss_without_gradient_is_the_same(name: str) -> None:
    z = torch.nn.functional.normalize(torch.randn(NODES, WIDTH), dim=1).requires_grad_()
    before, links = z.detach().clone(), linked_pairs(messy_edges(), NODES)
    value = LOSSES[name](z, links)
    with torch.no_grad():
        quiet = LOSSES[name](z, links)
    assert torch.equal(value, quiet)
    assert not quiet.requires_grad
    value.backward()
    assert torch.equal(z, before)


@pytest.mark.parametrize("training", [True, False])
def test_gradient_of_mean_sigmoid_costs_nothing_where_it_is_not_needed(training: bool) -> None:
    z = torch.nn.functional.normalize(torch.randn(NODES, WIDTH), dim=1).requires_grad_()
    links = linked_pairs(messy_edges(), NODES)
    with (
        torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile,
        torch.set_grad_enabled(training),
    ):
        mean_sigmoid_of_others(z, z, links)
    products = sum(event.name in ("aten::mm", "aten::addmm_") for event in profile.events())
    assert products == (3 if training else 1)


def test_exponentials_computed_again_give_the_gradient_of_those_kept() -> None:
    z = torch.nn.functional.normalize(torch.randn(150, 6, dtype=torch.float64), dim=1)
    gradients = []
    for kept_bytes in (1 << 20, 0):
        leaf = z.clone().requires_grad_()
        found = log_sum_exp_of_others(leaf, 0.5, bound=1.0, kept_bytes=kept_bytes)
        (found * torch.arange(150)).sum().backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(*gradients)


# -------------------------------------------------------------------------------------------------------- anchors


@pytest.mark.parametrize("count", [1, 2])
def test_estimates_from_all_sets_of_anchors_have_the_mean_of_all_pairs(block_rows: int, count: int) -> None:
    left, right = tables()
    links = linked_pairs(messy_edges(), NODES, block_rows=block_rows)
    exact = mean_sigmoid_of_others(left, right, links, 0.1, 0.7)
    sets = torch.combinations(torch.arange(NODES), count).unbind()
    estimates = [
        mean_sigmoid_of_others(left.index_select(0, anchors), right, links.of_anchors(anchors), 0.1, 0.7)
        for anchors in sets
    ]
    mean = torch.stack(estimates).mean()
    torch.testing.assert_close(mean, exact)
    torch.testing.assert_close(gradients(mean, left, right), gradients(exact, left, right))


def test_log_sums_of_anchors_are_theirs_among_all(block_rows: int) -> None:
    z, anchors = tables()[0], torch.tensor([4, 7, 22])
    found, expected = (
        log_sum_exp_of_others(z, 0.5, anchors=anchors, block_rows=block_rows),
        dense_log_sums(z, 0.5)[anchors],
    )
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradients(found.sum(), z), gradients(expected.sum(), z))


def test_the_error_of_an_estimate_falls_with_the_root_of_the_number_of_anchors() -> None:
    z = torch.nn.functional.normalize(torch.randn(1000, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    links = linked_pairs(torch.randint(1000, (2, 4000), generator=torch.Generator().manual_seed(1)), 1000)
    exact = mean_sigmoid_of_others(z, z, links, 0.3, 0.1)

    def error(count: int) -> float:
        estimates = []
        for _ in range(200):
            rows = draw_anchors(z, count)
            assert rows is not None
            estimates.append(mean_sigmoid_of_others(z[rows], z, links.of_anchors(rows), 0.3, 0.1))
        return (torch.stack(estimates) / exact - 1).square().mean().sqrt().item()

    torch.manual_seed(0)
    few, many = error(10), error(160)
    assert few < 0.1
    assert many == pytest.approx(few / 4, rel=0.35)


def test_anchors_are_different_nodes_in_order() -> None:
    z = torch.zeros(30, 2)
    anchors = draw_anchors(z, 12)
    assert anchors is not None
    assert anchors.tolist() == sorted(set(anchors.tolist()))
    assert len(anchors) == 12
    assert draw_anchors(z, None) is None
    assert draw_anchors(z, 30) is None
