from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from eco_core.metrics.labels import ari
from eco_core.ops import TorchKMeans, _kmeans_points, _kmeans_seeds
from eco_core.ops import kmeans as module
from eco_core.ops.row_blocks import row_blocks


@pytest.fixture(autouse=True)
def _one_thread():
    # Threads that wait for each other on a busy machine take a hundred times longer than one.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def blobs(n: int = 600, width: int = 5, centers: int = 8, std: float = 1.0, seed: int = 0):
    points, y = make_blobs(n, width, centers=centers, cluster_std=std, random_state=seed)
    return torch.from_numpy(points).float(), torch.from_numpy(y)


@pytest.mark.parametrize(("std", "n_clusters"), [(0.5, 8), (3.0, 8), (3.0, 15), (1.0, 2)])
def test_inertia_is_within_a_percent_of_the_best_of_sklearn(std, n_clusters):
    z, _ = blobs(std=std)
    best = KMeans(n_clusters, n_init=20, random_state=0).fit(z.numpy()).inertia_
    assert TorchKMeans(n_clusters, random_state=0).fit(z).inertia_ <= 1.01 * best


def test_finds_blobs_that_are_far_apart():
    z, y = blobs(std=0.1)
    assert ari(TorchKMeans(8, random_state=3).fit_predict(z), y=y) == 1


def test_attributes_agree_with_each_other():
    z, _ = blobs()
    kmeans = TorchKMeans(6, random_state=0).fit(z)
    assert kmeans.labels_.shape == (600,)
    assert kmeans.labels_.dtype == torch.int64
    assert kmeans.cluster_centers_.shape == (6, 5)
    assert torch.equal(kmeans.predict(z), kmeans.labels_)
    assert torch.equal(torch.cdist(z, kmeans.cluster_centers_).argmin(1), kmeans.labels_)
    expected = (z - kmeans.cluster_centers_[kmeans.labels_]).square().sum().item()
    assert kmeans.inertia_ == pytest.approx(expected, rel=1e-4)
    assert isinstance(kmeans.inertia_, float)
    assert 1 <= kmeans.n_iter_ <= 300
    for k in range(6):
        assert torch.allclose(kmeans.cluster_centers_[k], z[kmeans.labels_ == k].mean(0), atol=0.05)


def test_equal_seeds_give_equal_results_and_leave_the_global_generator_alone():
    z, _ = blobs(std=4.0)
    state = torch.random.get_rng_state()
    first, second = (TorchKMeans(9, n_init=2, random_state=5).fit(z) for _ in range(2))
    assert torch.equal(first.cluster_centers_, second.cluster_centers_)
    assert torch.equal(first.labels_, second.labels_)
    assert first.inertia_ == second.inertia_
    assert torch.equal(torch.random.get_rng_state(), state)


def test_without_a_seed_the_global_generator_decides():
    z, _ = blobs(std=4.0)
    centers = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        centers.append(TorchKMeans(9, n_init=1).fit(z).cluster_centers_)
    assert torch.equal(centers[0], centers[1])
    assert not torch.equal(centers[0], centers[2])


def test_neighbouring_seeds_share_no_restart(monkeypatch):
    z, _ = blobs(std=4.0)
    drawn: dict[int, set[tuple[int, ...]]] = {0: set(), 1: set()}
    original = module.plus_plus
    for seed, seeds in drawn.items():

        def record(*args, seeds=seeds, **options):
            rows = original(*args, **options)
            seeds.update(map(tuple, rows.tolist()))
            return rows

        monkeypatch.setattr(module, "plus_plus", record)
        TorchKMeans(9, n_init=5, random_state=seed).fit(z)
    assert len(drawn[0]) == len(drawn[1]) == 5
    assert not drawn[0] & drawn[1]


def test_small_blocks_change_nothing_but_the_rounding():
    z, _ = blobs(n=700, std=0.3)
    whole = TorchKMeans(8, random_state=0).fit(z)
    blocks = TorchKMeans(8, random_state=0, block_elements=1).fit(z)
    assert blocks.inertia_ == pytest.approx(whole.inertia_, rel=1e-5)
    assert ari(whole.labels_, y=blocks.labels_) == 1


