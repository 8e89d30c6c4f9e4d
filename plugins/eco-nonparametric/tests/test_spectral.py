"""The spectral head: shapes that k-means cannot find, components, new nodes, its run folder."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from eco_nonparametric import SpectralClusterHead
from eco_nonparametric.spectral import leading_eigenvectors, neighbor_graph
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import Data

import eco_core as eco


def rings(count: int = 2, each: int = 150, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Noisy concentric rings and their numbers."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.arange(count).repeat_interleave(each)
    angles = torch.linspace(0, 2 * torch.pi, each + 1)[:-1].repeat(count)
    points = (truth + 1.0).unsqueeze(1) * torch.stack([angles.cos(), angles.sin()], dim=1)
    return points + 0.02 * torch.randn(points.shape, generator=generator), truth


def same_partition(a: Tensor, b: Tensor) -> bool:
    return bool(torch.equal(a[:, None] == a, b[:, None] == b))


def test_rings_are_clusters() -> None:
    z, truth = rings()
    assert same_partition(SpectralClusterHead(2, random_state=0).fit_predict(z), truth)


@pytest.mark.parametrize("each", [20, 120])  # Dense eigenvectors, and iterated ones.
def test_components_are_found_without_a_warning(each: int) -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.arange(4).repeat_interleave(each)
    z = 100.0 * torch.eye(4)[truth] + torch.randn(4 * each, 4, generator=generator)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        head = SpectralClusterHead(4, n_neighbors=10, random_state=0).fit(z)
    assert same_partition(head.labels_, truth)
    assert torch.equal(head.confidence(z), torch.ones(4 * each))


def test_of_more_components_than_clusters_the_largest_are_told_apart() -> None:
    sizes = torch.tensor([60, 50, 40, 20, 20, 20, 20])
    truth = torch.arange(7).repeat_interleave(sizes)
    z = 100.0 * torch.eye(7)[truth] + torch.randn(230, 7, generator=torch.Generator().manual_seed(0))
    labels = SpectralClusterHead(3, n_neighbors=12, random_state=0).fit_predict(z)
    assert len(labels.unique()) == 3
    assert len(labels[[0, 60, 110]].unique()) >= 2
    assert all(len(labels[truth == component].unique()) == 1 for component in range(3))


def test_components_are_divided_where_there_are_fewer_than_clusters() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.arange(4).repeat_interleave(100)
    places = torch.tensor([[0.0, 0.0], [8.0, 0.0], [1000.0, 0.0], [1008.0, 0.0]])
    z = places[truth] + torch.randn(400, 2, generator=generator)
    head = SpectralClusterHead(4, n_neighbors=40, random_state=0).fit(z)
    assert same_partition(head.labels_, truth)


def test_equal_seeds_give_equal_clusters() -> None:
    z = torch.randn(300, 5, generator=torch.Generator().manual_seed(0))
    first, second = (SpectralClusterHead(4, random_state=3).fit_predict(z) for _ in range(2))
    assert torch.equal(first, second)


def test_agrees_with_scikit_learn_where_the_graph_is_connected() -> None:
    from sklearn.cluster import SpectralClustering
    from sklearn.metrics import adjusted_rand_score

    generator = torch.Generator().manual_seed(0)
    z = torch.randn(240, 3, generator=generator) + 3.0 * torch.eye(3)[torch.arange(3).repeat_interleave(80)]
    ours = SpectralClusterHead(3, n_neighbors=15, random_state=0).fit_predict(z)
    peer = SpectralClustering(3, affinity="nearest_neighbors", n_neighbors=16, random_state=0).fit_predict(z.numpy())
    assert adjusted_rand_score(peer, ours) > 0.9


def test_eigenvectors_are_those_of_the_normalised_adjacency() -> None:
    points = np.random.default_rng(0).normal(size=(250, 4)).astype(np.float32)
    adjacency = neighbor_graph(points, 8)
    vectors = leading_eigenvectors(adjacency, 5, seed=0)
    dense = adjacency.toarray()
    scale = 1 / np.sqrt(dense.sum(axis=1))
    values, exact = np.linalg.eigh(scale[:, None] * dense * scale)
    assert np.allclose(dense, dense.T)
    assert set(np.unique(dense)) == {0.0, 0.5, 1.0}
    residual = scale[:, None] * dense * scale @ vectors - vectors * values[::-1][:5]
    assert np.abs(residual).max() < 1e-6
    assert np.abs(np.abs(exact[:, ::-1][:, :5].T @ vectors) - np.eye(5)).max() < 1e-4


def test_new_node_gets_the_cluster_of_the_nearest_fitted_one() -> None:
    z, _ = rings()
    head = SpectralClusterHead(2, random_state=0).fit(z)
    new = torch.tensor([[0.0, 1.1], [0.0, 2.1], [-1.9, 0.0]])
    assert torch.equal(head.cluster(new), head.labels_[torch.cdist(new, z).argmin(1)])
    assert head.confidence(new).shape == (3,)


def test_soft_clusters_are_one_hot() -> None:
    z, _ = rings()
    head = SpectralClusterHead(2, random_state=0).fit(z)
    soft = head.cluster(z, soft=True)
    assert soft.shape == (300, 2)
    assert torch.equal(soft.argmax(1), head.labels_)


def test_confidence_is_the_share_of_neighbours_in_the_own_cluster() -> None:
    z = torch.tensor([[0.0], [1.0], [2.5], [10.0], [11.0], [12.5]])
    head = SpectralClusterHead(2, n_neighbors=3, random_state=0).fit(z)
    assert same_partition(head.labels_, torch.tensor([0, 0, 0, 1, 1, 1]))
    # Node 0 and 1 are neighbours of each other and of 2, of each other's three; the third one of 0, 1, 2 is node 3.
    adjacency = torch.from_numpy(neighbor_graph(z.numpy(), 3).toarray())
    share = (adjacency * (head.labels_[:, None] == head.labels_)).sum(1) / adjacency.sum(1)
    torch.testing.assert_close(head.confidence(z).double(), share)
    assert float(head.confidence(z).min()) < 1


@settings(max_examples=15)
@given(n_clusters=st.integers(1, 5), num_nodes=st.integers(5, 12), copies=st.booleans(), n_neighbors=st.integers(1, 20))
def test_small_and_repeated_embeddings_are_clustered(
    n_clusters: int, num_nodes: int, copies: bool, n_neighbors: int
) -> None:
    z = torch.randn(num_nodes, 2, generator=torch.Generator().manual_seed(num_nodes))
    z = z[:1].expand(num_nodes, 2) if copies else z
    head = SpectralClusterHead(n_clusters, n_neighbors=n_neighbors, n_init=1, random_state=0)
    labels = head.fit_predict(z)
    assert 0 <= int(labels.min()) <= int(labels.max()) < n_clusters
    assert torch.equal(head.cluster(z), labels)
    sure = head.confidence(z)
    assert ((sure >= 0) & (sure <= 1)).all()


def test_one_node_is_a_cluster() -> None:
    head = SpectralClusterHead(1, random_state=0)
    assert head.fit_predict(torch.ones(1, 2)).tolist() == [0]
    assert head.confidence(torch.ones(1, 2)).tolist() == [1.0]


@pytest.mark.parametrize("wrong", [{"n_clusters": 0}, {"n_neighbors": 0}, {"n_init": 0}])
def test_parameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="input should be greater than or equal to 1"):
        SpectralClusterHead(**{"n_clusters": 2, **wrong})


def test_use_before_fit_another_width_and_nan_are_errors() -> None:
    head = SpectralClusterHead(2, random_state=0)
    with pytest.raises(RuntimeError, match="fit"):
        head.cluster(torch.rand(5, 2))
    with pytest.raises(ValueError, match="NaN"):
        head.fit(torch.full((5, 2), torch.nan))
    with pytest.raises(ValueError, match="width 3, but was fitted on width 2"):
        head.fit(rings()[0]).cluster(torch.rand(5, 3))


def test_fitted_head_is_saved_and_read_back(tmp_path: Path) -> None:
    z, _ = rings(each=30)
    ring = torch.stack([torch.arange(60), (torch.arange(60) + 1) % 60])
    graph = Data(x=z, edge_index=torch.cat([ring, ring.flip(0)], dim=1))
    model = eco.compose(encoder="identity", head="spectral", clusters=2, objective=None, seed=0)
    labels = model.fit_predict(graph)
    again = eco.load(model.save(tmp_path / "run"))
    assert np.array_equal(again.cluster(graph), labels)
    head, head_again = (m.cluster_head for m in (model, again))
    assert isinstance(head.points_, torch.Tensor)
    assert isinstance(head_again.points_, torch.Tensor)
    assert torch.equal(head_again.points_, head.points_)
