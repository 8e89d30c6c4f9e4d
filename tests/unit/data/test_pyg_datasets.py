"""Data sets of PyG and of the Open Graph Benchmark by name, on small fakes in the layout of their raw files."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
import torch_geometric.datasets
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

from eco_core.cli import main
from eco_core.data import load_graph
from eco_core.data.datasets import ogb, pyg
from eco_core.data.datasets.catalogue import DATASETS
from eco_core.errors import DataError, SpecError
from eco_core.registry.hookspecs import Dataset
from eco_core.registry.registry import Entry, Registry

pytestmark = pytest.mark.filterwarnings("ignore:n_quantiles")  # The fakes have fewer nodes than GraphLand's quantiles.

# A graph of five nodes: a self-loop, an edge in both directions, and edges in one.
EDGES = np.array([[0, 1], [1, 0], [1, 2], [2, 2], [3, 4]])
CLASSES = np.array([0, 1, 1, 2, 0])
WORDS = np.array([[0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]], dtype=np.float32)
NUMBERS = WORDS * 1.5 - 0.25


def splits(raw: Path, name: str) -> None:
    mask = np.array([1, 0, 0, 1, 0])
    for number in range(10):
        np.savez(raw / f"{name}_split_0.6_0.2_{number}.npz", train_mask=mask, val_mask=mask, test_mask=1 - mask)


def geom_gcn(raw: Path, name: str, cells: Callable[[np.ndarray], list[str]]) -> None:
    rows = [f"{node}\t{','.join(cells(WORDS[node]))}\t{CLASSES[node]}" for node in range(5)]
    (raw / "out1_node_feature_label.txt").write_text("\n".join(["node_id\tfeature\tlabel", *rows, ""]))
    pairs = [f"{source}\t{target}" for source, target in EDGES]
    (raw / "out1_graph_edges.txt").write_text("\n".join(["source\ttarget", *pairs, ""]))
    splits(raw, name)


def all_cells(row: np.ndarray) -> list[str]:
    return [str(int(value)) for value in row]


def set_cells(row: np.ndarray) -> list[str]:
    return [str(column) for column in row.nonzero()[0]]


def wikics(raw: Path) -> None:
    links: list[list[int]] = [[int(target) for source, target in EDGES if source == node] for node in range(5)]
    masks = [[True, False, False, True, False]] * 2
    document = {"features": NUMBERS.tolist(), "labels": CLASSES.tolist(), "links": links, "test_mask": masks[0]}
    document.update(dict.fromkeys(("train_masks", "val_masks", "stopping_masks"), masks))
    (raw / "data.json").write_text(json.dumps(document))


def symmetric() -> sp.csr_matrix:
    adjacency = sp.coo_matrix((np.ones(5), (EDGES[:, 0], EDGES[:, 1])), (5, 5)).tocsr()
    return ((adjacency + adjacency.T) > 0).astype(np.float32)


def flickr(raw: Path) -> None:
    matrix = symmetric()
    np.savez(raw / "adj_full.npz", data=matrix.data, indices=matrix.indices, indptr=matrix.indptr, shape=matrix.shape)
    np.save(raw / "feats.npy", NUMBERS.astype(np.float64))
    (raw / "class_map.json").write_text(json.dumps({str(node): int(CLASSES[node]) for node in (4, 0, 2, 1)}))
    (raw / "role.json").write_text(json.dumps({"tr": [0, 1], "va": [2], "te": [3, 4]}))


def reddit(raw: Path) -> None:
    np.savez(raw / "reddit_data.npz", feature=NUMBERS, label=CLASSES, node_types=np.array([1, 1, 2, 3, 3]))
    sp.save_npz(raw / "reddit_graph.npz", symmetric().tocoo())


def roman_empire(raw: Path) -> None:
    masks = np.zeros((2, 5), dtype=bool)
    once = EDGES[EDGES[:, 0] < EDGES[:, 1]]
    np.savez(
        raw / "roman_empire.npz",
        node_features=NUMBERS,
        node_labels=CLASSES,
        edges=once,
        train_masks=masks,
        val_masks=masks,
        test_masks=masks,
    )


def citation_full(raw: Path) -> None:
    adjacency = sp.coo_matrix((np.ones(5), (EDGES[:, 0], EDGES[:, 1])), (5, 5)).tocsr()
    words = sp.csr_matrix(WORDS * 3)
    parts = {
        f"{name}_{part}": getattr(matrix, part)
        for name, matrix in (("adj", adjacency), ("attr", words))
        for part in ("data", "indices", "indptr", "shape")
    }
    parts.update(labels=CLASSES, idx_to_node=np.array([{0: "a"}], dtype=object))
    np.savez(raw / "cora_ml.npz", **parts)


def attributed(raw: Path) -> None:
    sp.save_npz(raw / "attrs.npz", sp.csr_matrix(WORDS.astype(np.float64) * 2.5))
    (raw / "edgelist.txt").write_text("".join(f"{source}\t{target}\n" for source, target in EDGES))
    (raw / "labels.txt").write_text("".join(f"{node} {CLASSES[node] + 1}\n" for node in range(5)))


def graphland(raw: Path, name: str, targets: list[str]) -> None:
    folder = raw / name
    folder.mkdir()
    names = {"numerical": ["age", "share"], "fraction": ["share"], "categorical": ["city"]}
    info = [f"{kind}_features_names: {json.dumps(columns)}" for kind, columns in names.items()]
    task = "regression" if name == "hm-prices" else "multiclass_classification"
    (folder / "info.yaml").write_text("\n".join([*info, "target_name: target", f"task: {task}"]))
    rows = ["0,31.0,0.5,2", "1,,0.25,1", "2,1e6,0.1,2", "3,18.0,1.0,0", "4,44.0,0.0,2"]
    (folder / "features.csv").write_text("\n".join(["node,age,share,city", *rows]))
    (folder / "targets.csv").write_text("\n".join(["node,target", *(f"{i},{text}" for i, text in enumerate(targets))]))
    masks = [f"{node},{node < 3},{node == 3},{node == 4}" for node in range(5)]
    (folder / "split_masks_RL.csv").write_text("\n".join(["node,train,val,test", *masks]))
    (folder / "edgelist.csv").write_text("\n".join(["source,target", *(f"{s},{t}" for s, t in EDGES)]))


def polblogs(raw: Path) -> None:
    (raw / "adjacency.tsv").write_text("".join(f"{source}\t{target}\t1\n" for source, target in EDGES))
    (raw / "labels.tsv").write_text("".join(f"{number}\n" for number in CLASSES))


def email(raw: Path) -> None:
    (raw / "email-Eu-core.txt").write_text("".join(f"{source} {target}\n" for source, target in EDGES))
    labels = "".join(f"{node} {number}\n" for node, number in enumerate(CLASSES))
    (raw / "email-Eu-core-department-labels.txt").write_text(labels)


FAKES: dict[str, tuple[str, Callable[[Path], None], Callable[[str], Any]]] = {
    "wikics": (
        "WikiCS/raw",
        wikics,
        lambda root: torch_geometric.datasets.WikiCS(f"{root}/WikiCS", is_undirected=True),
    ),
    "actor": (
        "Actor/raw",
        lambda raw: geom_gcn(raw, "film", set_cells),
        lambda root: torch_geometric.datasets.Actor(f"{root}/Actor"),
    ),
    "cornell": (
        "cornell/raw",
        lambda raw: geom_gcn(raw, "cornell", all_cells),
        lambda root: torch_geometric.datasets.WebKB(root, "Cornell"),
    ),
    "squirrel": (
        "squirrel/geom_gcn/raw",
        lambda raw: geom_gcn(raw, "squirrel", all_cells),
        lambda root: torch_geometric.datasets.WikipediaNetwork(root, "squirrel"),
    ),
    "flickr": ("Flickr/raw", flickr, lambda root: torch_geometric.datasets.Flickr(f"{root}/Flickr")),
    "reddit": ("Reddit/raw", reddit, lambda root: torch_geometric.datasets.Reddit(f"{root}/Reddit")),
    "roman-empire": (
        "roman_empire/raw",
        roman_empire,
        lambda root: torch_geometric.datasets.HeterophilousGraphDataset(root, "Roman-empire"),
    ),
    "cora-ml": (
        "cora_ml/raw",
        citation_full,
        lambda root: torch_geometric.datasets.CitationFull(root, "Cora_ML"),
    ),
    "blogcatalog": (
        "blogcatalog/raw",
        attributed,
        lambda root: torch_geometric.datasets.AttributedGraphDataset(root, "BlogCatalog"),
    ),
    "web-topics": (
        "web-topics/raw",
        lambda raw: graphland(raw, "web-topics", ["0", "1", "1", "", "0"]),
        lambda root: torch_geometric.datasets.GraphLandDataset(root, "web-topics", "RL"),
    ),
    "hm-prices": (
        "hm-prices/raw",
        lambda raw: graphland(raw, "hm-prices", ["0.5", "1.25", "7", "", "3"]),
        lambda root: torch_geometric.datasets.GraphLandDataset(root, "hm-prices", "RL"),
    ),
    "polblogs": ("PolBlogs/raw", polblogs, lambda root: torch_geometric.datasets.PolBlogs(f"{root}/PolBlogs")),
    "email-eu-core": (
        "EmailEUCore/raw",
        email,
        lambda root: torch_geometric.datasets.EmailEUCore(f"{root}/EmailEUCore"),
    ),
}
"""One data set of each family: its folder below the data root, what writes its raw files, and PyG's own class."""

