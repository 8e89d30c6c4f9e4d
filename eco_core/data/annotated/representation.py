"""The representation of cells: what of an AnnData becomes features, learnt once and applied to new cells alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from eco_core._files import write_atomically, write_text
from eco_core.data.annotated.expression import (
    are_counts,
    in_memory,
    normalized_counts,
    totals_of,
    variable_genes,
)
from eco_core.data.validate import counted
from eco_core.errors import DataError, Problem, SpecError, did_you_mean

PREPARATION, ARRAYS = "preparation.json", "preparation.npz"
KIND = "anndata"
FORMAT = 1


@dataclass(frozen=True, repr=False, eq=False)
class CellEncoding:
    """How the cells of an AnnData become features.

    Attributes:
        source: ``X``, ``layers/NAME`` or ``obsm/NAME``.
        genes: The genes, in the order of the columns before the projection; empty for ``obsm``.
        total: The sum that the counts of a cell are scaled to; None: not scaled.
        log: Whether the logarithm of 1 + the value is taken.
        arrays: ``mean`` (num_genes,) and ``components`` (width, num_genes) of the principal components, if there are.
        width: Number of features.
        report: What was done with each column of ``obs`` (``data.columns``).
        centred: Whether the values have negative entries, as scaled ones have.
    """

    source: str
    genes: tuple[str, ...] = ()
    total: float | None = None
    log: bool = False
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    width: int = 0
    report: tuple[Mapping[str, Any], ...] = ()
    centred: bool = False

    def __repr__(self) -> str:
        return f"CellEncoding({self.source}, {len(self.genes)} genes, {self.width} features)"

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features."""
        if self.arrays:
            return tuple(f"PC{number + 1}" for number in range(self.width))
        if self.genes:
            return self.genes
        return tuple(f"{self.source.partition('/')[2]}_{number + 1}" for number in range(self.width))

    @property
    def signed(self) -> bool:
        """Whether the features have both signs, so that they are not divided by the sums of their rows."""
        return bool(self.arrays) or not self.genes or self.centred

    def expression(self, adata: Any) -> Any:
        """The genes' values of each cell before the projection: CSR or dense, (num_cells, num_genes), float32.

        Raises:
            DataError: ECO303, if the AnnData lacks the source or some of the genes.
        """
        matrix = matrix_of(adata, self.source)
        if not self.genes:
            _check_width(self.source, matrix.shape[1], self.width)
            return matrix.astype(np.float32, copy=False)
        if self.total is not None:
            matrix = normalized_counts(matrix, self.total)
        return _logarithm(matrix[:, self._columns(adata)], self.log)

    def project(self, expression: Any) -> Any:
        """Projects what `expression` returned on the principal components, if there are."""
        if not self.arrays:
            return expression
        components, mean = self.arrays["components"], self.arrays["mean"]
        return np.asarray(expression @ components.T - mean @ components.T, dtype=np.float32)

    def encode(self, adata: Any, name: str = "The AnnData") -> Any:
        """Encodes cells exactly as those that the encoding was learnt from.

        Args:
            adata: An AnnData with the same source and at least the same genes.
            name: Its name, for messages.

        Returns:
            Shape (num_cells, width), float32: dense, or CSR where sparse values stay sparse.

        Raises:
            DataError: ECO303, if the source or genes are missing.
        """
        return self.project(self.expression(adata))

    def save(self, folder: Path) -> None:
        """Writes ``preparation.json`` and, if there are arrays, ``preparation.npz``."""
        document = {
            "kind": KIND,
            "format": FORMAT,
            "source": self.source,
            "genes": list(self.genes),
            "total": self.total,
            "log": self.log,
            "width": self.width,
            "report": [dict(entry) for entry in self.report],
            "centred": self.centred,
        }
        write_text(folder / PREPARATION, json.dumps(document, indent=1) + "\n")
        if self.arrays:
            write_atomically(folder / ARRAYS, lambda path: _save_arrays(path, self.arrays))

    def _columns(self, adata: Any) -> NDArray[np.int64]:
        names = [str(name) for name in adata.var_names]
        if tuple(names) == self.genes:
            return np.arange(len(names))
        place = {name: number for number, name in enumerate(names)}
        missing = [gene for gene in self.genes if gene not in place]
        if missing:
            shown = ", ".join(missing[:8]) + (", ..." if len(missing) > 8 else "")
            raise DataError(
                Problem(
                    "ECO303",
                    f"The AnnData lacks {counted(len(missing), 'gene')} of the {len(self.genes):,} that the model was "
                    f"fitted on: {shown}.",
                    "Give an AnnData with the same genes; their order does not matter.",
                )
            )
        return np.array([place[gene] for gene in self.genes], dtype=np.int64)


