"""Attention along edges without a vector for each edge: softmax over a node's edges, weighted sums of neighbours."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from eco_core.ops.pairs import SortedPairs
from eco_core.ops.sparse_product import csr_product


def edges_by_target(edge_index: Tensor, num_nodes: int) -> SortedPairs:
    """Sorts edges, shape (2, num_edges) from sources to targets, by target: the rows; the columns are the sources."""
    return SortedPairs(edge_index[1], edge_index[0], num_nodes)


def edge_softmax(scores: Tensor, edges: SortedPairs) -> Tensor:
    """Returns the softmax of the scores of each target's edges.

    Args:
        scores: Scores of shape (num_edges, heads), in the order of ``edges``.
        edges: From `edges_by_target`.

    Returns:
        Tensor of the same shape, in single precision at least: the entries of each target and head sum to 1. It can be
        differentiated once.
    """
    with torch.autocast(device_type=scores.device.type, enabled=False):
        return _Softmax.apply(_wide(scores), edges)


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, edges: SortedPairs) -> Tensor:
        target = edges.row.unsqueeze(1).expand_as(scores)
        largest = scores.new_full((edges.num_nodes, scores.size(1)), -torch.inf)
        largest.scatter_reduce_(0, target, scores, "amax", include_self=True)
        weight = (scores - largest.index_select(0, edges.row)).exp_()
        total = weight.new_zeros(largest.shape).index_add_(0, edges.row, weight)
        weight /= total.index_select(0, edges.row)
        ctx.edges = edges
        ctx.save_for_backward(weight)
        return weight

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (weight,) = ctx.saved_tensors
        target = ctx.edges.row
        part = grad * weight
        total = part.new_zeros(ctx.edges.num_nodes, part.size(1)).index_add_(0, target, part)
        return part.addcmul_(weight, total.index_select(0, target), value=-1.0), None


def sum_of_neighbors(weight: Tensor, h: Tensor, edges: SortedPairs) -> Tensor:
    r"""Returns, for each node and head, the weighted sum of its sources: :math:`\sum_j w_{ij} h_j`.

    Args:
        weight: Weights of shape (num_edges, heads), in the order of ``edges``.
        h: Vectors of shape (num_nodes, heads, width).
        edges: From `edges_by_target`.

    Returns:
        Tensor of shape (num_nodes, heads, width) with the dtype of ``h``. It can be differentiated once, by ``weight``
        and ``h``.
    """
    dtype = torch.promote_types(weight.dtype, _wide(h).dtype)
    # Torch has no sparse kernels in half precision on the CPU, and autocast would choose them.
    with torch.autocast(device_type=h.device.type, enabled=False):
        return _SumOfNeighbors.apply(weight.to(dtype), h.to(dtype), edges).to(h.dtype)


class _SumOfNeighbors(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, h: Tensor, edges: SortedPairs) -> Tensor:
        ctx.edges = edges
        ctx.save_for_backward(weight, h)
        out = torch.empty_like(h)
        for head in range(h.size(1)):
            out[:, head] = csr_product(edges.matrix(weight[:, head].contiguous()), h[:, head].contiguous())
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        weight, h = ctx.saved_tensors
        edges = ctx.edges
        of_weight, of_h = torch.empty_like(weight), torch.empty_like(h)
        for head in range(h.size(1)):
            own, vectors = grad[:, head].contiguous(), h[:, head].contiguous()
            of_h[:, head] = csr_product(edges.transposed(weight[:, head].contiguous()), own)
            of_weight[:, head] = edges.products(own, vectors)
        return of_weight, of_h, None


def _wide(table: Tensor) -> Tensor:
    return table.to(torch.promote_types(table.dtype, torch.float32))


__all__ = ["edge_softmax", "edges_by_target", "sum_of_neighbors"]
