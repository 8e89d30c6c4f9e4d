"""A sparse matrix that many products share: a graph's adjacency, or features that are mostly zeros.

Training multiplies the same sparse matrix by dense ones in every step, and its transpose by their gradients. Both are
kept by rows (CSR) and made once. A matrix with fewer columns than rows, such as features, needs no transpose.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from eco_core.ops.csr import csr_tensor, rows_of
from eco_core.ops.sparse_product import can_be_compiled, csr_product, transposed_csr_product


class SparseFactor:
    """A constant sparse matrix, the left factor of products with dense matrices. Gradients flow to the dense one only.

    Args:
        starts: Where the entries of each row begin, and the end of the last one's, of shape (rows + 1,); kept as int32
            if possible.
        columns: Columns, of shape (num_entries,), sorted and each once in a row.
        values: Values, of shape (num_entries,), of a float dtype.
        size: Numbers of rows and columns.

    Attributes:
        values: The values.
        size: Numbers of rows and columns.
    """

    def __init__(self, starts: Tensor, columns: Tensor, values: Tensor, size: tuple[int, int]) -> None:
        if max(*size, columns.numel()) < 2**31:
            starts, columns = starts.int(), columns.int()
        self._pattern = _Pattern(starts, columns, size)
        self.values = values
        self.size = size
        self._transposed: Tensor | None = None

    def __getstate__(self) -> dict[str, Any]:
        # torch cannot copy a CSR tensor; the copy makes its transpose anew when it needs it.
        return {**self.__dict__, "_transposed": None}

    @classmethod
    def of(cls, matrix: Tensor) -> SparseFactor:
        """Makes a factor of a sparse COO or CSR tensor, to which no gradient flows."""
        if matrix.layout is torch.sparse_csr:
            starts, columns, values = matrix.crow_indices(), matrix.col_indices(), matrix.values()
        else:
            matrix = matrix.coalesce()
            row, columns = matrix.indices()
            starts = torch.zeros(matrix.size(0) + 1, dtype=torch.int64, device=row.device)
            starts[1:] = torch.bincount(row, minlength=matrix.size(0)).cumsum(0)
            values = matrix.values()
        return cls(starts, columns, values.detach(), (matrix.size(0), matrix.size(1)))

    @property
    def nbytes(self) -> int:
        """Bytes of the matrix by rows, without its transpose."""
        return self._pattern.starts.nbytes + self._pattern.columns.nbytes + self.values.nbytes

    def with_values(self, values: Tensor) -> SparseFactor:
        """Returns a factor with other values at the same places; it shares the pattern of this factor.

        Args:
            values: Values of shape (num_entries,), in the order of `of`'s rows and columns.
        """
        twin = object.__new__(SparseFactor)
        twin._pattern, twin.values, twin.size, twin._transposed = self._pattern, values, self.size, None
        return twin

    def __matmul__(self, dense: Tensor) -> Tensor:
        """Multiplies by a dense matrix.

        Args:
            dense: Tensor of shape (columns, width).

        Returns:
            Dense tensor of shape (rows, width), in the wider of both dtypes and in single precision at least, under
            autocast too. It can be differentiated once, by ``dense``.
        """
        dtype = torch.promote_types(torch.promote_types(self.values.dtype, dense.dtype), torch.float32)
        return _Product.apply(dense.to(dtype), self)

    def to_dense(self) -> Tensor:
        """The matrix as a dense tensor."""
        return self.rows().to_dense()

    def rows(self, dtype: torch.dtype | None = None) -> Tensor:
        """Returns the matrix as a sparse CSR tensor with the given dtype; None: its own."""
        return self._pattern.matrix(self.values.to(dtype or self.values.dtype))

    def first_rows(self, count: int) -> SparseFactor:
        """Returns the first rows.

        Args:
            count: Number of rows.
        """
        starts = self._pattern.starts[: count + 1]
        end = int(starts[-1])
        return SparseFactor(starts, self._pattern.columns[:end], self.values[:end], (count, self.size[1]))

    def without_empty_columns(self) -> SparseFactor:
        """Returns the matrix without its last, empty columns; it keeps at least as many columns as rows."""
        columns, rows = self._pattern.columns, self.size[0]
        used = int(columns.max()) + 1 if columns.numel() else 0
        return SparseFactor(self._pattern.starts, columns, self.values, (rows, max(used, min(rows, self.size[1]))))

    def transposed_product(self, dense: Tensor) -> Tensor:
        """Multiplies the transposed matrix by a dense one, without a gradient.

        Args:
            dense: Tensor of shape (rows, width), with the dtype of the values or a wider one.

        Returns:
            Dense tensor of shape (columns, width), with the dtype of ``dense``.
        """
        rows, columns = self.size
        if columns < rows and can_be_compiled(dense):
            return transposed_csr_product(self.rows(dense.dtype), dense)
        if self._transposed is None:
            self._transposed = self._pattern.transposed_matrix(self.values)
        return csr_product(self._transposed.to(dense.dtype), dense)


class _Pattern:
    """The places of the entries of a matrix, and of its transpose."""

    def __init__(self, starts: Tensor, columns: Tensor, size: tuple[int, int]) -> None:
        self.starts, self.columns, self.size = starts, columns, size
        self._transposed: tuple[Tensor, Tensor, Tensor] | None = None

    def matrix(self, values: Tensor) -> Tensor:
        return csr_tensor(self.starts, self.columns, values, self.size)

    def transposed_matrix(self, values: Tensor) -> Tensor:
        if self._transposed is None:
            starts = torch.zeros(self.size[1] + 1, dtype=self.starts.dtype, device=self.starts.device)
            starts[1:] = torch.bincount(self.columns, minlength=self.size[1]).cumsum(0)
            order = self.columns.argsort(stable=True)
            self._transposed = starts, rows_of(self.matrix(values))[order].to(self.columns.dtype), order
        starts, columns, order = self._transposed
        return csr_tensor(starts, columns, values[order], (self.size[1], self.size[0]))


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, dense: Tensor, factor: SparseFactor) -> Tensor:
        ctx.factor = factor
        return csr_product(factor.rows(dense.dtype), dense)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return ctx.factor.transposed_product(grad), None


__all__ = ["SparseFactor"]
