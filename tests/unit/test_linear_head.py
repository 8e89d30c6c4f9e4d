"""The base of softmax heads: its assignment, and how k-means places its centres."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from eco_core import BaseClusterHead
from eco_core.parts.heads import is_differentiable
from eco_core.parts.linear_head import LinearClusterHead

CLUSTERS, WIDTH = 5, 6


def new_head(clusters: int = CLUSTERS, temperature: float = 1.0) -> LinearClusterHead:
    torch.manual_seed(0)
    return LinearClusterHead(clusters, WIDTH, temperature)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def nearest(z: Tensor, centers: Tensor) -> Tensor:
    return torch.stack([(point - centers).square().sum(1).argmin() for point in z])


# ------------------------------------------------------------------------------------------------------- assignment


@pytest.mark.parametrize("temperature", [0.1, 1.0, 7.0])
def test_assignment_is_the_softmax_of_a_linear_map(temperature: float) -> None:
    head = new_head(temperature=temperature).double()
    torch.nn.init.normal_(head.projection.bias)
    z = normal(8, WIDTH)
    logits = torch.stack([w @ z.T + b for w, b in zip(head.projection.weight, head.projection.bias, strict=True)], 1)
    scores = (logits / temperature).exp()
    expected = (scores / scores.sum(1, keepdim=True)).detach()
    torch.testing.assert_close(head.assignment(z).detach(), expected)
    torch.testing.assert_close(head.log_assignment(z).detach(), expected.log())
    assert torch.equal(head.cluster(z, soft=True), head.assignment(z).detach())
    assert torch.equal(head.cluster(z), expected.argmax(1))


def test_gradients_reach_the_embeddings_and_the_map_except_from_clusters() -> None:
    head, z = new_head(), normal(4, WIDTH).float().requires_grad_()
    head.assignment(z)[:, 0].sum().backward()
    grads = [z.grad, *(parameter.grad for parameter in head.parameters())]
    assert all(grad is not None and grad.abs().sum() > 0 for grad in grads)
    assert not head.cluster(z, soft=True).requires_grad


def test_extreme_logits_give_no_nan() -> None:
    head = new_head(temperature=1e-3)
    z = (1e6 * normal(4, WIDTH).float()).requires_grad_()
    s = head.assignment(z)
    s[:, 0].sum().backward()
    assert s.isfinite().all()
    assert z.grad is not None
    assert z.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_assignment_is_computed_in_single_precision_at_least(dtype: torch.dtype) -> None:
    head, z = new_head(), normal(4, WIDTH).float()
    expected = head.assignment(z)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(head.assignment(z), expected)
        assert head.assignment(z.to(dtype)).dtype == torch.float32
    assert new_head().to(dtype).assignment(z.to(dtype)).dtype == torch.float32
    assert head.assignment(z.double()).dtype == torch.float64


def test_it_is_a_discrete_head_until_a_loss_is_defined() -> None:
    class WithLoss(LinearClusterHead):
        def forward(self, z: Tensor) -> Tensor:
            return self.assignment(z).square().sum()

    assert issubclass(LinearClusterHead, BaseClusterHead)
    assert not is_differentiable(LinearClusterHead)
    assert is_differentiable(WithLoss)


# ---------------------------------------------------------------------------------------------------------- centres


@given(
    seed=st.integers(0, 10_000),
    magnitude=st.integers(-30, 30),
    offset=st.sampled_from([0.0, 1.0, 30.0, 1000.0]),
    temperature=st.floats(0.01, 100),
    clusters=st.integers(1, 8),
)
def test_centres_give_each_embedding_to_the_nearest_whatever_scale_offset_and_temperature(
    seed: int, magnitude: int, offset: float, temperature: float, clusters: int
) -> None:
    scale = 10.0**magnitude
    centers = scale * (normal(clusters, WIDTH, seed=seed) + offset)
    z = centers.repeat(4, 1) + 0.1 * scale * normal(4 * clusters, WIDTH, seed=seed + 1)
    distances = torch.cdist(z, centers).sort(dim=1).values
    clear = distances[:, 0] < 0.9 * distances[:, 1] if clusters > 1 else torch.ones(len(z), dtype=torch.bool)
    head = new_head(clusters, temperature)
    head.reset_cluster_centers(centers.float())
    found = head.cluster(z.float())
    assert torch.equal(found[clear], nearest(z, centers)[clear])
    assert head.cluster(z.float(), soft=True).isfinite().all()


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("temperature", [0.1, 1.0, 10.0])
def test_at_the_centres_logits_of_other_clusters_are_lower_by_four_on_average(scale: float, temperature: float) -> None:
    head = new_head(temperature=temperature).double()
    centers = scale * (normal(CLUSTERS, WIDTH) + 3)
    head.reset_cluster_centers(centers)
    logs = head.log_assignment(centers).detach()
    margins = logs.diagonal().unsqueeze(1) - logs
    assert (margins.sum() / (CLUSTERS * (CLUSTERS - 1))).item() == pytest.approx(4.0)


def test_soft_assignment_to_centres_does_not_depend_on_scale_or_offset() -> None:
    centers, z = normal(CLUSTERS, WIDTH), normal(20, WIDTH, seed=1)
    head, other = new_head().double(), new_head().double()
    head.reset_cluster_centers(centers)
    other.reset_cluster_centers(1e5 * (centers + 7))
    torch.testing.assert_close(other.assignment(1e5 * (z + 7)), head.assignment(z))


@pytest.mark.parametrize("value", [0.0, 0.1, -3e8, 1e-25])
def test_equal_centres_belong_to_all_clusters_alike(value: float) -> None:
    head = new_head(7)
    head.reset_cluster_centers(torch.full((7, WIDTH), value) * torch.linspace(0.3, 1.7, WIDTH))
    z = 5 * value * normal(4, WIDTH).float()
    torch.testing.assert_close(head.cluster(z, soft=True), torch.full((4, 7), 1 / 7), rtol=1e-3, atol=0)
    assert all(parameter.isfinite().all() for parameter in head.parameters())


def test_two_equal_centres_share_their_nodes() -> None:
    centers = torch.eye(WIDTH)[[0, 0, 1]]
    head = new_head(3)
    head.reset_cluster_centers(centers)
    s = head.cluster(centers, soft=True)
    torch.testing.assert_close(s[:, 0], s[:, 1])
    assert head.cluster(centers)[2] == 2


def test_one_cluster_has_all_nodes() -> None:
    head, z = new_head(1), normal(4, WIDTH).float()
    assert head.cluster(z, soft=True).tolist() == [[1.0]] * 4
    head.reset_cluster_centers(z[:1])
    assert head.cluster(z, soft=True).tolist() == [[1.0]] * 4
    assert head.cluster(z).tolist() == [0] * 4


def test_centres_of_another_dtype_are_taken_and_stay_as_they_are() -> None:
    head, other = new_head(), new_head()
    centers = normal(CLUSTERS, WIDTH).float().requires_grad_()
    before = centers.detach().clone()
    head.reset_cluster_centers(centers)
    other.reset_cluster_centers(centers.double())
    assert head.projection.weight.dtype == torch.float32
    assert torch.equal(head.projection.weight, other.projection.weight)
    assert torch.equal(centers, before)
    assert head.projection.weight.requires_grad


def test_without_centres_the_map_is_drawn_anew_orthogonal_and_without_a_bias() -> None:
    head = new_head()
    weight = head.projection.weight.detach()
    torch.testing.assert_close(weight @ weight.T, 4 * torch.eye(CLUSTERS), rtol=1e-5, atol=1e-5)
    head.reset_cluster_centers(normal(CLUSTERS, WIDTH))
    assert head.projection.bias.abs().sum() > 0
    torch.manual_seed(3)
    head.reset_cluster_centers()
    first = head.projection.weight.detach().clone()
    assert head.projection.bias.abs().sum() == 0
    torch.manual_seed(3)
    head.reset_cluster_centers()
    assert torch.equal(head.projection.weight, first)


def test_centres_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(6, 5\); expected \(n_clusters, n_features\) = \(5, 6\)"):
        new_head().reset_cluster_centers(torch.zeros(WIDTH, CLUSTERS))


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_temperature_has_to_be_positive(temperature: float) -> None:
    with pytest.raises(ValueError, match="it must be positive"):
        LinearClusterHead(2, 2, temperature)


@pytest.mark.parametrize("soft", [True, False])
def test_nodes_are_assigned_in_blocks(monkeypatch: pytest.MonkeyPatch, soft: bool) -> None:
    head, z = new_head(), normal(2**18 + 5, WIDTH).float()
    whole, seen = head.log_assignment(z).detach(), []

    def log_assignment(rows: Tensor) -> Tensor:
        seen.append(len(rows))
        return LinearClusterHead.log_assignment(head, rows)

    monkeypatch.setattr(head, "log_assignment", log_assignment)
    torch.testing.assert_close(head.cluster(z, soft=soft), whole.exp() if soft else whole.argmax(dim=1))
    assert seen == [2**18, 5]