NEEDS_PANDAS = {"web-topics", "hm-prices", "polblogs", "email-eu-core", "blogcatalog"}  # As PyG's own classes.

REGISTRY = Registry([Entry("dataset", item.name, "eco-core", "1.0", item) for item in DATASETS])


def write_fake(name: str, root: Path) -> Path:
    folder, write, _ = FAKES[name]
    if name in NEEDS_PANDAS:
        pytest.importorskip("pandas")
    (root / folder).mkdir(parents=True)
    write(root / folder)
    return root / folder


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture(autouse=True)
def no_other_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECO_DATA_ROOT", str(tmp_path / "cache"))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(request: Any, *arguments: Any, **options: Any) -> Any:
        raise urllib.error.URLError("the network is unreachable")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", FAKES)
def test_a_graph_is_the_one_that_pygs_class_makes_of_the_same_files(name: str, tmp_path: Path) -> None:
    write_fake(name, tmp_path / "theirs")
    reference: Data = FAKES[name][2](str(tmp_path / "theirs"))[0]
    raw = write_fake(name, tmp_path / "ours")
    before = files_below(tmp_path / "ours")
    for path in raw.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    graph = load_graph(name, tmp_path / "ours", registry=REGISTRY)
    assert files_below(tmp_path / "ours") == before  # Nothing processed, nothing pickled.
    assert graph.name == name
    assert graph.num_nodes == 5
    if reference.x is None:
        assert any("no features" in note for note in graph.notes)
    else:
        assert graph.x.dtype == torch.float32
        assert torch.equal(graph.x.to_dense(), reference.x.to_dense().float())
    assert torch.equal(graph.edge_index, to_undirected(reference.edge_index, num_nodes=5))
    if name == "hm-prices":
        assert graph.y is None
        assert any("numbers, not classes" in note for note in graph.notes)
    else:
        assert torch.equal(graph.y, reference.y.nan_to_num(-1).to(torch.int64))
        assert graph.get("n_classes") == next(item.classes for item in DATASETS if item.name == name)
    assert "train_mask" not in graph


