from __future__ import annotations

import copy
import io
from typing import Literal

import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from eco_core.builtin.kmeans import KMeansClusterHead
from eco_core.inject.parameters import parameter_model
from eco_core.metrics.labels import ari
from eco_core.ops import TorchKMeans
from eco_core.parts.heads import is_differentiable

BACKENDS = ["sklearn", "torch"]


@pytest.fixture(autouse=True)
def _one_thread():
    # Threads that wait for each other on a busy machine take a hundred times longer than one.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def z() -> torch.Tensor:
    return torch.from_numpy(make_blobs(300, 4, centers=5, cluster_std=2.0, random_state=0)[0]).float()


def labels_of(head: KMeansClusterHead) -> torch.Tensor:
    assert head.labels_ is not None
    return head.labels_


@pytest.mark.parametrize("backend", BACKENDS)
def test_clusters_what_it_was_fitted_on(z, backend):
    head = KMeansClusterHead(5, backend=backend, random_state=0)
    labels = head.fit_predict(z)
    assert labels.shape == (300,)
    assert labels.dtype == torch.int64
    assert torch.equal(labels, labels_of(head))
    assert torch.equal(labels, head.predict(z))
    assert torch.equal(labels, head.cluster(z))
    assert head.cluster_centers_.shape == (5, 4)
    assert head.cluster_centers_.dtype == torch.float32
    assert head.inertia_ == pytest.approx((z - head.cluster_centers_[labels]).square().sum().item(), rel=1e-3)
    assert head.inertia_ <= 1.01 * KMeans(5, n_init=20, random_state=0).fit(z.numpy()).inertia_


def test_sklearn_gets_its_parameters_and_what_is_sparse(z):
    expected = KMeans(5, n_init=3, max_iter=7, random_state=11).fit(z.numpy())
    cases: list[tuple[Literal["sklearn", "auto"], torch.Tensor]] = [("sklearn", z), ("auto", z.to_sparse_coo())]
    for backend, points in cases:
        head = KMeansClusterHead(5, backend, n_init=3, max_iter=7, random_state=11).fit(points)
        assert torch.allclose(head.cluster_centers_, torch.from_numpy(expected.cluster_centers_), atol=1e-5)
        assert ari(expected.labels_, y=labels_of(head)) == 1


def test_auto_is_torch_with_its_parameters(z):
    expected = TorchKMeans(5, n_init=3, max_iter=7, random_state=11).fit(z)
    head = KMeansClusterHead(5, n_init=3, max_iter=7, random_state=11).fit(z)
    assert torch.equal(head.cluster_centers_, expected.cluster_centers_)
    assert torch.equal(labels_of(head), expected.labels_)


def test_sums_of_distances_are_torchs_also_for_sparse_embeddings(z):
    expected = TorchKMeans(5, n_init=3, random_state=11, criterion="distance").fit(z)
    head = KMeansClusterHead(5, n_init=3, random_state=11, criterion="distance").fit(z.to_sparse_coo())
    assert torch.equal(head.cluster_centers_, expected.cluster_centers_)


@pytest.mark.parametrize("backend", BACKENDS)
def test_equal_seeds_give_equal_bits(backend):
    z = torch.randn(3000, 16, generator=torch.Generator().manual_seed(0))
    first, second = (KMeansClusterHead(8, backend, n_init=2, random_state=1).fit(z) for _ in range(2))
    assert torch.equal(first.cluster_centers_, second.cluster_centers_)
    assert torch.equal(labels_of(first), labels_of(second))


def test_soft_assignment_is_one_hot(z):
    head = KMeansClusterHead(5, random_state=0).fit(z)
    soft = head.cluster(z, soft=True)
    assert soft.shape == (300, 5)
    assert soft.is_floating_point()
    assert torch.equal(soft.sum(1), torch.ones(300))
    assert torch.equal(soft.argmax(1), labels_of(head))


@pytest.mark.parametrize("backend", BACKENDS)
def test_confidence_is_the_relative_margin_between_the_two_nearest_centres(z, backend):
    head = KMeansClusterHead(5, backend=backend, random_state=0).fit(z)
    confidence = head.confidence(z)
    two = torch.cdist(z, head.cluster_centers_).sort(1).values
    assert torch.allclose(confidence, (two[:, 1] - two[:, 0]) / two[:, 1], atol=1e-4)
    assert ((confidence >= 0) & (confidence <= 1)).all()
    assert torch.equal(head.confidence(head.cluster_centers_), torch.ones(5))
    middle = (head.cluster_centers_[0] + head.cluster_centers_[1]) / 2
    assert head.confidence(middle[None]).item() < 1e-3 or head.predict(middle[None]).item() not in (0, 1)


