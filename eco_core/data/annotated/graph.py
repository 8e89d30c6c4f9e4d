"""A graph of an AnnData's cells, or of an ``.h5ad`` file's."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch_geometric.data import Data

from eco_core.data.annotated.expression import in_memory
from eco_core.data.annotated.representation import CellEncoding, gene_table, learn_encoding
from eco_core.data.validate import as_tensor, counted
from eco_core.errors import DataError, Problem, SpecError, did_you_mean

_COORDINATES = (
    ("x", "y"),
    ("X", "Y"),
    ("x_centroid", "y_centroid"),
    ("array_col", "array_row"),
    ("imagecol", "imagerow"),
    ("pxl_col_in_fullres", "pxl_row_in_fullres"),
)
"""Pairs of columns of ``obs`` that hold the place of a cell, where ``obsm`` does not."""

_SHOWN_GENES = 500
_SHOWN_VALUES = 20_000_000


def graph_of_anndata(
    adata: Any,
    representation: str | None = None,
    graph: str | None = None,
    n_top_genes: Annotated[int, Field(ge=0)] | None = None,
    n_pcs: Annotated[int, Field(ge=0)] = 50,
    label_column: str | None = None,
    fitted: Any = None,
) -> Data:
    """Makes a graph whose nodes are the cells (observations) of an AnnData.

    Args:
        adata: The AnnData; it may be backed by a file, and is not modified.
        representation: What the features are made of: ``X``, the name of a layer, or a key of ``obsm``. Default
            ``obsm['X_pca']`` where there is one, else ``X``. Raw counts are scaled to the median total and
            log-transformed; values that are no counts are taken as they are.
        graph: The edges: a key of ``obsp``; ``"spatial"``: neighbours in space, by ``obsm['spatial']`` or columns of
            ``obs`` such as x and y; ``"knn"``: neighbours in the features. Default ``obsp['connectivities']`` or
            ``obsp['spatial_connectivities']`` where there is one, else ``"spatial"`` where there are coordinates, else
            ``"knn"``.
        n_top_genes: Number of variable genes that are used. Default: those that ``var['highly_variable']`` marks, else
            all; 0: all.
        n_pcs: The most principal components that genes are reduced to; 0: none, the genes are the features.
        label_column: A column of ``obs`` with classes, for metrics alone.
        fitted: The ``encoding`` of another AnnData's graph, by which the features are made in the same way; then
            ``representation``, ``n_top_genes`` and ``n_pcs`` are not used. An encoding of tables has no effect.

    Returns:
        The graph, not yet validated: ``node_ids`` are the names of the cells, ``node_table`` has the columns of ``obs``
        and the most variable genes, ``encoding`` is a `CellEncoding`. It has ``edge_index``, or ``pos`` by which
        neighbours are found, or neither: then they are found in the features.

    Raises:
        SpecError: ECO104, if a parameter names what the AnnData does not have.
        DataError: ECO303, if what it has cannot be used.
    """
    if adata.n_obs == 0:
        raise DataError(Problem("ECO303", "The AnnData has no observations (cells).", "Give at least one."))
    data = Data(name="anndata", notes=[])
    if isinstance(fitted, CellEncoding):
        encoding = fitted
        expression = encoding.expression(adata)
        notes = [f"features: {encoding.source.replace('/', ' ')}, made as for the first data"]
    else:
        encoding, expression, notes = learn_encoding(adata, representation, n_top_genes, n_pcs)
    x = encoding.project(expression)
    data.x = _tensor(x)
    data.notes += notes
    _add_edges(data, adata, graph)
    names = [str(name) for name in adata.obs_names]
    if len(set(names)) < len(names):
        repeated = len(names) - len(set(names))
        data.notes.append(f"the names of {counted(repeated, 'cell')} occur before; numbers were appended to them")
        names = _made_unique(names)
    if names != [str(number) for number in range(len(names))]:
        data.node_ids = names
    columns = _describe_obs(adata.obs, label_column)
    if label_column is not None:
        _add_labels(data, adata.obs, label_column)
    data.feature_names = list(encoding.features)
    data.columns, data.node_table = _table(adata, encoding, expression, columns)
    data.encoding = encoding
    return data


def read_h5ad(
    path: str | Path,
    representation: str | None = None,
    graph: str | None = None,
    n_top_genes: Annotated[int, Field(ge=0)] | None = None,
    n_pcs: Annotated[int, Field(ge=0)] = 50,
    label_column: str | None = None,
    fitted: Any = None,
) -> Data:
    """Reads an ``.h5ad`` file; the parameters are those of `graph_of_anndata`.

    Args:
        path: The file.
        representation: What the features are made of.
        graph: The edges.
        n_top_genes: Number of variable genes.
        n_pcs: The most principal components.
        label_column: A column of ``obs`` with classes, for metrics alone.
        fitted: The ``encoding`` of another AnnData's graph.

    Raises:
        DataError: ECO301, if there is no such file; ECO302, if it cannot be read, or anndata is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(Problem("ECO301", f"There is no file {str(path)!r}."))
    try:
        import anndata
    except ImportError as error:
        raise DataError(
            Problem(
                "ECO302",
                f"Reading {path} needs the library anndata, which cannot be imported: {error}.",
                "pip install 'eco-core[bio]'",
            )
        ) from error
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            adata = anndata.read_h5ad(path)
        except Exception as error:  # anndata and h5py raise many types; the file is what is wrong.
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            raise DataError(
                Problem(
                    "ECO302",
                    f"Cannot read {path} as an .h5ad file: {reason}.",
                    "Write it again with adata.write_h5ad(path); if it was cut off while copying, copy it again.",
                )
            ) from error
    data = graph_of_anndata(adata, representation, graph, n_top_genes, n_pcs, label_column, fitted)
    data.name = path.stem
    old = sum("OldFormat" in warning.category.__name__ for warning in caught)
    if old:
        data.notes.insert(0, f"{path.name} was written by an old version of anndata; it was read completely")
    return data


