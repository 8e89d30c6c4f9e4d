"""The data sets of the core: loaders that `eco_core.data.catalogue` names.

Every function returns a ``torch_geometric.data.Data`` with float32 ``x``, undirected int64 ``edge_index`` and int64
``y``. The published graphs are read from the raw files in the folder layout of PyG's own data set classes. Their
``processed`` folders, which hold pickles, are neither read nor written, so a read-only folder is enough.
"""

from __future__ import annotations

import pickle
import sys
import tempfile
from collections.abc import Callable
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
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = bunch.data  # (1797, 64), integers 0 to 16 as float64
    num_nodes = len(pixels)
    if not 1 <= k < num_nodes:
        raise SpecError(_bad_value("digits", "k", k, f"1 to {num_nodes - 1}"))
    # Squared distances of integers are exact, and the stable sort breaks ties by node number: the graph is the same on
    # every machine and with any number of threads, which a neighbour search does not promise.
    squares = (pixels**2).sum(1)
    distances = squares[:, None] + squares[None, :] - 2 * pixels @ pixels.T
    np.fill_diagonal(distances, np.inf)
    neighbours = np.argsort(distances, axis=1, kind="stable")[:, :k]
    source, target = np.repeat(np.arange(num_nodes), k), neighbours.ravel()
    keys = np.unique(np.concatenate([source * num_nodes + target, target * num_nodes + source]))
    return Data(
        x=torch.from_numpy((pixels / 16.0).astype(np.float32)),
        edge_index=torch.from_numpy(np.stack([keys // num_nodes, keys % num_nodes])),
        y=torch.from_numpy(bunch.target.astype(np.int64)),
        name="digits",
    )


def karate() -> Data:
    """Zachary's karate club (Zachary, J. Anthropol. Res. 1977), as PyTorch Geometric has it.

    Returns:
        34 nodes; ``x`` the identity; ``y`` the four communities of Kipf & Welling, ICLR 2017, arXiv 1609.02907.
    """
    from torch_geometric.datasets import KarateClub

    data = KarateClub()[0]
    return Data(x=torch.eye(34), edge_index=data.edge_index, y=data.y.to(torch.int64), name="karate")


def sbm(
    num_nodes: int = 1000,
    n_blocks: int = 5,
    num_features: int = 32,
    average_degree: float = 10.0,
    mixing: float = 0.1,
    feature_signal: float = 1.0,
    feature_noise: float = 1.0,
    sparse: bool = False,
    density: float = 0.05,
    seed: int = 0,
) -> Data:
    """An attributed stochastic block model of any size, generated in time and memory proportional to its edges.

    The blocks are of equal size (up to one node) and the nodes in random order. The numbers of edges inside and between
    blocks are fixed (the microcanonical form of the model), and the edges are drawn uniformly among all pairs of their
    kind.

    Args:
        num_nodes: Nodes.
        n_blocks: Blocks; the declared number of classes.
        num_features: Features.
        average_degree: Edges per node, each counted at both of its ends.
        mixing: Share of the edges that join different blocks: 0 for separate blocks; without structure it would be
            about ``1 - 1 / n_blocks``.
        feature_signal: Standard deviation of the blocks' feature means (dense), or weight of the words of the block's
            own topic (sparse).
        feature_noise: Standard deviation of the nodes around them (dense), or weight of words from the whole
            vocabulary.
        sparse: Whether the features are a bag of words, binary and sparse COO, instead of dense and Gaussian. Each
            block then has a topic: its share of the vocabulary.
        density: For sparse features, words drawn per node, as a share of the vocabulary. Words drawn twice count once,
            so the density of ``x`` is at most this.
        seed: Seed. The edges depend on nothing but it and the parameters of the edges.

    Returns:
        ``x`` ``(num_nodes, num_features)``; ``edge_index`` sorted, both directions, no self-loops, no duplicates; ``y``
        the block; ``n_classes``.

    Raises:
        SpecError: ECO104, one problem for every invalid parameter.
    """
    sizes = _checked_sbm(
        num_nodes, n_blocks, num_features, average_degree, mixing, feature_signal, feature_noise, density, seed
    )
    edge_stream, feature_stream = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    inside, between = _edge_counts(num_nodes, average_degree, mixing)
    within_block = sizes * (sizes - 1) // 2
    rest = num_nodes - starts[1:]
    source_in, target_in = _pairs_within(
        _distinct(edge_stream, int(within_block.sum()), inside), within_block, sizes, starts
    )
    source_out, target_out = _pairs_between(
        _distinct(edge_stream, int((sizes * rest).sum()), between), sizes, rest, starts
    )
    order = edge_stream.permutation(num_nodes)
    source = order[np.concatenate([source_in, source_out])]
    target = order[np.concatenate([target_in, target_out])]
    keys = np.sort(np.concatenate([source * num_nodes + target, target * num_nodes + source]))
    y = np.empty(num_nodes, dtype=np.int64)
    y[order] = np.repeat(np.arange(n_blocks), sizes)
    if sparse:
        x = _words(feature_stream, y, n_blocks, num_features, feature_signal, feature_noise, density)
    else:
        means = feature_stream.standard_normal((n_blocks, num_features), dtype=np.float32) * np.float32(feature_signal)
        noise = feature_stream.standard_normal((num_nodes, num_features), dtype=np.float32)
        x = torch.from_numpy(means[y] + np.float32(feature_noise) * noise)
    edge_index = torch.from_numpy(np.stack([keys // num_nodes, keys % num_nodes]))
    return Data(x=x, edge_index=edge_index, y=torch.from_numpy(y), n_classes=n_blocks, name="sbm")


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


# --- stochastic block model ------------------------------------------------------------------------------------------


def _bad_value(dataset: str, name: str, value: Any, expected: str) -> Problem:
    return Problem("ECO104", f"Parameter {name!r} of data set {dataset!r} is {value!r}; expected {expected}.")


def _edge_counts(num_nodes: int, average_degree: float, mixing: float) -> tuple[int, int]:
    total = round(num_nodes * average_degree / 2)
    between = round(total * mixing)
    return total - between, between


def _checked_sbm(
    num_nodes: int,
    n_blocks: int,
    num_features: int,
    average_degree: float,
    mixing: float,
    feature_signal: float,
    feature_noise: float,
    density: float,
    seed: int,
) -> np.ndarray:
    """Checks all parameters; returns the sizes of the blocks, int64 ``(n_blocks,)``."""
    checks = [
        ("num_nodes", num_nodes, num_nodes >= 1, "1 or more"),
        ("n_blocks", n_blocks, 1 <= n_blocks <= max(num_nodes, 1), f"1 to num_nodes ({num_nodes})"),
        ("num_features", num_features, num_features >= 1, "1 or more"),
        ("average_degree", average_degree, 0 <= average_degree < float("inf"), "0 or more"),
        ("mixing", mixing, 0 <= mixing <= 1, "a share of the edges, 0 to 1"),
        ("feature_signal", feature_signal, 0 <= feature_signal < float("inf"), "0 or more"),
        ("feature_noise", feature_noise, 0 <= feature_noise < float("inf"), "0 or more"),
        ("density", density, 0 < density <= 1, "a share of the features, above 0, at most 1"),
        ("seed", seed, seed >= 0, "0 or more"),
    ]
    problems = [_bad_value("sbm", name, value, expected) for name, value, valid, expected in checks if not valid]
    if problems:
        raise SpecError(*problems)
    sizes = np.full(n_blocks, num_nodes // n_blocks, dtype=np.int64)
    sizes[: num_nodes % n_blocks] += 1
    inside, between = _edge_counts(num_nodes, average_degree, mixing)
    room_inside = int((sizes * (sizes - 1) // 2).sum())
    room_between = num_nodes * (num_nodes - 1) // 2 - room_inside
    for wanted, room, where in ((inside, room_inside, "inside"), (between, room_between, "between")):
        if wanted > room:
            problems.append(
                Problem(
                    "ECO104",
                    f"Data set 'sbm': average_degree={average_degree} and mixing={mixing} ask for {wanted:,} "
                    f"edges {where} blocks, but {n_blocks} blocks of {num_nodes:,} nodes have room for {room:,}.",
                    "Lower average_degree, or change mixing or n_blocks.",
                )
            )
    if problems:
        raise SpecError(*problems)
    return sizes


def _distinct(generator: np.random.Generator, upper: int, number: int) -> np.ndarray:
    """Draws `number` distinct integers below `upper`, uniformly, in memory proportional to `number`."""
    if number == 0:
        return np.zeros(0, dtype=np.int64)
    if number > upper // 4:
        return generator.permutation(upper)[:number].astype(np.int64, copy=False)
    chosen = np.unique(generator.integers(0, upper, size=number))
    while len(chosen) < number:
        # More than are missing, so that few rounds are needed; the surplus is dropped at random to stay uniform.
        extra = generator.integers(0, upper, size=2 * (number - len(chosen)) + 16)
        chosen = np.union1d(chosen, extra)
    return chosen if len(chosen) == number else generator.permutation(chosen)[:number]


def _pairs_within(
    numbers: np.ndarray, pairs: np.ndarray, sizes: np.ndarray, starts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Turns numbers of pairs inside blocks into their two nodes.

    On a circle of n nodes every pair lies at a distance d of 1 to n/2: number ``(d - 1) n + i`` is the pair ``i, i +
    d``. For even n the last distance has n/2 pairs, which makes n(n-1)/2 in all. Integers only, so it is exact at any
    size.
    """
    offsets = np.concatenate([[0], np.cumsum(pairs)])
    block = np.searchsorted(offsets, numbers, side="right") - 1
    distance, first = np.divmod(numbers - offsets[block], sizes[block])
    second = (first + distance + 1) % sizes[block]
    return starts[block] + first, starts[block] + second


def _pairs_between(
    numbers: np.ndarray, sizes: np.ndarray, rest: np.ndarray, starts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Turns numbers of pairs of a block's node and a node of a later block into the two nodes."""
    offsets = np.concatenate([[0], np.cumsum(sizes * rest)])
    block = np.searchsorted(offsets, numbers, side="right") - 1
    first, second = np.divmod(numbers - offsets[block], rest[block])
    return starts[block] + first, starts[block + 1] + second


def _words(
    generator: np.random.Generator,
    y: np.ndarray,
    n_blocks: int,
    num_features: int,
    signal: float,
    noise: float,
    density: float,
) -> Tensor:
    """Draws a binary bag of words per node: from the block's topic or from the whole vocabulary."""
    per_node = max(1, round(density * num_features))
    bounds = np.arange(n_blocks + 1) * num_features // n_blocks
    topic_size = np.maximum(np.diff(bounds), 1)
    topic_start = np.minimum(bounds[:-1], num_features - topic_size)
    block = y[:, None]
    uniform = generator.random((len(y), per_node))
    own = (topic_start[block] + (uniform * topic_size[block]).astype(np.int64)).clip(max=num_features - 1)
    anywhere = generator.integers(0, num_features, size=(len(y), per_node))
    share = signal / (signal + noise) if signal + noise > 0 else 0.0
    words = np.where(generator.random((len(y), per_node)) < share, own, anywhere)
    keys = np.unique(np.arange(len(y), dtype=np.int64)[:, None] * num_features + words)
    indices = torch.from_numpy(np.stack([keys // num_features, keys % num_features]))
    return torch.sparse_coo_tensor(
        indices, torch.ones(len(keys)), (len(y), num_features), is_coalesced=True, check_invariants=False
    )


# --- matrices --------------------------------------------------------------------------------------------------------


def _edges_of(adjacency: sp.spmatrix) -> Tensor:
    """The entries of an adjacency matrix as an int64 ``(2, num_edges)`` tensor, sorted."""
    coo = adjacency.tocsr().tocoo()
    return torch.from_numpy(np.stack([coo.row, coo.col]).astype(np.int64))


def _sparse_tensor(matrix: sp.spmatrix) -> Tensor:
    coo = matrix.tocoo()
    indices = torch.from_numpy(np.stack([coo.row, coo.col]).astype(np.int64))
    return torch.sparse_coo_tensor(indices, torch.from_numpy(coo.data), coo.shape, check_invariants=False).coalesce()
