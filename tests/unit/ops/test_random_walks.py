"""Random walks: along edges, by the right probabilities, the same on any number of threads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import Tensor
from torch_geometric.data import Data

from eco_core.errors import DataError
from eco_core.ops.random_walks import Neighbors, frequent_visits, neighbors_of, random_walks, walk_batch

# A triangle 0-1-2 with tails 2-3, 3-4 and 1-4, and a node without edges.
NODES = 6
LINKS = [(0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (1, 4)]
EDGES = torch.tensor([*LINKS, *[(j, i) for i, j in LINKS]]).t()
WEIGHTS = torch.tensor([0.5, 2.0, 1.0, 3.0, 0.1, 1.5]).repeat(2)
ENOUGH = 1e-4  # Of the p-values of a fixed seed: far below what chance gives, far above what a wrong bias gives.


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def transition(previous: int, node: int, p: float, q: float, weights: Tensor | None) -> dict[int, float]:
    """The definition of the paper, by lists: where a walk goes on from a node, and how often."""
    pairs = EDGES.t().tolist()
    weight = dict(zip(map(tuple, pairs), [1.0] * len(pairs) if weights is None else weights.tolist(), strict=True))
    found = {}
    for source, target in pairs:
        if source == node:
            bias = 1 / p if target == previous else 1.0 if (previous, target) in weight else 1 / q
            found[target] = bias * weight[source, target]
    total = sum(found.values())
    return {target: mass / total for target, mass in found.items()}


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
@pytest.mark.parametrize(("p", "q"), [(1.0, 1.0), (0.25, 4.0), (4.0, 0.25), (100.0, 1.0), (1.0, 50.0), (50.0, 50.0)])
def test_second_steps_have_the_probabilities_of_the_paper(p: float, q: float, weights: Tensor | None) -> None:
    start = torch.arange(5).repeat(20_000)
    walks = random_walks(EDGES, start, 2, p=p, q=q, edge_weight=weights, num_nodes=NODES, seed=7)
    tested = 0
    for previous in range(5):
        for node in EDGES[1][EDGES[0] == previous].tolist():
            came = walks[(walks[:, 0] == previous) & (walks[:, 1] == node), 2]
            expected = transition(previous, node, p, q, weights)
            counts = torch.bincount(came, minlength=NODES)
            assert counts.sum() == counts[list(expected)].sum()
            likely = {target: share * len(came) for target, share in expected.items()}
            if min(likely.values()) >= 5:  # The test's rule of thumb.
                assert chisquare(counts[list(likely)].numpy(), list(likely.values())).pvalue > ENOUGH
                tested += len(likely) > 1
    assert tested >= 6


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
def test_first_steps_follow_the_weights_whatever_p_and_q(weights: Tensor | None) -> None:
    walks = random_walks(EDGES, torch.full((30_000,), 2), 1, p=0.1, q=9.0, edge_weight=weights, seed=1)
    shares = np.ones(3) if weights is None else np.array([2.0, 1.0, 3.0])
    counts = torch.bincount(walks[:, 1], minlength=4)[[0, 1, 3]].numpy()
    assert chisquare(counts, 30_000 * shares / shares.sum()).pvalue > ENOUGH


def test_a_wrong_bias_would_be_noticed() -> None:
    """The test above can fail: walks with other parameters are not taken for these."""
    start = torch.full((20_000,), 0)
    walks = random_walks(EDGES, start, 2, p=1.0, q=1.2, num_nodes=NODES, seed=7)
    came = torch.bincount(walks[walks[:, 1] == 1, 2], minlength=NODES)
    expected = transition(0, 1, 1.0, 1.0, None)
    shares = np.array(list(expected.values()))
    assert chisquare(came[list(expected)].numpy(), float(came.sum()) * shares).pvalue < ENOUGH


def test_parallel_edges_count_each() -> None:
    edges = torch.tensor([[0, 0, 0, 0], [1, 1, 1, 2]])
    reached = random_walks(edges, torch.zeros(20_000, dtype=torch.long), 1, seed=3)[:, 1]
    counts = torch.bincount(reached, minlength=3)[1:].numpy()
    assert chisquare(counts, [15_000, 5_000]).pvalue > ENOUGH


@given(
    nodes=st.integers(1, 12),
    pairs=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=40),
    length=st.integers(0, 8),
    p=st.sampled_from([1.0, 1e-6, 0.3, 5.0, 1e6]),
    q=st.sampled_from([1.0, 1e-6, 0.3, 5.0, 1e6]),
    weighted=st.booleans(),
    seed=st.integers(-(2**70), 2**70),
)
@settings(max_examples=100)
def test_every_step_is_an_edge_or_stays_where_there_is_none(
    nodes: int, pairs: list[tuple[int, int]], length: int, p: float, q: float, weighted: bool, seed: int
) -> None:
    edges = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).t() % nodes
    weight = torch.arange(edges.size(1)) % 3.0 if weighted else None  # Some edges weigh nothing.
    start = torch.arange(nodes).repeat(3)
    walks = random_walks(edges, start, length, p=p, q=q, edge_weight=weight, num_nodes=nodes, seed=seed)
    assert walks.shape == (3 * nodes, length + 1)
    assert walks.dtype == torch.int64
    assert torch.equal(walks[:, 0], start)
    kept = edges if weight is None else edges[:, weight > 0]
    walkable = set(map(tuple, kept.t().tolist()))
    stuck = set(range(nodes)) - set(kept[0].tolist())
    for walk in walks.tolist():
        for step in pairwise(walk):
            assert step in walkable or (step[0] in stuck and step[0] == step[1])


def test_isolated_nodes_stay_and_directed_walks_end_where_no_edge_leads_on() -> None:
    walks = random_walks(torch.tensor([[0, 1], [1, 2]]), torch.tensor([0, 2, 3]), 4, num_nodes=4, p=0.5)
    assert walks.tolist() == [[0, 1, 2, 2, 2], [2, 2, 2, 2, 2], [3, 3, 3, 3, 3]]


def test_graph_without_edges_and_no_walks_at_all() -> None:
    nothing = torch.empty(2, 0, dtype=torch.long)
    assert random_walks(nothing, torch.arange(2), 2).tolist() == [[0, 0, 0], [1, 1, 1]]
    assert random_walks(EDGES, torch.empty(0, dtype=torch.long), 5).shape == (0, 6)


def test_walk_of_no_steps_is_its_start() -> None:
    assert random_walks(EDGES, torch.tensor([3, 1]), 0).tolist() == [[3], [1]]


@pytest.mark.parametrize(("p", "q"), [(1.0, 1.0), (0.5, 2.0)])
def test_same_seed_gives_the_same_walks_on_any_number_of_threads(threads: None, p: float, q: float) -> None:
    start = torch.arange(5).repeat(8_000)
    neighbors = neighbors_of(EDGES, NODES)
    drawn = []
    for number in (1, 2, 3):
        torch.set_num_threads(number)  # Enough steps for three threads.
        drawn.append(random_walks(neighbors, start, 5, p=p, q=q, seed=11))
    assert torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], random_walks(neighbors, start, 5, p=p, q=q, seed=12))


def test_a_walk_does_not_depend_on_how_many_others_there_are() -> None:
    start = torch.arange(5).repeat(20)
    alone, shorter = random_walks(EDGES, start[:7], 6, q=3.0, seed=2), random_walks(EDGES, start[:7], 4, q=3.0, seed=2)
    assert torch.equal(random_walks(EDGES, start, 6, q=3.0, seed=2)[:7], alone)
    assert torch.equal(alone[:, :5], shorter)


def test_walks_from_one_node_and_of_neighbouring_seeds_are_independent() -> None:
    """Pairs of first steps are spread evenly over all pairs of neighbours."""
    start = torch.full((20_000,), 2)
    first, second = (random_walks(EDGES, start, 1, seed=seed)[:, 1] for seed in (0, 1))
    for left, right in ((first[:-1], first[1:]), (first, second)):
        counts = np.histogram2d(left.numpy(), right.numpy(), bins=[[0, 1, 3, 4]] * 2)[0]
        assert chisquare(counts.ravel()).pvalue > ENOUGH


def test_neighbors_give_the_same_walks_as_their_edges() -> None:
    start, order = torch.arange(5).repeat(10), torch.randperm(12, generator=torch.Generator().manual_seed(0))
    neighbors = neighbors_of(EDGES, NODES, WEIGHTS)
    shuffled = neighbors_of(EDGES[:, order], NODES, WEIGHTS[order].unsqueeze(1))
    walks = random_walks(neighbors, start, 5, p=0.3, q=2.0, seed=4)
    assert torch.equal(walks, random_walks(shuffled, start, 5, p=0.3, q=2.0, seed=4))
    assert torch.equal(walks, random_walks(EDGES, start, 5, p=0.3, q=2.0, edge_weight=WEIGHTS, seed=4))


def test_neighbors_are_sorted_by_node_and_sum_up_their_weights() -> None:
    neighbors = neighbors_of(torch.tensor([[2, 0, 2, 0], [1, 2, 0, 1]]), 4, torch.tensor([1.0, 2.0, 4.0, 8.0]))
    assert neighbors.num_nodes == 4
    assert neighbors.rowptr.tolist() == [0, 2, 2, 4, 4]
    assert neighbors.col.tolist() == [1, 2, 0, 1]
    assert neighbors.cumulative is not None
    assert neighbors.cumulative.tolist() == [8.0, 10.0, 4.0, 5.0]


def test_tiny_weights_count_beside_huge_ones_of_other_nodes() -> None:
    edges = torch.tensor([[0, 1, 1], [1, 0, 2]])
    weight = torch.tensor([1e30, 1e-30, 3e-30], dtype=torch.double)
    reached = random_walks(edges, torch.ones(20_000, dtype=torch.long), 1, edge_weight=weight, seed=5)[:, 1]
    assert chisquare(torch.bincount(reached, minlength=3)[[0, 2]].numpy(), [5_000, 15_000]).pvalue > ENOUGH


def test_step_whose_every_edge_has_a_small_bias_is_taken_in_time() -> None:
    """Leaves of a star are far from each other: with a huge q nearly all proposals at the centre are rejected."""
    leaves = torch.arange(1, 501)
    star = torch.stack([torch.cat([torch.zeros_like(leaves), leaves]), torch.cat([leaves, torch.zeros_like(leaves)])])
    walks = random_walks(star, leaves, 20, p=1e12, q=1e12, seed=0)
    assert (walks[:, 1::2] == 0).all()
    assert (walks[:, 2::2] > 0).all()
    assert len(walks[:, 2].unique()) > 250


@pytest.mark.parametrize(
    ("edges", "start", "options", "message"),
    [
        (EDGES, [6], {"num_nodes": NODES}, "start names node 6, but the graph has 6 nodes"),
        (EDGES, [-1], {}, "start names node -1"),
        (EDGES, [0], {"num_nodes": 3}, "edge_index names node 4, but the graph has 3 nodes"),
        (EDGES.t(), [0], {}, r"shape \(12, 2\)"),
        (EDGES, [0], {"edge_weight": torch.ones(5)}, "5 edge weights for 12 edges"),
        (EDGES, [0], {"edge_weight": -WEIGHTS}, "weighs -0.5"),
        (EDGES, [0], {"edge_weight": WEIGHTS * float("nan")}, "weighs nan"),
    ],
)
def test_invalid_graphs_and_starts_are_refused(
    edges: Tensor, start: list[int], options: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        random_walks(edges, torch.tensor(start), 2, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"p": 0.0}, {"q": -1.0}, {"p": float("nan")}, {"walk_length": -1}])
def test_parameters_out_of_range_are_refused(options: dict[str, float]) -> None:
    (name,) = options
    with pytest.raises(ValueError, match=f"{name} is "):
        random_walks(EDGES, torch.zeros(1, dtype=torch.long), **{"walk_length": 2, **options})  # type: ignore[arg-type]


def test_weights_belong_to_the_neighbors() -> None:
    neighbors = neighbors_of(EDGES, NODES)
    assert isinstance(neighbors, Neighbors)
    with pytest.raises(ValueError, match="neighbors_of"):
        random_walks(neighbors, torch.arange(2), 2, edge_weight=WEIGHTS)


def test_importing_the_module_does_not_import_numba() -> None:
    code = "import sys, eco_core.ops.random_walks; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_walks_without_a_place_for_compiled_code() -> None:
    """Where numba finds no folder for its cache, kernels are compiled in memory."""
    code = """