def coordinates_of(adata: Any) -> tuple[NDArray[np.float64] | None, str]:
    """The place of each cell, (num_cells, 2 or 3), and where it was found; None if the AnnData has no coordinates."""
    for key in ("spatial", "X_spatial"):
        if key in adata.obsm:
            return np.asarray(in_memory(adata.obsm[key]), dtype=np.float64), f"obsm[{key!r}]"
    for pair in _COORDINATES:
        if all(name in adata.obs and adata.obs[name].dtype.kind in "iuf" for name in pair):
            return adata.obs[list(pair)].to_numpy(dtype=np.float64), f"obs columns {pair[0]!r} and {pair[1]!r}"
    return None, ""


def _add_edges(data: Data, adata: Any, graph: str | None) -> None:
    """Takes edges from the AnnData, or coordinates by which they are found, or leaves them to the features."""
    keys = [str(key) for key in adata.obsp]
    chosen = graph
    if chosen is None:
        similar = [key for key in keys if key.endswith("connectivities")]
        preferred = [key for key in ("connectivities", "spatial_connectivities") if key in similar]
        chosen = (preferred or similar or ["spatial"])[0]
        if chosen == "spatial" and coordinates_of(adata)[0] is None:
            chosen = "knn"
    if chosen in keys:
        _take_obsp(data, adata, chosen)
    elif chosen == "spatial":
        position, where = coordinates_of(adata)
        if position is None:
            raise SpecError(
                Problem(
                    "ECO104",
                    "graph is 'spatial', but the AnnData has no coordinates: neither obsm['spatial'], nor columns x "
                    "and y in obs.",
                    "Set adata.obsm['spatial'], or use graph='knn' (--set data.graph=knn).",
                )
            )
        data.pos = torch.from_numpy(position.astype(np.float32))
        data.notes.append(f"coordinates: {where}")
    elif chosen != "knn":
        raise SpecError(
            Problem(
                "ECO104",
                f"graph is {chosen!r}; the AnnData has "
                + (f"the graphs {', '.join(map(repr, keys))} in obsp" if keys else "no graph in obsp")
                + "; or use 'spatial' or 'knn'.",
                did_you_mean(str(chosen), [*keys, "spatial", "knn"], list_all=False),
            )
        )
    others = [key for key in keys if key != chosen and key.endswith("connectivities")]
    if chosen != "spatial" and coordinates_of(adata)[0] is not None:
        others.append("spatial")
    if graph is None and others:
        data.notes.append(f"other graphs that the data have: {', '.join(others)} (--set data.graph=NAME)")


