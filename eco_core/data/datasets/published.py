"""Loaders of the real data sets in `eco_core.data.datasets.catalogue`.

Every loader returns a ``torch_geometric.data.Data`` with float32 ``x``, undirected int64 ``edge_index`` and int64
``y``. The published graphs are read from the raw files in the folder layout of PyG's own data set classes. Their
``processed`` folders, which hold pickles, are neither read nor written, so a read-only folder is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from eco_core.data.datasets.raw_files import RawFiles, are_wide_bags, load_raw
from eco_core.errors import Problem, SpecError

if TYPE_CHECKING:
    import scipy.sparse as sp


def digits(k: int = 10) -> Data:
    """Scikit-learn's handwritten digits as a symmetric k-nearest-neighbour graph.

    The table is packaged as ``digits.npz``: UCI's Optical Recognition of Handwritten Digits (Alpaydin & Kaynak, 1998),
    CC BY 4.0.

    Args:
        k: Number of nearest neighbours of a node (Euclidean distance, without the node itself). Two nodes are joined if
            at least one of them is a nearest neighbour of the other.

    Returns:
        1,797 nodes; ``x`` ``(1797, 64)``, grey values in [0, 1]; ``y`` the digit.

    Raises:
        SpecError: ECO104, if ``k`` is not in 1 to 1796.
    """
    pixels, classes = _digits_table()
    num_nodes = len(pixels)
    if not 1 <= k < num_nodes:
        problem = f"Parameter 'k' of data set 'digits' is {k!r}; expected 1 to {num_nodes - 1}."
        raise SpecError(Problem("ECO104", problem))
    # Squared distances of integers are exact, and ties are broken by node number. So the graph is the same on every
    # machine and with any number of threads; a library's neighbour search does not guarantee that.
    squares = (pixels**2).sum(1)
    distances = squares[:, None] + squares[None, :] - 2 * pixels @ pixels.T
    np.fill_diagonal(distances, np.inf)
    distances *= num_nodes
    distances += np.arange(num_nodes)
    neighbours = np.argpartition(distances, k - 1, axis=1)[:, :k]
    source, target = np.repeat(np.arange(num_nodes), k), neighbours.ravel()
    keys = np.unique(np.concatenate([source * num_nodes + target, target * num_nodes + source]))
    return Data(
        x=torch.from_numpy((pixels / 16.0).astype(np.float32)),
        edge_index=torch.from_numpy(np.stack([keys // num_nodes, keys % num_nodes])),
        y=torch.from_numpy(classes.astype(np.int64)),
        name="digits",
    )


def _digits_table() -> tuple[np.ndarray, np.ndarray]:
    """Grey values of the digits, (1797, 64), integers from 0 to 16 as float64; and the class of each digit, (1797,)."""
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as table:
        return table["pixels"].astype(np.float64), table["classes"]


def karate() -> Data:
    """Zachary's karate club (Zachary, J. Anthropol. Res. 1977), from PyTorch Geometric.

    Returns:
        34 nodes; ``x`` the identity; ``y`` the four communities of Kipf & Welling, ICLR 2017, arXiv 1609.02907.
    """
    from torch_geometric.datasets import KarateClub

    data = KarateClub()[0]
    return Data(x=torch.eye(34), edge_index=data.edge_index, y=data.y.to(torch.int64), name="karate")


# --- published graphs ------------------------------------------------------------------------------------------------


class _Published(NamedTuple):
    """A published graph: where its raw files are, and how they are read.

    Attributes:
        folder: The data set's folder in the data root; the raw files are in its subfolder ``raw``.
        url: The address of the folder that the raw files are downloaded from.
        files: The names of the raw files.
        read: Reads the graph from the data set's name, the paths of the raw files, and whether features are sparse
            (None: `are_wide_bags` decides).
        title: The title of the data set, for the docstring of its loader.
        size: The size of the graph, for the same docstring.
    """

    folder: str
    url: str
    files: tuple[str, ...]
    read: Callable[[str, list[Path], bool | None], Data]
    title: str
    size: str


def _read_planetoid(name: str, paths: list[Path], sparse: bool | None) -> Data:
    from torch_geometric.io import read_planetoid_data

    data = read_planetoid_data(str(paths[0].parent), name)
    x = data.x.to_sparse_coo().coalesce() if sparse else data.x  # None of them is large.
    return Data(x=x, edge_index=data.edge_index, y=data.y, name=name)


def _read_benchmark(name: str, paths: list[Path], sparse: bool | None) -> Data:
    """Reads an archive of the GNN benchmark as PyG's reader does, but without making the features dense."""
    import scipy.sparse as sp
    from torch_geometric.utils import remove_self_loops, to_undirected

    with np.load(paths[0], allow_pickle=False) as archive:
        features, adjacency = (
            sp.csr_matrix(
                (archive[f"{part}_data"], archive[f"{part}_indices"], archive[f"{part}_indptr"]),
                tuple(archive[f"{part}_shape"]),
            )
            for part in ("attr", "adj")
        )
        y = torch.from_numpy(archive["labels"].astype(np.int64))
    features.sum_duplicates()
    features.data = np.where(features.data > 0, 1, features.data).astype(np.float32)
    features.eliminate_zeros()
    edge_index, _ = remove_self_loops(_edges_of(adjacency))
    edge_index = to_undirected(edge_index, num_nodes=features.shape[0])
    sparse = are_wide_bags(features.nnz, features.shape) if sparse is None else sparse
    x = _sparse_tensor(features) if sparse else torch.from_numpy(features.toarray())
    return Data(x=x, edge_index=edge_index, y=y, name=name)


