"""The stochastic block model: what was asked for, for any size, by a seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eco_core.data.datasets.sbm import sbm
from eco_core.errors import SpecError


@settings(max_examples=60, deadline=None)
@given(
    num_nodes=st.integers(2, 60),
    n_blocks=st.integers(1, 6),
    average_degree=st.floats(0, 8),
    mixing=st.floats(0, 1),
    sparse=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_sbm_has_what_was_asked_for_or_says_that_it_is_impossible(
    num_nodes: int, n_blocks: int, average_degree: float, mixing: float, sparse: bool, seed: int
) -> None:
    options: dict[str, Any] = {
        "num_nodes": num_nodes,
        "n_blocks": n_blocks,
        "num_features": 7,
        "average_degree": average_degree,
        "mixing": mixing,
        "sparse": sparse,
        "density": 0.3,
        "seed": seed,
    }
    edges = round(num_nodes * average_degree / 2)
    between = round(edges * mixing)
    sizes = [num_nodes // n_blocks + (block < num_nodes % n_blocks) for block in range(n_blocks)]
    room_inside = sum(size * (size - 1) // 2 for size in sizes)
    room_between = num_nodes * (num_nodes - 1) // 2 - room_inside
    if n_blocks > num_nodes or edges - between > room_inside or between > room_between:
        with pytest.raises(SpecError, match="ECO104"):
            sbm(**options)
        return
    data = sbm(**options)
    source, target = data.edge_index
    pairs = {(a, b) for a, b in data.edge_index.T.tolist()}
    assert len(pairs) == len(source) == 2 * edges
    assert all(a != b and (b, a) in pairs for a, b in pairs)
    crossing = int((data.y[source] != data.y[target]).sum())
    assert crossing == 2 * between
    assert torch.bincount(data.y, minlength=n_blocks).tolist() == sizes
    assert data.x.shape == (num_nodes, 7)
    assert data.x.is_sparse == sparse
    assert data.n_classes == n_blocks
    again = sbm(**options)
    assert all(torch.equal(a, b) for a, b in ((again.edge_index, data.edge_index), (again.y, data.y)))
    assert torch.equal(again.x.to_dense(), data.x.to_dense())


@pytest.mark.parametrize("size", [4, 5])
def test_sbm_can_fill_every_pair(size: int) -> None:
    inside = sbm(num_nodes=2 * size, n_blocks=2, average_degree=size - 1, mixing=0)
    assert inside.edge_index.shape[1] == 2 * size * (size - 1)
    between = sbm(num_nodes=2 * size, n_blocks=2, average_degree=size, mixing=1)
    assert between.edge_index.shape[1] == 2 * size * size


def test_sbm_draws_all_pairs_with_equal_chance() -> None:
    counts = np.zeros((9, 9))
    for seed in range(600):
        data = sbm(num_nodes=9, n_blocks=1, num_features=1, average_degree=2, mixing=0, seed=seed)
        np.add.at(counts, tuple(data.edge_index.numpy()), 1)
    # 9 of 36 pairs are drawn each time: 150 expected per pair, standard deviation about 10.6.
    drawn = counts[np.triu_indices(9, 1)]
    assert abs(drawn - 150).max() < 55


def test_sbm_with_another_seed_is_another_graph_and_features_do_not_change_the_edges() -> None:
    assert not torch.equal(sbm(seed=1).edge_index, sbm(seed=2).edge_index)
    assert torch.equal(sbm(num_features=3).edge_index, sbm(sparse=True, num_features=90).edge_index)


def test_sbm_features_tell_the_blocks_apart() -> None:
    dense = sbm(num_nodes=300, n_blocks=3, feature_noise=0.1)
    means = torch.stack([dense.x[dense.y == block].mean(0) for block in range(3)])
    assert torch.equal(torch.cdist(dense.x, means).argmin(1), dense.y)
    words = sbm(num_nodes=300, n_blocks=3, sparse=True, num_features=90, density=0.1, feature_noise=0)
    assert words.x.is_coalesced()
    assert words.x.values().unique().tolist() == [1]
    row, column = words.x.indices()
    assert torch.equal(column // 30, words.y[row])
    assert words.x.values().numel() <= 0.1 * 300 * 90


def test_sbm_reports_all_invalid_parameters_together() -> None:
    with pytest.raises(SpecError) as caught:
        sbm(n_blocks=0, mixing=1.5, average_degree=-1, density=0, num_features=0, seed=-1)
    assert {problem.code for problem in caught.value.problems} == {"ECO104"}
    assert len(caught.value.problems) == 6


def test_sbm_needs_memory_for_its_edges_only() -> None:
    # A dense adjacency of this size would take 160 GB.
    data = sbm(num_nodes=200_000, n_blocks=10, num_features=2, average_degree=2.0)
    assert data.edge_index.shape == (2, 400_000)
