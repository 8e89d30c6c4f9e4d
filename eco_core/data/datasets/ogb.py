"""Loaders of node data sets of the Open Graph Benchmark, whose raw files the package ``ogb`` reads.

Only ``ogb``'s readers of raw files are used: tables and NumPy archives without pickles. Its data set classes are not:
they read and write a pickle (``geometric_data_processed.pt``), which PyTorch 2.6 and later refuse, and they ask
questions on the terminal.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch_geometric.data import Data

from eco_core.data.datasets.raw_files import RawFiles, load_raw

_URL = "http://snap.stanford.edu/ogb/data/nodeproppred"
_TABLES = ("edge.csv.gz", "node-feat.csv.gz", "node-label.csv.gz", "num-node-list.csv.gz", "num-edge-list.csv.gz")
_ARCHIVES = ("data.npz", "node-label.npz")


class _Benchmark(NamedTuple):
    """A data set of the benchmark, as ``ogb/nodeproppred/master.csv`` describes it.

    Attributes:
        archive: The name of the archive, and of the folder in it.
        size: How much is downloaded.
        both: Whether ``ogb`` adds the reverse of every edge.
        binary: Whether the raw files are NumPy archives, not tables.
        large: Whether it is so large that it is never downloaded unasked.
    """

    archive: str
    size: str
    both: bool = False
    binary: bool = False
    large: bool = False


_BENCHMARKS = {
    "ogbn-arxiv": _Benchmark("arxiv", "80 MB"),
    "ogbn-products": _Benchmark("products", "1.4 GB", both=True),
    "ogbn-papers100M": _Benchmark("papers100M-bin", "57 GB", binary=True, large=True),
}
"""By the name of the data set."""


def _load(name: str, root: str | Path | None) -> Data:
    benchmark = _BENCHMARKS[name]
    folder = f"{name.replace('-', '_')}/raw"
    url = f"{_URL}/{benchmark.archive}.zip"

    def download(scratch: Path) -> None:
        from torch_geometric.data import download_url, extract_zip

        extract_zip(download_url(url, str(scratch)), str(scratch))
        (scratch / folder).rmdir()
        (scratch / benchmark.archive / "raw").rename(scratch / folder)

    files = _ARCHIVES if benchmark.binary else _TABLES
    raw = RawFiles(name, folder, files, url, download, benchmark.size, unasked=not benchmark.large)
    return load_raw(raw, root, lambda place: _read(name, benchmark, place / folder))


def _read(name: str, benchmark: _Benchmark, folder: Path) -> Data:
    from ogb.io.read_graph_raw import read_binary_graph_raw, read_csv_graph_raw

    with contextlib.redirect_stdout(sys.stderr):  # It prints its progress, and stdout is for results.
        if benchmark.binary:
            graph = read_binary_graph_raw(str(folder))[0]
            with np.load(folder / "node-label.npz", allow_pickle=False) as archive:
                y = archive["node_label"]
        else:
            graph = read_csv_graph_raw(str(folder), add_inverse_edge=benchmark.both)[0]
            y = _table(folder / "node-label.csv.gz")
    if len(y) != int(graph["num_nodes"]):
        raise ValueError(f"there are {len(y)} labels for {int(graph['num_nodes'])} nodes")
    classes = np.where(np.isnan(y), -1, y).astype(np.int64).reshape(-1)
    return Data(
        x=torch.from_numpy(graph["node_feat"]).to(torch.float32),
        edge_index=torch.from_numpy(np.ascontiguousarray(graph["edge_index"])).to(torch.int64),
        y=torch.from_numpy(classes),
        name=name,
    )


def _table(path: Path) -> Any:
    import pandas as pd

    return pd.read_csv(path, compression="gzip", header=None).to_numpy()


def _loader_of(name: str) -> Callable[..., Data]:
    def load(root: str | Path | None = None) -> Data:
        return _load(name, root)

    load.__name__ = load.__qualname__ = name.replace("-", "_").lower()
    load.__doc__ = f"""The graph {name} of the Open Graph Benchmark.

    Args:
        root: The data root; by default `default_root`. Missing files are downloaded, unless they are very large.

    Returns:
        ``x``, ``edge_index`` as ``ogb`` gives them, and int64 ``y`` ``(num_nodes,)``, -1 where unknown.

    Raises:
        DataError: ECO304, if the files are missing and cannot be downloaded; ECO302, if they cannot be read.
    """
    return load


ogbn_arxiv, ogbn_products = _loader_of("ogbn-arxiv"), _loader_of("ogbn-products")
ogbn_papers100m = _loader_of("ogbn-papers100M")
