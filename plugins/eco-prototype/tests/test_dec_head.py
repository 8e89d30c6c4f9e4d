"""Deep embedded clustering: its formulas, its gradients, and the life of its target."""

from __future__ import annotations

import copy
import inspect
import io
from typing import Any

import pytest
import torch
from eco_prototype import DECClusterHead
from eco_prototype.dec import squared_distances, target_distribution
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

NODES, WIDTH, CLUSTERS = 10, 4, 3


def points(seed: int = 0, nodes: int = NODES) -> Tensor:
    return torch.randn(nodes, WIDTH, generator=torch.Generator().manual_seed(seed))


def new_head(**parameters: float) -> DECClusterHead:
    torch.manual_seed(0)
    return DECClusterHead(CLUSTERS, WIDTH, **parameters)  # type: ignore[arg-type]


def naive_assignment(z: Tensor, centers: Tensor, alpha: float) -> Tensor:
    q = torch.empty(len(z), len(centers), dtype=z.dtype)
    for i, point in enumerate(z):
        for j, center in enumerate(centers):
            q[i, j] = (1 + ((point - center) ** 2).sum() / alpha) ** (-(alpha + 1) / 2)
    return q / q.sum(dim=1, keepdim=True)


def naive_target(q: Tensor) -> Tensor:
    weight = q**2 / q.sum(dim=0)
    return weight / weight.sum(dim=1, keepdim=True)


def divergence(p: Tensor, q: Tensor) -> Tensor:
    return (p * (p / q).log()).sum() / len(p)


# ------------------------------------------------------------------------------------------------------- formulas


@pytest.mark.parametrize("alpha", [0.5, 1.0, 3.0])
def test_assignment_and_loss_are_the_published_formulas(alpha: float) -> None:
    head = new_head(alpha=alpha).double()
    z = points().double()
    q = naive_assignment(z, head.cluster_centers.detach(), alpha)
    torch.testing.assert_close(head.cluster(z, soft=True), q)
    torch.testing.assert_close(target_distribution(q.log()).exp(), naive_target(q))
    torch.testing.assert_close(head(z).detach(), divergence(naive_target(q), q))


@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3), shift=st.floats(-100, 100))
@settings(max_examples=40, deadline=None)
def test_probabilities_sum_to_one_and_labels_are_the_most_probable(seed: int, scale: float, shift: float) -> None:
    head, z = new_head(), scale * points(seed) + shift
    q = head.cluster(z, soft=True)
    labels = head.cluster(z)
    assert q.shape == (NODES, CLUSTERS)
    torch.testing.assert_close(q.sum(dim=1), torch.ones(NODES))
    assert labels.dtype == torch.int64
    assert torch.equal(labels, q.argmax(dim=1))
    assert head(z) >= -1e-5
    assert head(z).isfinite()


@given(seed=st.integers(0, 10_000), shift=st.floats(-1e3, 1e3))
@settings(max_examples=40, deadline=None)
def test_squared_distances_are_exact_far_from_the_origin(seed: int, shift: float) -> None:
    z, centers = points(seed) + shift, points(seed + 1, CLUSTERS) + shift
    expected = (z.double()[:, None] - centers.double()[None]).square().sum(dim=-1)
    torch.testing.assert_close(squared_distances(z, centers).double(), expected, atol=1e-3, rtol=1e-4)


def test_distances_without_a_gradient_are_found_a_few_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    z, centers = torch.randn(50, 6), torch.randn(4, 6)
    expected = squared_distances(z, centers)
    seen = []
    addmm = torch.addmm

    def counting(*a: Any, **k: Any) -> Tensor:
        seen.append(len(a[1]))
        return addmm(*a, **k)

    monkeypatch.setattr(torch, "addmm", counting)
    with torch.no_grad():
        torch.testing.assert_close(squared_distances(z, centers, block_rows=8), expected)
    assert seen == [8] * 6 + [2]
    squared_distances(z.requires_grad_(), centers, block_rows=8)
    assert seen[-1] == 50


def test_labels_are_those_of_the_nearest_centre() -> None:
    head, z = new_head(), points()
    assert torch.equal(head.cluster(z), torch.cdist(z, head.cluster_centers.detach()).argmin(dim=1))


