"""Products with sparse matrices: node features that are mostly zeros, and the adjacency."""

from __future__ import annotations

import copy
from typing import Any, TypeGuard

import torch
from torch import Tensor
from torch.nn import functional as F
from torch_geometric.nn import Linear
from torch_geometric.utils import scatter

from eco_core.ops.csr import csr_tensor, rows_of
from eco_core.ops.sparse_factor import SparseFactor

_SPARSE_COST = 8
"""One multiplication of a sparse product takes about as long as this many of a dense product, on a CPU."""


def sparse_product(matrix: Tensor | SparseFactor, dense: Tensor) -> Tensor:
    """Multiplies a sparse matrix by a dense one.

    Args:
        matrix: `SparseFactor`, or sparse COO tensor, of shape (rows, inner).
        dense: Tensor of shape (inner, columns).

    Returns:
        Dense tensor of shape (rows, columns), with the dtype of ``dense``. Gradients flow to ``dense``, and to
        ``matrix`` if it is a tensor.
    """
    if isinstance(matrix, SparseFactor):
        return (matrix @ dense).to(dense.dtype)
    # Torch has no sparse kernels in half precision on the CPU, and autocast would choose them.
    dtype = torch.promote_types(torch.promote_types(matrix.dtype, dense.dtype), torch.float32)
    with torch.autocast(device_type=dense.device.type, enabled=False):
        return torch.sparse.mm(matrix.to(dtype), dense.to(dtype)).to(dense.dtype)


def propagates_first(x: Tensor | SparseFactor, matrix: Tensor | SparseFactor, width: int) -> TypeGuard[Tensor]:
    """Whether ``(matrix @ x) @ weight`` takes less time than ``matrix @ (x @ weight)``.

    Args:
        x: Features of shape (inner, in_channels). For sparse features the result is False: their product with the
            weights is cheap.
        matrix: Propagation matrix of shape (rows, inner).
        width: Number of columns of the weights.
    """
    if not isinstance(matrix, SparseFactor) or not isinstance(x, Tensor) or x.layout is not torch.strided:
        return False
    (rows, inner), in_channels = matrix.size, x.size(1)
    sparse = _SPARSE_COST * matrix.values.numel()
    return sparse * in_channels + rows * in_channels * width < inner * in_channels * width + sparse * width


def layer_matrices(matrix: Tensor | SparseFactor, num_layers: int, num_rows: int | None) -> list[Tensor | SparseFactor]:
    """Returns the matrix of each of several layers, if only the first rows of the last layer's output are wanted.

    Each layer but the last computes only the rows that the next layer reads. In a mini-batch, the seed nodes come
    first, and most other nodes are needed as input only.

    Args:
        matrix: `SparseFactor`, or sparse COO tensor, of shape (num_nodes, num_nodes).
        num_layers: How many layers.
        num_rows: How many rows are wanted; None: all.

    Returns:
        For each layer the block of the matrix that it needs; for a COO tensor the whole matrix.
    """
    if num_rows is None or not isinstance(matrix, SparseFactor) or num_rows == matrix.size[0]:
        return [matrix] * num_layers
    blocks: list[Tensor | SparseFactor] = []
    for _ in range(num_layers):
        block = matrix.first_rows(num_rows).without_empty_columns()
        blocks.append(block)
        num_rows = block.size[1]
    return blocks[::-1]


def leading_rows(h: Tensor | SparseFactor, count: int) -> Tensor | SparseFactor:
    """Returns the first rows of a dense matrix or factor; ``h`` itself if it has no more: slices copy gradients."""
    if isinstance(h, Tensor):
        return h if len(h) == count else h[:count]
    return h if h.size[0] == count else h.first_rows(count)


