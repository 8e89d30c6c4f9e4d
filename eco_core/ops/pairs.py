"""Pairs of nodes: their inner products, and a sample of those that are not linked."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_BLOCK_ENTRIES = 1 << 20  # Entries of one gathered block of embeddings: 4 MB in single precision, about a cache.


class _PairProducts(torch.autograd.Function):
    """Inner products of rows, without a (pairs x width) tensor: neither in the products nor in their gradient."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, pairs: Tensor) -> Tensor:
        ctx.save_for_backward(z, pairs)
        products = z.new_empty(pairs.size(1))
        block = max(1, _BLOCK_ENTRIES // max(1, z.size(1)))
        for start in range(0, pairs.size(1), block):
            left, right = (z.index_select(0, nodes) for nodes in pairs[:, start : start + block])
            torch.sum(left.mul_(right), dim=-1, out=products[start : start + block])
        return products

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        z, pairs = ctx.saved_tensors
        # With G the sparse matrix of the gradients of the products, that of z is (G + G^T) z. Torch has no sparse
        # kernels in half precision.
        both = torch.cat([pairs, pairs.flip(0)], dim=1)
        dtype = torch.promote_types(z.dtype, torch.float32)
        size = (z.size(0), z.size(0))
        matrix = torch.sparse_coo_tensor(both, grad.to(dtype).repeat(2), size, check_invariants=False)
        with torch.autocast(device_type=z.device.type, enabled=False):
            return torch.sparse.mm(matrix, z.to(dtype)).to(z.dtype), None


def pair_products(z: Tensor, pairs: Tensor) -> Tensor:
    """Returns the inner products of the embeddings of pairs of nodes.

    Args:
        z: Embeddings of shape (num_nodes, width).
        pairs: Nodes of shape (2, num_pairs), dtype int64.

    Returns:
        Products of shape (num_pairs,), with the dtype of ``z``. They can be differentiated once.
    """
    return _PairProducts.apply(z, pairs)


def sample_non_edges(edge_index: Tensor, num_nodes: int, count: int) -> Tensor:
    """Samples pairs of two nodes that are not linked in either direction, each such pair with the same probability.

    The pairs are drawn with replacement, from torch's generator, and without rejection: all pairs i < j are numbered
    row by row, and the r-th number that no edge has is found by binary search.

    Args:
        edge_index: Edges of shape (2, num_edges), dtype int64: directed or not, parallel edges and loops included.
        num_nodes: Number of nodes N, at least 1.
        count: How many pairs are wanted.

    Returns:
        Pairs of shape (2, count), sorted, the smaller node first; (2, 0) where all pairs are linked.
    """
    low, high = edge_index.amin(dim=0), edge_index.amax(dim=0)
    numbers = (high * (high - 1) // 2 + low)[low != high].sort().values
    linked = numbers[torch.cat([numbers.new_ones(1, dtype=torch.bool), numbers[1:] != numbers[:-1]])[: len(numbers)]]
    free = num_nodes * (num_nodes - 1) // 2 - len(linked)
    if free == 0:
        return edge_index.new_empty(2, 0)
    # Sorted, so that the search and whoever reads embeddings by these pairs go through memory in order.
    ranks = torch.randint(free, (count,), device=edge_index.device).sort().values
    # How many pairs that are not linked come before each linked one.
    free_before = linked - torch.arange(len(linked), device=linked.device)
    number = ranks + torch.searchsorted(free_before, ranks, right=True)
    # The row j begins at j (j - 1) / 2; the square root is rounded, so it may be one off.
    larger = ((2 * number.double() + 0.25).sqrt() + 0.5).long()
    larger = larger - (larger * (larger - 1) // 2 > number).long()
    larger = larger + (larger * (larger + 1) // 2 <= number).long()
    return torch.stack([number - larger * (larger - 1) // 2, larger])
