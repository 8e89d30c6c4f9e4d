"""The DGCluster head: its modularity of similarities, its clusters, and how it is composed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from eco_modularity.dgcluster import DGClusterHead, unit_squares
from eco_modularity.modularity import modularity
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import Birch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv
from torch_geometric.utils import to_undirected

import eco_core as eco
from eco_core.metrics import structure_metrics
from eco_core.ops.partition import Links

NODES, WIDTH, BLOCKS = 30, 6, 3


def normals(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random_edges(nodes: int = 12, count: int = 40, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Directed, weighted, with self-loops and parallel edges."""
    generator = torch.Generator().manual_seed(seed)
    edges = torch.randint(nodes, (2, count), generator=generator)
    edges[:, -1] = edges[:, 0]
    edges[1, 1] = edges[0, 1]
    return edges, 0.5 + torch.rand(count, generator=generator, dtype=torch.float64)


def dense_rows(z: Tensor) -> Tensor:
    """Squares of unit length, row by row."""
    return torch.stack([row**2 / (row**2).pow(2).sum().sqrt() for row in z])


def dense_modularity(z: Tensor, edge_index: Tensor, edge_weight: Tensor | None) -> Tensor:
    """By the definition, pair by pair."""
    nodes = len(z)
    adjacency = torch.zeros(nodes, nodes, dtype=torch.float64)
    for number, (i, j) in enumerate(edge_index.T.tolist()):
        adjacency[i, j] += 1 if edge_weight is None else edge_weight[number]
    adjacency = (adjacency + adjacency.T) / 2
    degree, total = adjacency.sum(1), adjacency.sum()
    x = dense_rows(z)
    return ((adjacency - torch.outer(degree, degree) / total) * (x @ x.T)).sum() / total


def fitted(z: Tensor, **parameters: Any) -> DGClusterHead:
    return DGClusterHead(z.shape[1], **parameters).fit(z)


def groups(sizes: tuple[int, ...] = (5, 9, 7), noise: float = 0.1) -> tuple[Tensor, Tensor]:
    """Embeddings around the axes, in an order that mixes the groups; and the group of each."""
    group = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    group = group[torch.randperm(len(group), generator=torch.Generator().manual_seed(1))]
    return torch.eye(WIDTH)[group] + noise * normals(len(group), WIDTH).float(), group


def same_partition(a: Tensor, b: Tensor) -> bool:
    return bool(torch.equal(a[:, None] == a, b[:, None] == b))


# ----------------------------------------------------------------------------------------------------------- the loss


@pytest.mark.parametrize("alpha", [0.0, 0.7])
@pytest.mark.parametrize("weighted", [False, True])
def test_loss_is_the_published_formula(weighted: bool, alpha: float) -> None:
    edges, weight = random_edges()
    z = normals(12, WIDTH)
    used = weight if weighted else None
    loss = DGClusterHead(WIDTH, alpha=alpha)(z, edges, used)
    expected = dense_modularity(z, edges, used)
    x = dense_rows(z)
    similarity = (x @ x.T).mean() ** 2
    torch.testing.assert_close(loss.modularity, expected)
    torch.testing.assert_close(loss.total, -expected + alpha * similarity)
    if alpha:
        torch.testing.assert_close(loss.similarity, similarity)
    else:
        assert set(loss.components) == {"modularity"}


@pytest.mark.parametrize("alpha", [0.0, 0.7])
def test_gradient_is_that_of_the_formula(alpha: float) -> None:
    edges, weight = random_edges()
    head = DGClusterHead(4, alpha=alpha)
    z = normals(12, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: head(z, edges, weight).total, z)
    assert torch.autograd.gradcheck(lambda z: 3 * head(z, edges).total, z)


@pytest.mark.parametrize("seed", range(3))
def test_modularity_of_one_hot_rows_is_that_of_networkx(seed: int) -> None:
    networkx = pytest.importorskip("networkx")
    graph = networkx.gnm_random_graph(20, 60, seed=seed)
    for number, (i, j) in enumerate(graph.edges):
        graph[i][j]["weight"] = 1 + number % 3
    pairs = torch.tensor(list(graph.edges)).T
    weight = torch.tensor([graph[i][j]["weight"] for i, j in graph.edges]).double().repeat(2)
    edges = torch.cat([pairs, pairs.flip(0)], dim=1)
    labels = torch.randint(4, (20,), generator=torch.Generator().manual_seed(seed))
    rows = -3 * torch.eye(4, dtype=torch.float64)[labels]
    found = [{i for i in range(20) if labels[i] == c} for c in range(4)]
    head = DGClusterHead(4)
    for key, used in (("weight", weight), (None, None)):
        expected = networkx.community.modularity(graph, found, weight=key)
        assert head(rows, edges, used).modularity.item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_modularity_of_one_hot_rows_is_the_metric_for_directed_edges_and_self_loops(seed: int) -> None:
    edges, weight = random_edges(seed=seed)
    labels = torch.arange(12) % 3
    expected = structure_metrics(edges, labels, edge_weight=weight)["modularity"]
    loss = DGClusterHead(3)(torch.eye(3, dtype=torch.float64)[labels], edges, weight)
    assert loss.modularity.item() == pytest.approx(expected, abs=1e-9)