def _take_obsp(data: Data, adata: Any, key: str) -> None:
    matrix = sp.coo_matrix(in_memory(adata.obsp[key]))
    present = matrix.data != 0
    source, target, weight = matrix.row[present], matrix.col[present], matrix.data[present]
    note = f"edges: obsp[{key!r}]"
    data.edge_index = torch.from_numpy(np.stack([source, target]).astype(np.int64))
    if key.endswith("distances"):
        note += ", whose distances are not used as weights"
    elif len(weight) and not (weight == weight[0]).all():
        data.edge_weight = torch.from_numpy(weight.astype(np.float32))
        note += ", with its weights"
    data.notes.append(note)


def _add_labels(data: Data, obs: Any, column: str) -> None:
    if column not in obs:
        raise SpecError(
            Problem(
                "ECO104",
                f"label_column is {column!r}; obs has the columns {', '.join(map(repr, obs.columns)) or 'nothing'}.",
                did_you_mean(column, map(str, obs.columns), list_all=False),
            )
        )
    values = obs[column].astype("category").cat.remove_unused_categories()
    codes = values.cat.codes.to_numpy(dtype=np.int64)
    data.y, data.n_classes = torch.from_numpy(codes), len(values.cat.categories)
    unknown = int((codes < 0).sum())
    missing = f", {counted(unknown, 'cell')} without one" if unknown else ""
    data.notes.append(f"classes, for metrics alone: obs[{column!r}], {len(values.cat.categories)} of them{missing}")


def _describe_obs(obs: Any, label_column: str | None) -> list[dict[str, Any]]:
    """What each column of ``obs`` is; none of them becomes a feature."""
    entries = []
    for name in obs.columns:
        values = obs[name]
        kind = _kind_of(values)
        action = "not a feature; it helps to explain the clusters"
        if name == label_column:
            kind, action = "label", "classes, for metrics alone"
        elif kind in ("id", "constant"):
            action = "not used"
        entries.append(_entry(str(name), kind, action, int(values.isna().sum())))
    return entries


def _kind_of(values: Any) -> str:
    distinct = int(values.nunique())
    if distinct <= 1:
        return "constant"
    if values.dtype.kind == "b":
        return "boolean"
    if values.dtype.kind in "iuf":
        return "numeric"
    if values.dtype.kind == "M":
        return "date"
    return "id" if distinct == len(values) > 20 else "categorical"


def _entry(column: str, kind: str, action: str, missing: int = 0) -> dict[str, Any]:
    return {"column": column, "kind": kind, "action": action, "features": 0, "missing": missing}


def _table(
    adata: Any, encoding: CellEncoding, expression: Any, columns: Sequence[dict[str, Any]]
) -> tuple[list[dict[str, Any]], Any]:
    """The columns of ``obs`` beside the genes that vary most: what clusters are explained by."""
    import pandas as pd

    table = adata.obs.reset_index(drop=True)
    table.columns = [str(name) for name in table.columns]
    names, values = gene_table(encoding, expression, min(_SHOWN_GENES, _SHOWN_VALUES // adata.n_obs))
    kept = [place for place, name in enumerate(names) if name not in table.columns]
    if not kept:
        return list(columns), table
    genes = pd.DataFrame(values[:, kept], columns=[names[place] for place in kept])
    action = "gene; its values, log-normalised, explain the clusters" if encoding.log else "gene; explains the clusters"
    entries = [_entry(names[place], "numeric", action) for place in kept]
    return [*columns, *entries], pd.concat([table, genes], axis=1)


def _made_unique(names: list[str]) -> list[str]:
    taken, unique = set(names), []
    seen: set[str] = set()
    for name in names:
        candidate, number = name, 1
        while candidate in seen or (candidate != name and candidate in taken):
            candidate, number = f"{name}-{number}", number + 1
        seen.add(candidate)
        unique.append(candidate)
    return unique


def _tensor(matrix: Any) -> Tensor:
    tensor = as_tensor(matrix)
    assert tensor is not None  # noqa: S101 - `matrix_of` refuses everything that is not numeric.
    return tensor


__all__ = ["coordinates_of", "graph_of_anndata", "read_h5ad"]
