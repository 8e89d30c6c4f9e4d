"""The SNEM head: what it rounds, what it is invariant to, its published figures."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from eco_nonparametric import SNEMClusterHead
from eco_nonparametric.snem import leading_basis, snem_rounding
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import Data

import eco_core as eco
from eco_core.errors import EcoWarning

may_leave_clusters_empty = pytest.mark.filterwarnings("ignore:SNEM rounding found")
"""For embeddings with so much noise that one in a thousand is rounded to fewer clusters than were asked for."""


def blocks(
    sizes: tuple[int, ...] = (30, 20, 10), noise: float = 0.05, seed: int = 0, width: int | None = None
) -> Tensor:
    """Embeddings around orthogonal directions, as many as there are sizes, in that order of the nodes."""
    generator = torch.Generator().manual_seed(seed)
    width = width or len(sizes)
    directions = torch.linalg.qr(torch.randn(width, width, generator=generator))[0][: len(sizes)]
    truth = truth_of(sizes)
    return directions[truth] + noise * torch.randn(len(truth), width, generator=generator)


def truth_of(sizes: tuple[int, ...]) -> Tensor:
    return torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))


def same_partition(a: Tensor, b: Tensor) -> bool:
    return bool(torch.equal(a[:, None] == a, b[:, None] == b))


@pytest.mark.parametrize("width", [3, 4, 40])
def test_orthogonal_groups_are_the_clusters_at_any_width(width: int) -> None:
    labels = SNEMClusterHead(3).fit_predict(blocks(width=width, noise=0.02))
    assert labels.dtype == torch.int64
    assert same_partition(labels, truth_of((30, 20, 10)))


def test_fixed_point_is_that_of_the_published_iteration() -> None:
    z = blocks(noise=0.4)
    vectors = torch.linalg.svd(z.double(), full_matrices=False)[0]
    rotation, iterations = snem_rounding(vectors, 3)
    labels = (vectors @ rotation).argmax(1)
    indicator = torch.nn.functional.one_hot(labels, 3).double()
    indicator /= indicator.sum(0).sqrt()
    torch.testing.assert_close(rotation, vectors.T @ indicator)
    assert torch.equal((vectors @ vectors.T @ indicator).argmax(1), labels)
    assert 1 <= iterations < 100
    assert same_partition(SNEMClusterHead(3).fit_predict(z), labels)


@may_leave_clusters_empty
@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_signs_rotations_and_scales_of_the_columns_do_not_matter(seed: int) -> None:
    z = blocks((20, 15, 10, 5), noise=0.3, seed=seed).double()
    mixing = torch.randn(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    left, _, right = torch.linalg.svd(mixing)
    invertible = left @ torch.diag(torch.tensor([0.2, 0.5, 1.0, 3.0], dtype=torch.float64)) @ right
    assert same_partition(SNEMClusterHead(4).fit_predict(z), SNEMClusterHead(4).fit_predict(z @ invertible))


@may_leave_clusters_empty
@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_order_of_the_nodes_does_not_matter(seed: int) -> None:
    z = blocks((20, 15, 10), noise=0.3, seed=seed).double()
    order = torch.randperm(45, generator=torch.Generator().manual_seed(seed))
    labels = SNEMClusterHead(3).fit_predict(z)
    assert same_partition(SNEMClusterHead(3).fit_predict(z[order]), labels[order])


@settings(max_examples=25)
@given(n_clusters=st.integers(1, 6), num_nodes=st.integers(6, 30), width=st.integers(1, 9), seed=st.integers(0, 10_000))
def test_any_embedding_is_clustered_the_same_when_asked_again(
    n_clusters: int, num_nodes: int, width: int, seed: int
) -> None:
    z = torch.randn(num_nodes, width, generator=torch.Generator().manual_seed(seed)).relu()
    head = SNEMClusterHead(n_clusters, max_iter=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EcoWarning)
        labels = head.fit_predict(z)
    assert 0 <= int(labels.min()) <= int(labels.max()) < n_clusters
    assert torch.equal(head.cluster(z), labels)
    sure = head.confidence(z)
    assert ((sure >= 0) & (sure <= 1)).all()


def test_iteration_ends_when_no_node_changes_its_cluster() -> None:
    z = blocks(noise=0.3)
    head = SNEMClusterHead(3, max_iter=1000).fit(z)
    assert head.n_iter_ is not None
    assert head.n_iter_ < 50
    limited = SNEMClusterHead(3, max_iter=head.n_iter_).fit(z)
    assert limited.labels_ is not None
    assert head.labels_ is not None
    assert torch.equal(limited.labels_, head.labels_)


def test_empty_clusters_are_told() -> None:
    z = blocks((30, 20), noise=0.02)
    with pytest.warns(EcoWarning, match="found 2 of 4 clusters: it could use 2 of the embeddings' 2 columns"):
        head = SNEMClusterHead(4).fit(z)
    assert same_partition(head.cluster(z), truth_of((30, 20)))


@pytest.mark.parametrize("z", [torch.ones(8, 3), torch.zeros(8, 3)])
def test_copies_of_one_node_are_one_cluster(z: Tensor) -> None:
    with pytest.warns(EcoWarning, match="found 1 of 3"):
        head = SNEMClusterHead(3).fit(z)
    assert head.cluster(z).unique().numel() == 1


def test_new_nodes_are_put_where_they_point() -> None:
    z = blocks(noise=0.02)
    head = SNEMClusterHead(3).fit(z)
    new = blocks((4, 3, 2), noise=0.02)
    assert torch.equal(head.cluster(new), head.cluster(z[[0] * 4 + [30] * 3 + [50] * 2]))


def test_soft_clusters_are_one_hot_and_confidence_is_lower_between_clusters() -> None:
    z = blocks(noise=0.0)
    head = SNEMClusterHead(3).fit(z)
    soft = head.cluster(z, soft=True)
    assert soft.shape == (60, 3)
    assert torch.equal(soft.argmax(1), head.cluster(z))
    torch.testing.assert_close(head.confidence(z), torch.ones(60, dtype=torch.float64))
    assert float(head.confidence((z[:1] + z[-1:]) / 2)) < 0.5


def test_wide_embeddings_give_the_singular_vectors_of_narrow_ones() -> None:
    z = blocks((20, 15, 10), noise=0.1, width=30).double()
    exact = z @ leading_basis(z, 3)
    iterated = z @ leading_basis(z, 3, wide=10)
    torch.testing.assert_close(exact.T @ exact, torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close((exact.T @ iterated).abs(), torch.eye(3, dtype=torch.float64), atol=1e-8, rtol=0)


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (torch.full((5, 2), torch.nan), "NaN"),
        (torch.rand(2, 2), "2 points for 3 clusters"),
        (torch.rand(5), "expected \\(num_nodes, n_features\\)"),
    ],
)
def test_what_cannot_be_clustered_is_refused(z: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SNEMClusterHead(3).fit(z)


@pytest.mark.parametrize("wrong", [{"n_clusters": 0}, {"n_clusters": 2, "max_iter": 0}])
def test_parameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="input should be greater than or equal to 1"):
        SNEMClusterHead(**wrong)


def test_use_before_fit_and_another_width_are_errors() -> None:
    head = SNEMClusterHead(3)
    with pytest.raises(RuntimeError, match="fit"):
        head.cluster(torch.rand(5, 3))
    with pytest.raises(ValueError, match="width 4, but was fitted on width 3"):
        head.fit(blocks()).cluster(torch.rand(5, 4))


def test_sparse_and_array_embeddings_are_read() -> None:
    z = blocks(noise=0.02)
    labels = SNEMClusterHead(3).fit_predict(z)
    assert torch.equal(SNEMClusterHead(3).fit_predict(z.to_sparse()), labels)
    assert torch.equal(SNEMClusterHead(3).fit_predict(z.numpy()), labels)


def test_fitted_head_is_saved_and_read_back(tmp_path: Path) -> None:
    ring = torch.stack([torch.arange(60), (torch.arange(60) + 1) % 60])
    graph = Data(x=blocks(noise=0.1).abs(), edge_index=torch.cat([ring, ring.flip(0)], dim=1))
    model = eco.compose(encoder="identity", head="snem", clusters=3, objective=None, seed=0)
    labels = model.fit_predict(graph)
    again = eco.load(model.save(tmp_path / "run"))
    assert np.array_equal(again.cluster(graph), labels)
    assert np.array_equal(again.labels_, labels)
