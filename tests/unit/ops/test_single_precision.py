"""All kernels in single precision against dense references in double: values and gradients, to 1e-5 in norm.

The graphs have isolated nodes, loops, parallel and weighted edges.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from eco_core.ops.all_pairs import (
    linked_pairs,
    log_sum_exp_of_others,
    mean_sigmoid_of_others,
    pair_matrix,
    pair_sum,
)
from eco_core.ops.edge_attention import edge_softmax, edges_by_target, sum_of_neighbors
from eco_core.ops.pairs import SortedPairs, pair_products
from eco_core.ops.partition import Links, links_between
from eco_core.ops.propagation import normalized_adjacency, propagate
from eco_core.ops.sparse_factor import SparseFactor


@dataclass(frozen=True)
class Case:
    """A random graph with tables of its nodes, all in double precision."""

    edges: Tensor
    weight: Tensor
    z: Tensor
    features: Tensor
    scores: Tensor

    @property
    def nodes(self) -> int:
        return self.z.size(0)

    @property
    def adjacency(self) -> Tensor:
        """Row i holds the weights of the edges from i."""
        dense = torch.zeros(self.nodes, self.nodes, dtype=torch.float64)
        return dense.index_put_((self.edges[0], self.edges[1]), self.weight, accumulate=True)


def make_case(seed: int) -> Case:
    draw = torch.Generator().manual_seed(seed)
    nodes = int(torch.randint(3, 60, (), generator=draw))
    linked = max(2, nodes - 2)  # The last ones are isolated.
    edges = torch.randint(linked, (2, 4 * nodes), generator=draw)
    edges = torch.cat([edges, edges[:, :nodes], torch.arange(2).repeat(2, 1)], dim=1)  # Parallel edges, and loops.

    def table(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    weight = table(edges.size(1)).abs() + 0.1
    features = table(nodes, 20) * (torch.rand(nodes, 20, generator=draw) < 0.2)
    return Case(edges, weight, table(nodes, 32), features, table(edges.size(1), 2))


def product_with_adjacency(case: Case, z: Tensor) -> Tensor:
    matrix = normalized_adjacency(case.edges, case.weight.to(z.dtype), num_nodes=case.nodes)
    return propagate(matrix, z, 2)


def dense_product_with_adjacency(case: Case, z: Tensor) -> Tensor:
    matrix = case.adjacency.T + torch.diag((case.adjacency.diagonal() == 0).double())
    scale = matrix.sum(1).rsqrt()
    return torch.linalg.matrix_power(scale[:, None] * matrix * scale, 2) @ z


def product_with_features(case: Case, z: Tensor) -> Tensor:
    return SparseFactor.of(case.features.to(z.dtype).to_sparse()) @ z[:20].repeat(20, 1)[:20]


def dense_product_with_features(case: Case, z: Tensor) -> Tensor:
    return case.features @ z[:20].repeat(20, 1)[:20]


def attention(case: Case, z: Tensor) -> Tensor:
    edges = edges_by_target(case.edges, case.nodes)
    weight = edge_softmax(case.scores.to(z.dtype)[edges.order] + z[edges.column, :2], edges)
    return sum_of_neighbors(weight, z.view(case.nodes, 2, 16), edges)


def dense_attention(case: Case, z: Tensor) -> Tensor:
    source, target = case.edges
    scores = (case.scores + z[source, :2]).exp()
    total = torch.zeros(case.nodes, 2, dtype=z.dtype).index_add(0, target, scores)
    messages = (scores / total[target])[:, :, None] * z.view(case.nodes, 2, 16)[source]
    return torch.zeros(case.nodes, 2, 16, dtype=z.dtype).index_add(0, target, messages)


def is_other(case: Case) -> Tensor:
    linked = case.adjacency + case.adjacency.T + torch.eye(case.nodes)
    return linked == 0


def mean_sigmoid(case: Case, z: Tensor) -> Tensor:
    links = linked_pairs(case.edges, case.nodes, case.weight.to(z.dtype))
    return mean_sigmoid_of_others(z, z.flip(1), links, 0.2, 2.0)


def dense_mean_sigmoid(case: Case, z: Tensor) -> Tensor:
    return (torch.sigmoid((z @ z.flip(1).T - 0.2) / 2.0) * is_other(case)).sum() / is_other(case).sum().clamp(min=1)


def log_sums(case: Case, z: Tensor) -> Tensor:
    return log_sum_exp_of_others(z, 8.0)


def bounded_log_sums(case: Case, z: Tensor) -> Tensor:
    return log_sum_exp_of_others(z, 8.0, bound=400.0)


def dense_log_sums(case: Case, z: Tensor) -> Tensor:
    logits = z @ z.T / 8.0
    return logits.masked_fill(torch.eye(case.nodes, dtype=torch.bool), -torch.inf).logsumexp(1)


def sums_over_pairs(case: Case, z: Tensor) -> Tensor:
    return pair_sum(z, z.flip(1), pair_matrix(case.edges, case.nodes, case.weight.to(z.dtype)))


def dense_sums_over_pairs(case: Case, z: Tensor) -> Tensor:
    pairs = (case.adjacency + case.adjacency.T) / 2 * (1 - torch.eye(case.nodes))
    return (pairs * (z @ z.flip(1).T)).sum()


def edge_products(case: Case, z: Tensor) -> Tensor:
    pairs = SortedPairs(case.edges[0], case.edges[1], case.nodes)
    return torch.empty(case.edges.size(1), dtype=z.dtype).index_copy(0, pairs.order, pair_products(z, pairs))


def dense_edge_products(case: Case, z: Tensor) -> Tensor:
    return (z[case.edges[0]] * z[case.edges[1]]).sum(1)


def weight_between_clusters(case: Case, z: Tensor) -> Tensor:
    return links_between(z.softmax(1), case.edges, case.weight.to(z.dtype))


def dense_weight_between_clusters(case: Case, z: Tensor) -> Tensor:
    return z.softmax(1).T @ case.adjacency @ z.softmax(1)


def weight_within_clusters(case: Case, z: Tensor) -> Tensor:
    return Links(case.edges, case.weight.to(z.dtype), num_nodes=case.nodes).within(z.softmax(1))


def dense_weight_within_clusters(case: Case, z: Tensor) -> Tensor:
    return dense_weight_between_clusters(case, z).diagonal()


Kernel = Callable[[Case, Tensor], Tensor]
KERNELS: list[tuple[Kernel, Kernel]] = [
    (product_with_adjacency, dense_product_with_adjacency),
    (product_with_features, dense_product_with_features),
    (attention, dense_attention),
    (mean_sigmoid, dense_mean_sigmoid),
    (log_sums, dense_log_sums),
    (bounded_log_sums, dense_log_sums),
    (sums_over_pairs, dense_sums_over_pairs),
    (edge_products, dense_edge_products),
    (weight_between_clusters, dense_weight_between_clusters),
    (weight_within_clusters, dense_weight_within_clusters),
]


@pytest.mark.parametrize(("kernel", "reference"), KERNELS, ids=lambda function: function.__name__)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=20)
def test_values_and_gradients_agree_with_double_precision(kernel: Kernel, reference: Kernel, seed: int) -> None:
    case = make_case(seed)
    outcomes = []
    for function, dtype in ((kernel, torch.float32), (reference, torch.float64)):
        z = case.z.to(dtype).requires_grad_()
        value = function(case, z)
        direction = torch.cos(torch.arange(value.numel(), dtype=torch.float64)).view(value.shape).to(dtype)
        (gradient,) = torch.autograd.grad((value * direction).sum(), z)
        outcomes.append((value.detach().double(), gradient.double()))
    for found, expected in zip(*outcomes, strict=True):
        assert torch.linalg.norm(found - expected) <= 1e-5 * torch.linalg.norm(expected) + 1e-7