@pytest.mark.parametrize("name", ["wikics", "actor", "cornell", "squirrel", "blogcatalog", "web-topics", "polblogs"])
def test_directed_edges_are_kept_where_they_are_asked_for(name: str, tmp_path: Path) -> None:
    write_fake(name, tmp_path)
    graph = load_graph(name, tmp_path, registry=REGISTRY, undirected=False)
    assert sorted(graph.edge_index.t().tolist()) == EDGES.tolist()


@pytest.mark.parametrize("name", ["actor", "cornell", "squirrel", "cora-ml", "blogcatalog"])
def test_bags_of_words_can_be_sparse(name: str, tmp_path: Path) -> None:
    write_fake(name, tmp_path)
    words = load_graph(name, tmp_path, registry=REGISTRY, sparse=True).x
    assert words.is_sparse
    assert words.is_coalesced()
    assert torch.equal(words.to_dense(), load_graph(name, tmp_path, registry=REGISTRY).x)


def test_dense_features_have_no_parameter_sparse(tmp_path: Path) -> None:
    write_fake("wikics", tmp_path)
    with pytest.raises(SpecError, match="ECO103"):
        load_graph("wikics", tmp_path, registry=REGISTRY, sparse=True)


def test_copies_of_nodes_are_said(tmp_path: Path) -> None:
    write_fake("squirrel", tmp_path)
    assert any("2,223 of 5,201" in note for note in load_graph("squirrel", tmp_path, registry=REGISTRY).notes)


