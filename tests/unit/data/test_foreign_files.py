"""Graphs in the files and objects of other programs are read by their usual names; the notes say what was taken."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse as sp
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.transforms import ToSparseTensor
from torch_geometric.utils import from_networkx

from eco_core.data import load_graph
from eco_core.errors import DataError, EcoError, SpecError
from tests.real_data import real_data_root

EDGES = torch.tensor([[0, 1, 2, 3, 0], [1, 2, 3, 4, 2]])
X = torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 3.0], [2.0, 0.0, 0.0]])
Y = torch.tensor([0, 0, 1, 1, 1])


def adjacency(edges: Tensor = EDGES, loops: bool = False) -> sp.csr_matrix:
    both = torch.cat([edges, edges.flip(0)], dim=1).numpy()
    matrix = sp.csr_matrix((np.ones(both.shape[1]), (both[0], both[1])), shape=(5, 5))
    return matrix + sp.identity(5) if loops else matrix


def pairs(graph: Data) -> set[tuple[int, int]]:
    return {(int(a), int(b)) for a, b in graph.edge_index.t()}


EXPECTED = {(int(a), int(b)) for a, b in torch.cat([EDGES, EDGES.flip(0)], dim=1).t()}


def csr(name: str, matrix: Any) -> dict[str, Any]:
    matrix = sp.csr_matrix(matrix)
    parts = {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr, "shape": matrix.shape}
    return {f"{name}_{part}": np.asarray(value) for part, value in parts.items()}


LAYOUTS: dict[str, dict[str, Any]] = {
    "heterophilous": {"node_features": X.numpy(), "edges": EDGES.t().numpy(), "node_labels": Y.numpy()},
    "shchur": {**csr("adj", adjacency()), **csr("attr", X.numpy()), "labels": Y.numpy()},
    "own": {"x": X.numpy(), "edge_index": EDGES.numpy(), "y": Y.numpy()},
    "loops": {"features": X.numpy(), "adj": adjacency(loops=True).toarray(), "label": Y.numpy()},
    "one-hot": {"feat": X.numpy(), "edge_list": EDGES.t().numpy(), "group": np.eye(2)[Y.numpy()]},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_archives_in_the_layouts_in_circulation_are_read(tmp_path: Path, layout: str) -> None:
    np.savez(tmp_path / "graph.npz", **LAYOUTS[layout])
    graph = load_graph(tmp_path / "graph.npz")
    assert pairs(graph) == EXPECTED
    assert torch.equal(graph.x.to_dense(), X)
    assert torch.equal(graph.y, Y)
    if layout == "shchur":
        assert graph.x.is_sparse


@pytest.mark.parametrize(
    "arrays",
    [
        {"W": adjacency(), "fea": sp.csc_matrix(X.numpy()), "gnd": Y[None].numpy()},
        {"network": adjacency(loops=True), "feature": X.numpy(), "group": sp.csc_matrix(np.eye(2)[Y.numpy()])},
        {"edges": EDGES.t().numpy() + 1.0, "X": X.numpy(), "labels": np.array(list("aabbb"), dtype=object)},
    ],
    ids=["W", "network", "from one"],
)
def test_matlab_files_are_read_by_their_usual_names(tmp_path: Path, arrays: dict[str, Any]) -> None:
    scipy.io.savemat(tmp_path / "graph.mat", arrays)
    graph = load_graph(tmp_path / "graph.mat")
    assert pairs(graph) == EXPECTED
    assert torch.equal(graph.x.to_dense(), X)
    assert torch.equal(graph.y, Y)
    assert any(f"edges from {next(iter(arrays))!r}" in note for note in graph.notes)


def test_unusual_names_are_listed_and_can_be_given(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "graph.mat", {"links": adjacency(), "words": X.numpy()})
    with pytest.raises(DataError, match=r"(?s)links \(5, 5\), words \(5, 3\).*data.edges=NAME"):
        load_graph(tmp_path / "graph.mat")
    graph = load_graph(tmp_path / "graph.mat", edges="links", features="words")
    assert pairs(graph) == EXPECTED
    with pytest.raises(DataError, match=r"(?s)has no 'word'.*'words'"):
        load_graph(tmp_path / "graph.mat", edges="links", features="word")


def test_python_objects_in_an_archive_are_left_out_and_said(tmp_path: Path) -> None:
    np.savez(tmp_path / "graph.npz", x=X.numpy(), edge_index=EDGES.numpy(), names=np.array([{}, {}], dtype=object))
    assert any("left out: names" in note for note in load_graph(tmp_path / "graph.npz").notes)


@pytest.mark.parametrize("suffix", [".mat", ".mtx", ".graphml", ".gexf", ".gml", ".metis", ".npz"])
@pytest.mark.parametrize(
    "content", [b"", b"\x00\x01 nothing \xff\xfe", b"<graphml><node"], ids=["empty", "bytes", "cut"]
)
def test_a_damaged_file_is_a_clear_error(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"graph{suffix}"
    path.write_bytes(content)
    with pytest.raises(EcoError, match=r"ECO30[23]") as caught:
        load_graph(path)
    assert str(path) in str(caught.value)


def network() -> nx.Graph:
    graph = nx.Graph(name="people")
    for node, (values, label) in enumerate(zip(X.tolist(), Y.tolist(), strict=True)):
        graph.add_node(f"n{node}", age=values[0], size=values[1], income=values[2], **{"class": label})
    for source, target in EDGES.t().tolist():
        graph.add_edge(f"n{source}", f"n{target}", weight=1.0 + source)
    return graph


WRITERS: dict[str, Callable[..., None]] = {
    ".graphml": nx.write_graphml,
    ".gexf": nx.write_gexf,
    ".gml": nx.write_gml,
    ".graphml.gz": nx.write_graphml,
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_network_files_and_the_object_give_the_same_graph(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"people{suffix}"
    WRITERS[suffix](network(), str(path))
    of_object, of_file = load_graph(network()), load_graph(path)
    assert torch.equal(of_object.x, of_file.x)
    assert torch.equal(of_object.edge_index, of_file.edge_index)
    assert torch.equal(of_object.edge_weight, of_file.edge_weight)
    assert torch.equal(of_object.y, Y)
    assert of_object.node_ids == [f"n{i}" for i in range(5)]


def test_list_attributes_of_a_network_become_columns() -> None:
    graph = nx.path_graph(4)
    nx.set_node_attributes(graph, {node: [float(node), 1.0 - node] for node in graph}, "x")
    assert [entry["column"] for entry in load_graph(graph).columns if entry["table"] == "nodes"][-2:] == ["x_0", "x_1"]


def test_igraph_is_read_like_networkx() -> None:
    igraph = pytest.importorskip("igraph")
    graph = igraph.Graph(n=5, edges=EDGES.t().tolist())
    graph.vs["name"] = [f"n{i}" for i in range(5)]
    graph.vs["size"] = X[:, 0].tolist()
    found = load_graph(graph)
    assert pairs(found) == EXPECTED
    assert found.node_ids == [f"n{i}" for i in range(5)]
    assert found.x.shape == (5, 1)


def test_adjacency_matrices_are_read() -> None:
    assert pairs(load_graph(adjacency())) == EXPECTED
    graph = load_graph((X, adjacency(loops=True)))
    assert pairs(graph) == EXPECTED
    assert torch.equal(graph.x, X)


def test_a_matrix_market_file_is_an_adjacency_with_or_without_features(tmp_path: Path) -> None:
    scipy.io.mmwrite(tmp_path / "graph.mtx", adjacency())
    scipy.io.mmwrite(tmp_path / "words.mtx", sp.csr_matrix(X.numpy()))
    assert pairs(load_graph(tmp_path / "graph.mtx")) == EXPECTED
    assert torch.equal(load_graph(tmp_path / "graph.mtx", features="words.mtx").x.to_dense(), X)
    with pytest.raises(DataError, match=r"shape \(5, 3\); an adjacency matrix is square"):
        load_graph(tmp_path / "words.mtx")


def test_metis_files_are_read_with_their_weights(tmp_path: Path) -> None:
    (tmp_path / "graph.metis").write_text("% a comment\n3 2 001\n2 7\n1 7 3 5\n2 5\n", encoding="utf-8")
    graph = load_graph(tmp_path / "graph.metis")
    assert pairs(graph) == {(0, 1), (1, 0), (1, 2), (2, 1)}
    assert graph.edge_weight.tolist() == [7.0, 7.0, 5.0, 5.0]
    (tmp_path / "graph.metis").write_text("3 2\n2\n1 9\n2\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 3 names node 9; there are 3"):
        load_graph(tmp_path / "graph.metis")


# ---------------------------------------------------------------------------------------------------------------- PyG


def test_weights_under_other_names_are_used_and_said() -> None:
    for name in ("edge_attr", "weight"):
        graph = load_graph(Data(x=X, edge_index=EDGES, **{name: torch.arange(1.0, 6.0)[:, None]}))
        assert sorted(graph.edge_weight.unique().tolist()) == [1.0, 2.0, 3.0, 4.0, 5.0]
        assert f"edge weights from {name!r}" in graph.notes
    graph = load_graph(Data(x=X, edge_index=EDGES, edge_attr=torch.ones(5, 2)))
    assert graph.get("edge_weight") is None
    assert any("'edge_attr' not used: it has 2 columns" in note for note in graph.notes)


def test_what_from_networkx_makes_keeps_its_weights() -> None:
    graph = nx.Graph()
    graph.add_weighted_edges_from([(0, 1, 2.0), (1, 2, 3.0)])
    assert sorted(load_graph(from_networkx(graph)).edge_weight.unique().tolist()) == [2.0, 3.0]


def test_transposed_adjacencies_are_read() -> None:
    data = Data(x=X, edge_index=EDGES)
    transformed = ToSparseTensor(layout=torch.sparse_csr)(data.clone())
    assert pairs(load_graph(transformed, undirected=False)) == {(int(a), int(b)) for a, b in EDGES.t()}


def test_a_batch_of_graphs_is_one_graph() -> None:
    data = Data(x=X, edge_index=EDGES)
    graph = load_graph(Batch.from_data_list([data, data]))
    assert graph.num_nodes == 10
    assert "a batch of 2 graphs taken as one graph" in graph.notes


def test_a_number_of_nodes_that_disagrees_with_the_features_is_refused() -> None:
    with pytest.raises(DataError, match="num_nodes is 7, but x has 5 rows"):
        load_graph(Data(x=X, edge_index=EDGES, num_nodes=7))


def papers() -> HeteroData:
    data = HeteroData()
    data["paper"].x = torch.randn(4, 3)
    data["author"].num_nodes = 2
    data["author", "writes", "paper"].edge_index = torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, 2, 3]])
    return data


def test_a_meta_path_projects_a_heterogeneous_graph() -> None:
    graph = load_graph(papers(), metapath=["paper", "author", "paper"])
    assert pairs(graph) == {(0, 1), (1, 0), (1, 2), (2, 1), (1, 3), (3, 1), (2, 3), (3, 2)}
    assert any("paper - author - paper" in note for note in graph.notes)


def test_a_heterogeneous_graph_with_edges_among_one_type_is_read() -> None:
    data = papers()
    data["paper", "cites", "paper"].edge_index = torch.tensor([[0, 1], [1, 2]])
    graph = load_graph(data)
    assert pairs(graph) == {(0, 1), (1, 0), (1, 2), (2, 1)}
    assert "left out: the nodes of type 'author', and the edges author-writes-paper" in graph.notes


def test_an_edge_attribute_that_became_the_weights_is_not_said_to_be_dropped() -> None:
    graph = load_graph(Data(x=X, edge_index=EDGES, edge_attr=torch.arange(1.0, 6.0)))
    assert "edge weights from 'edge_attr'" in graph.notes
    assert not any("dropped" in note for note in graph.notes)


def test_features_may_come_with_a_dense_adjacency() -> None:
    for x in (X.numpy(), pd.DataFrame(X.numpy(), columns=["a", "b", "c"])):
        for edges in (adjacency(), adjacency().toarray(), torch.from_numpy(adjacency().toarray())):
            assert pairs(load_graph((x, edges))) == pairs(load_graph((X, EDGES)))
    with pytest.raises(SpecError, match="only numbers"):
        load_graph((pd.DataFrame({"city": list("abcde")}), EDGES))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, r"(?s)not clear which one to cluster.*metapath"),
        ({"node_type": "paper"}, r"(?s)no edges among themselves.*author-writes-paper"),
        ({"node_type": "venue"}, "There is no node type 'venue'; there are paper, author"),
        ({"metapath": ["paper", "author"]}, "does not lead from 'paper' to 'paper'"),
    ],
)
def test_a_heterogeneous_graph_that_is_not_clear_is_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_graph(papers(), **parameters)


# ----------------------------------------------------------------------------------------------------- strangers' files

STRANGERS = {
    "acm.mat": (3025, 26256, 1870, 3),
    "BlogCatalog.mat": (5196, 343486, 8189, 6),
    "wisconsin.npz": (251, 900, 1703, 5),
    "chameleon_filtered.npz": (890, 17708, 2325, 5),
    "tolokers.npz": (11758, 1038000, 10, 2),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_the_files_of_strangers_load_by_path_alone(name: str) -> None:
    root = real_data_root()
    if root is None or not (root / "strangers" / name).is_file():
        pytest.skip("the files of strangers are not here")
    graph = load_graph(root / "strangers" / name)
    found = graph.num_nodes, graph.edge_index.shape[1], graph.x.shape[1], int(graph.y.max()) + 1
    assert found == STRANGERS[name]
    assert graph.x.is_sparse == name.endswith(".mat")


# ------------------------------------------------------------------------------------------------------ lists of edges

LISTED = EDGES.t().tolist()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("snap.txt", "# Nodes: 5 Edges: 5\n# FromNodeId\tToNodeId\n" + "".join(f"{a}\t{b}\n" for a, b in LISTED)),
        ("bare.edges", "".join(f"{a} {b}\n" for a, b in LISTED)),
        ("konect.txt", "% asym unweighted\n% 5 5 5\n" + "".join(f"{a}   {b}\n" for a, b in LISTED)),
        ("commas.el", "".join(f"{a}, {b}\n" for a, b in LISTED)),
        ("headed.edgelist", "src dst\n" + "".join(f"{a} \t {b}\n" for a, b in LISTED)),
        ("plain.tsv", "".join(f"{a}\t{b}\n" for a, b in LISTED)),
        ("late.txt", "".join(f"{a} {b}\n# and then\n" for a, b in LISTED)),
    ],
)
def test_lists_of_edges_are_read_in_every_habit(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    graph = load_graph(tmp_path / name)
    assert pairs(graph) == EXPECTED
    assert graph.get("edge_weight") is None


@pytest.mark.parametrize("data", [True, ["weight"], False])
def test_what_networkx_writes_as_a_list_is_read(tmp_path: Path, data: Any) -> None:
    nx.write_edgelist(network(), tmp_path / "people.edgelist", data=data)
    graph = load_graph(tmp_path / "people.edgelist")
    assert pairs(graph) == EXPECTED
    assert (graph.get("edge_weight") is not None) == bool(data)
    if data:
        assert sorted(graph.edge_weight.unique().tolist()) == [1.0, 2.0, 3.0, 4.0]


def test_the_tables_in_a_zip_are_read_like_those_in_a_folder(tmp_path: Path) -> None:
    tables = {
        "nodes.csv": "id,age,size\n" + "".join(f"n{i},{a},{b}\n" for i, (a, b, _) in enumerate(X.tolist())),
        "edges.csv": "source,target,kg\n" + "".join(f"n{a},n{b},{1 + a}\n" for a, b in LISTED),
    }
    (tmp_path / "folder").mkdir()
    with zipfile.ZipFile(tmp_path / "people.zip", "w") as archive:
        for name, text in tables.items():
            (tmp_path / "folder" / name).write_text(text)
            archive.writestr(f"people/{name}", text)
        archive.writestr("__MACOSX/people/._nodes.csv", "nothing")
    packed, unpacked = (load_graph(tmp_path / name, weight_column="kg") for name in ("people.zip", "folder"))
    assert packed.node_ids == unpacked.node_ids
    assert torch.equal(packed.x, unpacked.x)
    assert torch.equal(packed.edge_weight, unpacked.edge_weight)
    assert packed.name == "people"


def test_a_table_of_nodes_as_text_is_no_list_of_edges(tmp_path: Path) -> None:
    (tmp_path / "people.txt").write_text(
        "id\tage\tsize\tcity\n" + "".join(f"n{i}\t{i}\t{i % 3}\tRome\n" for i in range(12))
    )
    assert load_graph(tmp_path / "people.txt").num_nodes == 12
