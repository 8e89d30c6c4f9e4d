"""Estimates from batches: their means over all batches that can be drawn are the figures of the whole graph."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch

from eco_core.ops.partition import Links
from eco_core.ops.sample import BatchRows, Sample

NODES = 8
UNITS = {
    "nodes": [[node] for node in range(NODES)],
    "parts": [[0, 5], [1, 2, 7], [3], [4, 6]],
}


def edges() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    edge_index = torch.randint(NODES, (2, 30), generator=generator)  # Loops and parallel edges among them.
    return edge_index, torch.rand(30, generator=generator) + 0.1


def batches(units: list[list[int]], drawn: int) -> list[BatchRows]:
    """Every batch of so many units."""
    edge_index, edge_weight = edges()
    found = []
    for chosen in combinations(units, drawn):
        nodes = torch.tensor([node for unit in chosen for node in unit])
        unit = torch.tensor([number for number, members in enumerate(chosen) for _ in members])
        sample = Sample(len(units), drawn, unit)
        place = torch.full((NODES,), -1)
        place[nodes] = torch.arange(len(nodes))
        among = (place[edge_index] >= 0).all(dim=0)
        rows = place[edge_index[:, among]]
        weight = edge_weight[among] * sample.edge_scale(rows)
        found.append(BatchRows(nodes, rows, weight, among.nonzero().squeeze(1), sample))
    return found


@pytest.fixture
def s() -> torch.Tensor:
    return torch.rand(NODES, 3, generator=torch.Generator().manual_seed(1)).softmax(dim=1)


@pytest.mark.parametrize("units", UNITS.values(), ids=UNITS)
@pytest.mark.parametrize("drawn", [2, 3, 4])
def test_sums_over_edges_and_their_gradients_have_no_bias(units, drawn, s):
    links = Links(*edges(), num_nodes=NODES)
    s.requires_grad_()
    whole = links.within(s)
    (expected,) = torch.autograd.grad(whole.square().sum() * 0 + whole.sum(), s)
    every = batches(units, drawn)
    estimates = torch.stack([links.of_batch(rows).within(s[rows.n_id]) for rows in every])
    torch.testing.assert_close(estimates.mean(dim=0), whole)
    (gradient,) = torch.autograd.grad(estimates.sum() / len(every), s)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("units", UNITS.values(), ids=UNITS)
@pytest.mark.parametrize("drawn", [2, 3, 4])
def test_sums_over_nodes_and_their_squares_have_no_bias(units, drawn, s):
    links = Links(*edges(), num_nodes=NODES)
    whole = links.out_degree.unsqueeze(1) * s
    sums, squares = [], []
    for rows in batches(units, drawn):
        batch = links.of_batch(rows)
        weighted = batch.out_degree.unsqueeze(1) * s[rows.n_id]
        sums.append(weighted.sum(dim=0))
        squares.append(batch.square_of_sum(weighted))
    torch.testing.assert_close(torch.stack(sums).mean(dim=0), whole.sum(dim=0))
    torch.testing.assert_close(torch.stack(squares).mean(), links.square_of_sum(whole))


def test_all_units_give_the_whole_graph(s):
    links = Links(*edges(), num_nodes=NODES)
    (rows,) = batches(UNITS["parts"], 4)
    batch = links.of_batch(rows)
    torch.testing.assert_close(batch.within(s[rows.n_id]), links.within(s))
    assert batch.total == links.total
    assert batch.are_of(rows.edge_index, rows.edge_weight)
    assert not batch.are_of(*edges())


def test_weights_that_were_computed_from_others_are_those_of_the_batchs_edges():
    edge_index, edge_weight = edges()
    flow = edge_weight.double() * torch.arange(1, 31)
    links = Links(edge_index, flow, num_nodes=NODES, made_of=(edge_index, edge_weight))
    (rows,) = batches(UNITS["nodes"], NODES)
    s = torch.eye(NODES, dtype=torch.float64)
    torch.testing.assert_close(links.of_batch(rows).within(s[rows.n_id]), links.within(s))


def test_one_unit_counts_as_a_picture_of_all():
    sample = Sample(5, 1, torch.zeros(2, dtype=torch.int64))
    assert sample.node_scale == 5
    assert sample.pair_scale == 25