@pytest.mark.parametrize("name", FAKES)
def test_a_damaged_file_is_reported_with_name_and_folder(name: str, tmp_path: Path) -> None:
    raw = write_fake(name, tmp_path)
    for path in raw.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 3] + b"\xff\x00")
    with pytest.raises(DataError) as caught:
        load_graph(name, tmp_path, registry=REGISTRY)
    (problem,) = caught.value.problems
    assert problem.code == "ECO302"
    assert name in problem.message
    assert str(raw) in problem.message


ONLINE = [item for item in DATASETS if item.name not in ("digits", "karate", "sbm")]


def host_of(item: Dataset) -> str:
    module = item.target.partition(":")[0]
    if module.endswith("published"):
        return "https://github.com/"
    return "http://snap.stanford.edu/" if module.endswith("ogb") else pyg._GRAPHS[item.name].url


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("item", ONLINE, ids=lambda item: item.name)
def test_a_failed_download_says_name_host_reason_and_way_out_and_leaves_nothing(item: Dataset, tmp_path: Path) -> None:
    entry = Entry("dataset", item.name, "eco-core", "1.0", item)
    with pytest.raises(DataError) as caught:
        entry.load()(tmp_path / "data")
    (problem,) = caught.value.problems
    assert problem.code == "ECO304"
    reason = "not downloaded unasked" if item.name == "ogbn-papers100M" else "the network is unreachable"
    for part in (repr(item.name), host_of(item), reason):
        assert part in f"{problem.message}\n{problem.fix}"
    assert "--data-root" in problem.fix
    assert list((tmp_path / "data").rglob("*")) == []


@pytest.mark.usefixtures("offline")
def test_a_failed_download_ends_with_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "info", "wikics", "--data-root", str(tmp_path / "data")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "ECO304" in captured.err
    assert "Traceback" not in captured.err


def test_a_misspelt_name_is_met_with_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong, right in (
        ("roman_empire", "roman-empire"),
        ("ogbn-arxive", "ogbn-arxiv"),
        ("Blogcatalogue", "blogcatalog"),
    ):
        assert main(["data", "info", wrong]) == 2
        assert f"Did you mean '{right}'" in capsys.readouterr().err


# --- downloads -------------------------------------------------------------------------------------------------------


def packed_zip(folder: Path, below: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, f"{below}{path.relative_to(folder).as_posix()}")
    return buffer.getvalue()


def packed_tar(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name)
    return buffer.getvalue()


def served(name: str, raw: Path) -> Callable[[str], bytes]:
    """What the server of a data set answers to an address."""

    def answer(url: str) -> bytes:
        file = url.rpartition("/")[2]
        if name == "reddit":
            return packed_zip(raw)
        if name == "polblogs":
            return packed_tar(raw)
        if name == "blogcatalog":
            return packed_zip(raw, "blogcatalog.attr/")
        if name in ("web-topics", "hm-prices"):
            return packed_zip(raw)
        if name == "email-eu-core":
            return gzip.compress((raw / file.removesuffix(".gz")).read_bytes())
        if name == "flickr":
            ids = ("adj_full", "feats", "class_map", "role")
            kind = next(kind for kind in ids if getattr(torch_geometric.datasets.Flickr, f"{kind}_id") in url)
            return next(raw.glob(f"{kind}.*")).read_bytes()
        return (raw / file).read_bytes()

    return answer