def test_restarts_that_wait_for_their_turn_are_no_worse():
    z, _ = blobs(std=3.0)
    together = TorchKMeans(8, random_state=0).fit(z).inertia_
    one_by_one = TorchKMeans(8, random_state=0, restarts_at_a_time=1).fit(z).inertia_
    assert one_by_one == pytest.approx(together, rel=0.01)


@pytest.mark.parametrize("threads", [1, 2])
def test_points_move_between_the_sums_of_their_clusters(threads, monkeypatch):
    z, _ = blobs()
    monkeypatch.setattr(_kmeans_points, "number_of_threads", lambda work, least: threads)
    draw = torch.Generator().manual_seed(0)
    first, second = (torch.randint(7, (600, 3), generator=draw) for _ in range(2))
    sums = torch.zeros(3, 9, 5, dtype=torch.float64)
    points = _kmeans_points.Points(z)
    points.move(torch.full_like(first, -1), first, sums)
    points.move(first, second, sums)
    for restart in range(3):
        indicator = torch.nn.functional.one_hot(second[:, restart], 9).double()
        torch.testing.assert_close(sums[restart], indicator.T @ z.double())


def test_candidates_are_drawn_in_proportion_to_their_weights():
    weights = torch.tensor([[0.0, 1.0, 0.0, 3.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0]]).T
    drawn = _kmeans_seeds.draw(weights, 20_000, torch.Generator().manual_seed(0))
    shares = torch.stack([torch.bincount(row, minlength=5) for row in drawn]) / 20_000
    assert shares[0, [0, 2, 4]].sum() == 0
    assert shares[0, 3].item() == pytest.approx(0.75, abs=0.02)
    assert shares[1, 0] == 1
    assert shares[2].tolist() == pytest.approx([0.2] * 5, abs=0.02)


def test_the_largest_share_of_the_total_draws_the_last_row_that_has_a_weight(monkeypatch):
    weights = torch.rand(500, 20, generator=torch.Generator().manual_seed(0))
    weights[-1] = 0
    monkeypatch.setattr(torch, "rand", lambda *size, dtype, **_: torch.full(size, 1 - 2**-53, dtype=dtype))
    drawn = _kmeans_seeds.draw(weights, 3, torch.Generator())
    assert drawn.unique().tolist() == [498]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("criterion", ["inertia", "distance"])
def test_points_that_change_in_their_last_digits_keep_their_partition(seed, criterion):
    # These points have no clusters, so that other seeds would lead to another partition.
    draw = torch.Generator().manual_seed(seed)
    z = torch.nn.functional.normalize(torch.rand(1000, 16, generator=draw), dim=1)
    changed = z + 1e-7 * torch.randn(z.shape, generator=draw)
    kmeans, again = (TorchKMeans(7, random_state=seed, criterion=criterion).fit(points) for points in (z, changed))
    # A point between two centres may change sides.
    assert ari(kmeans.labels_, y=again.labels_) > 0.99
    assert again.inertia_ == pytest.approx(kmeans.inertia_, rel=1e-5)


@pytest.mark.parametrize("offset", [0.0, 3.0, 40.0])
def test_distances_are_exact_wherever_the_points_lie(offset):
    z = blobs(n=80)[0] + offset
    points = _kmeans_points.Points(z)
    centers = z[:6] - z.mean(0)
    expected = torch.cdist(z.double(), z[:6].double()).square().float()
    found = z.new_empty(80, 6)
    points.to_centers(centers, 0, 80, out=found)
    found += points.squares[:, None]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)
    assert points.are_far == (offset == 40)
    assert points.rows.data_ptr() == z.data_ptr(), "a copy of the points"


def test_of_several_least_entries_the_first_counts():
    block = torch.tensor([[[2.0, 1.0, 1.0], [0.0, 0.0, 3.0]], [[5.0, 4.0, -1.0], [7.0, 7.0, 7.0]]])
    values, where = torch.empty(2, 2), torch.empty(2, 2, dtype=torch.long)
    _kmeans_points.least(block, values, where)
    assert values.tolist() == [[1, 0], [-1, 7]]
    assert where.tolist() == [[1, 0], [2, 0]]


