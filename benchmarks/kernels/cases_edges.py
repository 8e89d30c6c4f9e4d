"""Sums over edges: inner products of pairs, attention, links within clusters; and pairs that are not linked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from benchmarks.kernels.case import Case, Way, Work, differentiable, require
from benchmarks.kernels.graphs import Graph, normal
from eco_core.ops.edge_attention import edge_softmax, edges_by_target, sum_of_neighbors
from eco_core.ops.pairs import NonEdges, SortedPairs, pair_products
from eco_core.ops.partition import Links

_WIDTH = 64
_HEADS, _HEAD_WIDTH = 4, 16
_CLUSTERS = 16


def cases(graph: Graph) -> Iterator[Case]:
    """Yields the cases of a graph."""
    yield from _pair_products(graph)
    yield from _attention(graph)
    yield from _links_within(graph)
    yield _non_edges(graph)


def _index_bytes(graph: Graph) -> int:
    """Bytes of the edges by rows: columns, and where each row begins."""
    return 8 * (graph.num_edges + graph.num_nodes + 1)


def _pair_products(graph: Graph) -> Iterator[Case]:
    first, second = graph.edge_index
    pairs = SortedPairs(first, second, graph.num_nodes)  # The edges are sorted already, so their order stays.
    operations = 2.0 * graph.num_edges * _WIDTH
    others = {"gather, multiply, sum": lambda z: (z[first] * z[second]).sum(dim=-1)}
    for name, of in (("pairs sorted once", pairs), ("new pairs", graph.edge_index)):

        def products(z: Tensor, of: Tensor | SortedPairs = of) -> Tensor:
            return pair_products(z, of)

        yield from differentiable(
            f"pair_products, {name}, width {_WIDTH}",
            products,
            others,
            [normal(graph.num_nodes, _WIDTH)],
            normal(graph.num_edges, seed=1),
            constants=_index_bytes(graph),
            flops=(operations, 2 * operations),
        )


def _attention(graph: Graph) -> Iterator[Case]:
    from torch_geometric.utils import scatter, softmax

    edges = edges_by_target(graph.edge_index, graph.num_nodes)
    source, target = edges.column, edges.row  # The other way gets the same order, which is faster for it, too.

    def eco(scores: Tensor, h: Tensor) -> Tensor:
        return sum_of_neighbors(edge_softmax(scores, edges), h, edges)

    def messages(scores: Tensor, h: Tensor) -> Tensor:
        weight = softmax(scores, target, num_nodes=graph.num_nodes)
        return scatter(weight.unsqueeze(-1) * h[source], target, dim=0, dim_size=graph.num_nodes, reduce="sum")

    scores = graph.num_edges * _HEADS
    operations = 2.0 * scores * _HEAD_WIDTH
    yield from differentiable(
        f"edge_softmax and sum_of_neighbors, {_HEADS} x {_HEAD_WIDTH}",
        eco,
        {"PyG softmax, scatter of messages": messages},
        [normal(graph.num_edges, _HEADS), normal(graph.num_nodes, _HEADS, _HEAD_WIDTH)],
        normal(graph.num_nodes, _HEADS, _HEAD_WIDTH, seed=1),
        constants=_index_bytes(graph),
        flops=(operations + 3.0 * scores, 2 * operations + 4.0 * scores),
    )


def _links_within(graph: Graph) -> Iterator[Case]:
    first, second = graph.edge_index
    links = Links(graph.edge_index, num_nodes=graph.num_nodes)
    operations = 2.0 * graph.num_edges * _CLUSTERS
    yield from differentiable(
        f"Links.within, K = {_CLUSTERS}",
        links.within,
        {"gather, multiply, sum": lambda s: (s[first] * s[second]).sum(dim=0)},
        [normal(graph.num_nodes, _CLUSTERS).softmax(dim=1)],
        normal(_CLUSTERS, seed=1),
        constants=_index_bytes(graph),
        flops=(operations, float(graph.num_nodes * _CLUSTERS)),
    )


def _non_edges(graph: Graph) -> Case:
    from torch_geometric.utils import negative_sampling

    count, num_nodes = graph.num_edges // 2, graph.num_nodes
    non_edges = NonEdges(graph.edge_index, num_nodes)
    linked = graph.edge_index[0] * num_nodes + graph.edge_index[1]

    def check(ours: Any, theirs: Any) -> str:
        for low, high in (ours, theirs):
            require(not torch.isin(low * num_nodes + high, linked).any(), "an edge was drawn")
            require((low != high).all(), "a loop was drawn")
        require(ours.size(1) == count, f"ECO drew {ours.size(1)} pairs instead of {count}")
        return f"{theirs.size(1)} pairs instead of {count}" if theirs.size(1) != count else ""

    return Case(
        f"NonEdges.sample, {count} pairs",
        lambda: non_edges.sample(count),
        [
            Way(
                "PyG negative_sampling",
                lambda: negative_sampling(graph.edge_index, num_nodes=num_nodes, num_neg_samples=count),
            )
        ],
        Work(8.0 * count + 16.0 * count),
        check,
    )