def test_gradients_are_correct_with_a_stored_target() -> None:
    head = new_head().double()
    z = points().double().requires_grad_()
    head(z, update_target=True)

    def loss(z: Tensor, centers: Tensor) -> Tensor:
        return torch.func.functional_call(head, {"cluster_centers": centers, "target": head.target}, (z,))

    centers = head.cluster_centers.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(loss, (z, centers))


def test_target_is_constant_for_the_gradient() -> None:
    head = new_head().double()
    z = points().double().requires_grad_()
    (fresh,) = torch.autograd.grad(head(z), z)
    (stored,) = torch.autograd.grad(head(z, update_target=True), z)
    assert not head.target.requires_grad
    torch.testing.assert_close(fresh, stored)


def test_gradients_are_finite_where_a_node_is_at_a_centre() -> None:
    head = new_head()
    z = head.cluster_centers.detach().repeat(3, 1).requires_grad_()
    head(z).backward()
    assert z.grad is not None
    assert z.grad.isfinite().all()
    assert head.cluster_centers.grad is not None
    assert head.cluster_centers.grad.isfinite().all()


def test_loss_and_gradients_are_finite_far_from_all_centres() -> None:
    head = new_head(alpha=30.0)
    z = (1e6 * points()).requires_grad_()
    loss = head(z)
    loss.backward()
    assert loss.isfinite()
    assert z.grad is not None
    assert z.grad.isfinite().all()


def test_loss_is_in_single_precision_under_autocast() -> None:
    head, z = new_head(), points()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = head(z)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, head(z))


def test_training_on_the_loss_sharpens_the_assignment() -> None:
    head = new_head()
    z = torch.nn.Parameter(points())
    optimizer = torch.optim.Adam([z, *head.parameters()], lr=0.05)
    before = head.cluster(z, soft=True).amax(dim=1).mean()
    for _ in range(50):
        head.on_epoch(z)
        optimizer.zero_grad()
        head(z).backward()
        optimizer.step()
    assert head.cluster(z, soft=True).amax(dim=1).mean() > before + 0.2


# -------------------------------------------------------------------------------------------------------- centres


def test_centres_are_xavier_uniform_from_the_seed_at_first() -> None:
    head = new_head()
    bound = (6 / (CLUSTERS + WIDTH)) ** 0.5
    assert isinstance(head.cluster_centers, torch.nn.Parameter)
    assert head.cluster_centers.abs().max() <= bound
    assert torch.equal(head.cluster_centers, new_head().cluster_centers)
    before = head.cluster_centers.clone()
    head.reset_cluster_centers()
    assert not torch.equal(head.cluster_centers, before)


def test_given_centres_are_copied() -> None:
    head, centers = new_head(), points(5, CLUSTERS)
    parameter = head.cluster_centers
    head.reset_cluster_centers(centers.double())
    assert head.cluster_centers is parameter
    assert torch.equal(head.cluster_centers, centers)
    centers.zero_()
    assert head.cluster_centers.abs().sum() > 0
    assert head.cluster_centers.requires_grad


@pytest.mark.parametrize("shape", [(CLUSTERS + 1, WIDTH), (CLUSTERS, WIDTH - 1), (CLUSTERS * WIDTH,)])
def test_centres_of_another_shape_are_refused_with_both_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"Give centres of shape \(3, 4\)") as error:
        new_head().reset_cluster_centers(torch.zeros(shape))
    assert str(shape) in str(error.value)


# --------------------------------------------------------------------------------------------------------- target


def test_without_a_stored_target_none_is_kept() -> None:
    head = new_head()
    head(points())
    head.cluster(points())
    assert head.target.shape == (0, CLUSTERS)


def test_stored_target_is_used_until_it_is_updated() -> None:
    head, z = new_head(), points()
    head(z, update_target=True)
    stored = head.target.clone()
    q = naive_assignment(points(1), head.cluster_centers.detach(), 1.0)
    torch.testing.assert_close(head(points(1)).detach(), divergence(stored, q))
    assert torch.equal(head.target, stored)
    head(points(1), update_target=True)
    torch.testing.assert_close(head.target, naive_target(q))


def test_target_is_that_of_the_last_embeddings_it_was_told_of() -> None:
    head = new_head()
    for seed in range(2):
        z = points(seed).requires_grad_()
        head.on_epoch(z)
        torch.testing.assert_close(head.target, naive_target(naive_assignment(z, head.cluster_centers, 1.0)).detach())
        assert not head.target.requires_grad


