"""Losses over all pairs of nodes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.kernels.case import Case, Function, differentiable
from benchmarks.kernels.graphs import Graph, normal
from eco_core.ops.all_pairs import linked_pairs, log_sum_exp_of_others, mean_sigmoid_of_others

_WIDTH = 64
_TEMPERATURE = 0.5
_DENSE_GIB = 4.0
"""Largest matrix of all pairs that is made for a comparison; several of them exist at a time."""


def cases(graph: Graph) -> Iterator[Case]:
    """Yields the cases of a graph."""
    gib = 4 * graph.num_nodes**2 / 2**30
    reason = f"dense needs {gib:.1f} GiB a matrix" if gib > _DENSE_GIB else ""
    yield from _mean_sigmoid(graph, reason)
    yield from _log_sum_exp(graph, reason)


def _mean_sigmoid(graph: Graph, reason: str) -> Iterator[Case]:
    num_nodes = graph.num_nodes
    links = linked_pairs(graph.edge_index, num_nodes)
    dense: Function | str = reason
    if not reason:
        left_out = torch.eye(num_nodes, dtype=torch.bool)
        left_out[graph.edge_index[0], graph.edge_index[1]] = True

        def dense(left: Tensor, right: Tensor) -> Tensor:
            similarities = (left @ right.T / _TEMPERATURE).sigmoid()
            return similarities.masked_fill(left_out, 0.0).sum() / links.num_others

    pairs = float(num_nodes**2)
    yield from differentiable(
        f"mean_sigmoid_of_others, width {_WIDTH}",
        lambda left, right: mean_sigmoid_of_others(left, right, links, temperature=_TEMPERATURE),
        {"dense, masked": dense},
        [normalize(normal(num_nodes, _WIDTH, seed=seed)) for seed in (0, 1)],
        torch.ones(()),
        constants=8 * (graph.num_edges + num_nodes),
        flops=(2 * pairs * _WIDTH, 4 * pairs * _WIDTH),
    )


def _log_sum_exp(graph: Graph, reason: str) -> Iterator[Case]:
    num_nodes = graph.num_nodes
    dense: Function | str = reason
    if not reason:
        itself = torch.eye(num_nodes, dtype=torch.bool)

        def dense(z: Tensor) -> Tensor:
            return (z @ z.T / _TEMPERATURE).masked_fill(itself, -torch.inf).logsumexp(dim=1)

    pairs = float(num_nodes**2)
    for name, bound in (("bounded", 1.0), ("not bounded", None)):
        yield from differentiable(
            f"log_sum_exp_of_others, {name}, width {_WIDTH}",
            partial(log_sum_exp_of_others, temperature=_TEMPERATURE, bound=bound),
            {"dense, masked": dense},
            [normalize(normal(num_nodes, _WIDTH))],
            normal(num_nodes, seed=1).abs() / num_nodes,
            constants=0,
            # The similarities compute each pair once; the gradient computes it once for each of its nodes.
            flops=(pairs * _WIDTH, 2 * pairs * _WIDTH),
        )
