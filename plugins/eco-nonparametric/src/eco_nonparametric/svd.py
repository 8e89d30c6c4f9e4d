"""Leading singular vectors of large matrices that are given by their products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse.linalg
import torch
from torch import Tensor

from eco_core.ops.sparse_factor import SparseFactor

_FEW = 4
"""A matrix is stored for the search if it has at most this many times as many columns as the basis."""

_FEW_AT_HAND = 50
"""The same for a matrix that is stored already: more inner products would take longer than the steps they save."""

_COLUMNS_DECOMPOSED_WHOLE = 512
"""Of more inner products on a CPU, only the eigenvectors that are wanted are computed, by Lanczos's iteration."""

_LANCZOS_TOLERANCE = 1e-6
"""Relative error of these eigenvalues. Their vectors are a start; the search makes them exact."""

_COLUMNS_STORED_AT_A_TIME = 64
"""Enough for fast products with sparse matrices: fewer columns take longer, more columns take memory."""

_COLUMNS_OF_A_PRODUCT = 128
"""Few, so that little is computed below the diagonal of a symmetric product; enough for fast matrix products."""


@dataclass(frozen=True)
class Operator:
    """A real matrix that is given by its products, in double precision.

    Attributes:
        shape: Rows and columns.
        device: Device of the products.
        times: Maps (columns, width) to (rows, width): the product with the matrix.
        transposed_times: Maps (rows, width) to (columns, width): the product with its transpose.
        rounding: Singular values up to this size count as zero: they may be the rounding error of terms that cancel.
        dense: The matrix itself, if it is stored.
    """

    shape: tuple[int, int]
    device: torch.device
    times: Callable[[Tensor], Tensor]
    transposed_times: Callable[[Tensor], Tensor]
    rounding: float = 0.0
    dense: Tensor | None = None

    @classmethod
    def of(cls, matrix: Tensor) -> Operator:
        """Makes the operator of a matrix (rows, columns), dense or sparse COO, float64."""
        rows, columns = matrix.shape
        if matrix.is_sparse:
            factor = SparseFactor.of(matrix)
            return cls((rows, columns), matrix.device, factor.__matmul__, factor.transposed_product)
        # The thin factor first: up to four times as fast as matrix.t() @ u, where rows are contiguous.
        return cls((rows, columns), matrix.device, lambda v: matrix @ v, lambda u: (u.t() @ matrix).t(), dense=matrix)


