"""Counts of genes as a representation: normalised, log-transformed, restricted to variable genes."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

_BINS = 20


def in_memory(matrix: Any) -> Any:
    """Returns a matrix of an AnnData in memory, also of one that is backed by a file: SciPy CSR, or a dense array."""
    if hasattr(matrix, "to_memory"):
        matrix = matrix.to_memory()
    elif type(matrix).__module__.split(".")[0] == "h5py":
        matrix = matrix[()]
    if hasattr(matrix, "to_numpy"):  # A data frame.
        matrix = matrix.to_numpy()
    if sp.issparse(matrix):
        return sp.csr_matrix(matrix)
    return np.asarray(matrix)


def are_counts(matrix: Any) -> bool:
    """Whether all entries are whole numbers of 0 or more, and some are above 1."""
    values = matrix.data if sp.issparse(matrix) else matrix
    if values.size == 0 or values.dtype.kind == "b" or values.min() < 0 or values.max() <= 1:
        return False
    return values.dtype.kind in "iu" or bool((values == np.floor(values)).all())


def totals_of(counts: Any) -> NDArray[np.float64]:
    """The sum of each row."""
    return np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()


def normalized_counts(counts: Any, total: float) -> Any:
    """Scales each row to a total; rows of zeros stay zero, and sparse counts stay sparse.

    Args:
        counts: CSR or dense, (num_cells, num_genes).
        total: The sum that each row gets.
    """
    sums = totals_of(counts)
    factor = np.divide(total, sums, out=np.zeros_like(sums), where=sums > 0).astype(np.float32)
    if sp.issparse(counts):
        return sp.csr_matrix(sp.diags(factor) @ counts.astype(np.float32))
    return counts.astype(np.float32) * factor[:, None]


def variable_genes(expression: Any, count: int) -> NDArray[np.int64]:
    """Chooses the genes whose dispersion is largest among genes of similar mean (Satija et al., 2015).

    Genes fall into 20 bins by the logarithm of their mean; within a bin, the logarithm of variance divided by mean is
    standardised. The choice equals that of scanpy's ``highly_variable_genes`` with ``flavor="seurat"``.

    Args:
        expression: Normalised counts before the logarithm, CSR or dense, (num_cells, num_genes).
        count: Number of genes.

    Returns:
        Sorted positions.
    """
    cells = expression.shape[0]
    if sp.issparse(expression):
        mean = np.asarray(expression.mean(axis=0), dtype=np.float64).ravel()
        squares = np.asarray(expression.multiply(expression).sum(axis=0), dtype=np.float64).ravel()
        variance = (squares - cells * mean**2) / max(cells - 1, 1)
    else:
        mean = expression.mean(axis=0, dtype=np.float64)
        variance = expression.var(axis=0, ddof=min(1, cells - 1), dtype=np.float64)
    present = mean > 0
    dispersion = np.full(len(mean), -np.inf)
    ratio = np.divide(variance, mean, out=np.zeros(len(mean)), where=present)
    seen = present & (ratio > 0)
    dispersion[seen] = np.log(ratio[seen])
    height = np.log1p(mean)
    edges = np.linspace(height.min(), height.max(), _BINS + 1)
    bins = np.clip(np.searchsorted(edges, height, side="left") - 1, 0, _BINS - 1)
    standard = np.full(len(mean), -np.inf)
    for number in range(_BINS):
        here = np.flatnonzero((bins == number) & seen)
        if len(here) == 1:  # Alone in its bin: as scanpy has it, one standard deviation above the others.
            standard[here] = 1.0
        elif len(here):
            spread = dispersion[here].std(ddof=1)
            standard[here] = (dispersion[here] - dispersion[here].mean()) / (spread if spread > 0 else 1.0)
    return np.sort(np.argsort(-standard, kind="stable")[:count])


__all__ = ["are_counts", "in_memory", "normalized_counts", "totals_of", "variable_genes"]
