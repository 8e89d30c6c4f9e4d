"""NS4GC: its formula, its views, its parameters and graphs of every kind."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from eco_contrastive import NS4GC
from pydantic import TypeAdapter, ValidationError
from torch import Tensor
from torch_geometric.data import Data

from eco_core.transforms import GSSLTransform

NODES, WIDTH = 14, 6
STILL = GSSLTransform(0.0, 0.0)


def new_graph(undirected: bool = True, messy: bool = False) -> Data:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(NODES, WIDTH, generator=generator, dtype=torch.double)
    edge_index = torch.randint(NODES - 2, (2, 18), generator=generator)
    edge_index = edge_index[:, edge_index[0] < edge_index[1]].unique(dim=1)
    if undirected:
        edge_index = torch.cat([edge_index, edge_index.flip(0)], dim=1)
    if messy:
        edge_index = torch.cat([edge_index, edge_index, torch.tensor([[3], [3]])], dim=1)
    return Data(x=x, edge_index=edge_index)


def smooth(graph: Any) -> Tensor:
    """Each node's features and half of those that point to it: reads features and edges."""
    source, target = graph.edge_index
    x = graph.x.to_dense()
    return x.index_add(0, target, 0.5 * x[source])


def reference(z1: Tensor, z2: Tensor, edge_index: Tensor, s: float, tau: float) -> tuple[Tensor, Tensor, Tensor]:
    """The three terms, pair by pair, of an undirected graph without loops."""
    z1, z2 = z1 / z1.norm(dim=1, keepdim=True), z2 / z2.norm(dim=1, keepdim=True)
    edges = edge_index.t().tolist()
    alignment = [z1[i] @ z2[i] for i in range(len(z1))]
    neighbours = [z1[i] @ z2[j] for i, j in edges]
    others = [
        torch.sigmoid((z1[i] @ z2[j] - s) / tau)
        for i in range(len(z1))
        for j in range(len(z1))
        if i != j and [i, j] not in edges
    ]
    return -torch.stack(alignment).mean(), -torch.stack(neighbours).mean(), torch.stack(others).mean()


def seeded(seed: int, function: Callable[[], Any]) -> Any:
    torch.manual_seed(seed)
    return function()


# ---------------------------------------------------------------------------------------------------------- formula


def test_loss_is_the_published_formula_on_two_views() -> None:
    view1, view2 = GSSLTransform(0.3, 0.2), GSSLTransform(0.1, 0.5)
    objective, graph = NS4GC(view1, view2, s=0.4, tau=0.3, lam=0.7, gam=1.3), new_graph()
    loss = seeded(5, lambda: objective(smooth, graph, graph.edge_index))
    z1, z2 = seeded(5, lambda: [smooth(view1(graph)), smooth(view2(graph))])
    assert not torch.equal(z1, z2)
    alignment, neighbours, sparsity = reference(z1, z2, graph.edge_index, 0.4, 0.3)
    torch.testing.assert_close(loss.alignment, alignment)
    torch.testing.assert_close(loss.neighbours, neighbours)
    torch.testing.assert_close(loss.sparsity, sparsity)
    torch.testing.assert_close(loss.total, alignment + 0.7 * neighbours + 1.3 * sparsity)


def test_gradient_is_correct_and_that_of_the_formula() -> None:
    objective, graph = NS4GC(STILL, STILL, s=0.2, tau=0.4), new_graph()
    z = graph.x.clone().requires_grad_()

    def loss(z: Tensor) -> Tensor:
        return objective(lambda _: z, graph, graph.edge_index).total

    assert torch.autograd.gradcheck(loss, (z,))
    expected = sum(reference(z, z, graph.edge_index, 0.2, 0.4))
    assert isinstance(expected, Tensor)
    torch.testing.assert_close(torch.autograd.grad(loss(z), z), torch.autograd.grad(expected, z))


def test_prepared_links_give_the_same_loss() -> None:
    objective, graph = NS4GC(STILL, STILL), new_graph(messy=True)
    prepared = objective.prepare(graph, graph.edge_index)
    assert set(prepared) == {"links"}
    torch.testing.assert_close(
        objective(smooth, graph, graph.edge_index, **prepared).total, objective(smooth, graph, graph.edge_index).total
    )


def test_a_sampled_batch_has_pairs_of_its_own() -> None:
    objective, graph = NS4GC(STILL, STILL), new_graph()
    prepared = objective.prepare(graph, graph.edge_index)
    batch = Data(x=graph.x[5:9], edge_index=torch.tensor([[0, 1], [1, 0]]), n_id=torch.arange(5, 9))
    loss = objective(lambda given: given.x, batch, batch.edge_index, **prepared)
    for got, expected in zip(
        (loss.alignment, loss.neighbours, loss.sparsity),
        reference(batch.x, batch.x, batch.edge_index, 0.6, 0.1),
        strict=True,
    ):
        torch.testing.assert_close(got, expected)


