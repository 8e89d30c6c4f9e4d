"""Products with sparse matrices: propagation over a graph, and features that are mostly zeros."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.kernels.case import Case, Function, differentiable
from benchmarks.kernels.graphs import Graph, normal
from eco_core.ops.csr import rows_of
from eco_core.ops.sparse_factor import SparseFactor

_WIDTHS = (64, 512)
_DENSE_GIB = 4.0
"""Largest matrix of dense features that is made for a comparison."""


def cases(graph: Graph) -> Iterator[Case]:
    """Yields the cases of a graph."""
    yield from _propagation(graph)
    if graph.x.is_sparse:
        yield from _features(graph)


def _propagation(graph: Graph) -> Iterator[Case]:
    from scipy.sparse import csr_matrix
    from torch_geometric.nn import GCNConv

    adjacency = graph.adjacency
    factor = SparseFactor.of(adjacency)
    edge_weight = adjacency.values()
    edge_index = torch.stack([adjacency.col_indices(), rows_of(adjacency)])  # From sources to targets.
    arrays = (edge_weight, adjacency.col_indices(), adjacency.crow_indices())
    of_scipy = csr_matrix(tuple(array.numpy() for array in arrays), shape=tuple(adjacency.shape))
    for width in _WIDTHS:
        conv = GCNConv(width, width, normalize=False, bias=False)

        def messages(h: Tensor, conv: GCNConv = conv) -> Tensor:
            return conv.propagate(edge_index, x=h, edge_weight=edge_weight)

        operations = 2.0 * edge_weight.numel() * width
        yield from differentiable(
            f"propagation, width {width}",
            lambda h: factor @ h,
            {"PyG messages": messages, "torch CSR": lambda h: adjacency @ h},
            [normal(graph.num_nodes, width)],
            normal(graph.num_nodes, width, seed=1),
            constants=factor.nbytes,
            flops=(operations, operations),
            forward_only={"scipy CSR": lambda h: of_scipy @ h.numpy()},
        )


def _features(graph: Graph) -> Iterator[Case]:
    x = graph.x.coalesce()
    factor = SparseFactor.of(x)
    entries = x.values().numel()
    gib = x.size(0) * x.size(1) * x.element_size() / 2**30
    dense_way: Function | str = f"dense needs {gib:.1f} GiB"
    if gib <= _DENSE_GIB:
        dense = x.to_dense()
        dense_way = lambda weight: dense @ weight  # noqa: E731
    for width in _WIDTHS:
        operations = 2.0 * entries * width
        yield from differentiable(
            f"sparse features X W, width {width}",
            lambda weight: factor @ weight,
            {"dense X W": dense_way, "torch.sparse.mm of COO": lambda weight: torch.sparse.mm(x, weight)},
            [normal(x.size(1), width)],
            normal(x.size(0), width, seed=1),
            constants=factor.nbytes,
            flops=(operations, operations),
        )
