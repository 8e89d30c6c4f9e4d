"""The Leiden head: known optima, what it ignores, its figures, its run folder."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from eco_nonparametric import LeidenClusterHead
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import Data

import eco_core as eco
from eco_core.errors import CompositionError, DataError
from eco_core.metrics import structure_metrics

with_library = pytest.mark.usefixtures("_library")


@pytest.fixture
def _library() -> None:
    pytest.importorskip("leidenalg")


def cliques(count: int, size: int) -> Tensor:
    """A ring of cliques: each is joined to the next by one edge; both directions of every edge."""
    source, target = (~torch.eye(size, dtype=torch.bool)).nonzero().T
    starts = torch.arange(count).repeat_interleave(len(source)) * size
    inner = torch.stack([source.repeat(count) + starts, target.repeat(count) + starts])
    here = torch.arange(count) * size
    ring = torch.stack([here, (here + size + 1) % (count * size)])
    return torch.cat([inner, ring, ring.flip(0)], dim=1)


def random_edges(num_nodes: int, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Undirected weighted edges: two blocks, with an edge more likely within them; and a self-loop."""
    rng = np.random.default_rng(seed)
    source, target = rng.integers(0, num_nodes, (2, count))
    chosen = (source < target) & ((source % 2 == target % 2) | (rng.random(count) < 0.2))
    pairs, weight = np.stack([source, target])[:, chosen], rng.uniform(0.5, 2, int(chosen.sum()))
    edges = torch.from_numpy(np.concatenate([pairs, pairs[::-1], [[0], [0]]], axis=1))
    return edges, torch.from_numpy(np.concatenate([weight, weight, [1.5]])).float()


def rows(num_nodes: int) -> Tensor:
    return torch.zeros(num_nodes, 1)


def same_partition(a: Tensor, b: Tensor) -> bool:
    return bool(torch.equal(a[:, None] == a, b[:, None] == b))


@with_library
def test_cliques_of_a_ring_are_the_communities() -> None:
    labels = LeidenClusterHead(seed=0).fit(rows(30), cliques(5, 6)).cluster(rows(30))
    assert labels.dtype == torch.int64
    assert labels.tolist() == [0] * 6 + [1] * 6 + [2] * 6 + [3] * 6 + [4] * 6


@with_library
@pytest.mark.parametrize("seed", range(3))
def test_quality_is_the_modularity_with_weights_and_self_loops(seed: int) -> None:
    edges, weight = random_edges(40, 500, seed)
    head = LeidenClusterHead(seed=0)
    labels = head.fit(rows(40), edges, weight).cluster(rows(40))
    figures = structure_metrics(edges, labels, edge_weight=weight)
    assert head.quality_ == pytest.approx(figures["modularity"], abs=1e-6)
    assert head.n_clusters == figures["n_clusters"] > 1


@with_library
def test_modularity_agrees_with_networkx_and_is_no_worse_than_its_louvain() -> None:
    networkx = pytest.importorskip("networkx")
    edges, _ = random_edges(60, 700, 3)
    plain = torch.unique(edges[:, edges[0] != edges[1]], dim=1)
    head = LeidenClusterHead(seed=0)
    labels = head.fit(rows(60), plain).cluster(rows(60))
    graph = networkx.Graph(plain.T.tolist())
    found = [{i for i in graph if labels[i] == c} for c in range(head.n_clusters)]
    assert head.quality_ == pytest.approx(networkx.community.modularity(graph, found), abs=1e-9)
    louvain = networkx.community.louvain_communities(graph, seed=0)
    assert head.quality_ >= networkx.community.modularity(graph, louvain) - 0.01


@with_library
@settings(max_examples=15)
@given(st.integers(0, 1000))
def test_numbering_of_the_nodes_does_not_matter(seed: int) -> None:
    order = torch.from_numpy(np.random.default_rng(seed).permutation(30))
    edges = cliques(5, 6)
    head = LeidenClusterHead(seed=seed).fit(rows(30), edges)
    renumbered = LeidenClusterHead(seed=seed).fit(rows(30), order[edges])
    assert same_partition(head.labels_, renumbered.labels_[order])


@with_library
def test_equal_seeds_give_equal_communities() -> None:
    edges, weight = random_edges(80, 600, 1)
    first, second = (LeidenClusterHead(seed=7).fit(rows(80), edges, weight) for _ in range(2))
    assert torch.equal(first.labels_, second.labels_)
    assert first.quality_ == second.quality_


@with_library
def test_weights_decide_where_the_graph_is_symmetric() -> None:
    square = torch.tensor([[0, 1, 1, 2, 2, 3, 3, 0], [1, 0, 2, 1, 3, 2, 0, 3]])
    heavy = torch.tensor([9.0, 9, 1, 1, 9, 9, 1, 1])
    assert LeidenClusterHead(seed=0).fit(rows(4), square, heavy).labels_.tolist() == [0, 0, 1, 1]
    assert LeidenClusterHead(seed=0).fit(rows(4), square, 10 - heavy).labels_.tolist() == [0, 1, 1, 0]


