"""The real data sets of the core: loaders that `eco_core.data.datasets.catalogue` names.

Every function returns a ``torch_geometric.data.Data`` with float32 ``x``, undirected int64 ``edge_index`` and int64
``y``. The published graphs are read from the raw files in the folder layout of PyG's own data set classes. Their
``processed`` folders, which hold pickles, are neither read nor written, so a read-only folder is enough.
"""

from __future__ import annotations

import pickle
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from eco_core.data.source import default_root
from eco_core.errors import DataError, Problem, SpecError

if TYPE_CHECKING:
    import scipy.sparse as sp


def digits(k: int = 10) -> Data:
    """Scikit-learn's handwritten digits as a symmetric k-nearest-neighbour graph.

    Args:
        k: Neighbours per node (Euclidean, the node itself excluded). Two nodes are joined if either is among the
            other's k.

    Returns:
        1,797 nodes; ``x`` ``(1797, 64)``, grey values in [0, 1]; ``y`` the digit.

    Raises:
        SpecError: ECO104, ``k`` is not in 1 to 1796.
    """
    pixels, classes = _digits_table()
    num_nodes = len(pixels)
    if not 1 <= k < num_nodes:
        problem = f"Parameter 'k' of data set 'digits' is {k!r}; expected 1 to {num_nodes - 1}."
        raise SpecError(Problem("ECO104", problem))
    # Squared distances of integers are exact, and ties are broken by node number: the graph is the same on every
    # machine and with any number of threads, which a neighbour search does not promise.
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
    """Grey values of the digits, (1797, 64), integers from 0 to 16 as float64; and which digits they are, (1797,)."""
    # Importing scikit-learn takes a second, its table a fiftieth of that: it is read where it lies, if it lies there.
    installed = find_spec("sklearn")
    for folder in (installed and installed.submodule_search_locations) or ():
        table = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if table.is_file():
            numbers = np.loadtxt(table, delimiter=",")
            return numbers[:, :-1], numbers[:, -1]
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)


def karate() -> Data:
    """Zachary's karate club (Zachary, J. Anthropol. Res. 1977), as PyTorch Geometric has it.

    Returns:
        34 nodes; ``x`` the identity; ``y`` the four communities of Kipf & Welling, ICLR 2017, arXiv 1609.02907.
    """
    from torch_geometric.datasets import KarateClub

    data = KarateClub()[0]
    return Data(x=torch.eye(34), edge_index=data.edge_index, y=data.y.to(torch.int64), name="karate")


def cora(root: str | Path | None = None, sparse: bool = False) -> Data:
    """Cora (Planetoid: Yang et al., ICML 2016, arXiv 1603.08861).

    Args:
        root: Folder that holds ``Cora/raw``; by default `default_root`. Missing files are downloaded.
        sparse: Whether the features are sparse COO.

    Returns:
        2,708 nodes, 10,556 edges, 1,433 binary features, 7 classes.

    Raises:
        DataError: ECO304, the files are missing and cannot be downloaded; ECO302, they cannot be read.
    """
    return _planetoid("Cora", root, sparse)


def citeseer(root: str | Path | None = None, sparse: bool = False) -> Data:
    """CiteSeer (Planetoid: Yang et al., ICML 2016, arXiv 1603.08861); 15 of its papers have no features.

    Args:
        root: Folder that holds ``CiteSeer/raw``; by default `default_root`. Missing files are downloaded.
        sparse: Whether the features are sparse COO.

    Returns:
        3,327 nodes, 9,104 edges, 3,703 binary features, 6 classes.

    Raises:
        DataError: ECO304, the files are missing and cannot be downloaded; ECO302, they cannot be read.
    """
    return _planetoid("CiteSeer", root, sparse)


def pubmed(root: str | Path | None = None, sparse: bool = False) -> Data:
    """PubMed (Planetoid: Yang et al., ICML 2016, arXiv 1603.08861).

    Args:
        root: Folder that holds ``PubMed/raw``; by default `default_root`. Missing files are downloaded.
        sparse: Whether the features are sparse COO.

    Returns:
        19,717 nodes, 88,648 edges, 500 TF-IDF features, 3 classes.

    Raises:
        DataError: ECO304, the files are missing and cannot be downloaded; ECO302, they cannot be read.
    """
    return _planetoid("PubMed", root, sparse)


def photo(root: str | Path | None = None, sparse: bool = False) -> Data:
    """Amazon Photo (Shchur et al., 2018, arXiv 1811.05868).

    Args:
        root: Folder that holds ``Photo/raw``; by default `default_root`. Missing files are downloaded.
        sparse: Whether the features are sparse COO.

    Returns:
        7,650 nodes, 238,162 edges, 745 binary features, 8 classes.

    Raises:
        DataError: ECO304, the files are missing and cannot be downloaded; ECO302, they cannot be read.
    """
    return _benchmark("Amazon", "photo", "photo", root, sparse)


def computers(root: str | Path | None = None, sparse: bool = False) -> Data:
    """Amazon Computers (Shchur et al., 2018, arXiv 1811.05868).

    Args:
        root: Folder that holds ``Computers/raw``; by default `default_root`. Missing files are downloaded.
        sparse: Whether the features are sparse COO.

    Returns:
        13,752 nodes, 491,722 edges, 767 binary features, 10 classes.

    Raises:
        DataError: ECO304, the files are missing and cannot be downloaded; ECO302, they cannot be read.
    """
    return _benchmark("Amazon", "computers", "computers", root, sparse)


