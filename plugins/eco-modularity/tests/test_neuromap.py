"""The head of Neuromap: flow, codelength against Infomap's and against dense formulas and its recipe."""

from __future__ import annotations

import importlib.resources
import math
import warnings
from typing import Any

import pytest
import torch
import yaml
from eco_modularity import NeuromapClusterHead
from eco_modularity.codelength import codelength, x_log2_x
from eco_modularity.flow import smart_teleportation_flow
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor
from torch_geometric.data import Data

from eco_core.inject.parameters import parameter_model
from eco_core.ops.partition import Links

NODES, WIDTH, CLUSTERS = 12, 5, 3


def random_edges(seed: int, nodes: int = NODES, edges: int = 30) -> tuple[Tensor, Tensor]:
    """Weighted edges, with loops, parallel edges, isolated nodes and nodes that none leaves."""
    generator = torch.Generator().manual_seed(seed)
    edge_index = torch.randint(nodes - 1, (2, edges), generator=generator)
    edge_index[0, edge_index[0] == 1] = 0
    return edge_index, torch.rand(edges, generator=generator, dtype=torch.float64) + 0.1


def undirected(edge_index: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Both directions of each edge; a loop once."""
    back = edge_index[0] != edge_index[1]
    return torch.cat([edge_index, edge_index[:, back].flip(0)], 1), torch.cat([weight, weight[back]])


def graph_of(seed: int, directed: bool) -> tuple[Tensor, Tensor]:
    edges = random_edges(seed)
    return edges if directed else undirected(*edges)


def dense(edge_index: Tensor, values: Tensor, nodes: int = NODES) -> Tensor:
    return torch.zeros(nodes, nodes, dtype=torch.float64).index_put_(tuple(edge_index), values, accumulate=True)


def one_hot(labels: Tensor, clusters: int) -> Tensor:
    return torch.nn.functional.one_hot(labels, clusters).double()


def embeddings(seed: int = 0, nodes: int = NODES) -> Tensor:
    return torch.randn(nodes, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def soft(seed: int = 0) -> Tensor:
    return embeddings(seed)[:, :CLUSTERS].softmax(1)


def new_head(clusters: int = CLUSTERS, **parameters: Any) -> NeuromapClusterHead:
    torch.manual_seed(0)
    return NeuromapClusterHead(clusters, WIDTH, **parameters).double()


def bits(s: Tensor, edge_index: Tensor, weight: Tensor | None, alpha: float = 0.15) -> Tensor:
    flow = smart_teleportation_flow(edge_index, weight, num_nodes=len(s), alpha=alpha)
    return codelength(s, Links(edge_index, flow, num_nodes=len(s)))


def bits_of_infomap(edge_index: Tensor, weight: Tensor, labels: Tensor, directed: bool, alpha: float) -> float:
    infomap = pytest.importorskip("infomap")
    arguments = f"--silent --two-level --no-infomap --flow-model {'directed' if directed else 'undirected'}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Its interface is being renewed.
        network = infomap.Infomap(f"{arguments} --teleportation-probability {alpha}")
        for node in range(len(labels)):
            network.add_node(node)
        for (source, target), value in zip(edge_index.T.tolist(), weight.tolist(), strict=True):
            network.add_link(source, target, value)
        network.initial_partition = dict(enumerate(labels.tolist()))
        network.run()
        return float(network.codelength)


def entropy(rates: Tensor) -> float:
    shares = [float(rate) / float(rates.sum()) for rate in rates if rate > 0]
    return -sum(share * math.log2(share) for share in shares)


def naive_flow(matrix: Tensor, alpha: float) -> Tensor:
    """The flow by an eigenvector of the whole transition matrix, teleportation included."""
    leaving = matrix.sum(1)
    teleport = leaving / leaving.sum()
    steps = torch.stack([row / row.sum() if row.sum() > 0 else torch.zeros_like(row) for row in matrix])
    jumps = torch.tensor([alpha if weight > 0 else 1.0 for weight in leaving], dtype=torch.float64)
    walk = (1 - alpha) * steps + jumps.unsqueeze(1) * teleport
    system = torch.cat([walk.T - torch.eye(len(matrix), dtype=torch.float64), torch.ones(1, len(matrix))])
    right = torch.zeros(len(matrix) + 1, dtype=torch.float64)
    right[-1] = 1
    rates = torch.linalg.lstsq(system, right.unsqueeze(1)).solution.squeeze(1)
    flow = rates.unsqueeze(1) * steps
    return flow / flow.sum()


def naive_codelength(labels: Tensor, flow: Tensor) -> float:
    """The map equation by its definition: entropies of codebooks, weighted by how often each is used."""
    visits, total = flow.sum(0), 0.0
    enter = []
    for k in labels.unique():
        inside = labels == k
        enter.append(flow[~inside][:, inside].sum())
        book = torch.cat([visits[inside], flow[inside][:, ~inside].sum().unsqueeze(0)])
        total += float(book.sum()) * entropy(book) if book.sum() > 0 else 0.0
    index = torch.stack(enter)
    return total + (float(index.sum()) * entropy(index) if index.sum() > 0 else 0.0)


# -------------------------------------------------------------------------------------------------------------- flow


@pytest.mark.parametrize("alpha", [0.05, 0.15, 0.7, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_flow_is_the_stationary_one(seed: int, alpha: float) -> None:
    edge_index, weight = random_edges(seed)
    flow = smart_teleportation_flow(edge_index, weight, num_nodes=NODES, alpha=alpha, n_iters=1000)
    assert flow.dtype == torch.float64
    expected = naive_flow(dense(edge_index, weight), alpha)
    torch.testing.assert_close(dense(edge_index, flow), expected, rtol=0, atol=1e-10)


@given(seed=st.integers(0, 10_000), alpha=st.floats(0, 1))
def test_flow_of_an_undirected_graph_is_its_weights_whatever_the_teleportation(seed: int, alpha: float) -> None:
    edge_index, weight = graph_of(seed, directed=False)
    flow = smart_teleportation_flow(edge_index, weight, num_nodes=NODES, alpha=alpha, n_iters=1)
    torch.testing.assert_close(flow, weight / weight.sum())


def test_flow_is_that_of_the_paper_where_edges_leave_all_nodes() -> None:
    edge_index, weight = random_edges(5)
    ring = torch.stack([torch.arange(NODES), (torch.arange(NODES) + 1) % NODES])
    edge_index, weight = torch.cat([edge_index, ring], 1), torch.cat([weight, torch.ones(NODES)])
    flow = dense(edge_index, smart_teleportation_flow(edge_index, weight, num_nodes=NODES, n_iters=1000))
    matrix, visits = dense(edge_index, weight), flow.sum(0)
    transition = matrix / matrix.sum(1, keepdim=True)
    torch.testing.assert_close(flow, 0.15 * matrix / matrix.sum() + 0.85 * visits.unsqueeze(1) * transition)


def test_fewer_iterations_are_further_from_the_stationary_flow() -> None:
    edge_index, weight = random_edges(6)

    def error(n_iters: int) -> float:
        flow = smart_teleportation_flow(edge_index, weight, num_nodes=NODES, n_iters=n_iters)
        return float((dense(edge_index, flow) - naive_flow(dense(edge_index, weight), 0.15)).abs().sum())

    assert error(1) > error(3) > error(100)


@pytest.mark.parametrize("weight", [None, torch.zeros(0)])
def test_graph_without_edges_has_no_flow(weight: Tensor | None) -> None:
    flow = smart_teleportation_flow(torch.empty(2, 0, dtype=torch.int64), weight, num_nodes=3)
    assert flow.shape == (0,)


def test_edges_of_weight_zero_carry_nothing() -> None:
    edge_index = torch.tensor([[0, 1, 2], [1, 0, 0]])
    flow = smart_teleportation_flow(edge_index, torch.tensor([1.0, 1.0, 0.0]), num_nodes=3)
    assert flow.tolist() == [0.5, 0.5, 0.0]
    assert smart_teleportation_flow(edge_index, torch.zeros(3), num_nodes=3).tolist() == [0.0, 0.0, 0.0]


# -------------------------------------------------------------------------------------------------------- codelength


@pytest.mark.parametrize("alpha", [0.15, 0.5])
@pytest.mark.parametrize("directed", [False, True], ids=["undirected", "directed"])
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("seed", range(10))
def test_codelength_of_a_hard_assignment_is_that_of_infomap(
    seed: int, weighted: bool, directed: bool, alpha: float
) -> None:
    nodes, clusters = 8 + seed, 1 + seed % 5
    edge_index, weight = random_edges(seed, nodes, edges=2 * nodes)
    weight = weight if weighted else torch.ones_like(weight)
    labels = torch.randint(clusters, (nodes,), generator=torch.Generator().manual_seed(seed))
    expected = bits_of_infomap(edge_index, weight, labels, directed, alpha)
    found = bits(
        one_hot(labels, clusters), *((edge_index, weight) if directed else undirected(edge_index, weight)), alpha
    )
    assert float(found) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_codelength_of_a_hard_assignment_is_that_of_codebooks(seed: int, directed: bool) -> None:
    edge_index, weight = graph_of(seed, directed)
    labels = torch.randint(4, (NODES,), generator=torch.Generator().manual_seed(seed))
    flow = naive_flow(dense(edge_index, weight), 0.15)
    assert float(bits(one_hot(labels, 4), edge_index, weight)) == pytest.approx(
        naive_codelength(labels, flow), abs=1e-9
    )


@pytest.mark.parametrize("directed", [False, True])
def test_codelength_of_a_soft_assignment_is_the_published_formula(directed: bool) -> None:
    edge_index, weight = graph_of(7, directed)
    flow, s = naive_flow(dense(edge_index, weight), 0.15), soft()
    between = s.T @ flow @ s

    def plogp(values: Tensor) -> Tensor:
        return torch.stack([v * torch.log2(v) for v in values.flatten() if v > 0]).sum()

    enter, leave = between.sum(0) - between.diagonal(), between.sum(1) - between.diagonal()
    visits = flow.sum(0)
    expected = plogp(1 - between.trace()) - plogp(enter) - plogp(leave) - plogp(visits) + plogp(leave + between.sum(0))
    torch.testing.assert_close(bits(s, edge_index, weight), expected, rtol=0, atol=1e-9)


def test_one_community_is_coded_by_the_entropy_of_the_visits() -> None:
    edge_index, weight = graph_of(8, directed=False)
    visits = dense(edge_index, weight).sum(0)
    found = bits(torch.ones(NODES, 1, dtype=torch.float64), edge_index, weight)
    assert float(found) == pytest.approx(entropy(visits))


def test_two_separate_halves_take_one_bit_less_than_one_community() -> None:
    half = torch.tensor([[0, 1, 1, 2, 2, 0], [1, 0, 2, 1, 0, 2]])
    edge_index, labels = torch.cat([half, half + 3], 1), torch.tensor([0, 0, 0, 1, 1, 1])
    together = bits(torch.ones(6, 1, dtype=torch.float64), edge_index, None)
    assert float(bits(one_hot(labels, 2), edge_index, None)) == pytest.approx(float(together) - 1)


@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3), directed=st.booleans())
def test_codelength_sees_neither_names_nor_the_scale_of_weights(seed: int, scale: float, directed: bool) -> None:
    edge_index, weight = graph_of(seed, directed)
    generator = torch.Generator().manual_seed(seed)
    nodes, clusters = torch.randperm(NODES, generator=generator), torch.randperm(CLUSTERS, generator=generator)
    s, renamed = soft(seed), torch.empty(NODES, CLUSTERS, dtype=torch.float64)
    renamed[nodes] = s[:, clusters]
    torch.testing.assert_close(
        bits(renamed, nodes[edge_index], scale * weight), bits(s, edge_index, weight), rtol=0, atol=1e-6
    )


@given(seed=st.integers(0, 10_000), directed=st.booleans())
def test_empty_communities_and_nodes_without_edges_cost_nothing(seed: int, directed: bool) -> None:
    edge_index, weight = graph_of(seed, directed)
    s = soft(seed)
    wider = torch.cat([s, torch.zeros(NODES, 2, dtype=torch.float64)], 1)
    longer = torch.cat([s, soft(seed + 1)[:3]])
    torch.testing.assert_close(bits(wider, edge_index, weight), bits(s, edge_index, weight))
    torch.testing.assert_close(bits(longer, edge_index, weight), bits(s, edge_index, weight))


def test_x_log_x_is_zero_at_zero_with_a_finite_gradient() -> None:
    for dtype in (torch.float32, torch.float64):
        x = torch.tensor([0.0, 1e-30, 0.5, 1.0, 2.0], dtype=dtype, requires_grad=True)
        values = x_log2_x(x)
        values.sum().backward()
        assert values.tolist()[2:] == [-0.5, 0.0, 2.0]
        assert values[0] == 0
        assert x.grad is not None
        assert x.grad.isfinite().all()
        torch.testing.assert_close(x.grad[2:], torch.log2(x.detach()[2:]) + 1 / math.log(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_hard_assignments_have_finite_gradients(dtype: torch.dtype) -> None:
    half = torch.tensor([[0, 1, 1, 2, 2, 0], [1, 0, 2, 1, 0, 2]])
    edge_index = torch.cat([half, half + 3], 1)
    s = one_hot(torch.tensor([0, 0, 0, 1, 1, 1]), 4).to(dtype).requires_grad_()
    bits(s, edge_index, None).backward()
    assert s.grad is not None
    assert s.grad.isfinite().all()


@pytest.mark.parametrize("directed", [False, True])
def test_gradients_agree_with_finite_differences(directed: bool) -> None:
    edge_index, weight = graph_of(9, directed)
    head, z = new_head(lam=2.0), embeddings().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: head(z, edge_index, weight).total, z)


# -------------------------------------------------------------------------------------------------------------- head


@pytest.mark.parametrize("lam", [0.0, 1.0, 5.0])
def test_loss_is_the_codelength_and_the_term_against_collapse(lam: float) -> None:
    edge_index, weight = graph_of(10, directed=True)
    head, z = new_head(lam=lam, alpha=0.3), embeddings()
    s, loss = head.assignment(z), head(z, edge_index, weight)
    torch.testing.assert_close(loss.codelength, bits(s, edge_index, weight, alpha=0.3))
    torch.testing.assert_close(loss.collapse, math.sqrt(CLUSTERS) / NODES * s.sum(0).norm() - 1)
    torch.testing.assert_close(loss.total, loss.codelength + lam * loss.collapse)


@pytest.mark.parametrize("weighted", [False, True])
def test_prepared_graph_gives_the_same_loss(weighted: bool) -> None:
    edge_index, weight = graph_of(11, directed=True)
    head, z = new_head(), embeddings()
    prepared = head.prepare(
        Data(edge_index=edge_index, num_nodes=NODES, **({"edge_weight": weight} if weighted else {}))
    )
    given_weight = weight if weighted else None
    assert prepared["flow"].are_of(edge_index, given_weight)
    assert head(z, edge_index, given_weight, **prepared).total == head(z, edge_index, given_weight).total


def test_flow_of_the_graph_is_not_used_for_a_batch_of_it() -> None:
    edge_index, weight = graph_of(12, directed=False)
    head, z = new_head(), embeddings()
    prepared = head.prepare(Data(edge_index=edge_index, edge_weight=weight, num_nodes=NODES))
    inside = (edge_index < 8).all(0)
    batch = edge_index[:, inside], weight[inside]
    assert head(z[:8], *batch, **prepared).total == head(z[:8], *batch).total


def test_graph_without_edges_leaves_the_term_against_collapse() -> None:
    head, z = new_head(), embeddings().requires_grad_()
    loss = head(z, torch.empty(2, 0, dtype=torch.int64))
    loss.total.backward()
    assert loss.codelength == 0
    assert z.grad is not None
    assert z.grad.isfinite().all()


@pytest.mark.parametrize("clusters", [1, NODES])
def test_one_cluster_and_as_many_as_nodes_are_fine(clusters: int) -> None:
    edge_index, weight = graph_of(13, directed=False)
    head, z = new_head(clusters), embeddings().requires_grad_()
    loss = head(z, edge_index, weight)
    loss.total.backward()
    assert loss.total.isfinite()
    assert z.grad is not None
    assert z.grad.isfinite().all()


def test_loss_is_in_single_precision_under_autocast() -> None:
    edge_index, weight = graph_of(14, directed=False)
    head, z = new_head().float(), embeddings().float()
    expected = head(z, edge_index, weight.float()).total
    with torch.autocast("cpu", torch.bfloat16):
        found = head(z, edge_index, weight.float()).total
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("parameters", [{"lam": -1.0}, {"alpha": 1.5}, {"alpha": -0.1}, {"n_iters": 0}])
def test_parameters_out_of_range_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(parameters))):
        parameter_model(NeuromapClusterHead)(**parameters)


# ------------------------------------------------------------------------------------------------------------ recipe


def test_recipe_has_the_published_values() -> None:
    text = importlib.resources.files("eco_modularity").joinpath("recipes/neuromap.yaml").read_text(encoding="utf-8")
    spec = yaml.safe_load(text)
    stage = spec["strategy"]["joint"]
    assert (stage["epochs"], stage["patience"]) == (1000, 50)
    assert stage["optimizer"] == {"name": "adam", "lr": 0.001, "weight_decay": 0.00001}
    assert (spec["head"]["lam"], spec["overrides"]["photo"]["head"]["lam"]) == (5.0, 1.0)
    assert (spec["head"]["alpha"], spec["head"]["n_iters"]) == (0.15, 100)
    widths = spec["encoder"]["hidden_channels"], spec["overrides"]["photo"]["encoder"]["hidden_channels"]
    assert widths == (64, 256)
    assert spec["strategy"]["initialize"] is False