@with_library
def test_one_direction_or_both_of_each_edge_is_the_same_graph() -> None:
    edges, weight = random_edges(50, 500, 2)
    forward = edges[0] <= edges[1]
    both = LeidenClusterHead(seed=0).fit(rows(50), edges, weight)
    one = LeidenClusterHead(seed=0).fit(rows(50), edges[:, forward], weight[forward])
    figures = structure_metrics(edges[:, forward], one.labels_, edge_weight=weight[forward])
    assert one.quality_ == pytest.approx(figures["modularity"], abs=1e-6)
    assert both.n_clusters > 1


@with_library
def test_higher_resolution_finds_more_communities() -> None:
    edges = cliques(30, 3)
    coarse, fine = (LeidenClusterHead(resolution, seed=0).fit(rows(90), edges) for resolution in (0.5, 4.0))
    assert coarse.n_clusters < fine.n_clusters


@with_library
def test_constant_potts_model_separates_what_modularity_merges() -> None:
    edges = cliques(30, 3)  # Beyond the resolution limit of modularity.
    assert LeidenClusterHead(seed=0).fit(rows(90), edges).n_clusters < 30
    assert LeidenClusterHead(0.5, objective="cpm", seed=0).fit(rows(90), edges).n_clusters == 30


@with_library
def test_communities_are_numbered_by_size_and_isolated_nodes_are_their_own() -> None:
    edges = torch.cat([cliques(1, 3)[:, :6] + 1, cliques(1, 5)[:, :20] + 5], dim=1)
    head = LeidenClusterHead(seed=0).fit(rows(11), edges)
    assert head.labels_.tolist() == [2, 1, 1, 1, 3, 0, 0, 0, 0, 0, 4]
    assert head.confidence(rows(11)).tolist() == [1.0] * 11


@with_library
def test_graph_without_edges_has_a_community_for_each_node() -> None:
    head = LeidenClusterHead(seed=0).fit(rows(3), torch.empty(2, 0, dtype=torch.long))
    assert head.labels_.tolist() == [0, 1, 2]


@with_library
def test_confidence_is_the_share_of_the_edges_that_stay_in_the_community() -> None:
    head = LeidenClusterHead(seed=0).fit(rows(12), cliques(3, 4))
    sure = head.confidence(rows(12))
    assert sure.dtype == torch.float32
    # The first two nodes of a clique of 4 have an edge out of it.
    torch.testing.assert_close(sure.reshape(3, 4), torch.tensor([[0.75, 0.75, 1, 1]]).expand(3, 4))


@with_library
def test_soft_clusters_are_one_hot() -> None:
    head = LeidenClusterHead(seed=0).fit(rows(12), cliques(3, 4))
    soft = head.cluster(rows(12), soft=True)
    assert soft.shape == (12, 3)
    assert torch.equal(soft.argmax(1), head.cluster(rows(12)))
    assert torch.equal(soft.sum(1), torch.ones(12))


@with_library
def test_other_graph_than_the_fitted_one_is_refused() -> None:
    head = LeidenClusterHead(seed=0)
    with pytest.raises(RuntimeError, match="fit"):
        head.cluster(rows(12))
    head.fit(rows(12), cliques(3, 4))
    with pytest.raises(DataError, match="graph of 12 nodes and got a graph of 5 nodes"):
        head.cluster(rows(5))


@with_library
@pytest.mark.parametrize("wrong", [{"resolution": 0}, {"n_iterations": 0}, {"n_iterations": -2}, {"objective": "x"}])
def test_parameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LeidenClusterHead(**wrong)


@with_library
def test_recipe_needs_no_number_of_clusters_and_its_folder_reads_back(tmp_path: Path) -> None:
    graph = Data(x=torch.rand(30, 4, generator=torch.Generator().manual_seed(0)), edge_index=cliques(5, 6))
    model = eco.compose(recipe="leiden", seed=0)
    labels = model.fit_predict(graph)
    assert model.metrics_["n_clusters"] == 5
    assert model.metrics_["modularity"] == pytest.approx(model.cluster_head.quality_, abs=1e-6)
    again = eco.load(model.save(tmp_path / "run"))
    assert np.array_equal(again.labels_, labels)
    assert np.array_equal(again.cluster(graph), labels)
    head: Any = again.cluster_head
    assert torch.equal(head.confidence(graph.x), model.clustering_.confidence)


def test_missing_library_is_told_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "leidenalg", None)
    with pytest.raises(CompositionError, match=r"pip install 'eco-nonparametric\[leiden\]'") as caught:
        eco.compose(recipe="leiden", in_channels=4)
    assert caught.value.problems[0].code == "ECO110"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("recipe", ["leiden", "infomap"])
def test_recipes_that_use_no_features_do_not_ask_for_their_row_sums(recipe: str) -> None:
    # A graph on disk without row sums, for example one of edges alone, was refused.
    text = (files("eco_nonparametric") / "recipes" / f"{recipe}.yaml").read_text(encoding="utf-8")
    assert "normalize_features: none" in text