def test_both_directions_of_each_edge_are_the_same_graph_as_one() -> None:
    edges, weight = random_edges()
    plain = edges[0] != edges[1]
    edges, weight, z = edges[:, plain], weight[plain], normals(12, WIDTH)
    both = torch.cat([edges, edges.flip(0)], dim=1)
    head = DGClusterHead(WIDTH)
    torch.testing.assert_close(head(z, both, weight.repeat(2)).total, head(z, edges, weight).total)


def test_rows_are_those_of_the_authors_transform() -> None:
    # Theirs divides by the sum of all entries, and applies tanh before squaring.
    z = normals(500, WIDTH) + 0.3
    theirs = torch.nn.functional.normalize(torch.tanh(z / z.sum()) ** 2)
    torch.testing.assert_close(unit_squares(z), theirs, rtol=1e-3, atol=1e-4)


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), exponent=st.integers(-150, 150))
def test_lengths_and_signs_of_embeddings_do_not_matter(seed: int, exponent: int) -> None:
    edges, weight = random_edges(seed=seed)
    z = normals(12, WIDTH, seed=seed)
    factors = normals(12, WIDTH, seed=seed + 1).sign() * 10.0**exponent
    head = DGClusterHead(WIDTH, alpha=0.5)
    torch.testing.assert_close(head(factors * z, edges, weight).total, head(z, edges, weight).total)


@settings(max_examples=15)
@given(seed=st.integers(0, 1000))
def test_numbering_of_nodes_and_columns_does_not_matter_to_the_loss(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    edges, weight = random_edges(seed=seed)
    z = normals(12, WIDTH, seed=seed)
    order, columns = torch.randperm(12, generator=generator), torch.randperm(WIDTH, generator=generator)
    head = DGClusterHead(WIDTH, alpha=0.5)
    moved = head(z[order.argsort()][:, columns], order[edges], weight)
    torch.testing.assert_close(moved.total, head(z, edges, weight).total)


@settings(max_examples=15)
@given(seed=st.integers(0, 1000))
def test_modularity_is_within_its_bounds(seed: int) -> None:
    edges, weight = random_edges(seed=seed)
    assert -1 <= DGClusterHead(WIDTH)(normals(12, WIDTH, seed=seed), edges, weight).modularity.item() < 1


def test_links_prepared_for_other_edges_are_not_used_although_there_are_as_many() -> None:
    edges, weight = random_edges()
    other, z = random_edges(seed=5)[0], normals(12, WIDTH)
    head = DGClusterHead(WIDTH)
    links = head.prepare(Data(edge_index=edges, edge_weight=weight, num_nodes=12))["links"]
    assert torch.equal(head(z, edges, weight, links).total, head(z, edges, weight).total)
    assert torch.equal(head(z, other, weight, links).total, head(z, other, weight).total)
    assert torch.equal(head(z, edges, None, links).total, head(z, edges).total)
    # They are used where they fit: with another total the value is another.
    links.total *= 2
    assert not torch.allclose(head(z, edges, weight, links).total, head(z, edges, weight).total)


def test_embeddings_without_length_edges_or_other_nodes_have_a_finite_loss_and_gradient() -> None:
    nowhere = torch.empty(2, 0, dtype=torch.long)
    edges = torch.tensor([[0, 1], [1, 0]])
    head = DGClusterHead(WIDTH, alpha=0.5)
    zeros_among = normals(4, WIDTH).float()
    zeros_among[1] = 0
    for z, edge_index in (
        (normals(4, WIDTH).float(), nowhere),
        (normals(1, WIDTH).float(), nowhere),
        (zeros_among, edges),
        (torch.zeros(4, WIDTH), edges),
        (torch.full((4, WIDTH), 1e-30), edges),
        (torch.full((4, WIDTH), 1e30), edges),
    ):
        z.requires_grad_()
        loss = head(z, edge_index)
        loss.total.backward()
        assert loss.total.isfinite()
        assert z.grad is not None
        assert z.grad.isfinite().all()
    assert head(normals(4, WIDTH), nowhere).modularity == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_loss_of_half_precision_embeddings_is_computed_in_single_precision(dtype: torch.dtype) -> None:
    edges, weight = random_edges(400, 4000)
    z = normals(400, WIDTH).to(dtype)
    head = DGClusterHead(WIDTH, alpha=0.5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = head(z, edges, weight.float()).total
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, head(z.float(), edges, weight.float()).total, rtol=1e-5, atol=1e-6)


def test_large_graph_needs_no_matrix_of_all_pairs() -> None:
    nodes = 200_000  # All pairs would be 160 GB.
    source = torch.arange(nodes)
    edges = torch.stack([source, source ^ 1])
    z = torch.eye(4)[source // 2 % 4].requires_grad_()
    loss = DGClusterHead(4, alpha=0.5)(z, edges)
    loss.total.backward()
    assert loss.modularity.item() == pytest.approx(0.75, abs=1e-6)


# -------------------------------------------------------------------------------------------------------- the clusters


def test_clusters_are_found_with_their_number_and_numbered_by_size() -> None:
    z, group = groups((5, 9, 7))
    head = fitted(z)
    labels = head.cluster(z)
    assert head.n_clusters == 3
    assert labels.dtype == torch.int64
    assert same_partition(labels, group)
    assert labels.bincount().tolist() == [9, 7, 5]


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5])
def test_clusters_are_those_of_birch_on_the_squares(threshold: float) -> None:
    z = normals(300, WIDTH, seed=3)
    head = fitted(z, threshold=threshold)
    labels = head.cluster(z)
    birch = Birch(n_clusters=None, threshold=threshold).fit_predict(dense_rows(z).numpy())
    assert same_partition(labels, torch.from_numpy(birch))
    assert head.n_clusters == len(np.unique(birch)) == len(labels.unique())


