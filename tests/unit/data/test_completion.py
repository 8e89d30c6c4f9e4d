"""Features alone, edges alone, and neighbours that are added: what is made, and that it is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch_geometric.data import Data

import eco_core as eco
from eco_core.cli import main
from eco_core.data import graph_info, save_on_disk
from eco_core.errors import DataError, EcoError, SpecError

RANDOM = np.random.default_rng(0)
POINTS = RANDOM.normal(size=(40, 3)).astype(np.float32)
RING = torch.stack([torch.arange(12), (torch.arange(12) + 1) % 12])


def note_of(graph: Data, beginning: str) -> str:
    return next(note for note in graph.notes if note.startswith(beginning))


def test_an_array_alone_is_joined_with_nearest_neighbours() -> None:
    graph = eco.load_graph(POINTS, knn=4)
    assert graph.x.shape == (40, 3)
    assert "4 nearest neighbours (Euclidean distance, exact) in the features" in note_of(
        graph, "the data have no edges"
    )
    assert graph_info(graph)["undirected"]


def test_the_number_of_neighbours_is_ten_unless_it_is_given() -> None:
    assert "10 nearest neighbours" in note_of(eco.load_graph(torch.tensor(POINTS)), "the data have no edges")


def test_data_without_edges_and_the_array_alone_give_the_same_graph() -> None:
    alone = eco.load_graph(POINTS)
    assert torch.equal(eco.load_graph(Data(x=torch.tensor(POINTS))).edge_index, alone.edge_index)


def test_coordinates_decide_where_a_graph_has_them() -> None:
    position = torch.arange(40, dtype=torch.float32)[:, None] * torch.tensor([[1.0, 0.0]])
    graph = eco.load_graph(Data(x=torch.tensor(POINTS), pos=position), knn=1, metric="cosine")
    assert {abs(a - b) for a, b in graph.edge_index.T.tolist()} == {1}
    assert "(Euclidean distance, exact) in space" in note_of(graph, "the data have no edges")


def test_coordinates_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(DataError, match="one row for each node"):
        eco.load_graph(Data(x=torch.tensor(POINTS), pos=torch.zeros(3, 2)))
    position = torch.zeros(40, 2)
    position[7, 1] = float("nan")
    with pytest.raises(DataError, match="1 node are NaN or infinite; the first is node 7"):
        eco.load_graph(Data(x=torch.tensor(POINTS), pos=position))


def test_a_data_frame_of_numbers_keeps_its_index_as_ids() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(POINTS, columns=["a", "b", "c"], index=[f"n{i}" for i in range(40)])
    graph = eco.load_graph(frame)
    assert graph.node_ids[:2] == ["n0", "n1"]
    assert torch.equal(graph.x, torch.tensor(POINTS))
    assert eco.load_graph(frame.reset_index(drop=True)).get("node_ids") is None


def test_an_npy_file_is_features_alone(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", POINTS)
    graph = eco.load_graph(tmp_path / "x.npy")
    assert (graph.name, graph.x.shape) == ("x", (40, 3))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(4), "shape"),
        (np.array([["a", "b"]]), "expected numbers"),
        (np.array([[None, 1]], dtype=object), "not an array of numbers"),
    ],
)
def test_an_npy_file_that_holds_no_features_is_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=message):
        eco.load_graph(tmp_path / "x.npy")


def test_a_cut_npy_file_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", POINTS)
    content = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(content[:200])
    with pytest.raises(DataError, match="ECO302"):
        eco.load_graph(tmp_path / "x.npy")


def test_an_array_with_other_than_two_dimensions_is_refused() -> None:
    with pytest.raises(DataError, match="expected two dimensions"):
        eco.load_graph(np.zeros(5))


def test_features_that_are_not_finite_are_refused_before_neighbours_are_sought() -> None:
    broken = POINTS.copy()
    broken[3, 1] = np.nan
    with pytest.raises(DataError, match="row 3, column 1"):
        eco.load_graph(broken)


def test_edges_alone_get_features_of_the_structure() -> None:
    graph = eco.load_graph(Data(edge_index=RING, num_nodes=14))
    assert graph.x.shape[0] == 14
    assert "made from the edges" in note_of(graph, "the data have no features")
    assert len(graph.feature_names) == graph.x.shape[1]


def test_the_number_of_nodes_is_that_of_ids_or_labels_or_the_largest_entry() -> None:
    assert eco.load_graph(Data(edge_index=RING)).num_nodes == 12
    assert eco.load_graph((None, RING)).num_nodes == 12
    ids = [f"n{i}" for i in range(15)]
    assert eco.load_graph(Data(edge_index=RING, node_ids=ids)).num_nodes == 15


def test_edges_alone_that_are_wrong_are_refused_as_always() -> None:
    with pytest.raises(DataError, match="looks transposed"):
        eco.load_graph(Data(edge_index=RING.T))
    with pytest.raises(DataError, match="neither features nor edges"):
        eco.load_graph(Data(edge_index=torch.zeros((2, 0), dtype=torch.int64)))


def test_a_graph_with_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="x is missing"):
        eco.load_graph(Data())


def test_features_of_the_structure_are_not_divided_by_their_sums() -> None:
    plain = eco.load_graph(Data(edge_index=RING))
    assert torch.equal(eco.load_graph(Data(edge_index=RING), normalize_features="row").x, plain.x)


def test_npz_archives_may_have_features_or_edges_alone(tmp_path: Path) -> None:
    np.savez(tmp_path / "edges.npz", edge_index=RING.numpy())
    np.savez(tmp_path / "features.npz", x=POINTS)
    np.savez(tmp_path / "neither.npz", y=np.zeros(3))
    assert eco.load_graph(tmp_path / "edges.npz").x.shape[0] == 12
    assert eco.load_graph(tmp_path / "features.npz").num_edges > 0
    with pytest.raises(DataError, match="no edges and no features"):
        eco.load_graph(tmp_path / "neither.npz")


def test_neighbours_in_the_features_are_added_to_any_graph() -> None:
    plain, more = eco.load_graph("digits"), eco.load_graph("karate", knn_augment=3)
    karate = eco.load_graph("karate")
    assert more.num_edges > karate.num_edges
    known = {tuple(pair) for pair in karate.edge_index.T.tolist()}
    assert known <= {tuple(pair) for pair in more.edge_index.T.tolist()}
    assert "3 nearest neighbours" in next(note for note in more.notes if "added" in note)
    # The digits are a graph of 10 nearest neighbours: fewer add nothing.
    assert eco.load_graph("digits", knn_augment=5).num_edges == plain.num_edges


def test_added_edges_keep_the_attributes_of_edges_out() -> None:
    graph = Data(x=torch.tensor(POINTS[:12]), edge_index=RING, kind=torch.zeros(12, 2), edge_attr=torch.ones(12, 2))
    loaded = eco.load_graph(graph, undirected=False, knn_augment=2)
    assert loaded.get("edge_attr") is None
    assert any("'edge_attr' dropped" in note for note in loaded.notes)


def test_nothing_is_added_by_features_that_were_made_from_the_edges() -> None:
    graph = eco.load_graph(Data(edge_index=RING), knn_augment=2)
    assert graph.num_edges == 24
    assert any("no neighbours in the features were added" in note for note in graph.notes)


def test_a_graph_on_disk_is_not_changed(tmp_path: Path) -> None:
    folder = save_on_disk("karate", tmp_path / "disk")
    with pytest.raises(SpecError, match="no neighbours can be added"):
        eco.load_graph(folder, knn_augment=2)


def test_objects_are_not_modified() -> None:
    for given in (Data(x=torch.tensor(POINTS)), Data(edge_index=RING)):
        keys = set(given.keys())
        eco.load_graph(given, knn_augment=1)
        assert set(given.keys()) == keys


# ------------------------------------------------------------------------------------------------------- in the spec


def test_a_model_prepares_every_graph_as_its_spec_says() -> None:
    model = eco.compose(clusters=3, overrides=["graph.knn_augment=4"])
    model.fit("karate", verbose=False)
    assert any("4 nearest neighbours" in note for note in model.load_graph("digits").notes)
    assert model.load_graph(eco.load_graph("karate")).num_edges == eco.load_graph("karate", knn_augment=4).num_edges
    assert model.spec["graph"]["knn_augment"] == 4


def test_a_loaded_run_prepares_graphs_as_before(tmp_path: Path) -> None:
    run = eco.run({"data": "karate", "graph": {"knn_augment": 2}, "clusters": 2}, out=tmp_path / "run")
    loaded = eco.load(run.folder)
    assert loaded.load_graph("karate").num_edges == eco.load_graph("karate", knn_augment=2).num_edges


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("graph.knn=0", "graph.knn is 0"),
        ("graph.metric=cosin", "graph.metric is 'cosin'"),
        ("graph.radius=-1", "graph.radius is -1"),
        ("graph.kn=3", "Did you mean 'knn'"),
    ],
)
def test_a_section_that_is_wrong_is_refused(override: str, message: str) -> None:
    with pytest.raises(EcoError, match=message):
        eco.compose(clusters=2, overrides=[override])


def test_one_of_neighbours_and_radius_is_given() -> None:
    with pytest.raises(EcoError, match="both knn and radius"):
        eco.compose(clusters=2, overrides=["graph.knn=3", "graph.radius=1.5"])


def test_a_section_that_says_nothing_does_not_change_the_digest() -> None:
    from eco_core.spec.digest import spec_digest

    spec = eco.compose(clusters=2).spec
    without = {key: value for key, value in spec.items() if key != "graph"}
    assert spec_digest(spec) == spec_digest(without)
    assert spec_digest({**spec, "graph": {**spec["graph"], "knn_augment": 1}}) != spec_digest(spec)


def test_eco_data_info_shows_what_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", POINTS)
    assert main(["data", "info", str(tmp_path / "x.npy"), "--set", "graph.knn=3"]) == 0
    assert "3 nearest neighbours" in capsys.readouterr().out
    assert main(["data", "info", str(tmp_path / "x.npy"), "--set", "graph.knn=0"]) == 2


def test_a_sparse_matrix_that_is_not_square_is_features_alone() -> None:
    matrix = sp.random(40, 7, density=0.5, format="csr", random_state=0)
    graph = eco.load_graph(matrix, knn=3)
    assert graph.x.is_sparse
    assert np.allclose(graph.x.to_dense().numpy(), matrix.toarray())
    assert "3 nearest neighbours" in graph.notes[0]