@pytest.mark.parametrize("offset", [0, 40])
@pytest.mark.parametrize("criterion", ["inertia", "distance"])
def test_the_result_does_not_depend_on_the_size_of_blocks(criterion, offset):
    z = blobs(n=1000)[0] + offset
    whole = TorchKMeans(8, random_state=0, criterion=criterion).fit(z)
    in_blocks = TorchKMeans(8, random_state=0, criterion=criterion, block_elements=1).fit(z)
    assert len(list(row_blocks(1000, 5, block_elements=1))) == 4
    assert torch.equal(in_blocks.labels_, whole.labels_)
    torch.testing.assert_close(in_blocks.cluster_centers_, whole.cluster_centers_)


def test_a_far_offset_does_not_cost_the_digits():
    z, y = blobs(std=0.05, width=2, centers=4)
    kmeans = TorchKMeans(4, random_state=0).fit(z.double() / 10 + 1e5)
    assert ari(kmeans.labels_, y=y) == 1
    assert kmeans.cluster_centers_.dtype == torch.float64
    assert torch.equal(kmeans.predict(z.double() / 10 + 1e5), kmeans.labels_)


@pytest.mark.parametrize("n_init", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_an_empty_cluster_moves_to_the_farthest_point(seed, n_init):
    # Random seeds are three of the zeros; both other clusters must be found by moving empty ones.
    points = torch.cat([torch.zeros(5000, 1), torch.tensor([[10.0], [-7.0]])])
    kmeans = TorchKMeans(3, n_init=n_init, init="random", random_state=seed).fit(points)
    assert kmeans.cluster_centers_.flatten().sort().values.tolist() == pytest.approx([-7, 0, 10], abs=1e-5)


def test_a_far_point_counts_less_in_the_sum_of_distances():
    z = torch.cat([torch.zeros(200, 1), torch.ones(200, 1), torch.full((1, 1), 30.0)])
    by_inertia = TorchKMeans(2, random_state=0).fit(z)
    by_distance = TorchKMeans(2, random_state=0, criterion="distance").fit(z)
    assert by_inertia.labels_.bincount().sort().values.tolist() == [1, 400]
    assert by_distance.labels_.bincount().sort().values.tolist() == [200, 201]
    assert by_distance.inertia_ > by_inertia.inertia_


def test_one_cluster_is_the_mean():
    z, _ = blobs()
    kmeans = TorchKMeans(1, random_state=0).fit(z)
    assert torch.allclose(kmeans.cluster_centers_[0], z.mean(0), atol=1e-5)
    assert kmeans.labels_.unique().tolist() == [0]
    assert kmeans.inertia_ == pytest.approx((z - z.mean(0)).square().sum().item(), rel=1e-4)


def test_as_many_clusters_as_points_leave_no_distance():
    z, _ = blobs(n=12)
    kmeans = TorchKMeans(12, random_state=0).fit(z)
    assert kmeans.labels_.unique().numel() == 12
    assert kmeans.inertia_ == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("init", ["k-means++", "random"])
def test_fewer_distinct_points_than_clusters(init):
    z = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).repeat(10, 1)
    kmeans = TorchKMeans(5, random_state=0, init=init).fit(z)
    assert kmeans.cluster_centers_.isfinite().all()
    assert kmeans.inertia_ == pytest.approx(0, abs=1e-6)
    assert ari(kmeans.labels_, y=torch.tensor([0, 1]).repeat(10)) == 1