def cs(root: str | Path | None = None, sparse: bool = False) -> Data:
    """Coauthor CS (Shchur et al., 2018, arXiv 1811.05868).

    Args:
        root: Folder that holds ``CS/raw``; by default `default_root`. Missing files are downloaded.
        sparse: Whether the features are sparse COO; then nothing dense is made.

    Returns:
        18,333 nodes, 163,788 edges, 6,805 binary features, 15 classes.

    Raises:
        DataError: ECO304, the files are missing and cannot be downloaded; ECO302, they cannot be read.
    """
    return _benchmark("Coauthor", "CS", "cs", root, sparse)


def physics(root: str | Path | None = None, sparse: bool = False) -> Data:
    """Coauthor Physics (Shchur et al., 2018, arXiv 1811.05868).

    Args:
        root: Folder that holds ``Physics/raw``; by default `default_root`. Missing files are downloaded.
        sparse: Whether the features are sparse COO; then nothing dense is made (dense they take 1.2 GB).

    Returns:
        34,493 nodes, 495,924 edges, 8,415 binary features, 5 classes.

    Raises:
        DataError: ECO304, the files are missing and cannot be downloaded; ECO302, they cannot be read.
    """
    return _benchmark("Coauthor", "Physics", "physics", root, sparse)


# --- published graphs ------------------------------------------------------------------------------------------------


def _planetoid(folder: str, root: str | Path | None, sparse: bool) -> Data:
    from torch_geometric.io import read_planetoid_data

    paths = _raw_files("Planetoid", folder, folder.lower(), root)
    data = _read(folder.lower(), paths, lambda: read_planetoid_data(str(paths[0].parent), folder.lower()))
    x = data.x.to_sparse_coo().coalesce() if sparse else data.x
    return Data(x=x, edge_index=data.edge_index, y=data.y, name=folder.lower())


def _benchmark(class_name: str, pyg_name: str, name: str, root: str | Path | None, sparse: bool) -> Data:
    """Reads an archive of the GNN benchmark as PyG's reader does, but without making the features dense."""
    import scipy.sparse as sp
    from torch_geometric.utils import remove_self_loops, to_undirected

    paths = _raw_files(class_name, pyg_name, name, root)

    def read() -> Data:
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
        x = _sparse_tensor(features) if sparse else torch.from_numpy(features.toarray())
        return Data(x=x, edge_index=edge_index, y=y, name=name)

    return _read(name, paths, read)


def _read(name: str, paths: list[Path], read: Callable[[], Data]) -> Data:
    try:
        return read()
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        IndexError,
        RuntimeError,
        TypeError,
        pickle.UnpicklingError,
    ) as error:
        raise DataError(
            Problem(
                "ECO302",
                f"Cannot read the raw files of {name} in {paths[0].parent}: {type(error).__name__}: {error}.",
                "Delete them so that they are downloaded anew, or choose another folder with --data-root.",
            )
        ) from error


def _raw_files(class_name: str, pyg_name: str, name: str, root: str | Path | None) -> list[Path]:
    """Finds the raw files of a PyG data set, or downloads them.

    They are looked for in `root`, then in `default_root()`, where they are put if `root` cannot be written.
    """
    import torch_geometric.datasets

    dataset_class = getattr(torch_geometric.datasets, class_name)
    # Only names, addresses and the download are wanted: the constructor would also process, that is write pickles.
    dataset = dataset_class.__new__(dataset_class)
    dataset.name, dataset.split = pyg_name, "public"
    roots = list(dict.fromkeys([Path(root).expanduser() if root is not None else default_root(), default_root()]))
    for folder in roots:
        paths = _paths_in(dataset, folder)
        if all(path.is_file() for path in paths):
            return paths
    target = next((folder for folder in roots if _writable(folder)), None)
    missing = [path.name for path in _paths_in(dataset, roots[0]) if not path.is_file()]
    reason = "no folder for it can be written"
    if target is not None:
        paths = _paths_in(dataset, target)
        print(f"Downloading {name} ({len(paths)} files) from {dataset.url} to {paths[0].parent}", file=sys.stderr)
        try:
            # Moved only when complete: an interrupted download must not be taken for the data.
            with tempfile.TemporaryDirectory(dir=target, prefix=".download-") as scratch:
                parts = _paths_in(dataset, Path(scratch))
                parts[0].parent.mkdir(parents=True)
                dataset.download()
                paths[0].parent.mkdir(parents=True, exist_ok=True)
                for part, path in zip(parts, paths, strict=True):
                    part.replace(path)
            return paths
        except Exception as error:  # PyG's downloads fail in many ways: network, name resolution, optional packages.
            reason = f"{type(error).__name__}: {error}"
    folder = _paths_in(dataset, roots[0])[0].parent
    raise DataError(
        Problem(
            "ECO304",
            f"The raw files of data set {name!r} are missing in {folder}: {', '.join(missing)}.\n"
            f"Downloading them from {dataset.url} failed: {reason}",
            f"Get the files from {dataset.url} and put them into {folder},\n"
            f"or name the folder that holds {folder.parent.name}/raw with --data-root DIR or ECO_DATA_ROOT=DIR.",
        )
    )


def _paths_in(dataset: Any, root: Path) -> list[Path]:
    dataset.root = str(root)
    return [Path(path) for path in dataset.raw_paths]


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


# --- matrices --------------------------------------------------------------------------------------------------------


def _edges_of(adjacency: sp.spmatrix) -> Tensor:
    """The entries of an adjacency matrix as an int64 ``(2, num_edges)`` tensor, sorted."""
    coo = adjacency.tocsr().tocoo()
    return torch.from_numpy(np.stack([coo.row, coo.col]).astype(np.int64))


def _sparse_tensor(matrix: sp.spmatrix) -> Tensor:
    coo = matrix.tocoo()
    indices = torch.from_numpy(np.stack([coo.row, coo.col]).astype(np.int64))
    return torch.sparse_coo_tensor(indices, torch.from_numpy(coo.data), coo.shape, check_invariants=False).coalesce()
