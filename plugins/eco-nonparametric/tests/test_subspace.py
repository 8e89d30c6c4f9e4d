"""SAGSC, S2CAG and M-S2CAG against dense formulas, and the search for singular vectors that they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from eco_nonparametric import MS2CAG, S2CAG, SAGSC
from eco_nonparametric.features import affinity_normalized, unit_rows
from eco_nonparametric.sagsc import quadratic_features
from eco_nonparametric.svd import Operator, leading_components, left_singular_vectors
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor, nn

from eco_core.inject.parameters import parameter_model

NODES, WIDTH, CLUSTERS = 14, 9, 3
ENCODERS: dict[str, Callable[..., nn.Module]] = {
    "sagsc": lambda k=CLUSTERS, seed=0: SAGSC(p=2, n_clusters=k, seed=seed),
    "s2cag": lambda k=CLUSTERS, seed=0: S2CAG(k, T=3, alpha=0.8, tau=400, seed=seed),
    "s2cag growing": lambda k=CLUSTERS, seed=0: S2CAG(k, T=2, alpha=1.5, tau=400, seed=seed),
    "ms2cag": lambda k=CLUSTERS, seed=0: MS2CAG(k, T=3, alpha=1.0, gamma=1.0, tau=400, seed=seed),
    "ms2cag weak": lambda k=CLUSTERS, seed=0: MS2CAG(k, T=3, alpha=0.8, gamma=0.7, tau=400, seed=seed),
}
each_encoder = pytest.mark.parametrize("make", ENCODERS.values(), ids=ENCODERS.keys())


def random_graph(seed: int, nodes: int = NODES, width: int = WIDTH) -> tuple[Tensor, Tensor, Tensor]:
    """An undirected weighted graph with edges of weight zero and sparse features."""
    generator = torch.Generator().manual_seed(seed)
    source, target = torch.randint(nodes, (2, 2 * nodes), generator=generator)
    weight = torch.rand(2 * nodes, generator=generator, dtype=torch.float64)
    weight[0] = 0
    keep = source != target
    edges = torch.stack([source[keep], target[keep]])
    x = torch.rand(nodes, width, generator=generator, dtype=torch.float64)
    x = x * (torch.rand(nodes, width, generator=generator) < 0.5)
    return x, torch.cat([edges, edges.flip(0)], dim=1), weight[keep].repeat(2)


def blocks(sizes: tuple[int, ...] = (6, 7, 8)) -> tuple[Tensor, Tensor, Tensor]:
    """Cliques without edges between them, with features of their own: features, edges, and the clique of each node."""
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    edges = (labels[:, None] == labels).fill_diagonal_(False).nonzero().t()
    # Words that all share join the affinity: else any of several first vectors could be the one that is left out.
    return torch.nn.functional.one_hot(labels).float().repeat(1, 3) + 0.1, edges, labels


def dense_adjacency(edge_index: Tensor, weight: Tensor, nodes: int) -> np.ndarray:
    matrix = np.eye(nodes)
    np.add.at(matrix, tuple(edge_index.flip(0).numpy()), weight.numpy())
    return matrix


def rows_of_unit_length(x: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, length, out=np.zeros_like(x), where=length > 0)


def projector(z: np.ndarray) -> np.ndarray:
    return z @ z.T


def gap(values: np.ndarray, k: int) -> float:
    """How far apart the last value that is wanted and the first that is not are: without that, there is no answer."""
    return float((values[k - 1] - values[k]) / values[0]) if len(values) > k else 1.0


def naive_sagsc(x: np.ndarray, adjacency: np.ndarray, p: int, k: int, bias: float) -> tuple[np.ndarray, float]:
    root = adjacency.sum(1) ** -0.5
    h = np.linalg.matrix_power(root[:, None] * adjacency * root, p) @ rows_of_unit_length(x)
    u, s, _ = np.linalg.svd(h)
    m = (u[:, :k] @ u[:, :k].T + bias) ** 2
    root = m.sum(1) ** -0.5
    values, vectors = np.linalg.eigh(root[:, None] * m * root)
    values, vectors = values[::-1], vectors[:, ::-1]
    return vectors[:, 1 : k + 1], min(gap(s, k), gap(values, 1), gap(values, k + 1))


def naive_representation(x: np.ndarray, adjacency: np.ndarray, T: int, alpha: float) -> np.ndarray:
    x = rows_of_unit_length(x)
    total = (x @ x.T).sum(1)
    x = np.divide(x, np.sqrt(total)[:, None], out=np.zeros_like(x), where=total[:, None] > 0)
    matrix = adjacency / adjacency.sum(1, keepdims=True)
    weight = [1 / (T + 1) if alpha == 1 else (1 - alpha) * alpha**t / (1 - alpha ** (T + 1)) for t in range(T + 1)]
    return sum((w * np.linalg.matrix_power(matrix, t) @ x for t, w in enumerate(weight)), np.zeros_like(x))


def naive_s2cag(z: np.ndarray, k: int) -> tuple[np.ndarray, float]:
    u, s, _ = np.linalg.svd(z)
    return u[:, 1 : k + 1], min(gap(s, 1), gap(s, k + 1))


def naive_ms2cag(z: np.ndarray, k: int, gamma: float) -> tuple[np.ndarray, float]:
    z = rows_of_unit_length(z)
    omega = (z @ z.T).sum(1)
    values, vectors = np.linalg.eigh(z @ z.T - gamma * np.outer(omega, omega) / omega.sum())
    return vectors[:, ::-1][:, :k], gap(values[::-1], k)


# ---------------------------------------------------------------------------------------------------- embeddings


@given(st.integers(0, 10_000), st.integers(0, 3), st.integers(1, 4))
@settings(max_examples=40)
def test_sagsc_is_spectral_clustering_of_the_quadratic_affinity(seed: int, p: int, k: int) -> None:
    x, edges, weight = random_graph(seed)
    expected, margin = naive_sagsc(x.numpy(), dense_adjacency(edges, weight, NODES), p, k, 0.5)
    if margin > 1e-3:
        found = SAGSC(p, k, bias=0.5)(x, edges, weight).numpy()
        np.testing.assert_allclose(projector(found), projector(expected), atol=1e-6)


@given(st.integers(0, 10_000), st.integers(0, 4), st.sampled_from([0.5, 1.0, 1.6]), st.integers(1, 4))
@settings(max_examples=40)
def test_s2cag_is_the_singular_vectors_after_the_first(seed: int, T: int, alpha: float, k: int) -> None:
    x, edges, weight = random_graph(seed)
    z = naive_representation(x.numpy(), dense_adjacency(edges, weight, NODES), T, alpha)
    expected, margin = naive_s2cag(z, k)
    if margin > 1e-3:
        found = S2CAG(k, T=T, alpha=alpha, tau=1000)(x, edges, weight).numpy()
        np.testing.assert_allclose(projector(found), projector(expected), atol=1e-6)


@given(st.integers(0, 10_000), st.integers(0, 4), st.sampled_from([0.0, 0.6, 1.0]), st.integers(1, 4))
@settings(max_examples=40)
def test_ms2cag_is_the_eigenvectors_of_the_modularity_matrix(seed: int, T: int, gamma: float, k: int) -> None:
    x, edges, weight = random_graph(seed)
    z = naive_representation(x.numpy(), dense_adjacency(edges, weight, NODES), T, 1.2)
    expected, margin = naive_ms2cag(z, k, gamma)
    if margin > 1e-3:
        found = MS2CAG(k, T=T, alpha=1.2, gamma=gamma, tau=1000)(x, edges, weight).numpy()
        np.testing.assert_allclose(projector(found), projector(expected), atol=1e-6)


@each_encoder
@given(seed=st.integers(0, 10_000))
@settings(max_examples=10)
def test_renumbering_nodes_renumbers_embeddings_up_to_signs(make: Callable[..., nn.Module], seed: int) -> None:
    x, edges, weight = random_graph(seed)
    order = torch.randperm(NODES, generator=torch.Generator().manual_seed(seed))
    moved = torch.empty_like(x).index_copy(0, order, x)
    z, other = make()(x, edges, weight), make()(moved, order[edges], weight)[order]
    # A plane of nearly equal singular values may turn within itself: its projector, too, is compared only as a whole.
    torch.testing.assert_close(other @ other.t(), z @ z.t(), atol=1e-4, rtol=0)


@each_encoder
def test_cliques_of_their_own_features_are_found(make: Callable[..., nn.Module]) -> None:
    x, edges, labels = blocks()
    z = torch.nn.functional.normalize(make()(x, edges), dim=1)
    same = labels[:, None] == labels
    similarity = z @ z.t()
    assert similarity[same].min() > similarity[~same].max() + 0.3


@each_encoder
def test_sparse_features_give_what_dense_ones_give(make: Callable[..., nn.Module]) -> None:
    x, edges, weight = random_graph(1)
    assert make().supports_sparse_x is True
    torch.testing.assert_close(make()(x.to_sparse_coo(), edges, weight), make()(x, edges, weight), atol=1e-7, rtol=0)


@each_encoder
def test_results_repeat_and_hardly_depend_on_the_seed(make: Callable[..., nn.Module]) -> None:
    x, edges, weight = random_graph(2)
    state = torch.random.get_rng_state()
    z = make()(x, edges, weight)
    assert torch.equal(z, make()(x, edges, weight))
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.testing.assert_close(make(seed=7)(x, edges, weight), z, atol=1e-6, rtol=0)


@each_encoder
def test_a_column_is_a_unit_vector_whose_largest_entry_is_positive(make: Callable[..., nn.Module]) -> None:
    x, edges, weight = random_graph(3)
    z = make()(x, edges, weight)
    torch.testing.assert_close(z.t() @ z, torch.eye(CLUSTERS).double(), atol=1e-9, rtol=0)
    assert (z.gather(0, z.abs().argmax(dim=0, keepdim=True)) > 0).all()


@each_encoder
def test_precision_follows_the_features(make: Callable[..., nn.Module]) -> None:
    x, edges, weight = random_graph(4)
    x = x.float().double()
    single = make()(x.float(), edges, weight.float())
    assert single.dtype == torch.float32
    assert not single.requires_grad
    torch.testing.assert_close(single.double(), make()(x, edges, weight.float()), atol=1e-6, rtol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(make()(x.float(), edges, weight.float()), single)


@each_encoder
def test_isolated_nodes_zero_features_and_zero_weights_give_no_nan(make: Callable[..., nn.Module]) -> None:
    x, edges, weight = random_graph(5)
    x[:4] = 0
    kept = (edges != 0).all(dim=0) & (edges != 9).all(dim=0)
    for weights in (weight[kept], torch.zeros_like(weight[kept]), None):
        z = make()(x, edges[:, kept], weights)
        assert z.shape == (NODES, CLUSTERS)
        assert z.isfinite().all()
    assert make()(torch.zeros_like(x), edges).isfinite().all()
    assert make()(x, edges[:, :0]).isfinite().all()


@each_encoder
@pytest.mark.parametrize(("nodes", "width", "k"), [(NODES, 2, 5), (NODES, 1, 4), (4, 30, 3), (3, 3, 3), (6, 4, 1)])
def test_width_is_the_number_of_clusters_whatever_the_rank(
    make: Callable[..., nn.Module], nodes: int, width: int, k: int
) -> None:
    x, edges, weight = random_graph(6, nodes, width)
    z = make(k)(x, edges, weight)
    assert z.shape == (nodes, k)
    assert z.isfinite().all()


@pytest.mark.parametrize("name", ["s2cag", "ms2cag"])
def test_one_cluster_of_equal_nodes_has_nothing_to_tell(name: str) -> None:
    _, edges, _ = blocks((8,))
    assert ENCODERS[name](2)(torch.ones(8, 3), edges).abs().max() == 0


@pytest.mark.parametrize(("name", "directions"), [("s2cag", 2), ("ms2cag", 2), ("ms2cag weak", 3)])
def test_rounding_of_single_precision_is_no_direction(name: str, directions: int) -> None:
    # Nodes of a clique are equal, so that the rank is the number of cliques; sums over their edges round differently.
    x, edges, _ = blocks((60, 70, 80))
    generator = torch.Generator().manual_seed(0)
    x, weight = x * torch.rand(9, generator=generator), torch.rand(edges.size(1), generator=generator)
    z = ENCODERS[name](6)(x, edges, weight)
    torch.testing.assert_close(z.norm(dim=0), (torch.arange(6) < directions).float())


@each_encoder
def test_there_is_nothing_to_train_and_embed_is_forward(make: Callable[..., nn.Module]) -> None:
    encoder: Any = make()
    x, edges, weight = random_graph(8)
    assert encoder.learns is False
    assert not list(encoder.parameters())
    assert torch.equal(encoder.embed(x, edges, weight), encoder(x, edges, weight))


@pytest.mark.parametrize(
    ("cls", "wrong"),
    [
        (SAGSC, {"p": -1}),
        (SAGSC, {"k": 0}),
        (SAGSC, {"bias": 0.0}),
        (S2CAG, {"T": -1}),
        (S2CAG, {"alpha": 0.0}),
        (S2CAG, {"tau": 0}),
        (S2CAG, {"oversampling": -1}),
        (MS2CAG, {"gamma": 1.5}),
        (MS2CAG, {"tau": 0}),
    ],
)
def test_specs_refuse_values_out_of_range(cls: type, wrong: dict[str, Any]) -> None:
    model = parameter_model(cls)
    assert set(model.provided) == {"n_clusters", "seed"}
    assert model().values()
    with pytest.raises(ValidationError):
        model(**wrong)


def test_sagsc_needs_a_number_of_vectors_from_someone() -> None:
    assert SAGSC(2, 4).k == 4
    assert SAGSC(2, n_clusters=5).k == 5
    assert SAGSC(2, k=4, n_clusters=5).k == 4
    with pytest.raises(ValueError, match="Neither k nor n_clusters"):
        SAGSC(2)


# --------------------------------------------------------------------------------------------------------- parts


@given(st.integers(0, 10_000), st.integers(1, 6), st.floats(0.1, 3))
def test_quadratic_features_have_the_kernel_as_inner_products(seed: int, k: int, bias: float) -> None:
    u = torch.randn(5, k, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    q = quadratic_features(u, bias)
    assert q.shape == (5, (k + 1) * (k + 2) // 2)
    torch.testing.assert_close(q @ q.t(), (u @ u.t() + bias) ** 2)


def test_features_are_scaled_alike_whether_sparse_or_dense() -> None:
    x, _, _ = random_graph(9)
    x[3] = 0
    for scaled in (unit_rows, affinity_normalized):
        assert scaled(x.to_sparse_coo()).is_sparse
        torch.testing.assert_close(scaled(x.to_sparse_coo()).to_dense(), scaled(x))
        assert scaled(x)[3].abs().sum() == 0
    affinity = x @ x.t()
    root = affinity.sum(1).clamp(min=1e-300).rsqrt()
    normalized = affinity_normalized(x)
    torch.testing.assert_close(normalized @ normalized.t(), root[:, None] * affinity * root)


def by_its_products(matrix: Tensor) -> Operator:
    return replace(Operator.of(matrix), dense=None)


@pytest.mark.parametrize("operator", [Operator.of, by_its_products])
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 90), columns=st.integers(1, 90), k=st.integers(1, 8))
def test_singular_vectors_are_those_of_lapack(
    operator: Callable[[Tensor], Operator], seed: int, rows: int, columns: int, k: int
) -> None:
    matrix = torch.randn(rows, columns, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    # Singular values that differ: 1, 1/2, 1/4, ...
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    matrix = u * 0.5 ** torch.arange(min(rows, columns)).double() @ v
    found = left_singular_vectors(operator(matrix), k)
    kept = min(k, rows, columns)
    assert found.shape == (rows, k)
    torch.testing.assert_close(found[:, :kept].t() @ u[:, :kept], torch.diag((found[:, :kept] * u[:, :kept]).sum(0)))
    torch.testing.assert_close((found[:, :kept] * u[:, :kept]).sum(0).abs(), torch.ones(kept).double())
    assert found[:, kept:].abs().sum() == 0


@pytest.mark.parametrize(
    ("columns", "operator"),
    [(60, Operator.of), (40, by_its_products), (60, by_its_products)],
    ids=["at hand", "stored", "by its products"],
)
def test_many_iterations_keep_the_small_singular_vectors_of_a_steep_spectrum(
    columns: int, operator: Callable[[Tensor], Operator]
) -> None:
    # Ten orders of magnitude: powers without orthonormalisation lose all but the first vector, even in doubles.
    generator = torch.Generator().manual_seed(0)
    u = torch.linalg.qr(torch.randn(60, 12, dtype=torch.float64, generator=generator)).Q
    v = torch.linalg.qr(torch.randn(columns, 12, dtype=torch.float64, generator=generator)).Q
    matrix = u * 10.0 ** -torch.arange(12).double() @ v.t()
    found = left_singular_vectors(operator(matrix), 11, iterations=200, oversampling=0)
    torch.testing.assert_close((found * u[:, :11]).sum(0).abs(), torch.ones(11).double(), atol=1e-5, rtol=0)


def test_more_iterations_find_the_subspace_of_a_flat_spectrum() -> None:
    generator = torch.Generator().manual_seed(1)
    u = torch.linalg.qr(torch.randn(120, 90, dtype=torch.float64, generator=generator)).Q
    values = torch.cat([torch.full((5,), 1.0), torch.full((85,), 0.9)]).double()
    matrix = u * values @ torch.linalg.qr(torch.randn(90, 90, dtype=torch.float64, generator=generator)).Q
    errors = []
    for iterations in (1, 10, 400):
        found = left_singular_vectors(by_its_products(matrix), 5, iterations=iterations)
        errors.append(float((found @ found.t() - u[:, :5] @ u[:, :5].t()).norm()))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-6


@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(1, 40),
    columns=st.integers(1, 30),
    rank=st.integers(0, 30),
    k=st.integers(1, 35),
)
def test_leading_components_have_the_inner_products_of_the_best_approximation(
    seed: int, rows: int, columns: int, rank: int, k: int
) -> None:
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, rank, dtype=torch.float64, generator=draw) @ torch.randn(
        rank, columns, dtype=torch.float64, generator=draw
    )
    u, values, _ = torch.linalg.svd(x, full_matrices=False)
    best = u[:, :k] * values[:k]
    for features in (x, x.to_sparse_coo()):
        found = leading_components(features, k)
        assert found.shape == (rows, k)
        torch.testing.assert_close(found @ found.t(), best @ best.t(), atol=1e-8, rtol=1e-6)
        assert torch.equal(found, leading_components(features, k))


def test_the_search_ends_where_fewer_vectors_exist_than_are_wanted() -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(400, 4, generator=generator, dtype=torch.float64)
    matrix = matrix @ torch.randn(4, 300, generator=generator, dtype=torch.float64)
    products = []

    def times(v: Tensor) -> Tensor:
        products.append(v.size(1))
        return matrix @ v

    wide = Operator((400, 300), matrix.device, times, lambda u: matrix.t() @ u)
    found = left_singular_vectors(wide, 20, oversampling=5)
    assert int(found.any(dim=0).sum()) == 4
    assert len(products) < 20


@pytest.mark.parametrize("k", [6, 30])
def test_more_vectors_than_features_change_nothing_but_the_width(k: int) -> None:
    x, edge_index, weight = random_graph(0, nodes=80, width=4)
    z = SAGSC(p=1, k=k, seed=0)(x, edge_index, weight)
    assert z.shape == (80, k)
    rank = 5 * 6 // 2  # Products of two of four vectors and a constant: the other columns are zero.
    assert int(z.any(dim=0).sum()) == min(k, rank - 1)


def test_the_leading_vectors_of_many_columns_are_those_of_the_whole_decomposition() -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(700, 600, dtype=torch.float64, generator=generator) * torch.linspace(3, 0.5, 600).pow(2)
    expected = torch.linalg.svd(matrix, full_matrices=False)[0][:, :12]
    found = left_singular_vectors(Operator.of(matrix), 12, oversampling=4)
    assert torch.allclose((found.T @ expected).abs(), torch.eye(12, dtype=torch.float64), atol=1e-6)


def test_many_columns_of_a_low_rank_have_no_vectors_beyond_it() -> None:
    generator = torch.Generator().manual_seed(0)
    parts = (torch.randn(*shape, dtype=torch.float64, generator=generator) for shape in ((700, 5), (5, 600)))
    left, right = parts
    found = left_singular_vectors(Operator.of(left @ right), 12, oversampling=4)
    assert found.any(dim=0).tolist() == [True] * 5 + [False] * 7
    basis = torch.linalg.qr(left).Q
    assert torch.allclose(basis @ (basis.T @ found), found, atol=1e-8)