@given(st.integers(2, 30), st.integers(1, 4), st.integers(0, 1000), st.data())
@settings(max_examples=25, deadline=None)
def test_never_worse_than_one_cluster_and_labels_are_nearest(n, width, seed, data):
    n_clusters = data.draw(st.integers(1, n))
    z = torch.randint(-3, 4, (n, width), generator=torch.Generator().manual_seed(seed)).float()
    kmeans = TorchKMeans(n_clusters, n_init=2, random_state=seed).fit(z)
    distances = torch.cdist(z.double(), kmeans.cluster_centers_.double())
    chosen = distances.gather(1, kmeans.labels_[:, None]).squeeze(1)
    assert torch.allclose(chosen, distances.min(1).values, atol=1e-4)
    assert kmeans.inertia_ <= (z - z.mean(0)).square().sum().item() + 1e-3
    assert kmeans.cluster_centers_.shape == (n_clusters, width)


def test_random_seeds_work_too():
    z, _ = blobs(std=0.3)
    best = KMeans(8, n_init=20, random_state=0).fit(z.numpy()).inertia_
    assert TorchKMeans(8, n_init=40, init="random", random_state=0).fit(z).inertia_ <= 1.01 * best


def test_takes_arrays_sparse_tensors_half_precision_and_gradients():
    z, _ = blobs(n=100)
    expected = TorchKMeans(3, random_state=0).fit(z)
    for same in (z.numpy(), z.to_sparse_coo(), z.clone().requires_grad_()):
        kmeans = TorchKMeans(3, random_state=0).fit(same)
        assert torch.equal(kmeans.labels_, expected.labels_)
        assert torch.equal(kmeans.predict(same), expected.labels_)
        assert not kmeans.cluster_centers_.requires_grad
    assert TorchKMeans(3, random_state=0).fit(z.half()).cluster_centers_.dtype == torch.float32


def test_does_not_change_its_input():
    z, _ = blobs(n=50)
    before = z.clone()
    TorchKMeans(3, random_state=0).fit(z)
    assert torch.equal(z, before)


def test_works_while_deterministic_algorithms_are_demanded():
    z, _ = blobs(std=4.0)
    expected = TorchKMeans(9, n_init=2, random_state=0).fit(z)
    torch.use_deterministic_algorithms(True)
    try:
        kmeans = TorchKMeans(9, n_init=2, random_state=0).fit(z)
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(kmeans.labels_, expected.labels_)


@pytest.mark.parametrize(
    ("z", "said"),
    [
        (torch.zeros(3, 2), "3 points for 5 clusters"),
        (torch.zeros(8), "shape (8,)"),
        (torch.zeros(8, 0), "shape (8, 0)"),
        (torch.full((8, 2), float("nan")), "16 values that are NaN or infinite"),
        (np.full((8, 2), np.inf), "16 values that are NaN or infinite"),
        (torch.arange(16.0).reshape(8, 2) * 1e30, "beyond the range of torch.float32"),
        (torch.randn(200, 8, generator=torch.Generator().manual_seed(0)) * 5e18, "beyond the range of torch.float32"),
    ],
)
def test_unusable_points_are_refused_in_a_sentence(z, said):
    with pytest.raises(ValueError, match="k-means got") as caught:
        TorchKMeans(5).fit(z)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"n_clusters": 0}, "n_clusters is 0; expected at least 1"),
        ({"n_clusters": 2, "n_init": 0}, "n_init is 0"),
        ({"n_clusters": 2, "max_iter": 0}, "max_iter is 0"),
        ({"n_clusters": 2, "block_elements": 0}, "block_elements is 0"),
        ({"n_clusters": 2, "restarts_at_a_time": 0}, "restarts_at_a_time is 0"),
        ({"n_clusters": 2, "tol": -1.0}, r"tol is -1\.0"),
        ({"n_clusters": 2, "init": "first"}, "init is 'first'"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, said):
    with pytest.raises(ValueError, match=said):
        TorchKMeans(**parameters)


def test_predict_needs_centres_of_the_same_width():
    with pytest.raises(RuntimeError, match="call fit"):
        TorchKMeans(2).predict(torch.zeros(3, 2))
    kmeans = TorchKMeans(2, random_state=0).fit(torch.randn(10, 4))
    with pytest.raises(ValueError, match="width 3, but its centres have width 4"):
        kmeans.predict(torch.zeros(5, 3))