# ------------------------------------------------------------------------------------------------- kinds of graphs


def test_loops_change_nothing_and_parallel_edges_count_each_among_neighbours_only() -> None:
    objective, graph = NS4GC(STILL, STILL), new_graph()
    plain = objective(smooth, graph, graph.edge_index)

    def with_more(edges: Tensor) -> Any:
        return objective(lambda _: smooth(graph), graph, torch.cat([graph.edge_index, edges], dim=1))

    loops = with_more(torch.tensor([[2, 3], [2, 3]]))
    torch.testing.assert_close(loops.components, plain.components)
    parallel = with_more(graph.edge_index[:, :1].repeat(1, 9))
    torch.testing.assert_close(parallel.sparsity, plain.sparsity)
    z = F.normalize(smooth(graph), dim=1)
    products = (z[graph.edge_index[0]] * z[graph.edge_index[1]]).sum(dim=1)
    expected = -(products.sum() + 9 * products[0]) / (products.numel() + 9)
    torch.testing.assert_close(parallel.neighbours, expected)


def test_edges_of_a_directed_graph_link_in_both_directions() -> None:
    objective = NS4GC(STILL, STILL)
    directed, undirected = new_graph(undirected=False), new_graph()
    z = smooth(undirected)
    torch.testing.assert_close(
        objective(lambda _: z, directed, directed.edge_index).components,
        objective(lambda _: z, undirected, undirected.edge_index).components,
    )


def test_neighbours_are_averaged_by_the_weights_of_their_edges() -> None:
    objective, graph = NS4GC(STILL, STILL), new_graph()
    source, target = graph.edge_index
    weight = 1.0 + (source + target).double()
    loss = objective(smooth, graph, graph.edge_index, edge_weight=weight)
    z = F.normalize(smooth(graph), dim=1)
    torch.testing.assert_close(loss.neighbours, -(weight * (z[source] * z[target]).sum(dim=1)).sum() / weight.sum())
    torch.testing.assert_close(loss.sparsity, objective(smooth, graph, graph.edge_index).sparsity)


@pytest.mark.parametrize("nodes", [1, 2, 5])
@pytest.mark.parametrize("complete", [False, True], ids=["no edges", "complete"])
def test_terms_over_no_pairs_are_zero(nodes: int, complete: bool) -> None:
    edge_index = torch.empty(2, 0, dtype=torch.long)
    if complete:
        edge_index = torch.combinations(torch.arange(nodes)).T
        edge_index = torch.cat([edge_index, edge_index.flip(0)], dim=1)
    z = torch.randn(nodes, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = NS4GC(STILL, STILL)(lambda _: z, Data(x=z, edge_index=edge_index), edge_index)
    assert (loss.neighbours == 0) == (not complete or nodes == 1)
    assert (loss.sparsity == 0) == (complete or nodes == 1)
    loss.total.backward()
    assert z.grad is not None
    assert z.grad.isfinite().all()


def test_loss_is_computed_in_single_precision_under_autocast() -> None:
    graph = new_graph()
    z = graph.x.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = NS4GC(STILL, STILL)(lambda _: z, graph, graph.edge_index)
    torch.testing.assert_close(loss.total, NS4GC(STILL, STILL)(lambda _: z, graph, graph.edge_index).total)


# ------------------------------------------------------------------------------------------------------- parameters


def test_signature_and_defaults_are_the_declared_ones() -> None:
    parameters = inspect.signature(NS4GC).parameters
    assert list(parameters) == ["transform1", "transform2", "s", "tau", "lam", "gam", "num_anchors"]
    view = GSSLTransform(0.2, 0.3)
    assert [parameter.default for parameter in parameters.values()] == [view, view, 0.6, 0.1, 1.0, 1.0, None]


@pytest.mark.parametrize(("parameter", "wrong"), [("tau", 0.0), ("lam", -1.0), ("gam", -0.1)])
def test_annotations_reject_wrong_values_and_accept_the_defaults(parameter: str, wrong: float) -> None:
    declared = inspect.signature(NS4GC, eval_str=True).parameters[parameter]
    adapter = TypeAdapter(declared.annotation)
    assert adapter.validate_python(declared.default) == declared.default
    with pytest.raises(ValidationError):
        adapter.validate_python(wrong)