_PLANETOID_URL = "https://github.com/kimiyoung/planetoid/raw/master/data"
_BENCHMARK_URL = "https://github.com/shchur/gnn-benchmark/raw/master/data/npz"
_CITATION_URL = "https://github.com/abojchevski/graph2gauss/raw/master/data"
_YANG = "Planetoid: Yang et al., ICML 2016, arXiv 1603.08861"
_SHCHUR = "Shchur et al., 2018, arXiv 1811.05868"


def _planetoid(folder: str, size: str) -> _Published:
    parts = ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")
    files = tuple(f"ind.{folder.lower()}.{part}" for part in parts)
    return _Published(folder, _PLANETOID_URL, files, _read_planetoid, f"{folder} ({_YANG})", size)


def _benchmark(folder: str, file: str, title: str, size: str) -> _Published:
    return _Published(folder, _BENCHMARK_URL, (file,), _read_benchmark, f"{title} ({_SHCHUR})", size)


def _citation_full(folder: str, title: str, size: str) -> _Published:
    title = f"{title} (Bojchevski & Günnemann, ICLR 2018, arXiv 1707.03815)"
    return _Published(folder, _CITATION_URL, (f"{folder}.npz",), _read_benchmark, title, size)


_PUBLISHED = {
    "cora": _planetoid("Cora", "2,708 nodes, 10,556 edges, 1,433 binary features, 7 classes"),
    "citeseer": _planetoid(
        "CiteSeer", "3,327 nodes (15 without features), 9,104 edges, 3,703 binary features, 6 classes"
    ),
    "pubmed": _planetoid("PubMed", "19,717 nodes, 88,648 edges, 500 TF-IDF features, 3 classes"),
    "photo": _benchmark(
        "Photo",
        "amazon_electronics_photo.npz",
        "Amazon Photo",
        "7,650 nodes, 238,162 edges, 745 binary features, 8 classes",
    ),
    "computers": _benchmark(
        "Computers",
        "amazon_electronics_computers.npz",
        "Amazon Computers",
        "13,752 nodes, 491,722 edges, 767 binary features, 10 classes",
    ),
    "cs": _benchmark(
        "CS",
        "ms_academic_cs.npz",
        "Coauthor CS",
        "18,333 nodes, 163,788 edges, 6,805 binary features, 15 classes",
    ),
    "physics": _benchmark(
        "Physics",
        "ms_academic_phy.npz",
        "Coauthor Physics",
        "34,493 nodes, 495,924 edges, 8,415 binary features, 5 classes",
    ),
    "cora-full": _citation_full(
        "cora", "Full Cora", "19,793 nodes, 126,842 edges, 8,710 binary features (0.7 GB if dense), 70 classes"
    ),
    "cora-ml": _citation_full("cora_ml", "Cora ML", "2,995 nodes, 16,316 edges, 2,879 binary features, 7 classes"),
    "citeseer-full": _citation_full(
        "citeseer", "Full CiteSeer", "4,230 nodes, 10,674 edges, 602 binary features, 6 classes"
    ),
    "dblp": _citation_full("dblp", "DBLP", "17,716 nodes, 105,734 edges, 1,639 binary features, 4 classes"),
    "pubmed-full": _citation_full(
        "pubmed", "Full PubMed", "19,717 nodes, 88,648 edges, 500 binary features, 3 classes"
    ),
}
"""The published graphs, by the name of their data set. Files, folders and addresses are the same as in PyG."""


def _loader_of(name: str) -> Callable[..., Data]:
    published = _PUBLISHED[name]

    def load(root: str | Path | None = None, sparse: bool | None = None) -> Data:
        return _load(name, published, root, sparse)

    load.__name__ = load.__qualname__ = name
    load.__doc__ = f"""{published.title}.

    Args:
        root: Folder that holds ``{published.folder}/raw``; by default `default_root`. Missing files are downloaded.
        sparse: Whether the features are sparse COO; None: if at most a tenth of them is not zero, and they would take
            more than 128 MB if dense. (Training holds such features sparse in any case where its parts can read them.)

    Returns:
        {published.size}.

    Raises:
        DataError: ECO304, if the files are missing and cannot be downloaded; ECO302, if they cannot be read.
    """
    return load


cora, citeseer, pubmed = _loader_of("cora"), _loader_of("citeseer"), _loader_of("pubmed")
photo, computers = _loader_of("photo"), _loader_of("computers")
cs, physics = _loader_of("cs"), _loader_of("physics")
cora_full, cora_ml, citeseer_full = _loader_of("cora-full"), _loader_of("cora-ml"), _loader_of("citeseer-full")
dblp, pubmed_full = _loader_of("dblp"), _loader_of("pubmed-full")


def _load(name: str, published: _Published, root: str | Path | None, sparse: bool | None) -> Data:
    folder = f"{published.folder}/raw"

    def download(scratch: Path) -> None:
        from torch_geometric.data import download_url

        for file in published.files:
            download_url(f"{published.url}/{file}", str(scratch / folder))

    def read(place: Path) -> Data:
        return published.read(name, [place / folder / file for file in published.files], sparse)

    return load_raw(RawFiles(name, folder, published.files, published.url, download), root, read)


# --- matrices --------------------------------------------------------------------------------------------------------


def _edges_of(adjacency: sp.spmatrix) -> Tensor:
    """The entries of an adjacency matrix as an int64 ``(2, num_edges)`` tensor, sorted."""
    coo = adjacency.tocsr().tocoo()
    return torch.from_numpy(np.stack([coo.row, coo.col]).astype(np.int64))


def _sparse_tensor(matrix: sp.spmatrix) -> Tensor:
    coo = matrix.tocoo()
    indices = torch.from_numpy(np.stack([coo.row, coo.col]).astype(np.int64))
    return torch.sparse_coo_tensor(indices, torch.from_numpy(coo.data), coo.shape, check_invariants=False).coalesce()
