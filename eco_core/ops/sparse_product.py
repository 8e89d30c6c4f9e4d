"""Products of a sparse matrix, by rows (CSR), with dense ones: compiled on the CPU, torch's own elsewhere.

On a CPU the compiled product takes a half to two thirds of the time of torch's (which is MKL's, and copies the indices
of 64 bits in each call), and a fifth of it where other processes hold some of the cores.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from eco_core.ops.threads import number_of_threads, run_in_threads

_PRODUCTS_A_THREAD = 2**22
"""Multiplications below which another thread costs more than it saves: about a millisecond of work."""

_COMPILED = (torch.float32, torch.float64)

_MIN_WIDTH = 24
"""Width below which torch's product is the faster one."""


def csr_product(matrix: Tensor, dense: Tensor) -> Tensor:
    """Multiplies a sparse CSR matrix by a dense one, without a gradient.

    Args:
        matrix: Sparse CSR tensor of shape (rows, inner).
        dense: Tensor of shape (inner, width), of the same dtype.

    Returns:
        Dense tensor of shape (rows, width).
    """
    if dense.device.type != "cpu" or dense.dtype not in _COMPILED or dense.size(1) < _MIN_WIDTH:
        # Torch has no sparse kernels in half precision on the CPU, and autocast would choose them (in a backward, too).
        with torch.autocast(device_type=dense.device.type, enabled=False):
            return matrix @ dense
    from eco_core.ops import _sparse_kernels as kernels

    out = dense.new_empty(matrix.size(0), dense.size(1))
    if out.numel():
        starts = matrix.crow_indices().numpy()
        arrays = (starts, *(part.detach().numpy() for part in (matrix.col_indices(), matrix.values())))
        arrays = (*arrays, dense.detach().contiguous().numpy(), out.numpy())
        run_in_threads(kernels.multiply, arrays, _bounds(starts, dense.size(1)))
    return out


def _bounds(starts: np.ndarray, width: int) -> list[int]:
    """Rows at which the work of threads begins, so that all have about as many entries, and the number of rows."""
    entries = int(starts[-1])
    threads = number_of_threads(entries * width, _PRODUCTS_A_THREAD)
    inner = np.searchsorted(starts, [entries * part // threads for part in range(1, threads)])
    return [0, *map(int, inner), len(starts) - 1]


__all__ = ["csr_product"]