Serve = Callable[[Callable[[str], bytes]], list[str]]


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> Serve:
    def serve(answer: Callable[[str], bytes]) -> list[str]:
        asked: list[str] = []

        def open_url(url: str, *arguments: Any, **options: Any) -> io.BytesIO:
            asked.append(url)
            return io.BytesIO(answer(url))

        monkeypatch.setattr(urllib.request, "urlopen", open_url)
        return asked

    return serve


@pytest.mark.parametrize("name", FAKES)
def test_missing_files_are_downloaded_once_and_are_those_that_pyg_keeps(
    name: str, tmp_path: Path, online: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = write_fake(name, tmp_path / "server")
    asked = online(served(name, raw))
    first = load_graph(name, tmp_path / "data", registry=REGISTRY)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"Downloading {name} (" in captured.err
    assert files_below(tmp_path / "data" / FAKES[name][0]) == files_below(raw)
    assert files_below(tmp_path / "data") == [f"{FAKES[name][0]}/{file}" for file in files_below(raw)]
    number = len(asked)
    again = load_graph(name, tmp_path / "data", registry=REGISTRY)
    assert len(asked) == number > 0
    assert torch.equal(first.edge_index, again.edge_index)
    assert torch.equal(first.x.to_dense(), again.x.to_dense())


@pytest.mark.parametrize("name", ["flickr", "wikics", "reddit", "blogcatalog"])
def test_a_page_in_the_place_of_the_files_is_not_kept(name: str, tmp_path: Path, online: Serve) -> None:
    write_fake(name, tmp_path / "server")
    online(lambda url: b"<html>Too many users have downloaded this file recently.</html>")
    with pytest.raises(DataError, match="ECO304"):
        load_graph(name, tmp_path / "data", registry=REGISTRY)
    assert files_below(tmp_path / "data") == []


@pytest.mark.parametrize(
    ("name", "spelled"),
    {
        "cora-full": "Cora",
        "cora-ml": "Cora_ML",
        "citeseer-full": "CiteSeer",
        "dblp": "DBLP",
        "pubmed-full": "PubMed",
    }.items(),
)
def test_the_full_citation_graphs_come_from_where_pyg_takes_them(
    name: str, spelled: str, tmp_path: Path, online: Serve
) -> None:
    raw = write_fake("cora-ml", tmp_path / "server")
    asked = online(lambda url: (raw / "cora_ml.npz").read_bytes())
    load_graph(name, tmp_path / "data", registry=REGISTRY)
    assert asked == [torch_geometric.datasets.CitationFull.url.format(spelled.lower())]
    again = torch_geometric.datasets.CitationFull(str(tmp_path / "data"), spelled)  # Finds them: no other download.
    assert len(asked) == 1
    assert again[0].num_nodes == 5


# --- the Open Graph Benchmark ----------------------------------------------------------------------------------------


def gz(path: Path, rows: np.ndarray) -> None:
    path.write_bytes(gzip.compress("".join(",".join(map(str, row)) + "\n" for row in rows.tolist()).encode()))


def ogb_tables(raw: Path) -> None:
    gz(raw / "edge.csv.gz", EDGES)
    gz(raw / "node-feat.csv.gz", NUMBERS)
    gz(raw / "node-label.csv.gz", CLASSES[:, None])
    gz(raw / "num-node-list.csv.gz", np.array([[5]]))
    gz(raw / "num-edge-list.csv.gz", np.array([[5]]))
    gz(raw / "node_year.csv.gz", np.arange(2000, 2005)[:, None])


def ogb_archives(raw: Path) -> None:
    np.savez(
        raw / "data.npz",
        edge_index=EDGES.T,
        num_nodes_list=np.array([5]),
        num_edges_list=np.array([5]),
        node_feat=NUMBERS,
        node_year=np.arange(5)[:, None],
    )
    np.savez(raw / "node-label.npz", node_label=np.where(CLASSES == 2, np.nan, CLASSES)[:, None])


@pytest.mark.parametrize("name", ["ogbn-arxiv", "ogbn-products", "ogbn-papers100M"])
def test_raw_files_of_the_benchmark_are_read_without_its_pickles(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ogb")
    root = tmp_path / name.replace("-", "_")
    (root / "raw").mkdir(parents=True)
    (ogb_archives if name == "ogbn-papers100M" else ogb_tables)(root / "raw")
    (root / "processed").mkdir()
    (root / "processed" / "geometric_data_processed.pt").write_bytes(b"a pickle of strangers")
    graph = load_graph(name, tmp_path, registry=REGISTRY, undirected=False)
    assert capsys.readouterr().out == ""  # ogb prints what it does.
    assert torch.equal(graph.x, torch.from_numpy(NUMBERS))
    classes = np.where(CLASSES == 2, -1, CLASSES) if name == "ogbn-papers100M" else CLASSES
    assert graph.y.tolist() == classes.tolist()
    both = [*EDGES.tolist(), *EDGES[:, ::-1].tolist()]
    assert sorted(graph.edge_index.t().tolist()) == sorted(both if name == "ogbn-products" else EDGES.tolist())
    assert graph.n_classes == {"ogbn-arxiv": 40, "ogbn-products": 47, "ogbn-papers100M": 172}[name]


def test_the_benchmark_is_downloaded_without_its_pickles(tmp_path: Path, online: Serve) -> None:
    pytest.importorskip("ogb")
    server = tmp_path / "server" / "arxiv"
    for folder in ("raw", "processed", "mapping"):
        (server / folder).mkdir(parents=True)
        (server / folder / "file").write_bytes(b"")
    ogb_tables(server / "raw")
    asked = online(lambda url: packed_zip(server.parent))
    graph = load_graph("ogbn-arxiv", tmp_path / "data", registry=REGISTRY)
    assert asked == ["http://snap.stanford.edu/ogb/data/nodeproppred/arxiv.zip"]
    assert {Path(file).parent.as_posix() for file in files_below(tmp_path / "data")} == {"ogbn_arxiv/raw"}
    assert graph.y.tolist() == CLASSES.tolist()


def test_what_is_known_of_the_benchmark_is_what_ogb_says() -> None:
    pd = pytest.importorskip("pandas")
    package = pytest.importorskip("ogb.nodeproppred")
    master = pd.read_csv(Path(package.__file__).with_name("master.csv"), index_col=0, keep_default_na=False)
    for name, benchmark in ogb._BENCHMARKS.items():
        assert master[name]["url"].endswith(f"/{benchmark.archive}.zip")
        assert master[name]["download_name"] == benchmark.archive
        assert (master[name]["add_inverse_edge"] == "True") == benchmark.both
        assert (master[name]["binary"] == "True") == benchmark.binary
        assert int(master[name]["num classes"]) == next(item.classes for item in DATASETS if item.name == name)


def test_without_ogb_its_data_sets_are_listed_with_the_command_and_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("eco_core.registry.entry._is_installed", lambda module: module != "ogb")
    for arguments in (["data", "list"], ["list", "datasets"]):
        assert main(arguments) == 0
        (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("ogbn-arxiv ")]
        for part in ("40", "169,343 nodes", "1,166,243 directed edges", "128 features", "pip install 'eco-core[ogb]'"):
            assert part in line
    for arguments in (
        ["data", "info", "ogbn-arxiv"],
        ["compose", "--data", "ogbn-arxiv", "--head", "kmeans", "--out", str(tmp_path / "run")],
    ):
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert "ECO110" in error
        assert "pip install 'eco-core[ogb]'" in error
    assert not (tmp_path / "run").exists()
