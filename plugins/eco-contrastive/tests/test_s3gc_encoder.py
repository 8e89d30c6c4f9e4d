"""S3GC's encoder: its formula, which graph it propagates, its table, and what it refuses."""

from __future__ import annotations

import copy
import math
import weakref
from typing import Any

import eco_contrastive.diffusion as diffusion
import pytest
import torch
import torch.nn.functional as F
from eco_contrastive import S3GCEncoder
from eco_contrastive.diffusion import PropagatedGraph, diffuse, diffusion_weights
from torch import Tensor, nn
from torch_geometric.data import Data

import eco_core as eco
from eco_core.errors import CompositionError, DataError, SpecError
from eco_core.ops.sparse_factor import SparseFactor
from eco_core.transforms import AddNoise, DropEdges, GSSLTransform

NODES, FEATURES, WIDTH = 9, 4, 3


def graph_of(seed: int = 0, weighted: bool = False, dtype: torch.dtype = torch.float32) -> Data:
    """A directed graph with parallel edges, a loop, and a node without edges; features that are mostly zeros."""
    draw = torch.Generator().manual_seed(seed)
    edges = torch.randint(NODES - 1, (2, 20), generator=draw)
    edges[:, :2] = torch.tensor([[1, 1], [1, 2]])
    edges[:, 2] = edges[:, 1]
    x = torch.rand(NODES, FEATURES, generator=draw, dtype=dtype)
    graph = Data(x=x * (x > 0.6), edge_index=edges)
    if weighted:
        graph.edge_weight = torch.rand(20, generator=draw, dtype=dtype) + 0.1
    return graph


def dense_adjacency(graph: Data) -> Tensor:
    """The normalised adjacency with self-loops, in double precision."""
    matrix = torch.zeros(NODES, NODES, dtype=torch.double)
    weights = graph.edge_weight if graph.edge_weight is not None else torch.ones(graph.edge_index.size(1))
    for (source, target), weight in zip(graph.edge_index.t().tolist(), weights.tolist(), strict=True):
        matrix[target, source] += weight
    matrix += torch.diag((matrix.diagonal() == 0).double())
    scale = matrix.sum(dim=1).pow(-0.5)
    return scale.unsqueeze(1) * matrix * scale


def inputs(graph: Data, weights: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    adjacency, x = dense_adjacency(graph), graph.x.to_dense().double()
    powers = [torch.linalg.matrix_power(adjacency, hop) for hop in range(len(weights))]
    return adjacency @ x, sum(weight * power for weight, power in zip(weights, powers, strict=True)) @ x


def encoder_of(**options: Any) -> S3GCEncoder:
    torch.manual_seed(0)
    return S3GCEncoder(FEATURES, NODES, WIDTH, **options)


# ------------------------------------------------------------------------------------------------------- formula


def test_weights_of_the_diffusions_are_the_published_ones() -> None:
    assert diffusion_weights("ppr", 2, alpha=0.25) == pytest.approx((0.25, 0.1875, 0.140625))
    expected = [math.exp(-5) * 5**hop / math.factorial(hop) for hop in range(5)]
    assert diffusion_weights("heat", 4, heat_t=5.0) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["ppr", "heat"])
def test_all_hops_together_weigh_one(kind: Any) -> None:
    assert sum(diffusion_weights(kind, 200)) == pytest.approx(1)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k_hop", [0, 1, 4])
