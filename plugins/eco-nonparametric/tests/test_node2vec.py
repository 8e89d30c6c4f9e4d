"""node2vec: its loss, its gradients, its walks, and whole runs of its recipe."""

from __future__ import annotations

import importlib.resources
import types
from typing import Any

import eco_nonparametric.node2vec as module
import pytest
import torch
import yaml
from eco_nonparametric import Node2Vec, NodeEmbedding
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.nn.models import Node2Vec as PyGNode2Vec

import eco_core as eco
from eco_core.errors import CompositionError, EcoError, SpecError

NODES, WIDTH = 12, 5
RECIPE = "eco-nonparametric:node2vec"


def cliques(size: int = 8) -> Data:
    """Two cliques with one edge between them, and features that say nothing."""
    block = torch.block_diag(*[1 - torch.eye(size)] * 2)
    block[0, size] = block[size, 0] = 1
    return Data(x=torch.ones(2 * size, 3), edge_index=block.nonzero().t().contiguous())


def vectors(seed: int = 0) -> Tensor:
    return torch.randn(NODES, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def walks_of(objective: Node2Vec, seed: int = 0) -> tuple[Tensor, Tensor]:
    ring = torch.stack([torch.arange(NODES), (torch.arange(NODES) + 1) % NODES])
    neighbors = objective.prepare(Data(num_nodes=NODES), torch.cat([ring, ring.flip(0)], dim=1))["neighbors"]
    torch.manual_seed(seed)
    return objective.sample(torch.arange(NODES), neighbors)


def pyg_loss(z: Tensor, positive: Tensor, negative: Tensor, context_size: int) -> Tensor:
    """PyG's own loss, which takes windows; its class cannot be made without pyg-lib."""
    model = types.SimpleNamespace(embedding=lambda index: z[index], embedding_dim=z.size(1), EPS=1e-15)
    positive, negative = (each.unfold(1, context_size, 1).reshape(-1, context_size) for each in (positive, negative))
    return PyGNode2Vec.loss(model, positive, negative)


# ---------------------------------------------------------------------------------------------------------- loss


@pytest.mark.parametrize(("walk_length", "context_size"), [(10, 10), (8, 3), (5, 2), (2, 2)])
@pytest.mark.parametrize("negatives", [1, 3])
def test_loss_is_the_one_of_pyg_on_the_same_walks(walk_length: int, context_size: int, negatives: int) -> None:
    objective = Node2Vec(walk_length, context_size, 4, num_negative_samples=negatives)
    positive, negative = walks_of(objective)
    z, other = vectors().requires_grad_(), vectors().requires_grad_()
    loss, expected = objective.walk_loss(z, positive, negative), pyg_loss(other, positive, negative, context_size)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(z.grad, other.grad)


def test_loss_is_the_published_formula() -> None:
    z = vectors()
    positive, negative = torch.tensor([[0, 1, 2], [3, 4, 4]]), torch.tensor([[0, 7, 9]])
    pairs = [(0, 1), (1, 2), (3, 4), (4, 4)]
    expected = -torch.stack([(z[i] @ z[j]).sigmoid().log() for i, j in pairs]).mean()
    expected = expected - torch.stack([(1 - (z[i] @ z[j]).sigmoid()).log() for i, j in [(0, 7), (7, 9)]]).mean()
    torch.testing.assert_close(Node2Vec(3, 2).walk_loss(z, positive, negative), expected)


def test_gradients_are_correct() -> None:
    objective = Node2Vec(6, 3, 2)
    walks = walks_of(objective)
    assert torch.autograd.gradcheck(lambda z: objective.walk_loss(z, *walks), (vectors().requires_grad_(),))


def test_blocks_of_walks_give_the_loss_and_the_gradients_of_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = Node2Vec(6, 3, 5)
    walks = walks_of(objective)
    results = []
    for elements in (2**20, 100):
        monkeypatch.setitem(module._BLOCK_ELEMENTS, "cpu", elements)
        z = vectors().requires_grad_()
        loss = objective.walk_loss(z, *walks)
        loss.backward()
        results.append((loss.detach(), z.grad))
    torch.testing.assert_close(results[0], results[1])


def test_loss_and_gradients_stay_finite_and_alive_for_extreme_vectors() -> None:
    """Unlike log(sigmoid + epsilon), whose gradient vanishes for the pairs that are most wrong."""
    objective = Node2Vec(4, 4, 2)
    z = (100 * vectors()).float().requires_grad_()
    loss = objective.walk_loss(z, *walks_of(objective))
    loss.backward()
    assert loss.isfinite()
    assert loss > 100
    assert z.grad is not None
    assert z.grad.isfinite().all()
    assert (z.grad.norm(dim=1) > 1).all()


def test_mixed_precision_keeps_the_gradient_in_the_precision_of_the_table() -> None:
    objective = Node2Vec(4, 4, 2)
    walks = walks_of(objective)
    z, exact = (vectors().float().requires_grad_() for _ in range(2))
    with torch.autocast("cpu", torch.bfloat16):
        loss = objective.walk_loss(z, *walks)
    loss.backward()
    objective.walk_loss(exact, *walks).backward()
    assert z.grad is not None
    assert z.grad.dtype == torch.float32
    torch.testing.assert_close(z.grad, exact.grad, atol=0.02, rtol=0.05)


# --------------------------------------------------------------------------------------------------------- walks


@given(
    nodes=st.integers(1, 30),
    batch_size=st.integers(1, 40),
    walks_per_node=st.integers(1, 3),
    negatives=st.integers(1, 3),
    length=st.integers(2, 6),
)
@settings(max_examples=30)
def test_an_epoch_starts_equally_often_from_every_node(
    nodes: int, batch_size: int, walks_per_node: int, negatives: int, length: int
) -> None:
    objective = Node2Vec(length, 2, walks_per_node, num_negative_samples=negatives, batch_size=batch_size)
    graph = Data(edge_index=torch.stack([torch.arange(nodes), (torch.arange(nodes) + 1) % nodes]), num_nodes=nodes)
    batches = list(objective.batches(graph, **objective.prepare(graph, graph.edge_index)))
    assert len(batches) == -(-nodes // batch_size)
    positive, negative = (torch.cat([batch[f"{sign}_walks"] for batch in batches]) for sign in ("positive", "negative"))
    assert positive.shape == (nodes * walks_per_node, length)
    assert negative.shape == (nodes * walks_per_node * negatives, length)
    assert (torch.bincount(positive[:, 0], minlength=nodes) == walks_per_node).all()
    assert (torch.bincount(negative[:, 0], minlength=nodes) == walks_per_node * negatives).all()
    assert torch.equal(positive[:, 1:], (positive[:, :-1] + 1) % nodes)  # Along the directed ring.
    assert ((negative >= 0) & (negative < nodes)).all()


def test_p_and_q_reach_the_walks() -> None:
    returns = Node2Vec(6, 6, p=1e-9)
    positive, _ = walks_of(returns)
    assert torch.equal(positive[:, 2:], positive[:, :-2])
    onward, _ = walks_of(Node2Vec(6, 6, p=1e9))
    assert (onward[:, 2:] != onward[:, :-2]).all()


def test_edges_of_weight_zero_are_never_walked() -> None:
    objective, graph = Node2Vec(4, 4), cliques(4)
    bridge = (graph.edge_index[0] < 4) != (graph.edge_index[1] < 4)
    prepared = objective.prepare(graph, graph.edge_index, (~bridge).float())
    positive, _ = objective.sample(torch.arange(8), prepared["neighbors"])
    assert ((positive < 4) == (positive[:, :1] < 4)).all()


def test_every_epoch_has_other_walks_and_a_seed_has_the_same() -> None:
    objective, graph = Node2Vec(5, 5), cliques()
    prepared = objective.prepare(graph, graph.edge_index)

    def draw() -> tuple[Tensor, ...]:
        return tuple(walks for batch in objective.batches(graph, **prepared) for walks in batch.values())

    torch.manual_seed(5)
    first, second = draw(), draw()
    torch.manual_seed(5)
    again = draw()
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_without_given_walks_a_batch_is_sampled() -> None:
    graph, objective = cliques(), Node2Vec(batch_size=4)
    table = NodeEmbedding(16, 6)
    torch.manual_seed(1)
    loss = objective(table, graph, graph.edge_index)
    torch.manual_seed(1)
    neighbors = objective.prepare(graph, graph.edge_index)["neighbors"]
    nodes = torch.randperm(16)[:4]
    torch.testing.assert_close(loss.total, objective.walk_loss(table.weight, *objective.sample(nodes, neighbors)))
    torch.testing.assert_close(loss.total, loss.positive + loss.negative)


def test_sampled_subgraph_is_walked_by_its_own_edges() -> None:
    """Its rows are numbered anew: the edges of the whole graph would name others, or none."""
    whole, objective = cliques(), Node2Vec(batch_size=4)
    neighbors = objective.prepare(whole, whole.edge_index)["neighbors"]
    batch = Data(num_nodes=3, n_id=torch.tensor([9, 3, 12]))
    edges = torch.tensor([[0, 2], [2, 0]])
    loss = objective(NodeEmbedding(16, 6), batch, edges, neighbors=neighbors)
    assert loss.total.isfinite()


def test_window_longer_than_the_walk_is_refused() -> None:
    with pytest.raises(SpecError, match=r"(?s)context_size is 6 and walk_length is 5.*from 2 to 5"):
        Node2Vec(walk_length=5, context_size=6)


def test_parameters_out_of_range_are_refused_before_anything_runs() -> None:
    with pytest.raises((SpecError, CompositionError)) as caught:
        eco.compose(recipe=RECIPE, overrides=["objective.p=0", "objective.walks_per_node=0"], clusters=2)
    text = str(caught.value)
    assert "objective.p" in text
    assert "walks_per_node" in text


# ---------------------------------------------------------------------------------------------------------- runs


def fitted(graph: Data, **options: Any) -> Any:
    return eco.compose(recipe=RECIPE, clusters=2, **options).fit(graph, device="cpu")


def test_recipe_has_the_published_values() -> None:
    path = importlib.resources.files("eco_nonparametric").joinpath("recipes/node2vec.yaml")
    spec = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert spec["encoder"] == {"name": "eco-nonparametric:embedding", "embedding_dim": 128}
    objective = spec["objective"]
    assert objective.pop("name") == "eco-nonparametric:node2vec"
    assert objective == {
        **{"walk_length": 10, "context_size": 10, "walks_per_node": 10, "p": 1.0, "q": 1.0},
        **{"num_negative_samples": 1, "batch_size": 128},
    }
    train = spec["strategy"]["train"]
    assert (train["epochs"], train["patience"], train["optimizer"]["lr"]) == (100, 20, 0.01)
    assert spec["normalize_embeddings"] is True
    sizes = {name: layer["objective"]["batch_size"] for name, layer in spec["overrides"].items()}
    assert sizes == {"cora": 128, "photo": 256}


def test_recipe_trains_and_clusters() -> None:
    graph = cliques()
    model = fitted(graph, epochs=2)
    assert model.embedding_.shape == (16, 128)
    assert model.labels_.shape == (16,)
    assert len(model.history_) == 2
    assert {"node2vec.positive", "node2vec.negative"} <= set(model.history_[0])
    assert model.loss(graph).total.isfinite()


def test_an_epoch_takes_a_step_for_each_batch() -> None:
    """Adam moves an entry by about its learning rate in each step."""
    options: dict[str, Any] = {"epochs": 1, "overrides": ["strategy.train.restore_best=false"]}
    encoder: Any = eco.compose(recipe=RECIPE, clusters=2).build(cliques()).encoder
    start = encoder.weight.detach()
    one = fitted(cliques(), objective={"batch_size": 16}, **options).clustering_.embedding
    four = fitted(cliques(), objective={"batch_size": 4}, **options).clustering_.embedding
    assert (one - start).abs().max() == pytest.approx(0.01, rel=0.01)
    assert (four - start).abs().max() == pytest.approx(0.04, rel=0.05)


def test_two_cliques_are_told_apart_by_their_edges_alone() -> None:
    model = fitted(cliques(), epochs=40, encoder={"embedding_dim": 16}, objective={"batch_size": 4})
    assert model.clustering_.labels[:8].unique().numel() == 1
    assert model.clustering_.labels[8:].unique().numel() == 1
    assert model.labels_[0] != model.labels_[8]
    assert model.history_[-1]["loss"] < model.history_[0]["loss"] / 2


def test_same_seed_same_embedding_and_another_seed_another() -> None:
    options: dict[str, Any] = {"epochs": 2, "objective": {"batch_size": 4}}
    first, again, other = (fitted(cliques(), seed=seed, **options).clustering_.embedding for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_edges_may_be_weighted() -> None:
    graph = cliques()
    graph.edge_weight = torch.rand(graph.edge_index.size(1))
    assert fitted(graph, epochs=2).clustering_.embedding.isfinite().all()


def test_new_graph_of_another_size_is_refused() -> None:
    model = fitted(cliques(), epochs=1)
    with pytest.raises(EcoError, match="ECO211"):
        model.infer_full(cliques(5))


def test_it_trains_jointly_with_a_head() -> None:
    pytest.importorskip("eco_prototype")
    model = fitted(cliques(), head="eco-prototype:dec", strategy="eco-core:joint", epochs=2)
    stages = [row["stage"] for row in model.history_]
    assert stages == ["pretrain", "pretrain", "joint", "joint"]
    assert {"dec", "node2vec"} <= set(model.history_[-1])


def test_it_trains_an_encoder_of_features() -> None:
    pytest.importorskip("eco_gnn")
    graph = cliques()
    graph.x = torch.rand(16, 3)
    model = fitted(graph, encoder={"name": "eco-gnn:gcn", "hidden_channels": 4}, epochs=2)
    assert model.clustering_.embedding.isfinite().all()
