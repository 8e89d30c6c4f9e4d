"""Pairs of nodes: their inner products, and a sample of pairs that are not linked."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from eco_core.ops.csr import csr_tensor
from eco_core.ops.sparse_product import csr_product


class SortedPairs:
    """Pairs of a row and a column, sorted by row: the places of a sparse matrix; a place may occur twice.

    Args:
        row: Rows of shape (num_pairs,), int64.
        column: Columns of the same shape.
        num_nodes: Number of rows, and of columns.

    Attributes:
        order: The index of the pair at each position, of shape (num_pairs,).
        row: The row of each position, sorted.
        column: The column of each position.
        num_nodes: Number of rows, and of columns.
    """

    def __init__(self, row: Tensor, column: Tensor, num_nodes: int) -> None:
        self.order = row.argsort(stable=True)
        self.row, self.column = row.index_select(0, self.order), column.index_select(0, self.order)
        self.num_nodes = num_nodes
        self._starts = _starts(self.row, num_nodes)
        self._by_column: tuple[Tensor, Tensor, Tensor] | None = None

    def matrix(self, values: Tensor) -> Tensor:
        """Returns a sparse CSR tensor (num_nodes, num_nodes) with the values of the pairs, given in sorted order."""
        return csr_tensor(self._starts, self.column, values, (self.num_nodes, self.num_nodes))

    def transposed(self, values: Tensor) -> Tensor:
        """Returns the transpose of `matrix`, in CSR again."""
        if self._by_column is None:
            order = self.column.argsort(stable=True)
            self._by_column = _starts(self.column, self.num_nodes), self.row.index_select(0, order), order
        starts, rows, order = self._by_column
        return csr_tensor(starts, rows, values.index_select(0, order), (self.num_nodes, self.num_nodes))

    def products(self, left: Tensor, right: Tensor) -> Tensor:
        """Returns, for each pair, the inner product of a row of ``left`` and a row of ``right``, without a gradient.

        Args:
            left: Table of shape (num_nodes, width), single or double precision.
            right: Table of the same shape and dtype.

        Returns:
            Tensor of shape (num_pairs,), in the order of these pairs.
        """
        if self.row.numel() > self.num_nodes**2:  # Torch takes a matrix with more entries than places for malformed.
            return (left.index_select(0, self.row) * right.index_select(0, self.column)).sum(dim=1)
        zeros = self.matrix(left.new_zeros(self.row.numel()))
        with torch.autocast(device_type=left.device.type, enabled=False):
            return torch.sparse.sampled_addmm(zeros, left, right.t(), beta=0).values()


def _starts(node: Tensor, num_nodes: int) -> Tensor:
    starts = torch.zeros(num_nodes + 1, dtype=torch.int64, device=node.device)
    starts[1:] = torch.bincount(node, minlength=num_nodes).cumsum(0)
    return starts


class _PairProducts(torch.autograd.Function):
    """Inner products of rows, without a (pairs x width) tensor: neither in the products nor in their gradient."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, pairs: SortedPairs) -> Tensor:
        ctx.pairs = pairs
        ctx.save_for_backward(z)
        return pairs.products(z, z)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (z,) = ctx.saved_tensors
        # With G the sparse matrix of the products' gradients, the gradient of z is (G + G^T) z.
        return csr_product(ctx.pairs.matrix(grad), z) + csr_product(ctx.pairs.transposed(grad), z), None


def pair_products(z: Tensor, pairs: Tensor | SortedPairs) -> Tensor:
    """Returns the inner products of the embeddings of pairs of nodes.

    Args:
        z: Embeddings of shape (num_nodes, width).
        pairs: Nodes of shape (2, num_pairs), dtype int64; or `SortedPairs`, for pairs that are used again and again.

    Returns:
        Products of shape (num_pairs,) in the order of the pairs, with the dtype of ``z``. They can be differentiated
        once.
    """
    # Torch has no sparse kernels in half precision on the CPU, and autocast would choose them.
    with torch.autocast(device_type=z.device.type, enabled=False):
        wide = z.to(torch.promote_types(z.dtype, torch.float32)).contiguous()
        if isinstance(pairs, SortedPairs):
            return _PairProducts.apply(wide, pairs).to(z.dtype)
        ordered = SortedPairs(pairs[0], pairs[1], z.size(0))
        products = _PairProducts.apply(wide, ordered)
        return torch.empty_like(products).index_copy(0, ordered.order, products).to(z.dtype)


class NonEdges:
    """The pairs of two nodes of a graph that are not linked in either direction, for repeated sampling.

    All pairs i < j are numbered row by row, and binary search finds the r-th number that no edge has: every such pair
    is drawn with the same probability, without rejection.

    Args:
        edge_index: Edges of shape (2, num_edges), dtype int64: directed or not, parallel edges and loops included.
        num_nodes: Number of nodes N, at least 1.
    """

    def __init__(self, edge_index: Tensor, num_nodes: int) -> None:
        low, high = edge_index.amin(dim=0), edge_index.amax(dim=0)
        linked = (high * (high - 1) // 2 + low)[low != high].unique()
        self._free = num_nodes * (num_nodes - 1) // 2 - len(linked)
        # Number of unlinked pairs before each linked pair.
        self._free_before = linked - torch.arange(len(linked), device=linked.device)

    def sample(self, count: int) -> Tensor:
        """Draws pairs with replacement, from torch's generator.

        Args:
            count: Number of pairs.

        Returns:
            Pairs of shape (2, count), sorted by the larger node, the smaller node first; (2, 0) where all pairs are
            linked.
        """
        device = self._free_before.device
        if self._free == 0:
            return torch.empty(2, 0, dtype=torch.int64, device=device)
        # Sorted, so that the search and later reads of embeddings go through memory in order.
        ranks = torch.randint(self._free, (count,), device=device).sort().values
        number = ranks + torch.searchsorted(self._free_before, ranks, right=True)
        # The row j begins at j (j - 1) / 2; the square root is rounded, so it may be one off.
        larger = ((2 * number.double() + 0.25).sqrt() + 0.5).long()
        larger = larger - (larger * (larger - 1) // 2 > number).long()
        larger = larger + (larger * (larger + 1) // 2 <= number).long()
        return torch.stack([number - larger * (larger - 1) // 2, larger])


__all__ = ["NonEdges", "SortedPairs", "pair_products"]
