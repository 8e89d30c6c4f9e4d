from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eco_core.errors import DataError, SpecError
from eco_core.metrics import structure_metrics
from eco_core.metrics.structure import conductance, cut_fraction, edge_blocks, modularity, n_clusters
from eco_core.ops.csr import CSR

TWO_TRIANGLES = nx.Graph([(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3), (2, 3)])


def arrays(graph: nx.Graph) -> tuple[np.ndarray, np.ndarray]:
    """Both directions of each edge, with weights; node names are their numbers."""
    edges = [(u, v, data.get("weight", 1.0)) for u, v, data in graph.edges(data=True)]
    both = np.array(edges + [(v, u, w) for u, v, w in edges if u != v], dtype=float).reshape(-1, 3)
    return both[:, :2].T.astype(np.int64), both[:, 2]


@st.composite
def clustered_graphs(draw):
    n = draw(st.integers(2, 14))
    seed = draw(st.integers(0, 10_000))
    graph = nx.gnp_random_graph(n, draw(st.floats(0.1, 0.9)), seed=seed)
    rng = np.random.default_rng(seed)
    for _, _, data in graph.edges(data=True):
        data["weight"] = float(rng.uniform(0.1, 5))
    pred = np.array(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    return graph, pred


def communities(pred: np.ndarray) -> list[set[int]]:
    return [set(np.flatnonzero(pred == cluster).tolist()) for cluster in np.unique(pred)]


@given(clustered_graphs(), st.booleans())
@settings(max_examples=50, deadline=None)
def test_modularity_equals_networkx(example, weighted):
    graph, pred = example
    edge_index, weight = arrays(graph)
    if graph.number_of_edges() == 0:
        return
    expected = nx.community.modularity(graph, communities(pred), weight="weight" if weighted else None)
    assert modularity(pred, edge_index=edge_index, edge_weight=weight if weighted else None) == pytest.approx(
        expected, abs=1e-9
    )


@given(clustered_graphs(), st.booleans())
@settings(max_examples=50, deadline=None)
def test_conductance_is_the_mean_of_networkx(example, weighted):
    graph, pred = example
    edge_index, weight = arrays(graph)
    key = "weight" if weighted else None
    values = []
    for nodes in communities(pred):
        volume, rest = nx.volume(graph, nodes, weight=key), nx.volume(graph, set(graph) - nodes, weight=key)
        values.append(nx.conductance(graph, nodes, weight=key) if min(volume, rest) > 0 else 0.0)
    assert conductance(pred, edge_index=edge_index, edge_weight=weight if weighted else None) == pytest.approx(
        np.mean(values), abs=1e-9
    )


@given(clustered_graphs())
@settings(max_examples=50, deadline=None)
def test_cut_fraction_is_the_share_of_edges_between_clusters(example):
    graph, pred = example
    edge_index, weight = arrays(graph)
    between = [data["weight"] for u, v, data in graph.edges(data=True) if pred[u] != pred[v]]
    total = graph.size(weight="weight")
    assert cut_fraction(pred, edge_index=edge_index, edge_weight=weight) == pytest.approx(
        sum(between) / total if total else 0, abs=1e-9
    )


@given(clustered_graphs(), st.permutations(range(4)), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_does_not_change_when_clusters_or_nodes_are_renumbered(example, numbers, random):
    graph, pred = example
    edge_index, weight = arrays(graph)
    ids = list(range(len(pred)))
    random.shuffle(ids)
    order = np.array(ids)
    moved = np.empty_like(pred)
    moved[order] = np.array([-1, 50, 2, 999])[list(numbers)][pred]
    before = structure_metrics(edge_index, pred, edge_weight=weight)
    after = structure_metrics(order[edge_index], moved, edge_weight=weight)
    assert after == pytest.approx(before, abs=1e-9)


@given(clustered_graphs())
@settings(max_examples=50, deadline=None)
def test_one_direction_of_each_edge_gives_the_same_as_both(example):
    graph, pred = example
    edge_index, weight = arrays(graph)
    half = edge_index.shape[1] // 2
    both = structure_metrics(edge_index, pred, edge_weight=weight)
    one = structure_metrics(edge_index[:, :half], pred, edge_weight=weight[:half])
    assert one == pytest.approx(both, abs=1e-9)


@given(clustered_graphs(), st.booleans())
@settings(max_examples=50, deadline=None)
def test_values_are_within_their_bounds(example, directed):
    graph, pred = example
    edge_index, weight = arrays(graph)
    if directed:
        edge_index, weight = edge_index[:, ::2], weight[::2]
    values = structure_metrics(edge_index, pred, edge_weight=weight)
    assert -0.5 - 1e-12 <= values["modularity"] < 1
    assert 0 <= values["conductance"] <= 1
    assert 0 <= values["cut_fraction"] <= 1
    assert 1 <= values["n_clusters"] <= len(pred)


def test_known_values_of_two_triangles():
    edge_index, _ = arrays(TWO_TRIANGLES)
    values = structure_metrics(edge_index, np.array([0, 0, 0, 1, 1, 1]))
    assert values == pytest.approx(
        {"modularity": 6 / 7 - 0.5, "conductance": 1 / 7, "cut_fraction": 1 / 7, "n_clusters": 2}
    )


def test_one_cluster_has_nothing_to_cut():
    edge_index, _ = arrays(TWO_TRIANGLES)
    values = structure_metrics(edge_index, np.zeros(6, int))
    assert values == pytest.approx({"modularity": 0, "conductance": 0, "cut_fraction": 0, "n_clusters": 1})


def test_a_cluster_of_isolated_nodes_has_conductance_zero():
    edge_index, _ = arrays(TWO_TRIANGLES)
    pred = np.array([0, 0, 0, 1, 1, 1, 2, 2])  # nodes 6 and 7 have no edges
    assert conductance(pred, edge_index=edge_index) == pytest.approx((1 / 7 + 1 / 7 + 0) / 3)


def test_a_graph_without_edges_scores_zero():
    values = structure_metrics(torch.empty(2, 0, dtype=torch.long), torch.tensor([0, 1, 1]))
    assert values == {"modularity": 0, "conductance": 0, "cut_fraction": 0, "n_clusters": 2}


def test_a_self_loop_counts_once_within_its_cluster():
    edge_index = np.array([[0, 1, 0], [1, 0, 0]])
    assert cut_fraction(np.array([0, 1]), edge_index=edge_index) == pytest.approx(2 / 3)


def test_only_clusters_that_are_used_are_counted():
    assert n_clusters(torch.tensor([7, -1, 7, 100])) == 3
    assert type(n_clusters(torch.tensor([7]))) is int


def test_takes_tensors_with_weights_in_a_column():
    edge_index, weight = arrays(TWO_TRIANGLES)
    pred = np.array([0, 0, 1, 1, 2, 2])
    expected = structure_metrics(edge_index, pred)
    got = structure_metrics(
        torch.from_numpy(edge_index), torch.from_numpy(pred), edge_weight=torch.from_numpy(weight)[:, None]
    )
    assert got == pytest.approx(expected)


def test_names_are_returned_as_they_were_asked_for():
    edge_index, _ = arrays(TWO_TRIANGLES)
    assert list(structure_metrics(edge_index, np.zeros(6, int), metrics=["Modularity"])) == ["Modularity"]
    with pytest.raises(SpecError, match="Did you mean 'conductance'"):
        structure_metrics(edge_index, np.zeros(6, int), metrics=["Cond"])


@pytest.mark.parametrize(
    ("edge_index", "weight", "found"),
    [
        (np.zeros((3, 2), int), None, "shape (3, 2)"),
        (np.zeros((2, 2)), None, "dtype float64"),
        (np.array([[0, 9], [1, 1]]), None, "nodes 0 to 9, but 3 nodes"),
        (np.array([[0, -1], [1, 1]]), None, "nodes -1 to 1"),
        (np.array([[0, 1], [1, 0]]), np.ones(3), "shape (3,), but there are 2 edges"),
        (np.array([[0, 1], [1, 0]]), np.array([1.0, -2.0]), "from -2.0 to 1.0"),
        (np.array([[0, 1], [1, 0]]), np.array([1.0, np.nan]), "from nan"),
    ],
)
def test_an_invalid_graph_is_refused_in_a_sentence(edge_index, weight, found):
    with pytest.raises(DataError) as caught:
        structure_metrics(edge_index, np.zeros(3, int), edge_weight=weight)
    assert caught.value.problems[0].code == "ECO303"
    assert found in str(caught.value)


def test_a_million_edges_and_many_clusters_need_no_dense_matrix():
    rng = np.random.default_rng(0)
    edge_index = rng.integers(0, 200_000, (2, 1_000_000))
    start = time.perf_counter()
    values = structure_metrics(edge_index, rng.integers(0, 100_000, 200_000))
    assert time.perf_counter() - start < 5  # about 0.2 s; K x K would not fit in memory
    assert values["cut_fraction"] > 0.99


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), num_edges=st.integers(0, 40), weighted=st.booleans(), block=st.integers(1, 50))
def test_edges_that_are_sorted_by_target_score_the_same_in_blocks_of_any_size(seed, num_edges, weighted, block):
    generator = torch.Generator().manual_seed(seed)
    edge_index = torch.randint(9, (2, num_edges), generator=generator)
    edge_index = edge_index[:, (edge_index[1] * 9 + edge_index[0]).argsort()]
    weight = torch.rand(num_edges, generator=generator) if weighted else None
    pred = torch.randint(3, (9,), generator=generator)
    rowptr = torch.cat([torch.zeros(1, dtype=torch.int64), edge_index[1].bincount(minlength=9).cumsum(0)])
    on_disk: Any = SimpleNamespace(incoming=CSR(rowptr, edge_index[0].int()))
    expected = structure_metrics(edge_index, pred, edge_weight=weight)
    assert structure_metrics(on_disk, pred, edge_weight=weight) == pytest.approx(expected)
    whole = edge_index.numpy() if weight is None else np.vstack([edge_index.numpy(), weight.numpy()])
    for edges in (edge_index, on_disk):
        blocks = [
            np.vstack([source, target] if of_block is None else [source, target, of_block])
            for source, target, of_block in edge_blocks(edges, weight, 9, block_edges=block)
        ]
        assert np.array_equal(np.hstack([whole[:, :0], *blocks]), whole)
        assert [part.shape[1] for part in blocks[:-1]] == [block] * (len(blocks) - 1)


def test_clusters_of_another_number_of_nodes_are_refused_for_a_graph_on_disk():
    on_disk: Any = SimpleNamespace(incoming=CSR(torch.tensor([0, 1, 2]), torch.tensor([1, 0])))
    with pytest.raises(DataError, match="The graph has 2 nodes, but 3 have a cluster"):
        structure_metrics(on_disk, torch.tensor([0, 1, 1]))
