"""S3GC's objective: its loss, its gradients, its walks, and whole runs of its recipe."""

from __future__ import annotations

import importlib.resources
import math
from typing import Any

import pytest
import torch
import yaml
from eco_contrastive import S3GC
from eco_contrastive.s3gc import _pattern
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import Data

import eco_core as eco
from eco_core.errors import CompositionError, SpecError
from eco_core.ops.random_walks import Neighbors

NODES, WIDTH = 12, 5
RECIPE = "eco-contrastive:s3gc"


def cliques(size: int = 8) -> Data:
    """Two cliques with one edge between them, and features that say nothing."""
    block = torch.block_diag(*[1 - torch.eye(size)] * 2)
    block[0, size] = block[size, 0] = 1
    return Data(x=torch.ones(2 * size, 3), edge_index=block.nonzero().t().contiguous())


def ring(nodes: int = NODES) -> Data:
    """A directed ring, on which walks have no choice."""
    return Data(edge_index=torch.stack([torch.arange(nodes), (torch.arange(nodes) + 1) % nodes]), num_nodes=nodes)


def vectors(seed: int = 0) -> Tensor:
    return torch.randn(NODES, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def neighbors_of(objective: S3GC, graph: Data, edge_weight: Tensor | None = None) -> Neighbors:
    return objective.prepare(graph, graph.edge_index, edge_weight)["neighbors"]


def walks_of(objective: S3GC, nodes: Tensor | None = None, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    edges = torch.cat([ring().edge_index, ring().edge_index.flip(0)], dim=1)
    neighbors = neighbors_of(objective, Data(edge_index=edges, num_nodes=NODES))
    torch.manual_seed(seed)
    return objective.sample(torch.arange(NODES) if nodes is None else nodes, neighbors)


def loss_of_every_walk(z: Tensor, starts: Tensor, visited: Tensor, drawn: Tensor) -> Tensor:
    """The formula, walk by walk."""
    z = z / z.norm(dim=1, keepdim=True)
    losses = []
    for v, walks, others in zip(starts.tolist(), visited.tolist(), drawn.tolist(), strict=True):
        for positive, negative in zip(walks, others, strict=True):
            alike = torch.stack([(z[v] @ z[u]).exp() for u in positive]).sum()
            unlike = torch.stack([(z[v] @ z[u]).exp() for u in negative]).sum()
            losses.append(-alike / (alike + unlike))
    return torch.stack(losses).mean()


# ---------------------------------------------------------------------------------------------------------- loss


@pytest.mark.parametrize("walk_length", [2, 5])
@pytest.mark.parametrize("negatives", [1, 3])
@pytest.mark.parametrize("nodes", [None, torch.tensor([7, 2, 3])])
def test_loss_and_gradients_are_those_of_the_formula(walk_length: int, negatives: int, nodes: Tensor | None) -> None:
    objective = S3GC(walk_length, 4, negatives)
    walks = walks_of(objective, nodes)
    z, other = vectors().requires_grad_(), vectors().requires_grad_()
    loss, expected = objective.walk_loss(z, *walks).total, loss_of_every_walk(other, *walks)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(z.grad, other.grad)


def test_gradients_are_correct() -> None:
    objective = S3GC(4, 2, 2)
    walks = walks_of(objective)
    assert torch.autograd.gradcheck(lambda z: objective.walk_loss(z, *walks).total, (vectors().requires_grad_(),))


def test_parts_are_the_mean_cosines() -> None:
    z = torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]])
    visited, drawn = torch.tensor([[[1, 0]]]), torch.tensor([[[2, 2]]])
    loss = S3GC(3).walk_loss(z, torch.tensor([0]), visited, drawn)
    assert loss.visited.item() == pytest.approx(0.5)
    assert loss.drawn.item() == pytest.approx(-1.0)
    expected = -(1 + math.e) / (1 + math.e + 2 / math.e)
    assert loss.total.item() == pytest.approx(expected)


@given(st.randoms(use_true_random=False), st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_loss_depends_on_directions_alone_and_not_on_how_nodes_are_numbered(random: Any, seed: int) -> None:
    objective, z = S3GC(3, 2), vectors(seed)
    starts, visited, drawn = walks_of(objective, seed=seed)
    loss = objective.walk_loss(z, starts, visited, drawn).total
    assert -1 < loss < 0
    lengths = torch.tensor([random.uniform(0.1, 10) for _ in range(NODES)], dtype=torch.double)
    number = torch.tensor(random.sample(range(NODES), NODES))
    renumbered = torch.empty_like(z)
    renumbered[number] = z * lengths.unsqueeze(1)
    again = objective.walk_loss(renumbered, number[starts], number[visited], number[drawn]).total
    torch.testing.assert_close(again, loss)


def test_walks_of_all_nodes_cost_what_their_batches_cost_on_average() -> None:
    objective, z = S3GC(3, 3), vectors()
    starts, visited, drawn = walks_of(objective)
    parts = [
        objective.walk_loss(z, *part).total
        for part in zip(starts.split(4), visited.split(4), drawn.split(4), strict=True)
    ]
    torch.testing.assert_close(objective.walk_loss(z, starts, visited, drawn).total, torch.stack(parts).mean())


def test_mixed_precision_computes_the_loss_in_single_precision() -> None:
    objective = S3GC(3, 3)
    walks = walks_of(objective)
    z = vectors().bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        loss = objective.walk_loss(z, *walks).total
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, objective.walk_loss(z.float(), *walks).total)