def test_linear_encoder_is_the_published_formula(sparse: bool, weighted: bool, k_hop: int) -> None:
    graph = graph_of(weighted=weighted)
    encoder = encoder_of(k_hop=k_hop, alpha=0.3)
    near, far = inputs(graph, diffusion_weights("ppr", k_hop, alpha=0.3))
    f, g, table = (
        each.detach().double() for each in (encoder.near.first.weight, encoder.far.first.weight, encoder.table)
    )
    expected = near @ f.t() + far @ g.t() + table
    if sparse:
        graph.x = graph.x.to_sparse_coo()
    torch.testing.assert_close(encoder(graph).double(), F.normalize(expected), atol=1e-6, rtol=1e-5)
    encoder.normalize = False
    torch.testing.assert_close(encoder(graph).double(), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("sparse", [False, True])
def test_medium_encoder_has_networks_of_two_layers(sparse: bool) -> None:
    graph = graph_of()
    encoder = encoder_of(scale="medium", diffusion="heat", heat_t=2.0, k_hop=2)
    for name, parameter in encoder.named_parameters():
        if name != "table":
            nn.init.normal_(parameter)  # Biases and slopes count, too.
    reference: Any = copy.deepcopy(encoder).double()
    near, far = inputs(graph, diffusion_weights("heat", 2, heat_t=2.0))
    expected = reference.table.clone()
    for branch, x in ((reference.near, near), (reference.far, far)):
        slopes, last = branch.rest[0].weight, branch.rest[1]
        hidden = x @ branch.first.weight.t() + branch.first.bias
        expected = expected + torch.where(hidden > 0, hidden, slopes * hidden) @ last.weight.t() + last.bias
    if sparse:
        graph.x = graph.x.to_sparse_coo()
    torch.testing.assert_close(encoder(graph).double(), F.normalize(expected), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("scale", ["small", "medium", "large"])
def test_sparse_features_give_the_embeddings_and_the_gradients_of_dense_ones(scale: Any) -> None:
    dense, encoder = graph_of(weighted=True), encoder_of(scale=scale)
    sparse = copy.copy(dense)
    sparse.x = dense.x.to_sparse_coo()
    results = []
    for graph in (dense, sparse):
        encoder.zero_grad()
        z = encoder(graph)
        z.square().mul(torch.arange(WIDTH)).sum().backward()
        grads = [parameter.grad for parameter in encoder.parameters()]
        results.append((z.detach(), [grad.clone() for grad in grads if grad is not None]))
        assert len(results[-1][1]) == len(grads)
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize("sparse", [False, True])
def test_gradients_are_correct(sparse: bool) -> None:
    graph = graph_of(dtype=torch.double)
    if sparse:
        graph.x = graph.x.to_sparse_coo()
    encoder = encoder_of(scale="medium", table_rank=2, k_hop=2).double()
    names, values = zip(*encoder.named_parameters(), strict=True)

    def run(*parameters: Tensor) -> Tensor:
        return torch.func.functional_call(encoder, dict(zip(names, parameters, strict=True)), (graph,))

    assert torch.autograd.gradcheck(run, values)


def test_features_that_are_trained_get_their_gradient_in_every_step() -> None:
    graph = graph_of()
    graph.x = graph.x.requires_grad_()
    encoder = encoder_of()
    prepared = encoder.prepare(graph)
    for _ in range(2):
        encoder(graph, **prepared).sum().backward()
    assert graph.x.grad is not None
    assert graph.x.grad.abs().sum() > 0


def test_diffusion_makes_one_product_for_each_hop() -> None:
    products = []

    class Counted(SparseFactor):
        def __matmul__(self, dense: Tensor) -> Tensor:
            products.append(1)
            return super().__matmul__(dense)

    diffuse(Counted.of(torch.eye(3).to_sparse_csr()), torch.ones(3, 2), (0.5, 0.25, 0.125, 0.0625))
    assert len(products) == 3


# --------------------------------------------------------------------------------------------- propagated graphs


class TwoViews(nn.Module):
    """An objective that encodes the graph and views of it, and keeps what it got."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[Data, Tensor]] = []

    def forward(self, encode: Any, graph: Any) -> Tensor:
        graphs = [graph, DropEdges(0.5)(graph), AddNoise(0.5)(graph), GSSLTransform(0.3, 0.3)(graph), copy.copy(graph)]
        self.seen = [(each, encode(each)) for each in graphs]
        return sum(z.sum() for _, z in self.seen)  # type: ignore[return-value]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    made: list[Any] = []
    original = diffusion.normalized_adjacency

    def count(*arguments: Any, **options: Any) -> Tensor:
        made.append(arguments)
        return original(*arguments, **options)

    monkeypatch.setattr(diffusion, "normalized_adjacency", count)
    return made


@pytest.mark.parametrize("sparse", [False, True])
def test_views_are_propagated_by_their_own_edges_and_features(monkeypatch: pytest.MonkeyPatch, sparse: bool) -> None:
    graph = graph_of()
    if sparse:
        graph.x = graph.x.to_sparse_coo().coalesce()
    model = eco.compose(encoder="eco-contrastive:s3gc", objective=TwoViews, clusters=2).build(graph)
    made = counted(monkeypatch)
    model.loss(graph)
    objective: Any = model.objective
    seen = objective.seen
    assert len(made) == 3  # Those of three views; the graph was propagated when the model was built.
    for view, z in seen:
        torch.testing.assert_close(z, model.encoder(view))
    differences = [(z - seen[0][1]).abs().max().item() for _, z in seen]
    assert min(differences[1:4]) > 1e-4
    assert differences[4] == 0


@pytest.mark.parametrize("data", ["dense", "sparse"])
def test_training_propagates_a_graph_once(monkeypatch: pytest.MonkeyPatch, data: str) -> None:
    graph = graph_of()
    if data == "sparse":
        graph.x = graph.x.to_sparse_coo()
    made = counted(monkeypatch)
    eco.compose(recipe="eco-contrastive:s3gc", clusters=2, epochs=5).fit(graph, device="cpu")
    assert len(made) == 1


@pytest.mark.parametrize("name", ["x", "edge_index", "edge_weight"])
def test_graph_changed_in_place_is_propagated_anew(name: str) -> None:
    graph, encoder = graph_of(weighted=True), encoder_of()
    prepared = encoder.prepare(graph)
    before = encoder(graph, **prepared)
    getattr(graph, name)[..., 0] = 2
    after = encoder(graph, **prepared)
    assert not torch.equal(before, after)
    torch.testing.assert_close(after, encoder(graph))


def test_graph_that_gets_weights_is_another_graph() -> None:
    graph, encoder = graph_of(), encoder_of()
    prepared = encoder.prepare(graph)
    graph.edge_weight = torch.rand(20) + 0.5
    torch.testing.assert_close(encoder(graph, **prepared), encoder(graph))


def test_inference_tensors_are_never_taken_for_unchanged() -> None:
    with torch.inference_mode():
        graph = graph_of()
    propagated = PropagatedGraph(graph, (0.5, 0.5))
    assert not propagated.is_of(graph)
    assert encoder_of()(graph, propagated).shape == (NODES, WIDTH)


def test_propagated_graph_keeps_no_features_of_a_dense_graph_alive() -> None:
    graph = graph_of()
    propagated = PropagatedGraph(graph, (0.5, 0.5))
    assert propagated.is_of(graph)
    other, features = graph_of(), weakref.ref(graph.x)
    del graph
    assert not propagated.is_of(other)
    assert features() is None


# --------------------------------------------------------------------------------------------------------- table


def test_sample_of_the_graph_gets_the_rows_of_its_nodes_and_sends_them_its_gradients() -> None:
    encoder = encoder_of(normalize=False)
    sample = Data(x=torch.rand(2, FEATURES), edge_index=torch.tensor([[0], [1]]), n_id=torch.tensor([7, 2]))
    rows = encoder(sample)
    encoder.table.data += torch.arange(NODES).unsqueeze(1)
    torch.testing.assert_close(encoder(sample) - rows, torch.tensor([[7.0] * WIDTH, [2.0] * WIDTH]))
    (2 * encoder(sample)).sum().backward()
    assert encoder.table.grad is not None
    expected = torch.zeros(NODES, WIDTH)
    expected[[7, 2]] = 2
    assert torch.equal(encoder.table.grad, expected)


def test_sample_is_propagated_by_its_own_edges() -> None:
    encoder, whole = encoder_of(), graph_of()
    sample = Data(x=whole.x[[7, 2]], edge_index=torch.tensor([[0], [1]]), n_id=torch.tensor([7, 2]))
    torch.testing.assert_close(encoder(sample, **encoder.prepare(whole)), encoder(sample))


def test_table_of_low_rank_is_smaller_and_starts_as_varied() -> None:
    torch.manual_seed(0)
    encoder = S3GCEncoder(1, 4000, 64, table_rank=8)
    assert encoder.table.shape == (4000, 8)
    assert encoder.basis is not None
    rows = encoder.table.detach() @ encoder.basis.detach()
    assert rows.std().item() == pytest.approx(1, rel=0.15)
    assert torch.linalg.matrix_rank(rows[:100]) == 8
    whole = S3GCEncoder(1, 4000, 64)
    assert whole.basis is None
    assert whole.table.std().item() == pytest.approx(1, rel=0.02)


@pytest.mark.parametrize(
    ("nodes", "scale"), [(10, "small"), (49_999, "small"), (50_000, "medium"), (3_000_000, "large")]
)
def test_scale_follows_the_number_of_nodes(nodes: int, scale: str) -> None:
    with torch.device("meta"):
        encoder = S3GCEncoder(2, nodes, 16)
    assert encoder.scale == scale
    assert len(encoder.near.rest) == (0 if scale == "small" else 2)
    assert tuple(encoder.table.shape) == (nodes, 2 if scale == "large" else 16)


def test_parameters_come_from_the_seed_and_biases_start_at_zero() -> None:
    first, again = encoder_of(scale="medium"), encoder_of(scale="medium")
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert all((bias == 0).all() for name, bias in first.named_parameters() if name.endswith("bias"))
    slopes: Any = first.near.rest[0]
    slopes.weight.data.zero_()
    before = first.table.detach().clone()
    first.reset_parameters()
    assert not torch.equal(first.table, before)
    assert (slopes.weight == 0.25).all()


def test_graph_of_another_size_is_refused() -> None:
    graph = Data(x=torch.rand(5, FEATURES), edge_index=torch.tensor([[0], [1]]))
    with pytest.raises(DataError, match=r"(?s)each of 9 nodes, and the graph has 5.*Train on the graph itself"):
        encoder_of()(graph)


def test_parameters_out_of_range_are_refused_before_anything_runs() -> None:
    overrides = ["encoder.alpha=0", "encoder.k_hop=-1", "encoder.heat_t=0", "encoder.scale=huge"]
    with pytest.raises((SpecError, CompositionError)) as caught:
        eco.compose(encoder="eco-contrastive:s3gc", objective=TwoViews, overrides=overrides, clusters=2)
    assert all(override.partition("=")[0] in str(caught.value) for override in overrides)


def test_it_says_its_size() -> None:
    assert "9, 3, scale=small, k_hop=2" in repr(encoder_of(k_hop=2))


# ---------------------------------------------------------------------------------------------------------- runs


@pytest.mark.parametrize("sparse", [False, True])
def test_mixed_precision_trains(sparse: bool) -> None:
    graph = graph_of()
    if sparse:
        graph.x = graph.x.to_sparse_coo()
    train = {"precision": "bf16-mixed"}
    model = eco.compose(recipe="eco-contrastive:s3gc", clusters=2, epochs=2, train=train).fit(graph, device="cpu")
    assert model.clustering_.embedding.isfinite().all()


@pytest.mark.parametrize("scale", ["small", "medium", "large"])
def test_saved_model_gives_the_same_embedding(tmp_path: Any, scale: str) -> None:
    graph = graph_of()
    model = eco.compose(recipe="eco-contrastive:s3gc", clusters=2, epochs=2, encoder={"scale": scale})
    model.fit(graph, device="cpu")
    loaded = eco.load(model.save(tmp_path / "run"))
    assert torch.equal(loaded.infer_full(graph), model.infer_full(graph))
    torch.testing.assert_close(loaded.embed(graph), model.embed(graph))


def test_other_objectives_train_it() -> None:
    pytest.importorskip("eco_autoencoder")
    encoder = {"name": "eco-contrastive:s3gc", "hidden_channels": 8, "normalize": False}
    model = eco.compose(encoder=encoder, objective="eco-autoencoder:gae", clusters=2, epochs=3)
    model.fit(graph_of(), device="cpu")
    assert model.clustering_.embedding.isfinite().all()
    assert model.history_[-1]["loss"] < model.history_[0]["loss"]