def read_cell_encoding(folder: Path) -> CellEncoding | None:
    """Reads what `CellEncoding.save` wrote; None where there is none, or one of another kind."""
    path = folder / PREPARATION
    if not path.is_file():
        return None
    document = json.loads(path.read_text(encoding="utf-8"))
    if document.get("kind") != KIND:
        return None
    arrays: dict[str, Any] = {}
    if (folder / ARRAYS).is_file():
        with np.load(folder / ARRAYS, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    return CellEncoding(
        document["source"],
        tuple(document["genes"]),
        document["total"],
        document["log"],
        arrays,
        document["width"],
        tuple(document["report"]),
        document["centred"],
    )


def learn_encoding(
    adata: Any, representation: str | None, n_top_genes: int | None, n_pcs: int
) -> tuple[CellEncoding, Any, list[str]]:
    """Chooses and learns the representation of an AnnData's cells.

    Args:
        adata: The AnnData.
        representation: ``X``, the name of a layer, or a key of ``obsm``; None: ``obsm['X_pca']`` where there is one,
            else ``X``.
        n_top_genes: Number of variable genes; None: those that ``var['highly_variable']`` marks, else all; 0: all.
        n_pcs: The most principal components; 0: none, the genes themselves are the features.

    Returns:
        The encoding, the cells' expression before the projection, and sentences about what was done.

    Raises:
        SpecError: ECO104, if there is no such representation.
        DataError: ECO303, if it cannot be used.
    """
    source = _source(adata, representation)
    if source.startswith("obsm/"):
        key = source.partition("/")[2]
        matrix = matrix_of(adata, source)
        encoding = CellEncoding(source, width=int(matrix.shape[1]))
        notes = [f"features: obsm[{key!r}], {counted(matrix.shape[1], 'column')}, as they are"]
        if n_top_genes:
            notes.append("n_top_genes has no effect on a representation in obsm")
        return encoding, matrix.astype(np.float32, copy=False), notes
    matrix = matrix_of(adata, source)
    _check_finite(matrix, source)
    said, total = "as they are", None
    counts = are_counts(matrix)
    if counts:
        sums = totals_of(matrix)
        total = float(np.median(sums[sums > 0]))
        matrix = normalized_counts(matrix, total)
        said = f"raw counts, scaled to the median total of {total:g} a cell, then log(1 + x)"
        empty = int((sums == 0).sum())
        said += f" ({counted(empty, 'cell')} without counts)" if empty else ""
    columns, genes_said = _genes(adata, matrix, counts, n_top_genes)
    genes = tuple(str(adata.var_names[place]) for place in columns)
    expression = _logarithm(matrix[:, columns] if len(columns) < matrix.shape[1] else matrix, counts)
    notes = [f"features: {genes_said} of {source.replace('/', ' ')}, {said}"]
    values = expression.data if sp.issparse(expression) else expression
    centred = bool(values.size) and bool(values.min() < 0)
    encoding = CellEncoding(source, genes, total, counts, width=len(genes), centred=centred)
    if 0 < n_pcs < len(genes):
        arrays, share = _principal_components(expression, n_pcs)
        width = len(arrays["components"])
        encoding = replace(encoding, arrays=arrays, width=width)
        notes[0] += f"; reduced to {counted(width, 'principal component')} ({share:.0%} of the variance)"
    return encoding, expression, notes


def matrix_of(adata: Any, source: str) -> Any:
    """The matrix that a source names, in memory: CSR or dense, two-dimensional.

    Raises:
        DataError: ECO303, if the AnnData does not have it.
    """
    kind, _, name = source.partition("/")
    holder = {"layers": adata.layers, "obsm": adata.obsm}.get(kind)
    if (holder is None and adata.X is None) or (holder is not None and name not in holder):
        raise DataError(
            Problem(
                "ECO303",
                f"The AnnData has no {source.replace('/', ' ')}, which the features are made of.",
                f"It has {available(adata)}.",
            )
        )
    matrix = in_memory(adata.X if holder is None else holder[name])
    if matrix.ndim != 2 or matrix.dtype.kind not in "biuf":
        raise DataError(
            Problem(
                "ECO303",
                f"{source} of the AnnData is not a matrix of numbers (shape {matrix.shape}, type {matrix.dtype}).",
                f"Name another with data.representation; it has {available(adata)}.",
            )
        )
    return matrix


def available(adata: Any) -> str:
    """Lists the representations of an AnnData, for messages."""
    parts = ["X"] if adata.X is not None else []
    parts += [f"layer {name!r}" for name in adata.layers if name is not None] + [
        f"obsm {name!r}" for name in adata.obsm
    ]
    return ", ".join(parts) or "neither X, nor layers, nor obsm"


def _source(adata: Any, representation: str | None) -> str:
    if representation is None:
        if "X_pca" in adata.obsm:
            return "obsm/X_pca"
        if adata.X is not None:
            return "X"
        places = [f"layers/{name}" for name in adata.layers] + [
            f"obsm/{name}" for name in adata.obsm if name != "spatial"
        ]
        if len(places) == 1:
            return places[0]
        raise DataError(
            Problem(
                "ECO303",
                f"The AnnData has no X; it has {available(adata)}.",
                "Name what the features are: representation='NAME' (--set data.representation=NAME).",
            )
        )
    if representation == "X":
        return "X"
    for kind, names in (("layers", adata.layers), ("obsm", adata.obsm)):
        if representation in names:
            return f"{kind}/{representation}"
        if representation.startswith(f"{kind}/") and representation.partition("/")[2] in names:
            return representation
    names = ["X", *map(str, adata.layers), *map(str, adata.obsm)]
    raise SpecError(
        Problem(
            "ECO104",
            f"representation is {representation!r}; the AnnData has {available(adata)}.",
            did_you_mean(representation, names),
        )
    )


def _genes(adata: Any, matrix: Any, counts: bool, n_top_genes: int | None) -> tuple[NDArray[np.int64], str]:
    """The chosen columns, and which they are."""
    number = matrix.shape[1]
    if n_top_genes is None and "highly_variable" in adata.var:
        marked = np.flatnonzero(adata.var["highly_variable"].to_numpy().astype(bool))
        if len(marked):
            return marked, f"the {len(marked):,} genes marked in var['highly_variable']"
    if not n_top_genes or n_top_genes >= number:
        return np.arange(number), f"all {counted(number, 'gene')}"
    values = matrix.data if sp.issparse(matrix) else matrix
    if values.size and values.min() < 0:
        raise DataError(
            Problem(
                "ECO303",
                "Variable genes cannot be chosen: the values have negative entries, so they were scaled already.",
                "Name counts or log-normalised values with representation=, or leave n_top_genes out.",
            )
        )
    linear = matrix if counts else (sp.csr_matrix(matrix).expm1() if sp.issparse(matrix) else np.expm1(matrix))
    return variable_genes(linear, n_top_genes), f"the {n_top_genes:,} most variable genes"


def _principal_components(expression: Any, n_pcs: int) -> tuple[dict[str, NDArray[Any]], float]:
    from sklearn.decomposition import PCA

    cells, genes = expression.shape
    wanted = min(n_pcs, cells - 1, genes - 1)
    if wanted < 1:
        return {"mean": np.zeros(genes, np.float32), "components": np.zeros((1, genes), np.float32)}, 0.0
    solver = "covariance_eigh" if genes <= 2_000 and genes <= 10 * cells else "arpack"
    pca = PCA(wanted, svd_solver=solver, random_state=0).fit(expression)
    arrays = {"mean": pca.mean_.astype(np.float32), "components": pca.components_.astype(np.float32)}
    return arrays, float(pca.explained_variance_ratio_.sum())


def _logarithm(matrix: Any, log: bool) -> Any:
    if not log:
        return matrix.astype(np.float32, copy=False)
    return matrix.log1p() if sp.issparse(matrix) else np.log1p(matrix)


def _check_finite(matrix: Any, source: str) -> None:
    values = matrix.data if sp.issparse(matrix) else matrix
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        bad = np.flatnonzero(~np.isfinite(values).all(1)) if values.ndim == 2 else None
        where = f"; the first is in cell {bad[0]}" if bad is not None else ""
        number = counted(int((~np.isfinite(values)).sum()), "value")
        raise DataError(
            Problem(
                "ECO303",
                f"{source} of the AnnData has {number} that are NaN or infinite{where}.",
                "Replace them, for example by 0, or leave the cells or genes out.",
            )
        )


def _check_width(source: str, found: int, expected: int) -> None:
    if found != expected:
        raise DataError(
            Problem(
                "ECO303",
                f"{source} of the AnnData has {found} columns; the model was fitted on {expected}.",
                "Give an AnnData with the same representation.",
            )
        )


def _save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)


def gene_table(encoding: CellEncoding, expression: Any, most: int) -> tuple[Sequence[str], Any]:
    """The genes that vary most and their values, dense, for the explanation of clusters.

    Args:
        encoding: The encoding of the cells.
        expression: What `CellEncoding.expression` returned.
        most: The most genes.

    Returns:
        Names, and values (num_cells, num_genes), float32.
    """
    if not encoding.genes:
        return (), None
    if sp.issparse(expression):
        mean = np.asarray(expression.mean(axis=0)).ravel()
        variance = np.asarray(expression.multiply(expression).mean(axis=0)).ravel() - mean**2
    else:
        variance = expression.var(axis=0)
    chosen = np.sort(np.argsort(-variance, kind="stable")[:most])
    values = expression[:, chosen]
    return [encoding.genes[place] for place in chosen], values.toarray() if sp.issparse(values) else values


__all__ = [
    "CellEncoding",
    "available",
    "gene_table",
    "learn_encoding",
    "matrix_of",
    "read_cell_encoding",
]