@settings(max_examples=10)
@given(seed=st.integers(0, 1000))
def test_every_cluster_has_nodes_and_they_are_in_order_of_size(seed: int) -> None:
    z = normals(120, WIDTH, seed=seed).float()
    head = fitted(z, threshold=0.3)
    sizes = head.cluster(z).bincount(minlength=head.n_clusters)
    assert (sizes > 0).all()
    assert (sizes.diff() <= 0).all()


def test_lower_threshold_finds_more_clusters() -> None:
    z = normals(200, WIDTH).float()
    assert fitted(z, threshold=0.6).n_clusters < fitted(z, threshold=0.2).n_clusters


def test_other_nodes_are_assigned_to_the_nearest_centre() -> None:
    z, _ = groups()
    head = fitted(z)
    other, _ = groups((2, 2, 2), noise=0.05)
    distances = torch.cdist(dense_rows(other), head.subcluster_centers_)
    assert torch.equal(head.cluster(other), distances.argmin(1))
    nearest = distances.sort(dim=1).values
    torch.testing.assert_close(head.confidence(other), 1 - nearest[:, 0] / nearest[:, 1])


def test_soft_clusters_are_one_hot_and_confidence_is_a_fraction() -> None:
    z = normals(100, WIDTH).float()
    head = fitted(z)
    soft, sure = head.cluster(z, soft=True), head.confidence(z)
    assert soft.shape == (100, head.n_clusters)
    assert torch.equal(soft.argmax(1), head.cluster(z))
    assert torch.equal(soft.sum(1), torch.ones(100))
    assert sure.shape == (100,)
    assert sure.dtype == torch.float32
    assert ((sure >= 0) & (sure <= 1)).all()


@pytest.mark.parametrize(
    "z", [torch.ones(5, WIDTH), torch.zeros(5, WIDTH), torch.ones(1, WIDTH)], ids=["equal", "zero", "one node"]
)
def test_equal_embeddings_are_one_cluster(z: Tensor) -> None:
    head = fitted(z)
    assert head.n_clusters == 1
    assert head.cluster(z).tolist() == [0] * len(z)
    assert head.confidence(z).tolist() == [1.0] * len(z)


def test_array_and_tensors_of_any_precision_are_clustered() -> None:
    z, group = groups()
    kinds: tuple[Any, ...] = (z.numpy(), z.double(), z.bfloat16(), z.clone().requires_grad_())
    for points in kinds:
        assert same_partition(fitted(points).cluster(points), group)


