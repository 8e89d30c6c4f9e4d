"""SGC, SSGC and NAFS against dense formulas, and the laws that all filters of a graph obey."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from eco_nonparametric import NAFS, SGC, SSGC
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor, nn

from eco_core.inject.parameters import parameter_model
from eco_core.ops.propagation import column_panels

NODES, WIDTH = 8, 5
R_LIST = (0.0, 0.25, 0.5)
FILTERS: dict[str, Callable[[], nn.Module]] = {
    "sgc": lambda: SGC(K=3),
    "sgc without loops": lambda: SGC(K=2, add_self_loops=False),
    "ssgc": lambda: SSGC(alpha=0.1, K=4),
    "nafs": lambda: NAFS(K=4, r_list=R_LIST),
    "nafs mean": lambda: NAFS(K=3, r_list=R_LIST, ensemble="mean", distance="euclidean"),
    "nafs max": lambda: NAFS(K=3, r_list=R_LIST, ensemble="max"),
}
each_filter = pytest.mark.parametrize("make", FILTERS.values(), ids=FILTERS.keys())


def random_graph(seed: int, nodes: int = NODES, pairs: int = 10) -> tuple[Tensor, Tensor, Tensor]:
    """An undirected weighted graph, with edges of weight zero; often with isolated nodes and several components."""
    generator = torch.Generator().manual_seed(seed)
    source, target = torch.randint(nodes, (2, pairs), generator=generator)
    weight = torch.rand(pairs, generator=generator, dtype=torch.float64)
    weight[0] = 0
    keep = source != target
    edges = torch.stack([source[keep], target[keep]])
    x = torch.rand(nodes, WIDTH, generator=generator, dtype=torch.float64)
    return x, torch.cat([edges, edges.flip(0)], dim=1), weight[keep].repeat(2)


def dense_adjacency(edge_index: Tensor, weight: Tensor, nodes: int, loops: bool = True) -> np.ndarray:
    matrix = np.eye(nodes) * loops
    np.add.at(matrix, tuple(edge_index.flip(0).numpy()), weight.numpy())
    return matrix


def dense_propagation(adjacency: np.ndarray, r: float) -> np.ndarray:
    degree = adjacency.sum(1)
    with np.errstate(divide="ignore"):
        left, right = (np.where(degree > 0, degree**e, 0.0) for e in (r - 1, -r))
    return left[:, None] * adjacency * right


@given(st.integers(0, 10_000), st.integers(0, 4), st.booleans())
def test_sgc_is_a_power_of_the_propagation_matrix(seed: int, hops: int, loops: bool) -> None:
    x, edges, weight = random_graph(seed)
    matrix = dense_propagation(dense_adjacency(edges, weight, NODES, loops), 0.5)
    expected = np.linalg.matrix_power(matrix, hops) @ x.numpy()
    found = SGC(K=hops, add_self_loops=loops)(x, edges, weight)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)


@given(st.integers(0, 10_000), st.integers(1, 4), st.floats(0, 1))
def test_ssgc_is_the_mean_of_the_powers_and_the_features(seed: int, hops: int, alpha: float) -> None:
    x, edges, weight = random_graph(seed)
    matrix = dense_propagation(dense_adjacency(edges, weight, NODES), 0.5)
    powers = [np.linalg.matrix_power(matrix, k) for k in range(1, hops + 1)]
    terms = [(1 - alpha) * power @ x.numpy() + alpha * x.numpy() for power in powers]
    found = SSGC(alpha=alpha, K=hops)(x, edges, weight)
    np.testing.assert_allclose(found.numpy(), np.mean(terms, axis=0), atol=1e-12)


def naive_nafs(x: np.ndarray, adjacency: np.ndarray, steps: int, r: float, distance: str) -> np.ndarray:
    matrix = dense_propagation(adjacency, r)
    # Endless smoothing keeps what belongs to eigenvalue 1; the symmetric matrix has the same ones.
    values, vectors = np.linalg.eigh(dense_propagation(adjacency, 0.5))
    kept = vectors[:, values > 1 - 1e-9]
    scale = adjacency.sum(1)[:, None] ** (r - 0.5)
    limit = scale * (kept @ kept.T @ (x / scale))
    smoothed = [np.linalg.matrix_power(matrix, k) @ x for k in range(steps + 1)]
    out = np.zeros_like(x)
    for i in range(len(x)):
        if distance == "cosine":
            apart = [1 - s[i] @ limit[i] / np.linalg.norm(s[i]) / np.linalg.norm(limit[i]) for s in smoothed]
        else:
            apart = [np.linalg.norm(s[i] - limit[i]) for s in smoothed]
        weight = np.exp(apart) / np.exp(apart).sum()
        out[i] = sum(w * s[i] for w, s in zip(weight, smoothed, strict=True))
    return out


@pytest.mark.parametrize("ensemble", ["concat", "mean", "max"])
@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@given(seed=st.integers(0, 10_000), steps=st.integers(0, 4))
@settings(max_examples=15)
def test_nafs_weighs_each_step_by_its_distance_from_endless_smoothing(
    ensemble: Any, distance: Any, seed: int, steps: int
) -> None:
    x, edges, weight = random_graph(seed)
    weight = weight.clamp(min=0.05)  # Else components are hardly joined, which eigenvalues cannot tell.
    adjacency = dense_adjacency(edges, weight, NODES)
    each = [naive_nafs(x.numpy(), adjacency, steps, r, distance) for r in R_LIST]
    expected: dict[str, Any] = {
        "concat": np.hstack,
        "mean": lambda a: np.mean(a, axis=0),
        "max": lambda a: np.max(a, axis=0),
    }
    found = NAFS(K=steps, r_list=R_LIST, ensemble=ensemble, distance=distance)(x, edges, weight)
    np.testing.assert_allclose(found.numpy(), expected[ensemble](each), atol=1e-7)


def test_nafs_is_stable_where_distances_are_huge() -> None:
    x, edges, weight = random_graph(0)
    found = NAFS(K=3, distance="euclidean")(1e6 * x, edges, weight)
    assert found.isfinite().all()


def test_nafs_takes_the_graph_as_undirected() -> None:
    x, edges, weight = random_graph(3)
    half = edges[:, : edges.size(1) // 2], 2 * weight[: weight.numel() // 2]
    torch.testing.assert_close(NAFS(K=3)(x, *half), NAFS(K=3)(x, edges, weight))


def test_nafs_gives_over_smoothed_steps_the_least_weight() -> None:
    # In a clique one step is the limit already: only the features themselves are apart from it, and weigh most.
    pairs = torch.combinations(torch.arange(4))
    edges = torch.cat([pairs, pairs.flip(1)]).t()
    x = torch.eye(4, dtype=torch.float64)
    found = NAFS(K=2, r_list=(0.5,))(x, edges)
    own = 1 - (1 / 4) / (1 * 0.5)
    weight = np.exp(own) / (np.exp(own) + 2)
    expected = weight * np.eye(4) + (1 - weight) / 4
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)


# ---------------------------------------------------------------------------------------------------------- laws


@each_filter
@given(seed=st.integers(0, 10_000))
@settings(max_examples=10)
def test_renumbering_nodes_renumbers_embeddings(make: Callable[[], nn.Module], seed: int) -> None:
    x, edges, weight = random_graph(seed)
    order = torch.randperm(NODES, generator=torch.Generator().manual_seed(seed))
    moved = torch.empty_like(x).index_copy(0, order, x)
    torch.testing.assert_close(make()(moved, order[edges], weight)[order], make()(x, edges, weight))


@each_filter
def test_sparse_features_give_what_dense_ones_give(make: Callable[[], nn.Module]) -> None:
    x, edges, weight = random_graph(1)
    x = x * (x > 0.5)
    torch.testing.assert_close(make()(x.to_sparse_coo(), edges, weight), make()(x, edges, weight))


@each_filter
def test_isolated_nodes_zero_features_and_zero_weights_give_no_nan(make: Callable[[], nn.Module]) -> None:
    x, edges, weight = random_graph(2, pairs=3)
    x[4:] = 0
    for weights in (weight, torch.zeros_like(weight), None):
        assert make()(x, edges, weights).isfinite().all()
    assert make()(x, edges[:, :0]).isfinite().all()


@pytest.mark.parametrize("name", ["sgc", "ssgc", "nafs mean", "nafs max"])
def test_an_isolated_node_keeps_its_features(name: str) -> None:
    x, edges, _ = random_graph(2)
    apart = torch.cat([x, x[:1]])
    torch.testing.assert_close(FILTERS[name]()(apart, edges)[-1], x[0])


@each_filter
def test_equal_weights_of_one_are_no_weights(make: Callable[[], nn.Module]) -> None:
    x, edges, weight = random_graph(4)
    torch.testing.assert_close(make()(x, edges, torch.ones_like(weight)), make()(x, edges))


@each_filter
def test_precision_follows_the_features_and_results_repeat(make: Callable[[], nn.Module]) -> None:
    x, edges, weight = random_graph(5)
    double, single = make()(x, edges, weight), make()(x.float(), edges, weight.float())
    assert (double.dtype, single.dtype) == (torch.float64, torch.float32)
    torch.testing.assert_close(single.double(), double, atol=1e-5, rtol=1e-4)
    assert torch.equal(double, make()(x, edges, weight))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(make()(x.float(), edges, weight.float()), single)


@each_filter
def test_there_is_nothing_to_train_and_embed_is_forward(make: Callable[[], nn.Module]) -> None:
    encoder: Any = make()
    x, edges, weight = random_graph(6)
    assert encoder.learns is False
    assert not list(encoder.parameters())
    assert torch.equal(encoder.embed(x, edges, weight), encoder(x, edges, weight))


# ---------------------------------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("cls", "wrong"),
    [
        (SGC, {"K": -1}),
        (SSGC, {"K": 0}),
        (SSGC, {"alpha": 1.5}),
        (NAFS, {"K": -1}),
        (NAFS, {"r_list": []}),
        (NAFS, {"r_list": [1.5]}),
        (NAFS, {"ensemble": "sum"}),
        (NAFS, {"distance": "manhattan"}),
        (SGC, {"cached": True}),
    ],
)
def test_specs_refuse_values_out_of_range(cls: type, wrong: dict[str, Any]) -> None:
    model = parameter_model(cls)
    assert model().values() == {
        name: parameter.default for name, parameter in inspect.signature(cls).parameters.items()
    }
    with pytest.raises(ValidationError):
        model(**wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"r_list": []}, r"r_list is \[\]: .* at least 1 item"),
        ({"ensemble": "sum"}, "ensemble is 'sum'"),
        ({"distance": "manhattan"}, "distance is 'manhattan'"),
    ],
)
def test_nafs_refuses_what_it_does_not_know(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        NAFS(**wrong)


# ------------------------------------------------------------------------------------------------- panels, components


@pytest.mark.parametrize(("ensemble", "distance"), [("concat", "cosine"), ("mean", "euclidean"), ("max", "cosine")])
def test_nafs_of_several_panels_is_that_of_one(ensemble: Any, distance: Any) -> None:
    few, many, edges, weight = with_lone_nodes()
    make = NAFS(K=2, r_list=(0.0, 0.5), ensemble=ensemble, distance=distance)
    whole = make(few, edges, weight)
    torch.testing.assert_close(make(many, edges, weight)[:NODES], whole)
    torch.testing.assert_close(make(many.to_sparse_coo(), edges, weight)[:NODES], whole)


def test_ssgc_of_several_panels_is_that_of_one() -> None:
    few, many, edges, weight = with_lone_nodes()
    whole = SSGC(K=3)(few, edges, weight)
    torch.testing.assert_close(SSGC(K=3)(many, edges, weight)[:NODES], whole)
    torch.testing.assert_close(SSGC(K=3)(many.to_sparse_coo(), edges, weight)[:NODES], whole)


def with_lone_nodes() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features of a small graph; the same with so many lone nodes that panels are narrow; edges; weights."""
    _, edges, weight = random_graph(4)
    few = torch.rand(NODES, 70, dtype=torch.float64)
    many = torch.cat([few, few.new_zeros(22_000, 70)])
    assert len(list(column_panels(few))) == 1
    assert len(list(column_panels(many))) == 2
    return few, many, edges, weight


def test_nafs_of_all_components_has_the_inner_products_of_the_features() -> None:
    x, edges, weight = random_graph(5)
    whole = NAFS(K=3, r_list=R_LIST)(x, edges, weight)
    reduced = NAFS(K=3, r_list=R_LIST, n_components=x.size(1))(x, edges, weight)
    torch.testing.assert_close(reduced @ reduced.T, whole @ whole.T, atol=1e-6, rtol=1e-6)


def test_nafs_of_few_components_is_narrow() -> None:
    x, edges, weight = random_graph(5)
    assert NAFS(K=3, r_list=R_LIST, n_components=2)(x, edges, weight).shape == (NODES, 2 * len(R_LIST))
