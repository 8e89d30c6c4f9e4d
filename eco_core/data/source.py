"""Decides whether a ``--data`` argument is a path, and finds the folder of data sets. Light: no torch."""

from __future__ import annotations

import os
from pathlib import Path

PACKED = ("", ".gz", ".bz2", ".xz")
TABLES = (*(kind + pack for kind in (".csv", ".tsv", ".tab") for pack in PACKED), ".parquet", ".pq")
"""Suffixes of tables of nodes and edges."""

LISTS = tuple(kind + pack for kind in (".txt", ".edges", ".edgelist", ".el", ".ncol", ".snap") for pack in PACKED)
"""Suffixes of lists of edges, whose columns are mostly separated by spaces or tabs."""

NETWORKS = tuple(kind + pack for kind in (".graphml", ".gexf", ".gml", ".net") for pack in ("", ".gz"))
"""Suffixes of the formats of network programs."""

READERS = {
    ".npz": "eco_core.data.readers.archives:read_npz",
    ".pt": "eco_core.data.readers.archives:read_pt",
    ".mat": "eco_core.data.readers.matrices:read_mat",
    ".mtx": "eco_core.data.readers.matrices:read_mtx",
    ".mtx.gz": "eco_core.data.readers.matrices:read_mtx",
    ".metis": "eco_core.data.readers.networks:read_metis",
    ".metis.gz": "eco_core.data.readers.networks:read_metis",
    ".graph": "eco_core.data.readers.networks:read_metis",
    ".graph.gz": "eco_core.data.readers.networks:read_metis",
    **dict.fromkeys(NETWORKS, "eco_core.data.readers.networks:read_network"),
    ".npy": "eco_core.data.features_alone:read_npy",
    ".h5ad": "eco_core.data.annotated.graph:read_h5ad",
    **dict.fromkeys((*TABLES, *LISTS), "eco_core.data.readers.table_files:read_tables"),
}
"""Maps the suffix of a file to the function that reads it."""

KNOWN_SUFFIXES = (*READERS, ".zip")
"""Suffixes of the readable files."""

FORMATS = (
    "Known formats: .npz, .pt, .mat, .mtx, .h5ad, .graphml, .gexf, .gml, .net, .metis, .npy (features alone), tables "
    "(.csv, .tsv, .parquet, also .gz), lists of edges (.txt, .edges, .edgelist, .el), a .zip of one of these, or a "
    "folder: with nodes.csv and edges.csv (or features.csv, labels.csv), or written by 'eco data convert'."
)
"""The readable formats, for messages."""


def suffix_of(path: str | Path) -> str:
    """The suffix that tells a file's format: the longest known one, such as ``.csv.gz``; else the last one."""
    name = Path(path).name.lower()
    known = [suffix for suffix in KNOWN_SUFFIXES if name.endswith(suffix)]
    return max(known, key=len) if known else Path(name).suffix


def is_path(source: str | Path) -> bool:
    """Returns whether a source is a file or folder rather than the name of a registered data set.

    Args:
        source: The user's ``--data`` argument.

    Returns:
        True for a `Path`, and for a string that exists in the file system, has a path separator, starts with ``~``, or
        has a known suffix (those of `READERS`).
    """
    if isinstance(source, Path):
        return True
    if not source:
        return False
    if any(separator in source for separator in {"/", os.sep, os.altsep or os.sep}) or source.startswith("~"):
        return True
    return source.lower().endswith(KNOWN_SUFFIXES) or Path(source).exists()


def default_root() -> Path:
    """Returns the folder of downloaded data sets if ``--data-root`` is not given.

    Returns:
        The environment variable ``ECO_DATA_ROOT`` if it is set, else ``eco/data`` in the user's cache folder.
    """
    configured = os.environ.get("ECO_DATA_ROOT", "")
    if configured:
        return Path(configured).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir()) / "eco" / "data"