import json, numba, torch
try:
    numba.njit(cache=True)(json.dumps)
except RuntimeError:
    from eco_core.ops.random_walks import random_walks
    print(random_walks(torch.tensor([[0, 1], [1, 0]]), torch.tensor([0]), 3).tolist())
else:
    print("cached")
"""
    # Only a folder that NUMBA_CACHE_DIR names would do, and none is named.
    environment = {**os.environ, "NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator", "NUMBA_CACHE_DIR": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    if done.stdout.strip() == "cached":
        pytest.skip("this numba does not let the environment choose where its cache may be")
    assert done.stdout.strip() == "[[0, 1, 0, 1]]", done.stderr


@given(st.integers(0, 10_000), st.integers(0, 200), st.integers(0, 6))
def test_walks_that_advance_together_are_those_that_go_alone(seed: int, count: int, length: int) -> None:
    """Equal weights take the other way through the kernels, and draw the same numbers."""
    edges = torch.randint(20, (2, 60), generator=torch.Generator().manual_seed(seed))
    start = torch.arange(count) % 20
    alone = random_walks(edges, start, length, edge_weight=torch.ones(60), num_nodes=20, seed=seed)
    assert torch.equal(random_walks(edges, start, length, num_nodes=20, seed=seed), alone)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("least", [1, 4, 100])
def test_frequent_visits_are_those_of_the_walks(weights: Tensor | None, least: int) -> None:
    neighbors, start = neighbors_of(EDGES, NODES, weights), torch.tensor([4, 0, 5, 4])
    walks = random_walks(neighbors, start.repeat_interleave(9), 5, seed=2).view(4, 9, 6)
    expected = []
    for node, visits in zip(start.tolist(), walks[:, :, 1:].flatten(1), strict=True):
        numbers, counts = visits.unique(return_counts=True)
        expected.append({(node, number) for number in numbers[counts >= least].tolist() if number != node})
    found = frequent_visits(neighbors, start, 9, 5, least=least, seed=2)
    ends = torch.tensor([len(pairs) for pairs in expected]).cumsum(0)
    assert [set(map(tuple, part.T.tolist())) for part in found.tensor_split(ends[:-1], dim=1)] == expected
    assert found.size(1) == ends[-1]


def test_frequent_visits_on_any_number_of_threads_and_in_parts(threads: None) -> None:
    neighbors = neighbors_of(torch.randint(60, (2, 500), generator=torch.Generator().manual_seed(0)), 60)
    start = torch.arange(60).repeat(2)
    torch.set_num_threads(1)
    walks, length = 1100, 3  # So many that three threads are worth their while.
    whole = frequent_visits(neighbors, start, walks, length, least=90, seed=5)
    assert 0 < whole.size(1) < 120 * 59
    torch.set_num_threads(3)
    for at_a_time in (10**9, 70 * walks * length, 1):
        found = frequent_visits(neighbors, start, walks, length, least=90, seed=5, visits_at_a_time=at_a_time)
        assert torch.equal(found, whole)


def test_frequent_visits_refuse_what_they_cannot_count() -> None:
    neighbors = neighbors_of(EDGES, NODES)
    assert frequent_visits(neighbors, torch.empty(0, dtype=torch.long), 2, 3).shape == (2, 0)
    with pytest.raises(ValueError, match="least is 0"):
        frequent_visits(neighbors, torch.arange(2), 2, 3, least=0)
    with pytest.raises(DataError, match="node 6"):
        frequent_visits(neighbors, torch.tensor([6]), 2, 3)


def test_a_batch_of_walks_starts_at_different_nodes_and_sorts_the_edges_of_mini_batches_anew() -> None:
    prepared = neighbors_of(EDGES, NODES)
    options = {"num_nodes": NODES, "batch_size": 4}
    nodes, neighbors = walk_batch(Data(), EDGES, None, prepared, **options)
    assert neighbors is prepared
    assert nodes.unique().numel() == 4
    batch = Data(n_id=torch.arange(3))
    nodes, neighbors = walk_batch(batch, EDGES[:, :1], None, prepared, num_nodes=3, batch_size=None)
    assert sorted(nodes.tolist()) == [0, 1, 2]
    assert neighbors.col.tolist() == [1]
    _, made = walk_batch(Data(), EDGES, None, None, **options)
    assert made.col.equal(prepared.col)