def test_batch_uses_the_rows_of_its_nodes() -> None:
    head, z = new_head(), points()
    head.on_epoch(z)
    nodes = torch.tensor([7, 2, 2, 9])
    q = naive_assignment(points(1)[nodes], head.cluster_centers.detach(), 1.0)
    torch.testing.assert_close(head(points(1)[nodes], n_id=nodes).detach(), divergence(head.target[nodes], q))
    torch.testing.assert_close(head(z, n_id=torch.arange(NODES)), head(z))


def test_rows_that_do_not_fit_the_stored_target_are_refused_with_the_remedy() -> None:
    head = new_head()
    head.on_epoch(points())
    with pytest.raises(ValueError, match=r"z has 4 rows, but the stored target has 10.*n_id"):
        head(points()[:4])
    with pytest.raises(ValueError, match=r"n_id names 3 nodes"):
        head(points()[:4], n_id=torch.arange(3))
    with pytest.raises(ValueError, match=r"nodes from 2 to 10, but the stored target has 10 rows"):
        head(points()[:2], n_id=torch.tensor([2, 10]))


def test_target_stored_by_node_id_is_in_the_order_of_the_nodes() -> None:
    head, z = new_head(), points()
    order = torch.randperm(NODES, generator=torch.Generator().manual_seed(1))
    head(z[order], update_target=True, n_id=order)
    by_id = head.target
    head(z, update_target=True)
    torch.testing.assert_close(by_id, head.target)


def test_target_of_a_part_of_the_nodes_is_not_stored() -> None:
    head = new_head()
    with pytest.raises(ValueError, match="whole graph"):
        head(points()[:2], update_target=True, n_id=torch.tensor([4, 6]))
    assert head.target.size(0) == 0


def test_two_graphs_of_the_same_size_do_not_share_a_target() -> None:
    shared = new_head()
    shared.on_epoch(points(0))
    shared.on_epoch(points(1))
    alone = new_head()
    alone.on_epoch(points(1))
    assert torch.equal(shared.target, alone.target)
    fresh = new_head()
    fresh(points(0))
    torch.testing.assert_close(fresh(points(1)), new_head()(points(1)))


def test_new_centres_forget_the_target() -> None:
    head = new_head()
    head.on_epoch(points())
    head.reset_cluster_centers(points(3, CLUSTERS))
    assert head.target.shape == (0, CLUSTERS)
    assert head(points(4, 6)).isfinite()


# ---------------------------------------------------------------------------------------------------------- state


def test_target_survives_saving_and_loading_into_a_new_head() -> None:
    head, other = new_head(), DECClusterHead(CLUSTERS, WIDTH)
    head.on_epoch(points())
    file = io.BytesIO()
    # Within another module, as in a composition.
    torch.save(torch.nn.ModuleDict({"cluster_head": head}).state_dict(), file)
    file.seek(0)
    torch.nn.ModuleDict({"cluster_head": other}).load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other.target, head.target)
    assert torch.equal(other(points(1)), head(points(1)))


def test_loading_a_state_without_target_forgets_the_stored_one() -> None:
    empty = new_head().state_dict()
    head = new_head()
    head.on_epoch(points())
    head.load_state_dict(empty)
    assert head.target.shape == (0, CLUSTERS)


def test_loading_the_state_of_a_head_with_other_clusters_fails() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"):
        new_head().load_state_dict(DECClusterHead(CLUSTERS + 1, WIDTH).state_dict())


def test_copy_of_a_head_has_a_target_of_its_own() -> None:
    head = new_head()
    head.on_epoch(points())
    other = copy.deepcopy(head)
    other.load_state_dict(new_head().state_dict())
    assert head.target.shape == (NODES, CLUSTERS)
    assert other.target.shape == (0, CLUSTERS)


@pytest.mark.parametrize(("parameter", "wrong"), [("alpha", 0.0), ("update_interval", 0)])
def test_annotations_reject_wrong_values_and_accept_the_defaults(parameter: str, wrong: Any) -> None:
    declared = inspect.signature(DECClusterHead, eval_str=True).parameters[parameter]
    adapter = TypeAdapter(declared.annotation)
    assert adapter.validate_python(declared.default) == declared.default
    with pytest.raises(ValidationError):
        adapter.validate_python(wrong)
