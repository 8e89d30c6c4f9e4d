"""The reconstruction loss: its formula, its gradients, its negatives."""

from __future__ import annotations

import inspect

import pytest
import torch
from eco_autoencoder import GAE
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

from eco_core import LossOutput
from eco_core.errors import DataError

NODES, WIDTH = 15, 4


@pytest.fixture
def z() -> Tensor:
    return torch.randn(NODES, WIDTH, generator=torch.Generator().manual_seed(0), dtype=torch.double)


@pytest.fixture
def edge_index() -> Tensor:
    source = torch.arange(NODES)
    return to_undirected(torch.stack([source, (source + 1) % NODES]))


def pairs_of(edges: Tensor) -> set[tuple[int, int]]:
    return {(min(i, j), max(i, j)) for i, j in edges.t().tolist()}


def test_loss_is_the_published_formula(z: Tensor, edge_index: Tensor) -> None:
    negatives = torch.tensor([[0, 3, 9], [5, 8, 2]])
    probability = 1 / (1 + torch.exp(-(z @ z.t())))
    expected = -probability[edge_index[0], edge_index[1]].log().mean()
    expected = expected - (1 - probability[negatives[0], negatives[1]]).log().mean()
    torch.testing.assert_close(GAE().recon_loss(z, edge_index, negatives), expected)


def test_decode_gives_probabilities_or_logits(z: Tensor, edge_index: Tensor) -> None:
    logits = GAE().decode(z, edge_index, sigmoid=False)
    torch.testing.assert_close(logits, (z @ z.t())[edge_index[0], edge_index[1]])
    torch.testing.assert_close(GAE().decode(z, edge_index), logits.sigmoid())


def test_gradients_are_correct(z: Tensor, edge_index: Tensor) -> None:
    negatives = torch.tensor([[0, 3, 9], [5, 8, 2]])
    leaf = z.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda value: GAE().recon_loss(value, edge_index, negatives), (leaf,))


def test_forward_encodes_the_graph_and_names_its_parts(z: Tensor, edge_index: Tensor) -> None:
    graph = Data(x=z, edge_index=edge_index)
    torch.manual_seed(3)
    loss = GAE().forward(lambda given: 0.5 * given.x, graph, edge_index)
    assert isinstance(loss, LossOutput)
    torch.testing.assert_close(loss.total, loss.positive + loss.negative)
    torch.manual_seed(3)
    torch.testing.assert_close(loss.total, GAE().recon_loss(0.5 * z, edge_index))


def test_edges_are_those_given_by_name_not_those_of_the_batch(z: Tensor, edge_index: Tensor) -> None:
    """In a sampled batch the embeddings are the rows of the seeds, and so are the given edges."""
    batch = Data(x=z, edge_index=edge_index + 1000)
    loss = GAE().forward(lambda _: z[:4], batch, torch.tensor([[0, 1], [1, 2]]))
    assert loss.total.isfinite()


def test_loss_stays_finite_for_extreme_embeddings(z: Tensor, edge_index: Tensor) -> None:
    leaf = (1e4 * z).float().requires_grad_()
    loss = GAE().recon_loss(leaf, edge_index)
    loss.backward()
    assert loss.isfinite()
    assert leaf.grad is not None
    assert leaf.grad.isfinite().all()


def test_perfect_reconstruction_has_almost_no_loss() -> None:
    cliques = torch.block_diag(*[torch.ones(5, 5)] * 3).fill_diagonal_(0).nonzero().t()
    # Simplex corners: inner products are large within a clique and very negative between cliques.
    corners = 6 * (torch.eye(3) - 1 / 3).repeat_interleave(5, dim=0)
    assert GAE().recon_loss(corners, cliques) < 1e-3
    assert GAE().recon_loss(corners.roll(2, dims=0), cliques) > 1


