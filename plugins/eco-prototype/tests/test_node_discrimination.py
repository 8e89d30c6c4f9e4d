"""Node discrimination: its formula, its corruptions, and that it leaves the caller's graph alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from eco_prototype import NodeDiscrimination
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from torch import Tensor
from torch_geometric.data import Data

from eco_core.transforms import ShuffleFeatures

NODES, WIDTH = 12, 5


def new_graph(sparse: bool = False) -> Data:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(NODES, WIDTH, generator=generator) * (torch.rand(NODES, WIDTH, generator=generator) < 0.6)
    source = torch.arange(NODES)
    edge_index = torch.stack([source, (source + 1) % NODES])
    return Data(x=x.to_sparse() if sparse else x, edge_index=edge_index, y=source, n_id=source + 100)


def propagate(graph: Any) -> Tensor:
    """Each node's features and half of its predecessor's: reads features and edges."""
    x = graph.x.to_dense()
    source, target = graph.edge_index
    return x.index_add(0, target, 0.5 * x[source])


def new_objective(**parameters: Any) -> NodeDiscrimination:
    torch.manual_seed(0)
    return NodeDiscrimination(WIDTH, **parameters)


def seeded(seed: int, function: Callable[[], Any]) -> Any:
    torch.manual_seed(seed)
    return function()


# -------------------------------------------------------------------------------------------------------- formula


def test_loss_is_the_mean_cross_entropy_over_twice_the_nodes() -> None:
    objective, graph = new_objective(), new_graph()
    loss = seeded(3, lambda: objective(propagate, graph))
    fake = seeded(3, lambda: ShuffleFeatures()(graph))
    layer: Any = objective.projector[0]
    weight, bias = layer.weight, layer.bias

    def logit(row: Tensor) -> Tensor:
        return torch.stack([weight[j] @ row + bias[j] for j in range(WIDTH)]).sum()

    entropies = [-torch.sigmoid(logit(row)).log() for row in propagate(graph)]
    entropies += [-(1 - torch.sigmoid(logit(row))).log() for row in propagate(fake)]
    torch.testing.assert_close(loss.total, torch.stack(entropies).mean())
    torch.testing.assert_close(loss.total, (loss.original + loss.corrupted) / 2)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_logits_are_the_sums_of_the_projected_embeddings(layers: int) -> None:
    objective, z = new_objective(projector_layers=layers), torch.randn(NODES, WIDTH)
    assert sum(isinstance(part, torch.nn.Linear) for part in objective.projector) == layers
    assert objective.logits(z).shape == (NODES,)
    torch.testing.assert_close(objective.logits(z), objective.projector(z).sum(dim=-1))


def test_gradients_reach_the_encoder_and_the_whole_projector_and_are_correct() -> None:
    objective, graph = new_objective(projector_layers=2).double(), new_graph()
    graph.x = graph.x.double()
    scale = torch.ones(WIDTH, dtype=torch.double, requires_grad=True)

    def loss(scale: Tensor) -> Tensor:
        return seeded(1, lambda: objective(lambda given: propagate(given) * scale, graph).total)

    assert torch.autograd.gradcheck(loss, (scale,))
    loss(scale).backward()
    assert scale.grad is not None
    assert scale.grad.abs().sum() > 0
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in objective.parameters())


def test_loss_is_finite_for_extreme_embeddings() -> None:
    loss = new_objective()(lambda graph: 1e6 * propagate(graph), new_graph())
    assert loss.total.isfinite()


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_order_of_the_nodes_does_not_matter_to_the_graphs_part(seed: int) -> None:
    objective, z = new_objective(), torch.randn(NODES, WIDTH, generator=torch.Generator().manual_seed(seed))
    order = torch.randperm(NODES, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(
        objective(lambda _: z[order], Data(x=z)).original, objective(lambda _: z, Data(x=z)).original
    )


def test_training_on_the_loss_tells_a_graph_from_its_copies() -> None:
    torch.manual_seed(0)
    features = torch.eye(WIDTH)[:2].repeat_interleave(NODES // 2, dim=0)
    source = torch.arange(NODES).repeat_interleave(2)
    edge_index = torch.stack([source, (source // 6) * 6 + (source + torch.tensor([1, 2]).repeat(NODES)) % 6])
    graph = Data(x=features, edge_index=edge_index)
    encoder, objective = torch.nn.Sequential(torch.nn.Linear(WIDTH, 16), torch.nn.ReLU()), NodeDiscrimination(16)
    optimizer = torch.optim.Adam([*encoder.parameters(), *objective.parameters()], lr=0.01)
    first = float(objective(lambda given: encoder(propagate(given)), graph).total.detach())
    for _ in range(200):
        optimizer.zero_grad()
        loss = objective(lambda given: encoder(propagate(given)), graph).total
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.75 * first


# ----------------------------------------------------------------------------------------------------- corruption


@pytest.mark.parametrize("corruption", ["shuffle_nodes", "shuffle_edges"])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_same_seed_same_loss_whatever_the_layout_and_the_graph_stays_as_it_is(
    corruption: str, sparse: bool, dropout: float
) -> None:
    objective = new_objective(corruption=corruption, feature_dropout=dropout)
    graph, before = new_graph(sparse), new_graph(sparse)
    x, edge_index = graph.x, graph.edge_index
    first = seeded(5, lambda: objective(propagate, graph)).total
    assert torch.equal(first, seeded(5, lambda: objective(propagate, graph)).total)
    torch.testing.assert_close(first, seeded(5, lambda: objective(propagate, new_graph(not sparse))).total)
    assert len({seeded(seed, lambda: objective(propagate, graph)).total.item() for seed in range(5)}) == 5
    assert graph.x is x
    assert graph.edge_index is edge_index
    assert torch.equal(graph.x.to_dense(), before.x.to_dense())
    assert torch.equal(graph.edge_index, before.edge_index)
    assert set(graph.keys()) == set(before.keys())


def test_graph_and_copy_lose_the_same_features() -> None:
    seen: list[Tensor] = []

    def encode(graph: Any) -> Tensor:
        seen.append(graph.x)
        return propagate(graph)

    seeded(2, lambda: new_objective(feature_dropout=0.5)(encode, new_graph()))
    assert torch.equal((seen[0] == 0).all(dim=0), (seen[1] == 0).all(dim=0))


def test_embedding_of_the_graph_itself_is_shared_when_no_feature_is_dropped() -> None:
    graph, encoded = new_graph(), []

    def encode(given: Any) -> Tensor:
        encoded.append(given)
        return propagate(given)

    new_objective()(encode, graph)
    assert encoded[0] is graph
    assert len(encoded) == 2


def test_graph_needs_no_labels() -> None:
    graph = new_graph()
    del graph.y
    assert new_objective()(propagate, graph).total.isfinite()


# ------------------------------------------------------------------------------------------------------ embedding


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("power", [1, 3])
def test_embedding_joins_the_encoders_with_its_propagation(power: int, weighted: bool) -> None:
    graph = new_graph()
    edge_index = torch.cat([graph.edge_index, graph.edge_index.flip(0)], dim=1)
    weight = torch.rand(edge_index.size(1) // 2, generator=torch.Generator().manual_seed(1)).repeat(2)
    dense = torch.eye(NODES)
    for (i, j), value in zip(edge_index.t().tolist(), weight.tolist(), strict=True):
        dense[j, i] += value if weighted else 1.0
    scale = dense.sum(dim=1) ** -0.5
    expected = graph.x + torch.linalg.matrix_power(scale[:, None] * dense * scale, power) @ graph.x
    objective = new_objective(power=power)
    z = objective.embed(lambda given: given.x, graph, edge_index, weight if weighted else None)
    torch.testing.assert_close(z, expected)


def test_embedding_is_the_encoders_by_default() -> None:
    graph = new_graph()
    assert new_objective().embed(lambda given: given.x, graph, graph.edge_index) is graph.x


def test_gradient_of_the_propagation_is_correct() -> None:
    graph = new_graph()
    z = graph.x.double().requires_grad_()
    objective = new_objective(power=2)
    assert torch.autograd.gradcheck(lambda z: objective.embed(lambda _: z, graph, graph.edge_index), (z,))


def test_embedding_is_propagated_in_single_precision_under_autocast() -> None:
    graph, objective = new_graph(), new_objective(power=2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z = objective.embed(lambda given: given.x, graph, graph.edge_index)
    torch.testing.assert_close(z, objective.embed(lambda given: given.x, graph, graph.edge_index))


# ----------------------------------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("parameter", "wrong"),
    [
        ("projector_layers", 0),
        ("corruption", "noise"),
        ("feature_dropout", 1.0),
        ("feature_dropout", -0.1),
        ("power", -1),
    ],
)
def test_annotations_reject_wrong_values_and_accept_the_defaults(parameter: str, wrong: Any) -> None:
    declared = inspect.signature(NodeDiscrimination, eval_str=True).parameters[parameter]
    adapter = TypeAdapter(declared.annotation)
    assert adapter.validate_python(declared.default) == declared.default
    with pytest.raises(ValidationError):
        adapter.validate_python(wrong)


def test_unknown_corruption_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"noise.*shuffle_nodes' or 'shuffle_edges"):
        NodeDiscrimination(WIDTH, corruption="noise")  # type: ignore[arg-type]
