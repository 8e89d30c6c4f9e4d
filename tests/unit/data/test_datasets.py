"""The data sets of the core: what they hold, that they are reproducible, and what they do with files."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch_geometric.data
from sklearn.datasets import load_digits
from torch_geometric.data import Data

from eco_core.data import graph_info, load_graph
from eco_core.data.datasets import published as datasets
from eco_core.data.datasets import raw_files
from eco_core.data.datasets.catalogue import DATASETS
from eco_core.errors import DataError, SpecError
from tests.real_data import needs_real_data, real_data_root


def same(one: Data, other: Data) -> bool:
    return (
        torch.equal(one.x.to_dense(), other.x.to_dense())
        and torch.equal(one.edge_index, other.edge_index)
        and torch.equal(one.y, other.y)
    )


def test_every_record_of_the_catalogue_names_a_function() -> None:
    names = [dataset.name for dataset in DATASETS]
    assert len(set(names)) == len(names)
    for dataset in DATASETS:
        module, _, function = dataset.target.partition(":")
        assert callable(getattr(importlib.import_module(module), function))
        assert dataset.summary
        assert dataset.size
        assert dataset.licence


def test_digits_is_a_symmetric_neighbour_graph() -> None:
    data = load_graph(datasets.digits())
    info = graph_info(data)
    assert (info["nodes"], info["features"], info["labelled_nodes"]) == (1797, 64, 1797)
    assert info["undirected"]
    assert info["self_loops"] == info["duplicate_edges"] == info["isolated_nodes"] == 0
    degree = torch.bincount(data.edge_index[0])
    assert degree.min() >= 10
    assert (data.x.min(), data.x.max()) == (0, 1)
    assert data.notes == []
    assert f"{info['edges']:,} edges" in next(d.size for d in DATASETS if d.name == "digits")


def test_digits_are_those_of_scikit_learn() -> None:
    pixels, classes = load_digits(return_X_y=True)
    data = datasets.digits()
    assert torch.equal(data.x, torch.from_numpy(pixels / 16).float())
    assert torch.equal(data.y, torch.from_numpy(classes))


def test_digits_joins_each_node_to_its_nearest() -> None:
    data = datasets.digits(k=1)
    distances = torch.cdist(data.x.double(), data.x.double()).fill_diagonal_(torch.inf)
    joined = torch.zeros(1797, 1797, dtype=torch.bool)
    joined[data.edge_index[0], data.edge_index[1]] = True
    nearest = distances.masked_fill(~joined, torch.inf).min(1).values
    assert torch.allclose(nearest, distances.min(1).values)


@pytest.mark.parametrize("k", [0, 1797])
def test_digits_refuses_an_impossible_number_of_neighbours(k: int) -> None:
    with pytest.raises(SpecError, match=r"ECO104.*'k'"):
        datasets.digits(k=k)


def test_karate_has_its_four_communities() -> None:
    data = load_graph(datasets.karate())
    assert (data.num_nodes, data.edge_index.shape[1]) == (34, 156)
    assert torch.equal(data.x, torch.eye(34))
    assert data.y.unique().tolist() == [0, 1, 2, 3]
    assert data.notes == []


# --- published graphs ------------------------------------------------------------------------------------------------


@needs_real_data
@pytest.mark.parametrize(
    ("name", "folder", "figures"),
    [
        ("cora", "Cora", (2708, 10556, 1433, 7)),
        ("citeseer", "CiteSeer", (3327, 9104, 3703, 6)),
        ("photo", "Photo", (7650, 238162, 745, 8)),
    ],
)
def test_a_published_graph_is_the_published_one_dense_and_sparse(
    name: str, folder: str, figures: tuple[int, int, int, int]
) -> None:
    from torch_geometric.io import read_npz, read_planetoid_data

    root = real_data_root()
    assert root is not None
    load = getattr(datasets, name)
    data = load_graph(load(root))
    nodes, edges, features, classes = figures
    assert data.x.shape == (nodes, features)
    assert data.edge_index.shape == (2, edges)
    assert data.y.unique().tolist() == list(range(classes))
    assert next(d.classes for d in DATASETS if d.name == name) == classes
    assert data.is_undirected()
    assert not any("merged" in note or "undirected" in note for note in data.notes)
    raw = root / folder / "raw"
    reference = read_npz(str(raw / "amazon_electronics_photo.npz")) if name == "photo" else None
    assert same(data, reference or read_planetoid_data(str(raw), name))
    words = load_graph(load(root, sparse=True))
    assert words.x.is_sparse
    assert words.x.is_coalesced()
    assert same(words, data)


@needs_real_data
def test_a_read_only_root_works_and_processed_files_are_left_alone(tmp_path: Path) -> None:
    source = real_data_root()
    assert source is not None
    shutil.copytree(source / "Cora" / "raw", tmp_path / "Cora" / "raw")
    processed = tmp_path / "Cora" / "processed"
    processed.mkdir()
    for name in ("data.pt", "pre_transform.pt"):
        (processed / name).write_bytes(b"not a file of ours")
    before = {path: path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))}
    for path in [*before, tmp_path]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        data = datasets.cora(tmp_path)
    finally:
        for path in [tmp_path, *before]:
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert data.x.shape == (2708, 1433)
    assert {path: path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))} == before


def refuse(url: str, folder: str) -> None:
    raise ConnectionError("the network is unreachable")


def offline(monkeypatch: pytest.MonkeyPatch, download: Callable[[str, str], None] = refuse) -> None:
    monkeypatch.setattr(torch_geometric.data, "download_url", download)


@pytest.mark.parametrize(
    ("name", "folder", "file"),
    [
        ("pubmed", "PubMed", "ind.pubmed.allx"),
        ("computers", "Computers", "amazon_electronics_computers.npz"),
        ("cs", "CS", "ms_academic_cs.npz"),
        ("physics", "Physics", "ms_academic_phy.npz"),
    ],
)
def test_without_files_and_network_the_error_says_which_files_belong_where(
    name: str, folder: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline(monkeypatch)
    monkeypatch.setenv("ECO_DATA_ROOT", str(tmp_path / "cache"))
    with pytest.raises(DataError) as caught:
        getattr(datasets, name)(tmp_path / "data")
    text = str(caught.value)
    assert caught.value.problems[0].code == "ECO304"
    for part in (
        file,
        str(tmp_path / "data" / folder / "raw"),
        "https://",
        "unreachable",
        "--data-root",
        "ECO_DATA_ROOT",
    ):
        assert part in text
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def small_archive(path: Path) -> None:
    """A graph of three nodes in the layout of the GNN benchmark: one self-loop, one edge in one direction."""
    np.savez(
        path,
        adj_data=np.ones(2, dtype=np.float32),
        adj_indices=np.array([1, 2]),
        adj_indptr=np.array([0, 1, 1, 2]),
        adj_shape=np.array([3, 3]),
        attr_data=np.array([5.0, 2.0], dtype=np.float32),
        attr_indices=np.array([3, 0]),
        attr_indptr=np.array([0, 1, 1, 2]),
        attr_shape=np.array([3, 4]),
        labels=np.array([0, 1, 1]),
    )


def download_small(url: str, folder: str) -> None:
    small_archive(Path(folder) / url.rpartition("/")[2])


@pytest.mark.parametrize("name", ["cora", "citeseer", "pubmed", "photo", "computers", "cs", "physics"])
def test_files_folders_and_addresses_are_those_of_pyg(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch_geometric.datasets import Amazon, Coauthor, Planetoid

    wanted: list[str] = []
    places: list[Path] = []
    kind = {"photo": Amazon, "computers": Amazon, "cs": Coauthor, "physics": Coauthor}.get(name, Planetoid)

    class Names(kind):  # type: ignore[misc, valid-type]
        def __init__(self, name: str) -> None:  # PyG's constructor would download and process.
            self.root, self.name, self.split = str(tmp_path), name, "public"

    def note(url: str, folder: str) -> None:
        wanted.append(url)
        places.append(Path(folder))
        (Path(folder) / url.rpartition("/")[2]).write_bytes(b"")

    offline(monkeypatch, note)
    spelled = {"cora": "Cora", "citeseer": "CiteSeer", "pubmed": "PubMed", "cs": "CS", "physics": "Physics"}
    theirs = Names(spelled.get(name, name))
    with pytest.raises(DataError, match="ECO304"):  # Empty files are no data set, and are not kept.
        getattr(datasets, name)(tmp_path)
    assert list(tmp_path.rglob("*")) == []
    assert {place.parts[-2:] for place in places} == {Path(theirs.raw_dir).parts[-2:]}
    assert wanted == [f"{theirs.url.rstrip('/')}/{Path(path).name}" for path in theirs.raw_paths]


def test_missing_files_are_downloaded_once_and_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offline(monkeypatch, download_small)
    monkeypatch.setenv("ECO_DATA_ROOT", str(tmp_path / "cache"))
    first = datasets.cs(tmp_path / "data")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "https://" in captured.err
    assert str(tmp_path / "data" / "CS" / "raw") in captured.err
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [tmp_path / "data" / "CS" / "raw" / "ms_academic_cs.npz"]
    assert first.x.tolist() == [[0, 0, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]]
    assert first.edge_index.tolist() == [[0, 1], [1, 0]]
    offline(monkeypatch)
    assert same(first, datasets.cs(tmp_path / "data", sparse=True))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("large", "share", "sparse"), [(0, 0.2, True), (0, 0.1, False), (100, 0.2, False)])
def test_features_load_sparse_where_they_are_large_and_mostly_zero_unless_the_user_decides(
    large: int, share: float, sparse: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline(monkeypatch, download_small)  # A sixth of the twelve numbers is not zero.
    monkeypatch.setattr(raw_files, "_LARGE", large)
    monkeypatch.setattr(raw_files, "_SPARSE_SHARE", share)
    assert datasets.cs(tmp_path).x.is_sparse == sparse
    assert datasets.cs(tmp_path, sparse=True).x.is_sparse
    assert not datasets.cs(tmp_path, sparse=False).x.is_sparse
    assert load_graph("cs", root=tmp_path).x.is_sparse == sparse


@pytest.mark.parametrize(
    ("nonzero", "shape", "sparse"),
    [
        (1_100_000, (18_333, 6805), True),  # Coauthor CS
        (49_216, (2708, 1433), False),  # Cora: small
        (105_000_000, (18_333, 6805), False),  # mostly not zero
    ],
)
def test_only_large_bags_of_words_are_sparse_by_default(nonzero: int, shape: tuple[int, int], sparse: bool) -> None:
    assert raw_files.are_wide_bags(nonzero, shape) is sparse


def test_a_root_that_cannot_be_written_sends_the_download_to_the_default_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline(monkeypatch, download_small)
    monkeypatch.setenv("ECO_DATA_ROOT", str(tmp_path / "cache"))
    blocker = tmp_path / "file"
    blocker.write_text("a file cannot hold folders, whoever asks")
    first = datasets.physics(blocker / "data")
    assert (tmp_path / "cache" / "Physics" / "raw" / "ms_academic_phy.npz").is_file()
    offline(monkeypatch)
    assert same(first, datasets.physics(blocker / "data"))


def test_an_interrupted_download_leaves_nothing_that_looks_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(url: str, folder: str) -> None:
        (Path(folder) / url.rpartition("/")[2]).write_bytes(b"PK")
        raise KeyboardInterrupt

    offline(monkeypatch, half)
    with pytest.raises(KeyboardInterrupt):
        datasets.photo(tmp_path)
    assert list(tmp_path.rglob("*")) == []


def test_damaged_raw_files_are_reported_with_their_folder(tmp_path: Path) -> None:
    raw = tmp_path / "Photo" / "raw"
    raw.mkdir(parents=True)
    (raw / "amazon_electronics_photo.npz").write_bytes(b"PK damaged")
    with pytest.raises(DataError, match=r"(?s)ECO302.*Photo.*Delete them"):
        datasets.photo(tmp_path)
    raw = tmp_path / "Cora" / "raw"
    raw.mkdir(parents=True)
    for part in ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index"):
        (raw / f"ind.cora.{part}").write_bytes(b"")
    with pytest.raises(DataError, match="ECO302"):
        datasets.cora(tmp_path)
