"""The Infomap head: known optima, its codelength, its run folder."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from eco_nonparametric import InfomapClusterHead
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import Data

import eco_core as eco
from eco_core.errors import CompositionError

with_library = pytest.mark.usefixtures("_library")


@pytest.fixture
def _library() -> None:
    pytest.importorskip("infomap")


def cliques(count: int, size: int) -> Tensor:
    """A ring of cliques: each is joined to the next by one edge; both directions of every edge."""
    source, target = (~torch.eye(size, dtype=torch.bool)).nonzero().T
    starts = torch.arange(count).repeat_interleave(len(source)) * size
    inner = torch.stack([source.repeat(count) + starts, target.repeat(count) + starts])
    here = torch.arange(count) * size
    ring = torch.stack([here, (here + size + 1) % (count * size)])
    return torch.cat([inner, ring, ring.flip(0)], dim=1)


def rows(num_nodes: int) -> Tensor:
    return torch.zeros(num_nodes, 1)


def codelength(labels: Tensor, edges: Tensor, weight: Tensor) -> float:
    """The map equation, from its definition, of an undirected graph with both directions of each edge."""

    def entropy(values: Tensor) -> float:
        shares = values[values > 0] / values.sum()
        return float(-(shares * shares.log2()).sum())

    flow = weight.double() / weight.double().sum()
    visits = torch.zeros(len(labels), dtype=torch.float64).index_add_(0, edges[0], flow)
    leaving = labels[edges[0]] != labels[edges[1]]
    exits = torch.zeros(int(labels.max()) + 1, dtype=torch.float64)
    exits.index_add_(0, labels[edges[0]][leaving], flow[leaving])
    total = float(exits.sum()) * entropy(exits) if exits.sum() > 0 else 0.0
    for community, leave in enumerate(exits):
        words = torch.cat([leave.reshape(1), visits[labels == community]])
        total += float(words.sum()) * entropy(words)
    return total


@with_library
def test_cliques_of_a_ring_are_the_communities() -> None:
    labels = InfomapClusterHead(seed=0).fit(rows(30), cliques(5, 6)).cluster(rows(30))
    assert labels.dtype == torch.int64
    assert labels.tolist() == [0] * 6 + [1] * 6 + [2] * 6 + [3] * 6 + [4] * 6


@with_library
def test_codelength_is_that_of_the_map_equation() -> None:
    edges = cliques(6, 4)
    one_way = torch.rand(edges.shape[1], generator=torch.Generator().manual_seed(0)) + 0.5
    dense = torch.zeros(24, 24).index_put_(tuple(edges), one_way)
    weight = (dense + dense.T)[tuple(edges)]
    head = InfomapClusterHead(seed=0).fit(rows(24), edges, weight)
    assert head.codelength_ == pytest.approx(codelength(head.labels_, edges, weight), abs=1e-6)
    alone = torch.zeros(24, dtype=torch.long)
    assert head.codelength_ is not None
    assert head.codelength_ < codelength(alone, edges, weight)


@with_library
def test_self_loop_counts_once() -> None:
    loops = torch.tensor([[0, 7], [0, 7]])
    edges = torch.cat([cliques(3, 4), loops], dim=1)
    weight = torch.ones(edges.shape[1])
    weight[-2:] = 2.5
    head = InfomapClusterHead(seed=0).fit(rows(12), edges, weight)
    assert head.codelength_ == pytest.approx(codelength(head.labels_, edges, weight), abs=1e-6)


@with_library
@settings(max_examples=15)
@given(st.integers(0, 1000))
def test_numbering_of_the_nodes_does_not_matter(seed: int) -> None:
    order = torch.from_numpy(np.random.default_rng(seed).permutation(30))
    edges = cliques(5, 6)
    first = InfomapClusterHead(seed=seed).fit(rows(30), edges).labels_
    second = InfomapClusterHead(seed=seed).fit(rows(30), order[edges]).labels_[order]
    assert torch.equal(first[:, None] == first, second[:, None] == second)


@with_library
def test_equal_seeds_give_equal_communities() -> None:
    generator = torch.Generator().manual_seed(0)
    source, target = torch.randint(100, (2, 300), generator=generator)
    edges = torch.stack([torch.cat([source, target]), torch.cat([target, source])])
    first, second = (InfomapClusterHead(num_trials=2, seed=3).fit(rows(100), edges) for _ in range(2))
    assert torch.equal(first.labels_, second.labels_)
    assert first.codelength_ == second.codelength_


@with_library
@pytest.mark.parametrize("seed", [0, 2**31 - 1, 2**32 + 5, None])
def test_every_seed_is_taken(seed: int | None) -> None:
    assert InfomapClusterHead(num_trials=1, seed=seed).fit(rows(30), cliques(5, 6)).n_clusters == 5


@with_library
def test_weights_decide_where_the_graph_is_symmetric() -> None:
    square = torch.tensor([[0, 1, 1, 2, 2, 3, 3, 0], [1, 0, 2, 1, 3, 2, 0, 3]])
    heavy = torch.tensor([99.0, 99, 1, 1, 99, 99, 1, 1])
    assert InfomapClusterHead(seed=0).fit(rows(4), square, heavy).labels_.tolist() == [0, 0, 1, 1]
    assert InfomapClusterHead(seed=0).fit(rows(4), square, 100 - heavy).labels_.tolist() == [0, 1, 1, 0]


@with_library
def test_longer_markov_time_finds_fewer_communities() -> None:
    edges = cliques(30, 3)
    short, long = (InfomapClusterHead(markov_time=time, seed=0).fit(rows(90), edges) for time in (1.0, 6.0))
    assert long.n_clusters < short.n_clusters


@with_library
def test_hierarchy_is_cut_at_its_top_level() -> None:
    # Six groups of four cliques that are all joined: the code is shorter with a level above the cliques.
    groups, each, size = 6, 4, 5
    inner = cliques(groups * each, size)[:, : groups * each * size * (size - 1)]
    first, second = torch.combinations(torch.arange(each)).T
    starts = torch.arange(groups).repeat_interleave(len(first)) * each * size
    joined = torch.stack([first.repeat(groups) * size + starts, second.repeat(groups) * size + starts])
    here = torch.arange(groups) * each * size + 1
    links = torch.cat([joined, torch.stack([here, here.roll(1) + 1])], dim=1)
    edges, num_nodes = torch.cat([inner, links, links.flip(0)], dim=1), groups * each * size
    assert InfomapClusterHead(seed=0).fit(rows(num_nodes), edges).n_clusters == groups * each
    top = InfomapClusterHead(two_level=False, seed=0).fit(rows(num_nodes), edges)
    assert top.labels_.tolist() == torch.arange(groups).repeat_interleave(each * size).tolist()


@with_library
def test_isolated_nodes_are_communities_of_their_own() -> None:
    edges = torch.cat([cliques(1, 3)[:, :6] + 1, cliques(1, 5)[:, :20] + 5], dim=1)
    head = InfomapClusterHead(seed=0).fit(rows(11), edges)
    assert head.labels_.tolist() == [2, 1, 1, 1, 3, 0, 0, 0, 0, 0, 4]


@with_library
def test_graph_without_edges_has_a_community_for_each_node() -> None:
    head = InfomapClusterHead(seed=0).fit(rows(3), torch.empty(2, 0, dtype=torch.long))
    assert head.labels_.tolist() == [0, 1, 2]
    assert head.codelength_ == 0


@with_library
def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    InfomapClusterHead(seed=0).fit(rows(30), cliques(5, 6))
    assert capfd.readouterr() == ("", "")


@with_library
@pytest.mark.parametrize("wrong", [{"num_trials": 0}, {"markov_time": 0.0}, {"markov_time": -math.inf}])
def test_parameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        InfomapClusterHead(**wrong)


@with_library
def test_recipe_needs_no_number_of_clusters_and_its_folder_reads_back(tmp_path: Path) -> None:
    graph = Data(x=torch.rand(30, 4, generator=torch.Generator().manual_seed(0)), edge_index=cliques(5, 6))
    model = eco.compose(recipe="infomap", seed=0)
    labels = model.fit_predict(graph)
    assert model.metrics_["n_clusters"] == 5
    again = eco.load(model.save(tmp_path / "run"))
    assert np.array_equal(again.labels_, labels)
    assert np.array_equal(again.cluster(graph), labels)
    with pytest.raises(CompositionError, match="ECO211"):
        again.cluster(Data(x=torch.rand(5, 4), edge_index=cliques(1, 5)[:, :20]))


def test_missing_library_is_told_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "infomap", None)
    with pytest.raises(CompositionError, match=r"pip install 'eco-nonparametric\[infomap\]'") as caught:
        eco.compose(recipe="infomap", in_channels=4)
    assert caught.value.problems[0].code == "ECO110"