@torch.no_grad()
def left_singular_vectors(
    matrix: Operator, k: int, *, iterations: int = 300, oversampling: int = 10, seed: int = 0
) -> Tensor:
    """Finds the left singular vectors of the largest singular values.

    Randomised subspace iteration (Halko, Martinsson & Tropp, SIAM Review 2011) whose basis is made orthonormal after
    each product: otherwise powers of a matrix keep only its first singular vector. It ends as soon as the wanted
    subspace no longer moves. It needs memory for (rows + columns) x (k + oversampling) numbers. A matrix with few
    columns, and no more columns than rows, is stored, in at most four times this memory, and the search starts from the
    eigenvectors of its inner products. If the matrix is stored already, it may have more columns.

    Args:
        matrix: Of shape (rows, columns).
        k: Number of vectors.
        iterations: Largest number of iterations, each a product with the matrix and with its transpose.
        oversampling: Additional vectors that are iterated; more of them converge faster.
        seed: Seed of the first, random vectors.

    Returns:
        Vectors of shape (rows, k), float64, by falling singular value. The entry of the largest magnitude of each
        vector is positive. Columns beyond the rank of the matrix are zero.
    """
    rows, columns = matrix.shape
    width = min(k + oversampling, rows, columns)
    kept = min(k, width)
    if columns <= (_FEW if matrix.dense is None else _FEW_AT_HAND) * width and columns <= rows:
        dense = matrix.dense
        if dense is None:  # Computing all columns once takes as long as a few products of the search.
            dense = _stored(matrix)
            matrix = replace(Operator.of(dense), rounding=matrix.rounding)
        right = _leading_eigenvectors(_inner_products(dense), width, seed)
    else:
        # Drawn on the CPU: the same vectors on every device.
        start = torch.randn(columns, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        right = torch.linalg.qr(start.to(matrix.device)).Q
    left, values = _rayleigh_ritz(matrix, right)
    for _ in range(iterations):
        right = torch.linalg.qr(matrix.transposed_times(left)).Q
        previous = _within_rank(left[:, :kept], values[:kept], matrix)
        left, values = _rayleigh_ritz(matrix, right)
        wanted = _within_rank(left[:, :kept], values[:kept], matrix)
        if torch.linalg.norm(previous - wanted @ (wanted.t() @ previous)) < 1e-10:
            break
    left = _within_rank(left[:, :kept], values[:kept], matrix)
    heaviest = left.gather(0, left.abs().argmax(dim=0, keepdim=True))
    left = torch.where(heaviest < 0, -left, left)
    return torch.nn.functional.pad(left, (0, k - kept))


@torch.no_grad()
def leading_components(x: Tensor, k: int) -> Tensor:
    r"""Reduces features by a truncated singular value decomposition: :math:`U_k \Sigma_k`.

    The inner products of its rows equal the inner products of the best approximation of rank k. Features are not
    centred. It is computed on the CPU, in double precision, by ARPACK's Lanczos iteration (Lehoucq, Sorensen & Yang,
    SIAM 1998).

    Args:
        x: Features of shape (num_nodes, in_channels), dense or sparse COO.
        k: Number of components.

    Returns:
        Dense tensor of shape (num_nodes, k), with the dtype of ``x``; zeros beyond the rank.
    """
    rows, columns = x.shape
    if k >= min(rows, columns):  # ARPACK cannot find all components.
        left, values, _ = torch.linalg.svd(x.to_dense().double(), full_matrices=False)
        return torch.nn.functional.pad(left * values, (0, k - min(rows, columns))).to(x.dtype)
    matrix = _array(x)
    if not matrix.max() and not matrix.min():
        return torch.zeros(rows, k, dtype=x.dtype, device=x.device)
    # Lanczos vectors need a tenth of the products of `left_singular_vectors` where the spectrum is flat.
    start = np.random.default_rng(0).standard_normal(min(rows, columns))
    left, values, _ = scipy.sparse.linalg.svds(matrix, k, v0=start, solver="arpack", return_singular_vectors="u")
    return torch.from_numpy((left * values)[:, ::-1].copy()).to(x)


def _array(x: Tensor) -> Any:
    """A matrix for scipy, on the CPU and in double precision."""
    x = x.detach().cpu().double()
    if not x.is_sparse:
        return x.numpy()
    x = x.coalesce()
    return scipy.sparse.csr_matrix((x.values().numpy(), x.indices().numpy()), shape=tuple(x.shape))


def _stored(matrix: Operator) -> Tensor:
    """The matrix itself, a few columns at a time: its products may need several times the memory of their result."""
    rows, columns = matrix.shape
    dense = torch.empty(rows, columns, dtype=torch.float64, device=matrix.device)
    unit = torch.eye(columns, dtype=torch.float64, device=matrix.device)
    for first in range(0, columns, _COLUMNS_STORED_AT_A_TIME):
        some = slice(first, first + _COLUMNS_STORED_AT_A_TIME)
        dense[:, some] = matrix.times(unit[:, some])
    return dense


def _inner_products(matrix: Tensor) -> Tensor:
    """Returns the inner products of the columns, (columns, columns); some entries below the diagonal are left zero."""
    columns = matrix.t()
    products = matrix.new_zeros(len(columns), len(columns))
    for start in range(0, len(columns), _COLUMNS_OF_A_PRODUCT):
        products[start : start + _COLUMNS_OF_A_PRODUCT, start:] = (
            columns[start : start + _COLUMNS_OF_A_PRODUCT] @ matrix[:, start:]
        )
    return products


def _leading_eigenvectors(upper: Tensor, width: int, seed: int) -> Tensor:
    """The eigenvectors of the largest eigenvalues, by rising eigenvalue, of a symmetric matrix's upper triangle.

    All eigenvectors of 5,000 columns take two minutes on a CPU, the leading 100 ten seconds.
    """
    columns = len(upper)
    if upper.device.type == "cpu" and columns > max(_COLUMNS_DECOMPOSED_WHOLE, 4 * width):
        symmetric = upper.triu().add_(upper.triu(1).t()).numpy()
        start = np.random.default_rng(seed).standard_normal(columns)
        try:
            _, vectors = scipy.sparse.linalg.eigsh(symmetric, width, v0=start, tol=_LANCZOS_TOLERANCE)
            return torch.from_numpy(vectors)
        except scipy.sparse.linalg.ArpackError:  # It did not converge: the slow way never fails.
            pass
    return torch.linalg.eigh(upper, UPLO="U").eigenvectors[:, -width:]


def _within_rank(left: Tensor, values: Tensor, matrix: Operator) -> Tensor:
    """Sets the vectors beyond the rank to zero. They are arbitrary, so a search for them would never end."""
    rounding = max(matrix.shape) * torch.finfo(torch.float64).eps * values.amax()
    return left * (values > rounding.clamp(min=matrix.rounding))


def _rayleigh_ritz(matrix: Operator, right: Tensor) -> tuple[Tensor, Tensor]:
    """The best left singular vectors (rows, width) and values (width,) for right ones in the span of ``right``."""
    basis, triangle = torch.linalg.qr(matrix.times(right))
    rotation, values, _ = torch.linalg.svd(triangle)
    return basis @ rotation, values


__all__ = ["Operator", "leading_components", "left_singular_vectors"]