def sparse_max(matrix: Tensor | SparseFactor, dense: Tensor) -> Tensor:
    r"""Takes, for each row of a sparse matrix, maxima over its entries: :math:`Y_{ik} = \max_{j: A_{ij}} X_{jk}`.

    Args:
        matrix: `SparseFactor`, or sparse COO tensor, of shape (rows, inner). Its values do not matter.
        dense: Tensor of shape (inner, columns).

    Returns:
        Dense tensor of shape (rows, columns), with the dtype of ``dense``; 0 in rows without entries. Where several
        entries have the maximum, gradients flow to one or more of them.
    """
    if dense.is_cuda:  # Torch has no such kernel for CUDA.
        return max_by_scatter(matrix, dense)
    dtype = torch.promote_types(dense.dtype, torch.float32)
    rows = _by_rows(matrix)
    ones = torch.ones(rows.values().numel(), dtype=dtype)
    same = csr_tensor(rows.crow_indices(), rows.col_indices(), ones, (rows.size(0), rows.size(1)))
    with torch.autocast(device_type="cpu", enabled=False):
        return torch.sparse.mm(same, dense.to(dtype), "amax").to(dense.dtype)


def max_by_scatter(matrix: Tensor | SparseFactor, dense: Tensor) -> Tensor:
    """Returns the same as `sparse_max`, on any device, but stores a vector for each entry of the matrix."""
    rows = _by_rows(matrix)
    return scatter(dense[rows.col_indices()], rows_of(rows), dim_size=rows.size(0), reduce="max")


def _by_rows(matrix: Tensor | SparseFactor) -> Tensor:
    return (matrix if isinstance(matrix, SparseFactor) else SparseFactor.of(matrix)).rows()


def adjacency_matrix(edge_index: Tensor, weight: Tensor, num_nodes: int) -> Tensor | SparseFactor:
    """Returns the matrix (targets by sources) that sends features along edges; parallel edges add up.

    Args:
        edge_index: Edges of shape (2, num_edges), dtype int64, from source to target.
        weight: Weights of shape (num_edges,). Gradients flow to them.
        num_nodes: Number of nodes.

    Returns:
        A matrix of shape (num_nodes, num_nodes): a sparse COO tensor, coalesced, where gradients flow to the weights.
    """
    size = (num_nodes, num_nodes)
    matrix = torch.sparse_coo_tensor(edge_index.flip(0), weight, size, check_invariants=False).coalesce()
    return matrix if weight.requires_grad else SparseFactor.of(matrix)


def edge_weights(edge_index: Tensor, edge_weight: Tensor | None, dtype: torch.dtype) -> Tensor:
    """Returns the given edge weights, or ones, of shape (num_edges,) and of the given dtype."""
    if edge_weight is None:
        return torch.ones(1, dtype=dtype, device=edge_index.device).expand(edge_index.size(1))
    return edge_weight.to(dtype)


def is_dense(x: Tensor | SparseFactor) -> TypeGuard[Tensor]:
    """Whether features are a dense tensor."""
    return isinstance(x, Tensor) and x.layout is torch.strided


class SparseInputLinear(Linear):
    """PyG's linear layer, whose input may also be sparse: a COO tensor or a `SparseFactor`."""

    @classmethod
    def like(cls, linear: Linear) -> SparseInputLinear:
        """Returns a new layer with the shape, the bias and the initialisation of another."""
        return cls(
            linear.in_channels,
            linear.out_channels,
            bias=linear.bias is not None,
            weight_initializer=linear.weight_initializer,
            bias_initializer=linear.bias_initializer,
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> SparseInputLinear:
        # PyG's own method draws random numbers, and in PyG 2.6 it returns a plain Linear.
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin

    def product(self, x: Tensor | SparseFactor) -> Tensor:
        """Returns ``x W^T``, without the bias: (rows, in_channels) to (rows, out_channels)."""
        return F.linear(x, self.weight) if is_dense(x) else sparse_product(x, self.weight.t())

    def forward(self, x: Tensor | SparseFactor) -> Tensor:
        """Returns ``x W^T + b``: (rows, in_channels) to (rows, out_channels)."""
        return super().forward(x) if is_dense(x) else self.shifted(self.product(x))

    def shifted(self, product: Tensor) -> Tensor:
        """Adds the bias, if there is one."""
        return product if self.bias is None else product + self.bias
