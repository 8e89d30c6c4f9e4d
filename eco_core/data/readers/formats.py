"""Reads graphs from files: NumPy archives, torch files and tables.

==================  ============================================================================================
``graph.npz``       arrays ``x`` (or ``x_data, x_indices, x_indptr, x_shape``: CSR), ``edge_index``; optional
                    ``edge_weight, y, node_ids, n_classes``
``graph.pt``        ``torch.save`` of a dict of tensors with the same keys, or of a PyG ``Data``
``folder/``         tables: ``nodes`` (or ``features``), ``edges`` and ``labels``, each as CSV (also ``.tsv`` and
                    packed, such as ``.csv.gz``) or Parquet; nodes or edges may be missing
``nodes.csv``       one of these tables, the others named by the user (`eco_core.data.readers.table_files`)
``x.npy``           features alone: an array with one row for each node
``edges.txt``       a list of edges, separated by spaces, tabs or commas, with or without a header and ``#`` comments
``graph.zip``       one of these files, or tables, in an archive (`eco_core.data.readers.zipped`)
``cells.h5ad``      an AnnData (`eco_core.data.annotated.graph.graph_of_anndata`)
``folder/``         ``manifest.json`` and arrays: a graph on disk (`eco_core.data.on_disk.graph`)
==================  ============================================================================================

Reading a file never runs code from it: archives are read with ``allow_pickle=False``, and torch files with
``weights_only=True``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch_geometric.data import Data

from eco_core.data.readers.paths import not_found, read_function
from eco_core.data.source import FORMATS, READERS, suffix_of
from eco_core.errors import DataError, Problem


def reader_for(path: str | Path) -> Callable[..., Data]:
    """Finds the function that reads a file or folder.

    Args:
        path: An existing file or folder.

    Returns:
        A function ``(path, ...) -> Data``; the user may set its other parameters.

    Raises:
        DataError: ECO301 if there is nothing at the path, ECO302 if the format is not known.
    """
    path = Path(path)
    if path.is_dir():
        from eco_core.data.on_disk.graph import is_on_disk, open_graph
        from eco_core.data.readers.table_files import read_tables

        return open_graph if is_on_disk(path) else read_tables
    if not path.exists():
        raise DataError(not_found(path))
    suffix = suffix_of(path)
    if suffix == ".zip":
        from eco_core.data.readers.zipped import reader_of_zip

        return reader_of_zip(path)
    if suffix not in READERS:
        raise DataError(Problem("ECO302", f"The format of {path} is not known (suffix {suffix!r}).", FORMATS))
    return read_function(READERS[suffix])


__all__ = ["reader_for"]