def test_fitted_clusters_move_with_the_state_into_a_new_head() -> None:
    z = normals(100, WIDTH).float()
    head, new = fitted(z), DGClusterHead(WIDTH)
    nn.ModuleDict({"head": new}).load_state_dict(nn.ModuleDict({"head": head}).state_dict())
    assert torch.equal(new.cluster(z), head.cluster(z))
    with pytest.raises(RuntimeError, match="size mismatch"):
        DGClusterHead(WIDTH + 1).load_state_dict(head.state_dict())


def test_head_without_clusters_says_what_to_do() -> None:
    head = DGClusterHead(WIDTH)
    assert head.n_clusters == 0
    for call in (head.cluster, head.confidence):
        with pytest.raises(RuntimeError, match=r"call fit\(z\) first"):
            call(torch.ones(3, WIDTH))


def test_wrong_embeddings_are_refused() -> None:
    z, _ = groups()
    head = fitted(z)
    with pytest.raises(ValueError, match="width 7; expected n_features = 6"):
        head.cluster(torch.ones(3, 7))
    with pytest.raises(ValueError, match="width 7; expected n_features = 6"):
        head.fit(torch.ones(3, 7))
    with pytest.raises(ValueError, match="DGClusterHead got 6 values that are NaN"):
        head.fit(torch.full((1, WIDTH), torch.nan))


@pytest.mark.parametrize("wrong", [{"alpha": -1.0}, {"threshold": 0.0}, {"branching_factor": 1}])
def test_parameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DGClusterHead(WIDTH, **wrong)
    with pytest.raises(eco.CompositionError, match=next(iter(wrong))):
        eco.compose(encoder=Convolution, head={"name": DGClusterHead, **wrong}, strategy="joint", objective=None)


# -------------------------------------------------------------------------------------------------------- compositions