@given(nodes=st.integers(1, 5), rows=st.integers(1, 4), others=st.integers(1, 30), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_pairs_that_come_up_several_times_are_one_entry_of_a_matrix(
    nodes: int, rows: int, others: int, seed: int
) -> None:
    """Torch writes beyond the memory of a sparse matrix with more entries than it is large."""
    drawn = torch.randint(nodes, (rows, others), generator=torch.Generator().manual_seed(seed))
    begins, columns, entry = _pattern(drawn)
    values = torch.zeros(columns.numel())
    torch.sparse_csr_tensor(begins, columns, values, (rows, nodes), check_invariants=True)
    assert torch.equal(columns[entry], drawn)
    row = torch.arange(rows).repeat_interleave(begins.diff())
    assert torch.equal(row[entry], torch.arange(rows).unsqueeze(1).expand(rows, others))


def test_vector_of_zeros_has_no_direction_and_does_no_harm() -> None:
    objective = S3GC(3, 3)
    z = vectors()
    z[3] = 0
    loss = objective.walk_loss(z.requires_grad_(), *walks_of(objective)).total
    loss.backward()
    assert loss.isfinite()
    assert z.grad is not None
    assert z.grad.isfinite().all()


# --------------------------------------------------------------------------------------------------------- walks


@given(
    nodes=st.integers(1, 30),
    batch_size=st.none() | st.integers(1, 40),
    walks_per_node=st.integers(1, 3),
    negatives=st.integers(1, 3),
    length=st.integers(2, 6),
)
@settings(max_examples=30, deadline=None)
def test_an_epoch_walks_equally_often_from_every_node(
    nodes: int, batch_size: int | None, walks_per_node: int, negatives: int, length: int
) -> None:
    objective = S3GC(length, walks_per_node, negatives, batch_size=batch_size)
    graph = ring(nodes)
    batches = list(objective.batches(graph, neighbors_of(objective, graph)))
    assert len(batches) == (1 if batch_size is None else -(-nodes // batch_size))
    starts, visited, drawn = (torch.cat([batch[name] for batch in batches]) for name in ("starts", "visited", "drawn"))
    assert starts.sort().values.tolist() == list(range(nodes))
    along = (starts.unsqueeze(1) + torch.arange(1, length)) % nodes
    assert torch.equal(visited, along.unsqueeze(1).expand(-1, walks_per_node, -1))
    assert drawn.shape == (nodes, walks_per_node, negatives * (length - 1))
    assert ((drawn >= 0) & (drawn < nodes)).all()


def test_nodes_to_compare_with_are_drawn_uniformly() -> None:
    objective = S3GC(6, 200)
    _, _, drawn = walks_of(objective)
    shares = torch.bincount(drawn.flatten(), minlength=NODES) / drawn.numel()
    assert shares.sub(1 / NODES).abs().max() < 0.01


def test_p_and_q_reach_the_walks() -> None:
    starts, visited, _ = walks_of(S3GC(6, p=1e-9))
    assert (visited[:, :, 1] == starts.view(-1, 1)).all()
    starts, visited, _ = walks_of(S3GC(6, p=1e9))
    assert (visited[:, :, 1] != starts.view(-1, 1)).all()


def test_edges_of_weight_zero_are_never_walked() -> None:
    objective, graph = S3GC(4), cliques(4)
    bridge = (graph.edge_index[0] < 4) != (graph.edge_index[1] < 4)
    starts, visited, _ = objective.sample(torch.arange(8), neighbors_of(objective, graph, (~bridge).float()))
    assert ((visited < 4) == (starts < 4).view(-1, 1, 1)).all()


def test_every_epoch_has_other_walks_and_a_seed_has_the_same() -> None:
    objective, graph = S3GC(5, batch_size=5), cliques()
    neighbors = neighbors_of(objective, graph)

    def draw() -> list[Tensor]:
        return [batch[name] for batch in objective.batches(graph, neighbors) for name in ("visited", "drawn")]

    torch.manual_seed(5)
    first, second = draw(), draw()
    torch.manual_seed(5)
    again = draw()
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_without_given_walks_a_batch_is_sampled() -> None:
    graph, objective = cliques(), S3GC(batch_size=4)
    z = torch.randn(16, 6)
    torch.manual_seed(1)
    loss = objective(lambda _: z, graph, graph.edge_index)
    torch.manual_seed(1)
    nodes = torch.randperm(16)[:4]
    expected = objective.walk_loss(z, *objective.sample(nodes, neighbors_of(objective, graph)))
    torch.testing.assert_close(loss.total, expected.total)


def test_sampled_subgraph_is_walked_by_its_own_edges() -> None:
    """Its rows are numbered anew: the edges of the whole graph would name others, or none."""
    whole, objective = cliques(), S3GC(batch_size=4)
    batch = Data(num_nodes=3, n_id=torch.tensor([9, 3, 12]))
    edges = torch.tensor([[0, 2], [2, 0]])
    loss = objective(lambda _: torch.randn(3, 6), batch, edges, neighbors=neighbors_of(objective, whole))
    assert loss.total.isfinite()


def test_parameters_out_of_range_are_refused_before_anything_runs() -> None:
    with pytest.raises((SpecError, CompositionError)) as caught:
        eco.compose(recipe=RECIPE, overrides=["objective.p=0", "objective.walk_length=1"], clusters=2)
    text = str(caught.value)
    assert "objective.p" in text
    assert "objective.walk_length" in text


# ---------------------------------------------------------------------------------------------------------- runs


def fitted(graph: Data, **options: Any) -> Any:
    return eco.compose(recipe=RECIPE, clusters=2, **options).fit(graph, device="cpu")


def test_recipe_has_the_published_values() -> None:
    path = importlib.resources.files("eco_contrastive").joinpath("recipes/s3gc.yaml")
    spec = yaml.safe_load(path.read_text(encoding="utf-8"))
    train = spec["strategy"]["train"]
    assert (train["epochs"], train["patience"]) == (200, 20)
    assert train["optimizer"] == {"name": "adam", "lr": 0.01, "weight_decay": 0.0}
    encoder, objective, photo = spec["encoder"], spec["objective"], spec["overrides"]["photo"]
    assert (encoder["hidden_channels"], encoder["scale"], encoder["diffusion"]) == (256, "small", "ppr")
    assert (encoder["k_hop"], encoder["alpha"]) == (3, 0.2)
    assert (objective["walk_length"], objective["walks_per_node"]) == (3, 10)
    # Published batches are as large as the graphs.
    assert "batch_size" not in objective
    assert photo == {"encoder": {"k_hop": 2}, "objective": {"walk_length": 5}}


def test_recipe_trains_and_clusters() -> None:
    graph = cliques()
    model = fitted(graph, epochs=2)
    assert model.embedding_.shape == (16, 256)
    assert model.labels_.shape == (16,)
    assert len(model.history_) == 2
    assert {"s3gc.visited", "s3gc.drawn"} <= set(model.history_[0])
    assert model.loss(graph).total.isfinite()


def test_two_cliques_are_told_apart() -> None:
    model = fitted(cliques(), epochs=60, encoder={"hidden_channels": 16})
    assert model.clustering_.labels[:8].unique().numel() == 1
    assert model.clustering_.labels[8:].unique().numel() == 1
    assert model.labels_[0] != model.labels_[8]
    assert model.history_[-1]["loss"] < model.history_[0]["loss"] - 0.04


def test_an_epoch_takes_a_step_for_each_batch() -> None:
    """Adam moves an entry by about its learning rate in each step."""
    options: dict[str, Any] = {"epochs": 1, "overrides": ["strategy.train.restore_best=false"]}

    def table(model: eco.Composition) -> Tensor:
        encoder: Any = model.encoder
        return encoder.table.detach()

    start = table(eco.compose(recipe=RECIPE, clusters=2).build(cliques()))
    one = table(fitted(cliques(), **options))
    four = table(fitted(cliques(), objective={"batch_size": 4}, **options))
    assert (one - start).abs().max() == pytest.approx(0.01, rel=0.01)
    assert (four - start).abs().max() == pytest.approx(0.04, rel=0.05)


def test_same_seed_same_embedding_and_another_seed_another() -> None:
    options: dict[str, Any] = {"epochs": 2, "objective": {"batch_size": 4}}
    first, again, other = (fitted(cliques(), seed=seed, **options).clustering_.embedding for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("case", ["weighted", "no edges", "isolated node", "as many clusters as nodes", "one cluster"])
def test_unusual_graphs_train(case: str) -> None:
    graph, clusters = cliques(), 2
    if case == "weighted":
        graph.edge_weight = torch.rand(graph.edge_index.size(1))
    elif case == "no edges":
        graph.edge_index = torch.empty(2, 0, dtype=torch.int64)
    elif case == "isolated node":
        graph.edge_index = graph.edge_index[:, (graph.edge_index != 3).all(dim=0)]
    else:
        clusters = 16 if case.startswith("as many") else 1
    model = eco.compose(recipe=RECIPE, clusters=clusters, epochs=2).fit(graph, device="cpu")
    assert model.clustering_.embedding.isfinite().all()
    assert all(math.isfinite(row["loss"]) for row in model.history_)


@pytest.mark.parametrize("encoder", ["gcn", "gat", "mlp"])
def test_it_trains_other_encoders(encoder: str) -> None:
    pytest.importorskip("eco_gnn")
    graph = cliques()
    graph.x = torch.rand(16, 3)
    model = fitted(graph, encoder={"name": f"eco-gnn:{encoder}", "hidden_channels": 4}, epochs=2)
    assert model.clustering_.embedding.isfinite().all()
    assert model.history_[0]["loss"] != model.history_[1]["loss"]