def test_confidence_of_one_cluster_is_one(z):
    assert torch.equal(KMeansClusterHead(1, random_state=0).fit(z).confidence(z), torch.ones(300))


def test_confidence_between_equal_centres_is_zero():
    z = torch.ones(6, 2)
    assert torch.equal(KMeansClusterHead(2, backend="torch", random_state=0).fit(z).confidence(z), torch.zeros(6))


def test_a_fresh_head_loads_fitted_centres(z):
    head = KMeansClusterHead(5, random_state=0).fit(z)
    file = io.BytesIO()
    torch.save(torch.nn.Sequential(head).state_dict(), file)
    file.seek(0)
    fresh = KMeansClusterHead(5)
    torch.nn.Sequential(fresh).load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(fresh.predict(z), labels_of(head))
    assert fresh.labels_ is None


def test_a_copy_loads_centres_into_itself(z):
    original = KMeansClusterHead(5)
    clone = copy.deepcopy(original)
    clone.load_state_dict(KMeansClusterHead(5, random_state=0).fit(z).state_dict())
    assert clone.cluster_centers_.shape == (5, 4)
    assert original.cluster_centers_.shape == (5, 0)


def test_centres_of_another_number_of_clusters_do_not_load(z):
    saved = KMeansClusterHead(5, random_state=0).fit(z).state_dict()
    with pytest.raises(RuntimeError, match="size mismatch"):
        KMeansClusterHead(4).load_state_dict(saved)


@pytest.mark.parametrize("backend", BACKENDS)
def test_takes_arrays_sparse_tensors_and_gradients(z, backend):
    z = torch.nn.functional.relu(z)
    expected = KMeansClusterHead(5, backend=backend, random_state=0).fit(z)
    for same in (z.numpy(), z.double().numpy(), z.to_sparse_coo(), z.clone().requires_grad_()):
        head = KMeansClusterHead(5, backend=backend, random_state=0).fit(same)
        assert head.inertia_ == pytest.approx(expected.inertia_, rel=1e-3)
        assert ari(labels_of(head), y=labels_of(expected)) == 1
        assert torch.equal(head.predict(same), labels_of(head))
        assert not head.cluster_centers_.requires_grad


def test_can_be_fitted_again_on_another_width(z):
    head = KMeansClusterHead(5, random_state=0).fit(z)
    assert head.fit(z[:, :2]).cluster_centers_.shape == (5, 2)
    with pytest.raises(ValueError, match="width 4, but its centres have width 2"):
        head.predict(z)


@pytest.mark.parametrize("method", ["predict", "cluster", "confidence"])
def test_needs_to_be_fitted_first(z, method):
    with pytest.raises(RuntimeError, match="no centres yet; call fit"):
        getattr(KMeansClusterHead(5), method)(z)


@pytest.mark.parametrize("backend", BACKENDS)
def test_unusable_embeddings_are_refused_in_a_sentence(z, backend):
    head = KMeansClusterHead(5, backend=backend)
    with pytest.raises(ValueError, match="3 points for 5 clusters"):
        head.fit(z[:3])
    z[7, 1] = float("nan")
    with pytest.raises(ValueError, match="1 values that are NaN"):
        head.fit(z)


def test_is_a_discrete_head_without_parameters_to_train():
    assert not is_differentiable(KMeansClusterHead)
    assert not list(KMeansClusterHead(3).parameters())
    with pytest.raises(TypeError, match="discrete cluster head"):
        KMeansClusterHead(3)(torch.zeros(3, 2))


def test_constructor_is_its_declaration():
    fields = parameter_model(KMeansClusterHead).model_json_schema(by_alias=True)["properties"]
    assert set(fields) == {"backend", "n_init", "max_iter", "criterion"}
    assert fields["n_init"]["minimum"] == 1
    assert fields["backend"]["enum"] == ["auto", "sklearn", "torch"]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"n_clusters": 0}, "n_clusters is 0"),
        ({"n_clusters": 2, "backend": "faiss"}, "backend is 'faiss'"),
        ({"n_clusters": 2, "criterion": "cosine"}, "criterion is 'cosine'"),
        ({"n_clusters": 2, "criterion": "distance", "backend": "sklearn"}, "Use backend 'torch'"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, said):
    with pytest.raises(ValueError, match=said):
        KMeansClusterHead(**parameters)