class Convolution(nn.Module):
    """One layer of PyG, so that these tests need no other plugin."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.convolution = GCNConv(in_channels, 8)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.convolution(x, edge_index)


class Reconstruction(nn.Module):
    """Some objective: neighbours are alike."""

    def forward(self, encode: Any, graph: Any, edge_index: Tensor) -> Tensor:
        z = encode(graph)
        return (z[edge_index[0]] - z[edge_index[1]]).square().mean()


def new_graph(seed: int = 0, nodes: int = NODES, sparse: bool = False) -> Data:
    """Three blocks of nodes, each with features and edges of its own. Without labels."""
    generator = torch.Generator().manual_seed(seed)
    block = torch.arange(nodes) % BLOCKS
    x = torch.eye(WIDTH)[block] + 0.1 * torch.rand(nodes, WIDTH, generator=generator)
    source = torch.arange(nodes)
    steps = [(source + BLOCKS * step) % nodes for step in (1, 2)]
    edge_index = to_undirected(torch.cat([torch.stack([source, target]) for target in steps], dim=1))
    return Data(x=x.to_sparse() if sparse else x, edge_index=edge_index)


def joint(epochs: int) -> dict[str, Any]:
    optimizer = {"name": "adam", "lr": 0.05}
    return {"name": "joint", "pretrain": {"epochs": 2}, "joint": {"epochs": epochs, "optimizer": optimizer}}


def composed(epochs: int = 40, **parts: Any) -> eco.Composition:
    chosen = {"encoder": Convolution, "head": DGClusterHead, "strategy": joint(epochs), "objective": None, "seed": 0}
    return eco.compose(**{**chosen, **parts})


def test_trained_jointly_it_finds_the_blocks_without_being_told_how_many() -> None:
    model = composed().fit(new_graph())
    assert model.metrics_["n_clusters"] == model.cluster_head.n_clusters == BLOCKS
    assert same_partition(model.clustering_.labels, torch.arange(NODES) % BLOCKS)
    assert model.metrics_["modularity"] == pytest.approx(2 / 3, abs=1e-6)
    first, last = (row["DGClusterHead"] for row in (model.history_[0], model.history_[-1]))
    assert last < first
    assert last == pytest.approx(-2 / 3, abs=0.05)


def test_number_of_clusters_given_is_said_to_be_unused() -> None:
    model = composed(clusters=5).fit(new_graph())
    assert model.metrics_["n_clusters"] == BLOCKS
    assert any("finds the number of clusters" in note for note in model.notes_)


@pytest.mark.parametrize("normalize", [False, True])
def test_normalised_embeddings_make_no_difference(normalize: bool) -> None:
    model = composed(normalize_embeddings=normalize).fit(new_graph())
    assert same_partition(model.clustering_.labels, torch.arange(NODES) % BLOCKS)


def test_saved_run_gives_the_same_clusters_on_its_graph_and_on_another(tmp_path: Path) -> None:
    graph, other = new_graph(), new_graph(seed=7, nodes=45)
    model = composed().fit(graph)
    again = eco.load(model.save(tmp_path / "run"), encoder=Convolution, head=DGClusterHead)
    assert torch.equal(again.clustering_.labels, model.clustering_.labels)
    assert torch.equal(again.infer_full(graph), model.clustering_.labels)
    assert torch.equal(again.cluster(soft=True).argmax(1), model.clustering_.labels)
    assert torch.equal(again.infer_full(other), model.infer_full(other))
    assert same_partition(model.infer_full(other), torch.arange(45) % BLOCKS)


def test_joint_training_with_an_objective_has_both_losses() -> None:
    model = composed(objective=Reconstruction).fit(new_graph())
    assert same_partition(model.clustering_.labels, torch.arange(NODES) % BLOCKS)
    assert {"Reconstruction", "DGClusterHead"} <= set(model.history_[-1])


def test_decoupled_it_clusters_the_embeddings_of_another_objective() -> None:
    strategy = {"name": "decoupled", "train": {"epochs": 2}}
    model = composed(strategy=strategy, objective=Reconstruction).fit(new_graph())
    expected = DGClusterHead(8).fit(model.clustering_.embedding).cluster(model.clustering_.embedding)
    assert torch.equal(model.clustering_.labels, expected)


def test_it_clusters_features_without_training() -> None:
    model = eco.compose(encoder="identity", head=DGClusterHead, objective=None).fit(new_graph())
    assert same_partition(model.clustering_.labels, torch.arange(NODES) % BLOCKS)


@pytest.mark.parametrize("strategy", [joint(2), {"name": "decoupled", "train": {"epochs": 2}}], ids=["joint", "after"])
def test_it_clusters_the_graph_auto_encoder_s_embeddings(strategy: dict[str, Any]) -> None:
    pytest.importorskip("eco_autoencoder")
    model = composed(strategy=strategy, objective="gae").fit(new_graph())
    assert model.labels_.shape == (NODES,)
    assert model.metrics_["n_clusters"] == model.cluster_head.n_clusters


def test_same_seed_same_run() -> None:
    def embedding(seed: int) -> Tensor:
        return composed(epochs=3, seed=seed).fit(new_graph()).clustering_.embedding

    assert torch.equal(embedding(1), embedding(1))
    assert not torch.equal(embedding(1), embedding(2))


def test_second_graph_of_the_same_size_is_read_anew() -> None:
    model = composed(epochs=2)
    first, second = new_graph(), new_graph()
    second.edge_index = second.edge_index[:, second.edge_index.amin(dim=0) > 5]
    model.fit(first)
    on_second = model.head_loss(second).total
    links = Links(second.edge_index, num_nodes=NODES)
    z = model.embed(second)
    torch.testing.assert_close(on_second, -modularity(unit_squares(z), links))
    assert not torch.allclose(on_second, model.head_loss(first).total)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_recipe_trains_two_epochs(sparse: bool) -> None:
    pytest.importorskip("eco_gnn")
    model = eco.compose(recipe="dgcluster", epochs=2, overrides=["encoder.hidden_channels=16"], seed=0)
    model.fit(new_graph(sparse=sparse))
    assert len(model.history_) == 2
    assert model.labels_.shape == (NODES,)
    assert isinstance(model.cluster_head, DGClusterHead)


def test_recipe_has_its_values_and_needs_no_number_of_clusters() -> None:
    path = Path(eco_modularity_folder()) / "recipes" / "dgcluster.yaml"
    spec = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert spec["objective"] == "none"
    assert spec["head"] == {
        "name": "eco-modularity:dgcluster",
        "alpha": 0.0,
        "threshold": 0.5,
        "branching_factor": 50,
    }
    stage = spec["strategy"]["joint"]
    assert (stage["epochs"], stage["clip_norm"]) == (300, 0.1)
    assert stage["optimizer"] == {"name": "adam", "lr": 0.0005, "weight_decay": 0.001}
    assert "clusters" not in spec


def eco_modularity_folder() -> Path:
    import eco_modularity

    assert eco_modularity.__file__ is not None
    return Path(eco_modularity.__file__).parent
