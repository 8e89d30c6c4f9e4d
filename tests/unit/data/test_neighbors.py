"""Graphs of nearest neighbours, and neighbours that are added to a graph."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from eco_core.data import neighbors
from eco_core.data.neighbors import NeighborOptions, edges_to_neighbors, merge_edges, nearest_edges
from eco_core.errors import DataError, SpecError

LINE = np.array([[0.0], [1.0], [2.1], [3.3], [10.0]])
RANDOM = np.random.default_rng(0)


def pairs(edge_index: torch.Tensor) -> set[tuple[int, int]]:
    return {(a, b) for a, b in edge_index.T.tolist() if a < b}


def test_two_points_are_joined_if_one_is_a_neighbour_of_the_other() -> None:
    found = nearest_edges(LINE, 1)
    assert pairs(found.edge_index) == {(0, 1), (1, 2), (2, 3), (3, 4)}
    assert found.edge_index.shape[1] == 8
    assert found.how == "its 1 nearest neighbour (Euclidean distance, exact)"


def test_the_neighbours_are_those_of_all_distances() -> None:
    points = RANDOM.normal(size=(60, 20)).astype(np.float32)
    distances = ((points[:, None] - points[None]) ** 2).sum(-1)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argsort(1)[:, :4]
    expected = {(min(a, b), max(a, b)) for a, row in enumerate(nearest.tolist()) for b in row}
    assert pairs(nearest_edges(points, 4).edge_index) == expected
    assert pairs(nearest_edges(torch.tensor(points), 4).edge_index) == expected


def test_sparse_features_are_compared_by_the_cosine_and_stay_sparse() -> None:
    words = sp.random(40, 300, density=0.05, random_state=1, format="csr")
    dense = words.toarray()
    norms = np.linalg.norm(dense, axis=1, keepdims=True)
    similarity = (dense / norms) @ (dense / norms).T
    np.fill_diagonal(similarity, -1)
    nearest = np.argsort(-similarity, axis=1)[:, :3]
    expected = {
        (min(a, b), max(a, b)) for a, row in enumerate(nearest.tolist()) for b in row if similarity[a, b] > 1e-6
    }
    found = edges_to_neighbors(words, NeighborOptions(knn=3))
    assert pairs(found.edge_index) == expected
    assert "cosine" in found.how
    as_tensor = torch.tensor(dense, dtype=torch.float32).to_sparse_coo()
    assert torch.equal(edges_to_neighbors(as_tensor, NeighborOptions(knn=3)).edge_index, found.edge_index)


def test_nodes_that_share_no_word_are_not_joined() -> None:
    blocks = np.kron(np.eye(2), np.ones((3, 2)))
    blocks = np.vstack([blocks, np.zeros((1, 4))])
    assert pairs(nearest_edges(blocks, 4, "cosine").edge_index) == {(0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5)}


@pytest.mark.parametrize(("nodes", "edges"), [(1, 0), (2, 2), (4, 12)])
def test_fewer_nodes_than_the_default_are_all_joined(nodes: int, edges: int) -> None:
    assert edges_to_neighbors(LINE[:nodes], NeighborOptions()).edge_index.shape[1] == edges


def test_equal_points_are_neighbours_but_no_point_is_its_own() -> None:
    found = nearest_edges(np.zeros((5, 2)), 2).edge_index
    assert bool((found[0] != found[1]).all())


def test_a_radius_joins_all_points_within_it() -> None:
    found = edges_to_neighbors(LINE, NeighborOptions(radius=2.2))
    assert pairs(found.edge_index) == {(0, 1), (0, 2), (1, 2), (2, 3)}
    assert found.how == "all nodes within 2.2 (Euclidean distance)"


def test_a_radius_that_joins_too_many_pairs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbors, "_MOST_PAIRS", 10)
    with pytest.raises(DataError, match=r"ECO303.*radius of 100 joins more than 10 pairs"):
        edges_to_neighbors(LINE, NeighborOptions(radius=100.0))


def test_more_neighbours_than_other_nodes_are_refused() -> None:
    with pytest.raises(SpecError, match=r"ECO104.*5 nearest neighbours.*5 nodes(.|\n)*1 to 4"):
        nearest_edges(LINE, 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"knn": 0}, "knn is 0"),
        ({"knn": 2.5}, "knn is 2.5"),
        ({"knn": True}, "knn is True"),
        ({"knn_augment": -1}, "knn_augment is -1"),
        ({"metric": "cosin"}, "Did you mean 'cosine'"),
        ({"radius": 0.0}, "radius is 0.0"),
        ({"radius": float("nan")}, "radius is nan"),
        ({"knn": 3, "radius": 1.0}, "Give one of the two"),
    ],
)
def test_options_out_of_range_are_refused(options: dict, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        NeighborOptions(**options)


def test_all_wrong_options_are_reported_together() -> None:
    with pytest.raises(SpecError) as caught:
        NeighborOptions(knn=0, metric="x", knn_augment=-1)
    assert len(caught.value.problems) == 3


def test_many_wide_points_are_searched_approximately(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is replaced: what counts is what is asked of it, and that a point is not its own neighbour."""
    points = RANDOM.normal(size=(50, 20)).astype(np.float32)
    distances = np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))
    order = distances.argsort(1)
    asked = {}

    class NNDescent:
        def __init__(self, data: object, **options: object) -> None:
            asked.update(options)
            count = int(str(options["n_neighbors"]))
            self.neighbor_graph = order[:, :count], np.take_along_axis(distances, order[:, :count], 1)

    monkeypatch.setattr(neighbors, "_EXACT_WORK", 0)
    monkeypatch.setitem(sys.modules, "pynndescent", type(sys)("pynndescent"))
    sys.modules["pynndescent"].NNDescent = NNDescent  # type: ignore[attr-defined]
    found = nearest_edges(points, 3)
    assert asked == {"metric": "euclidean", "n_neighbors": 4, "random_state": 0}
    assert "approximate" in found.how
    monkeypatch.undo()
    assert torch.equal(found.edge_index, nearest_edges(points, 3).edge_index)


def test_without_the_library_the_search_is_exact_and_says_what_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    points = RANDOM.normal(size=(30, 20)).astype(np.float32)
    expected = nearest_edges(points, 3).edge_index
    monkeypatch.setattr(neighbors, "_EXACT_WORK", 0)
    monkeypatch.setitem(sys.modules, "pynndescent", None)
    found = nearest_edges(points, 3)
    assert torch.equal(found.edge_index, expected)
    assert "pip install 'eco-core[neighbors]'" in found.how


def test_added_edges_get_the_median_weight_and_known_pairs_stay() -> None:
    edges, weight = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), torch.tensor([3.0, 3.0, 5.0, 5.0])
    added = torch.tensor([[0, 1, 0, 2], [1, 0, 2, 0]])
    merged, weights, new = merge_edges(edges, weight, added, 3)
    assert new == 2
    assert merged.tolist() == [[0, 1, 1, 2, 0, 2], [1, 0, 2, 1, 2, 0]]
    assert weights.tolist() == [3, 3, 5, 5, 3, 3]
    assert merge_edges(edges, None, added, 3)[1] is None
