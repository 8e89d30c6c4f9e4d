"""Products with sparse matrices: node features that are mostly zeros, and the adjacency."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.nn import Linear


def sparse_product(matrix: Tensor, dense: Tensor) -> Tensor:
    """Multiplies a sparse matrix by a dense one.

    Args:
        matrix: Sparse COO tensor of shape (rows, inner).
        dense: Tensor of shape (inner, columns).

    Returns:
        Dense tensor of shape (rows, columns), with the dtype of ``dense``. Gradients flow to both factors.
    """
    # Torch has no sparse kernels in half precision on the CPU, and autocast would choose them.
    dtype = torch.promote_types(torch.promote_types(matrix.dtype, dense.dtype), torch.float32)
    with torch.autocast(device_type=dense.device.type, enabled=False):
        return torch.sparse.mm(matrix.to(dtype), dense.to(dtype)).to(dense.dtype)


class SparseInputLinear(Linear):
    """PyG's linear layer, whose input may also be a sparse COO tensor."""

    def forward(self, x: Tensor) -> Tensor:
        """Returns ``x W^T + b``: (rows, in_channels) to (rows, out_channels)."""
        if x.layout is torch.strided:
            return super().forward(x)
        out = sparse_product(x, self.weight.t())
        return out if self.bias is None else out + self.bias
