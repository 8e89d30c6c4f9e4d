"""The heads of Dink-Net and of interpretable neural clustering: formulas, gradients, and what must not change them."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from eco_prototype import DinkClusterHead, INCClusterHead
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from eco_core import LossOutput

NODES, WIDTH, CLUSTERS = 10, 4, 3
HEADS = [DinkClusterHead, INCClusterHead]
either_head = pytest.mark.parametrize("cls", HEADS, ids=["dink", "inc"])


def points(seed: int = 0, nodes: int = NODES) -> Tensor:
    return torch.randn(nodes, WIDTH, generator=torch.Generator().manual_seed(seed))


def new_head(cls: Any, clusters: int = CLUSTERS, **parameters: Any) -> Any:
    torch.manual_seed(0)
    return cls(clusters, WIDTH, **parameters)


def total(head: Any, z: Tensor) -> Tensor:
    return LossOutput.of(head(z)).total


def naive_dilation(centers: Tensor) -> Tensor:
    pairs = [((a - b) ** 2).sum() for i, a in enumerate(centers) for j, b in enumerate(centers) if i != j]
    return -torch.stack(pairs).mean()


def naive_shrink(z: Tensor, centers: Tensor) -> Tensor:
    return torch.stack([((point - center) ** 2).sum() for point in z for center in centers]).mean()


def unit(rows: Tensor) -> Tensor:
    return torch.stack([row / row.norm() for row in rows])


# ----------------------------------------------------------------------------------------------------------- dink


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("clusters", [2, 3, 5])
def test_dink_loss_is_the_published_formula(normalize: bool, clusters: int) -> None:
    head = new_head(DinkClusterHead, clusters, normalize=normalize).double()
    z = 3 * points().double()
    loss = head(z)
    centers, seen = head.cluster_centers.detach(), unit(z) if normalize else z
    torch.testing.assert_close(loss.dilation.detach(), naive_dilation(centers))
    torch.testing.assert_close(loss.shrink.detach(), naive_shrink(seen, centers))
    torch.testing.assert_close(loss.total, loss.dilation + loss.shrink)


def test_dink_soft_assignment_is_a_softmax_of_negative_distances() -> None:
    head = new_head(DinkClusterHead).double()
    z, centers = points().double(), head.cluster_centers.detach()
    distances = torch.stack([torch.stack([(point - center).norm() for center in centers]) for point in unit(z)])
    torch.testing.assert_close(head.cluster(z, soft=True), (-distances).exp() / (-distances).exp().sum(1, keepdim=True))
    assert torch.equal(head.cluster(z), distances.argmin(dim=1))


@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3))
@settings(max_examples=40, deadline=None)
def test_dink_sees_directions_of_embeddings_and_of_given_centres_only(seed: int, scale: float) -> None:
    head, scaled = new_head(DinkClusterHead), new_head(DinkClusterHead)
    head.reset_cluster_centers(points(seed + 1, CLUSTERS))
    scaled.reset_cluster_centers(scale * points(seed + 1, CLUSTERS))
    torch.testing.assert_close(scaled.cluster_centers, head.cluster_centers)
    torch.testing.assert_close(scaled(scale * points(seed)).total, head(points(seed)).total)


def test_dink_without_normalisation_takes_centres_as_they_are() -> None:
    head = new_head(DinkClusterHead, normalize=False)
    centers = 5 * points(5, CLUSTERS)
    head.reset_cluster_centers(centers.double())
    assert torch.equal(head.cluster_centers, centers)
    assert torch.equal(head.cluster(points()), torch.cdist(points(), centers).argmin(dim=1))


def test_single_dink_centre_does_not_dilate() -> None:
    loss = new_head(DinkClusterHead, 1)(points())
    assert loss.dilation == 0
    assert loss.total.isfinite()


def test_dink_dilates_centres_and_shrinks_nodes_towards_them() -> None:
    head, z = new_head(DinkClusterHead), torch.nn.Parameter(points())
    before = head(z).detach()
    for part in ("dilation", "shrink"):
        optimizer = torch.optim.SGD([z] if part == "shrink" else head.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            getattr(head(z), part).backward()
            optimizer.step()
    after = head(z).detach()
    assert after.dilation < before.dilation
    fixed = new_head(DinkClusterHead)
    assert fixed(z).shrink < before.shrink


# ------------------------------------------------------------------------------------------------------------ inc


@pytest.mark.parametrize("alpha", [0.001, 0.5, 4.0])
def test_inc_loss_and_assignment_are_the_published_formulas(alpha: float) -> None:
    head = new_head(INCClusterHead, alpha=alpha).double()
    z, centers = unit(points().double()), unit(head.cluster_centers.detach())
    weights = 2 * alpha * centers
    scores = torch.stack([torch.stack([weight @ point for weight in weights]) for point in z])
    labels = scores.argmax(dim=1)
    expected = torch.stack([(2 * alpha - scores[i, c]) / alpha for i, c in enumerate(labels)]).mean()
    torch.testing.assert_close(head(points().double()).detach(), expected)
    torch.testing.assert_close(head(points().double()).detach(), (z - centers[labels]).square().sum(dim=1).mean())
    torch.testing.assert_close(head.cluster(points().double(), soft=True), scores.exp() / scores.exp().sum(1, True))
    assert torch.equal(head.cluster(points().double()), labels)


def test_inc_centres_are_of_unit_length_after_a_reset() -> None:
    head = new_head(INCClusterHead)
    torch.testing.assert_close(head.cluster_centers.norm(dim=1), torch.ones(CLUSTERS))
    head.reset_cluster_centers(7 * points(5, CLUSTERS))
    torch.testing.assert_close(head.cluster_centers.detach(), unit(points(5, CLUSTERS)))


@given(seed=st.integers(0, 10_000), scale=st.floats(1e-2, 1e2))
@settings(max_examples=40, deadline=None)
def test_inc_does_not_see_the_length_of_anything(seed: int, scale: float) -> None:
    head, z = new_head(INCClusterHead), points(seed)
    loss, labels = head(z).detach(), head.cluster(z)
    with torch.no_grad():
        head.cluster_centers.mul_(scale)
    torch.testing.assert_close(head(scale * z).detach(), loss)
    assert torch.equal(head.cluster(scale * z), labels)
    assert 0 <= float(loss) <= 4


def test_inc_finds_separated_directions() -> None:
    axes = torch.eye(WIDTH)[:CLUSTERS]
    z = axes.repeat_interleave(20, dim=0) + 0.05 * points(1, 20 * CLUSTERS)
    head = new_head(INCClusterHead)
    head.reset_cluster_centers(axes + 0.4 * points(2, CLUSTERS))
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        head(z).backward()
        optimizer.step()
    assert torch.equal(head.cluster(z), torch.arange(CLUSTERS).repeat_interleave(20))
    assert head(z) < 0.05


def test_inc_confidence_is_one_at_a_centre_and_zero_between_two() -> None:
    head = new_head(INCClusterHead)
    head.reset_cluster_centers(torch.eye(WIDTH)[:CLUSTERS])
    z = torch.tensor([[2.0, 0, 0, 0], [1.0, 1, 0, 0], [0, 0, 3.0, 0]])
    torch.testing.assert_close(head.confidence(z), torch.tensor([1.0, 0, 1]), atol=1e-3, rtol=0)
    assert torch.equal(new_head(INCClusterHead, 1).confidence(z), torch.ones(3))


# ----------------------------------------------------------------------------------------------------------- both


@either_head
def test_gradients_are_correct(cls: Any) -> None:
    head = new_head(cls).double()
    z = points().double().requires_grad_()
    centers = head.cluster_centers.detach().clone().requires_grad_()

    def loss(z: Tensor, centers: Tensor) -> Tensor:
        return LossOutput.of(torch.func.functional_call(head, {"cluster_centers": centers}, (z,))).total

    assert torch.autograd.gradcheck(loss, (z, centers))


@either_head
def test_loss_and_gradients_are_finite_at_the_origin_and_at_a_centre(cls: Any) -> None:
    head = new_head(cls)
    z = torch.cat([torch.zeros(2, WIDTH), head.cluster_centers.detach()]).requires_grad_()
    loss = total(head, z)
    loss.backward()
    assert loss.isfinite()
    assert z.grad is not None
    assert z.grad.isfinite().all()
    assert head.cluster_centers.grad.isfinite().all()
    assert head.cluster(z, soft=True).isfinite().all()


@pytest.mark.parametrize("cls", HEADS, ids=["dink", "inc"])
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3))
@settings(max_examples=30, deadline=None)
def test_probabilities_sum_to_one_and_labels_are_the_most_probable(cls: Any, seed: int, scale: float) -> None:
    head, z = new_head(cls).double(), scale * points(seed).double()
    probabilities, labels = head.cluster(z, soft=True), head.cluster(z)
    assert probabilities.shape == (NODES, CLUSTERS)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(NODES).double())
    assert labels.dtype == torch.int64
    assert torch.equal(labels, probabilities.argmax(dim=1))
    assert not probabilities.requires_grad


@pytest.mark.parametrize("cls", HEADS, ids=["dink", "inc"])
@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_permuting_nodes_permutes_labels_and_permuting_centres_renames_them(cls: Any, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    nodes, order = torch.randperm(NODES, generator=generator), torch.randperm(CLUSTERS, generator=generator)
    head, renamed, z = new_head(cls).double(), new_head(cls).double(), points(seed).double()
    with torch.no_grad():
        renamed.cluster_centers.copy_(head.cluster_centers[order])
    assert torch.equal(head.cluster(z[nodes]), head.cluster(z)[nodes])
    torch.testing.assert_close(total(head, z[nodes]), total(head, z))
    assert torch.equal(order[renamed.cluster(z)], head.cluster(z))
    torch.testing.assert_close(renamed.cluster(z, soft=True), head.cluster(z, soft=True)[:, order])
    torch.testing.assert_close(total(renamed, z), total(head, z))


@either_head
@pytest.mark.parametrize("shape", [(CLUSTERS + 1, WIDTH), (CLUSTERS, WIDTH - 1), (CLUSTERS * WIDTH,)])
def test_centres_of_another_shape_are_refused_with_both_shapes(cls: Any, shape: tuple[int, ...]) -> None:
    head = new_head(cls)
    before = head.cluster_centers.clone()
    with pytest.raises(ValueError, match=r"Give centres of shape \(3, 4\)") as error:
        head.reset_cluster_centers(torch.zeros(shape))
    assert str(shape) in str(error.value)
    assert torch.equal(head.cluster_centers, before)


@either_head
def test_centres_are_drawn_from_the_seed_and_stay_the_same_parameter(cls: Any) -> None:
    head = new_head(cls)
    parameter, before = head.cluster_centers, head.cluster_centers.detach().clone()
    assert torch.equal(before, new_head(cls).cluster_centers)
    head.reset_cluster_centers()
    assert head.cluster_centers is parameter
    assert parameter.requires_grad
    assert not torch.equal(parameter, before)
    given_centers = unit(points(5, CLUSTERS))
    head.reset_cluster_centers(given_centers.double())
    torch.testing.assert_close(parameter.detach(), given_centers)
    given_centers.zero_()
    assert parameter.abs().sum() > 0


@either_head
def test_loss_is_in_single_precision_under_autocast(cls: Any) -> None:
    head, z = new_head(cls), points()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, labels = total(head, z), head.cluster(z)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, total(head, z))
    assert torch.equal(labels, head.cluster(z))


def test_alpha_must_be_positive() -> None:
    declared = inspect.signature(INCClusterHead, eval_str=True).parameters["alpha"]
    adapter = TypeAdapter(declared.annotation)
    assert adapter.validate_python(declared.default) == 0.001
    with pytest.raises(ValidationError):
        adapter.validate_python(0.0)
