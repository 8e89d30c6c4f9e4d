"""Products of a sparse matrix (CSR) with a dense one: compiled on the CPU, torch's own elsewhere.

On a CPU the compiled product takes a half to two thirds of the time of torch's product (MKL's, which copies 64-bit
indices in each call), and a fifth if other processes use some of the cores.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from eco_core.ops.threads import number_of_threads, run_in_threads

_PRODUCTS_A_THREAD = 2**22
"""Multiplications per thread: with fewer, another thread costs more than it saves; about a millisecond of work."""

_MIN_WIDTH = 24
"""Width below which torch's product is faster."""


def csr_product(matrix: Tensor, dense: Tensor, products_a_thread: int = _PRODUCTS_A_THREAD) -> Tensor:
    """Multiplies a sparse CSR matrix by a dense one, without a gradient.

    Args:
        matrix: Sparse CSR tensor of shape (rows, inner).
        dense: Tensor of shape (inner, width), of the same dtype.
        products_a_thread: Multiplications below which no other thread is started. It does not change the result.

    Returns:
        Dense tensor of shape (rows, width).

    Raises:
        ValueError: If the shapes do not fit: compiled code would read beyond the dense matrix.
    """
    if matrix.size(1) != dense.size(0):
        raise ValueError(
            f"A sparse matrix of shape {tuple(matrix.shape)} cannot be multiplied by a matrix of shape "
            f"{tuple(dense.shape)}: the first has {matrix.size(1)} columns, the second {dense.size(0)} rows."
        )
    if not can_be_compiled(dense) or dense.size(1) < _MIN_WIDTH:
        # Torch has no sparse kernels in half precision on the CPU, and autocast would choose them (in a backward, too).
        with torch.autocast(device_type=dense.device.type, enabled=False):
            return matrix @ dense
    from eco_core.ops import _sparse_kernels as kernels

    out = dense.new_empty(matrix.size(0), dense.size(1))
    starts, *arrays = _arrays(matrix, dense, out)
    threads = number_of_threads(int(starts[-1]) * dense.size(1), products_a_thread)
    # Rows at which the threads begin, so that all have about the same number of entries.
    inner = np.searchsorted(starts, [int(starts[-1]) * part // threads for part in range(1, threads)])
    run_in_threads(kernels.multiply, (starts, *arrays), [0, *map(int, inner), matrix.size(0)])
    return out


def transposed_csr_product(matrix: Tensor, dense: Tensor, products_a_thread: int = _PRODUCTS_A_THREAD) -> Tensor:
    """Multiplies a transposed sparse CSR matrix by a dense one, without a gradient, without transposing it.

    It is faster than the product with the transposed matrix if the result has fewer rows than the dense factor.

    Args:
        matrix: Sparse CSR tensor of shape (inner, rows), on the CPU.
        dense: Tensor of shape (inner, width), of the same dtype, for which `can_be_compiled`.
        products_a_thread: As for `csr_product`.

    Returns:
        Dense tensor of shape (rows, width).
    """
    from eco_core.ops import _sparse_kernels as kernels

    width = dense.size(1)
    out = dense.new_empty(matrix.size(1), width)
    arrays = _arrays(matrix, dense, out)
    threads = number_of_threads(matrix.values().numel() * width, products_a_thread)
    threads = max(1, min(threads, width // _MIN_WIDTH))
    run_in_threads(kernels.multiply_transposed, arrays, [width * part // threads for part in range(threads + 1)])
    return out


def can_be_compiled(dense: Tensor) -> bool:
    """Whether products with this tensor run in compiled code."""
    return dense.device.type == "cpu" and dense.dtype in (torch.float32, torch.float64)


def _arrays(matrix: Tensor, dense: Tensor, out: Tensor) -> list[np.ndarray]:
    parts = (matrix.crow_indices(), matrix.col_indices(), matrix.values().detach(), dense.detach().contiguous(), out)
    return [part.numpy() for part in parts]


__all__ = ["can_be_compiled", "csr_product", "transposed_csr_product"]
