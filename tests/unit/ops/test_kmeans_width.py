"""K-means of points with many more columns than rows: fewer columns, the same clusters."""

from __future__ import annotations

import pytest
import torch

from eco_core.ops import kmeans
from eco_core.ops._kmeans_width import narrowed, pays
from eco_core.ops.kmeans import TorchKMeans


def wide(seed: int = 0, shift: float = 0.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    centers = torch.randn(6, 1500, generator=generator)
    own = torch.randint(6, (120,), generator=generator)
    return centers[own] + 1.5 * torch.randn(120, 1500, generator=generator) + shift


@pytest.mark.parametrize("shift", [0.0, 100.0])
@pytest.mark.parametrize("seed", range(4))
def test_wide_points_get_the_clusters_that_all_their_columns_give(
    seed: int, shift: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = wide(seed, shift)
    assert pays(len(points), points.size(1), n_clusters=6, n_init=10)
    found = TorchKMeans(6, random_state=seed).fit(points)
    monkeypatch.setattr(kmeans, "pays", lambda *_: False)
    expected = TorchKMeans(6, random_state=seed).fit(points)
    assert found.labels_.tolist() == expected.labels_.tolist()
    assert found.inertia_ == pytest.approx(expected.inertia_, rel=1e-5)
    assert torch.allclose(found.cluster_centers_, expected.cluster_centers_, atol=2e-4)
    other = wide(seed, shift)[:50] + 0.1
    assert found.predict(other).tolist() == expected.predict(other).tolist()


def test_coordinates_keep_all_distances_and_lead_back_to_the_points() -> None:
    points = wide().double()
    narrow = narrowed(points)
    assert narrow.rows.shape == (120, 119)  # The mean takes one dimension.
    before, after = (torch.nn.functional.pdist(each) for each in (points, narrow.rows))
    assert torch.allclose(after, before, atol=1e-9)
    assert torch.allclose(narrow.widened(narrow.rows), points, atol=1e-10)


def test_only_the_rank_is_kept() -> None:
    points = wide()[:, :5].double() @ torch.randn(5, 900, dtype=torch.float64)
    assert narrowed(points).rows.shape == (120, 5)


def test_equal_points_are_one_cluster() -> None:
    points = torch.full((40, 5000), 3.0)
    found = TorchKMeans(2, random_state=0).fit(points)
    assert found.inertia_ == 0
    assert torch.allclose(found.cluster_centers_, torch.tensor(3.0))


@pytest.mark.parametrize(
    ("num_points", "width", "wins"),
    [(2000, 20_000, False), (3327, 3703, False), (2708, 1433, False), (18_333, 6805, False), (300, 2000, True)],
)
def test_the_search_for_fewer_columns_is_made_only_where_it_costs_less(num_points: int, width: int, wins: bool) -> None:
    assert pays(num_points, width, n_clusters=8, n_init=10) is wins