def test_training_on_the_loss_recovers_the_edges(edge_index: Tensor) -> None:
    torch.manual_seed(0)
    z = torch.nn.Parameter(torch.randn(NODES, 8))
    objective, optimizer = GAE(), torch.optim.Adam([z], lr=0.1)
    first = objective.recon_loss(z, edge_index).item()
    for _ in range(100):
        optimizer.zero_grad()
        objective.recon_loss(z, edge_index).backward()
        optimizer.step()
    linked = objective.decode(z, edge_index)
    assert objective.recon_loss(z, edge_index).item() < first / 3
    assert linked.min() > objective.decode(z, objective.sample_negatives(edge_index, NODES)).mean()


def test_same_seed_same_negatives_and_another_seed_others(edge_index: Tensor) -> None:
    def sample(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return GAE().sample_negatives(edge_index, NODES)

    assert torch.equal(sample(1), sample(1))
    assert not torch.equal(sample(1), sample(2))


@given(
    nodes=st.integers(2, 20),
    edges=st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), min_size=1, max_size=60),
    ratio=st.floats(0.1, 4),
    seed=st.integers(0, 100),
)
@settings(max_examples=60, deadline=None)
def test_negatives_are_neither_edges_nor_reversed_edges_nor_loops(
    nodes: int, edges: list[tuple[int, int]], ratio: float, seed: int
) -> None:
    edge_index = torch.tensor(edges).t() % nodes
    before = edge_index.clone()
    torch.manual_seed(seed)
    negatives = GAE(neg_ratio=ratio).sample_negatives(edge_index, nodes)
    assert torch.equal(edge_index, before)
    assert not pairs_of(negatives) & pairs_of(edge_index)
    assert (negatives[0] != negatives[1]).all()
    complete = len({pair for pair in pairs_of(edge_index) if pair[0] != pair[1]}) == nodes * (nodes - 1) // 2
    assert negatives.size(1) == (0 if complete else max(1, round(ratio * edge_index.size(1))))
    assert ((negatives >= 0) & (negatives < nodes)).all()


def test_pair_products_work_in_half_precision(z: Tensor, edge_index: Tensor) -> None:
    leaf = z.bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        GAE().recon_loss(leaf, edge_index).backward()
    assert leaf.grad is not None
    assert leaf.grad.dtype == torch.bfloat16
    assert leaf.grad.isfinite().all()


def test_negatives_are_found_although_parallel_edges_make_the_graph_look_dense() -> None:
    parallel = torch.tensor([[0], [1]]).repeat(1, 50)
    assert GAE(neg_ratio=0.04).sample_negatives(parallel, 4).size(1) == 2


@pytest.mark.parametrize(("ratio", "count"), [(0.5, 15), (1.0, 30), (2.0, 60)])
def test_neg_ratio_is_the_number_of_negatives_for_each_edge(ratio: float, count: int, edge_index: Tensor) -> None:
    torch.manual_seed(0)
    assert GAE(neg_ratio=ratio).sample_negatives(edge_index, NODES).size(1) == count


def test_complete_graph_has_no_negative_part(z: Tensor) -> None:
    complete = (1 - torch.eye(4)).nonzero().t()
    loss = GAE().forward(lambda _: z[:4], Data(), complete)
    assert loss.negative == 0
    assert loss.total.isfinite()


def test_graph_without_edges_is_refused_with_the_remedy(z: Tensor) -> None:
    with pytest.raises(DataError, match=r"(?s)no edge among these 15 nodes.*graph with edges"):
        GAE().recon_loss(z, torch.empty(2, 0, dtype=torch.long))


def test_mini_batch_without_edges_has_no_loss(z: Tensor) -> None:
    z = z.clone().requires_grad_()
    loss = GAE().forward(lambda _: z, Data(n_id=torch.arange(15)), torch.empty(2, 0, dtype=torch.long))
    loss.total.backward()
    assert loss.total == 0
    assert z.grad is not None
    assert not z.grad.any()


def test_objective_has_nothing_to_train() -> None:
    assert list(GAE().parameters()) == []
    assert GAE().state_dict() == {}


def test_neg_ratio_must_be_positive() -> None:
    declared = inspect.signature(GAE, eval_str=True).parameters["neg_ratio"]
    adapter = TypeAdapter(declared.annotation)
    assert adapter.validate_python(declared.default) == 1.0
    with pytest.raises(ValidationError):
        adapter.validate_python(0.0)
