"""Loading by name, path and from memory; edges made undirected; features normalised."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data

from eco_core.data import default_root, is_path, load_graph, save_npz
from eco_core.errors import DataError, SpecError
from eco_core.registry.hookspecs import Dataset


@dataclass
class FakeEntry:
    item: Dataset
    loader: Callable[..., Any]
    missing_problem: None = None

    def load(self) -> Callable[..., Any]:
        return self.loader


class FakeRegistry:
    """One data set, called "toy"."""

    def __init__(self, loader: Callable[..., Any], classes: int | None = 3) -> None:
        self.loader, self.classes = loader, classes

    def find(self, kind: str, name: str) -> FakeEntry:
        assert (kind, name) == ("dataset", "toy")
        return FakeEntry(Dataset("toy", "somewhere:toy", classes=self.classes), self.loader)


def triangle() -> Data:
    return Data(x=torch.eye(3), edge_index=torch.tensor([[0, 1, 2], [1, 2, 0]]))


def toy(root: Path, size: int = 3, scale: float = 1.0) -> Data:
    data = triangle()
    data.x = torch.eye(size)[:3] * scale
    data.notes = [f"root is {root}"]
    return data


def test_a_string_is_a_path_if_it_exists_or_looks_like_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    assert is_path("mine")
    assert is_path("other.npz")
    assert is_path("EDGES.CSV")
    assert is_path("some/folder")
    assert is_path(Path("cora"))
    assert not is_path("cora")
    assert not is_path("eco-core:cora")
    assert not is_path("")


def test_the_default_root_is_the_environments_or_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECO_DATA_ROOT", "my_data")
    assert default_root() == Path("my_data")
    monkeypatch.delenv("ECO_DATA_ROOT")
    assert default_root().parts[-2:] == ("eco", "data")


@pytest.mark.parametrize("module", ["eco_core.data", "eco_core.data.source", "eco_core.data.datasets.catalogue"])
def test_light_modules_import_no_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_name_is_loaded_with_the_root_and_its_parameters(tmp_path: Path) -> None:
    data = load_graph("toy", tmp_path, registry=FakeRegistry(toy), scale="2")  # type: ignore[arg-type]
    assert data.name == "toy"
    assert data.n_classes == 3
    assert data.x.max() == 2
    assert data.notes[0] == f"root is {tmp_path}"


def test_without_a_root_a_loader_gets_the_default_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECO_DATA_ROOT", "elsewhere")
    data = load_graph("toy", registry=FakeRegistry(toy))  # type: ignore[arg-type]
    assert data.notes[0] == "root is elsewhere"


def test_the_loaders_own_number_of_classes_wins_and_an_undeclared_one_is_never_counted() -> None:
    def own() -> Data:
        data = triangle()
        data.n_classes = 2
        return data

    def labelled() -> Data:
        data = triangle()
        data.y = torch.tensor([0, 1, 2])
        return data

    assert load_graph("toy", registry=FakeRegistry(own)).n_classes == 2  # type: ignore[arg-type]
    assert load_graph("toy", registry=FakeRegistry(labelled, None)).get("n_classes") is None  # type: ignore[arg-type]


def test_unknown_wrong_and_missing_parameters_are_coded_mistakes() -> None:
    registry: Any = FakeRegistry(toy)
    with pytest.raises(SpecError, match=r"(?s)ECO103.*'sizes'.*Did you mean 'size'"):
        load_graph("toy", registry=registry, sizes=4)
    with pytest.raises(SpecError, match=r"ECO104.*size.*'many'"):
        load_graph("toy", registry=registry, size="many")
    with pytest.raises(SpecError, match="ECO103"):
        load_graph(triangle(), size=3)

    def needs(width: int) -> Data:
        return triangle()

    with pytest.raises(SpecError, match=r"ECO105.*width"):
        load_graph("toy", registry=FakeRegistry(needs))  # type: ignore[arg-type]


def test_a_loader_that_returns_something_else_is_reported() -> None:
    with pytest.raises(DataError, match=r"'toy' .*returned a int"):
        load_graph("toy", registry=FakeRegistry(lambda: 7))  # type: ignore[arg-type]


def test_tuples_of_tensors_arrays_and_lists_are_graphs() -> None:
    for x, edges in (
        (torch.eye(3), torch.tensor([[0], [1]])),
        (np.eye(3), np.array([[0], [1]])),
        ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[0], [1]]),
    ):
        data = load_graph((x, edges, [0, 1, -1]))
        assert torch.equal(data.x, torch.eye(3))
        assert data.edge_index.tolist() == [[0, 1], [1, 0]]
        assert data.y.tolist() == [0, 1, -1]
        assert load_graph((x, edges)).y is None


@pytest.mark.parametrize("source", [(torch.eye(3),), {"x": 1}, 3, None])
def test_other_sources_are_refused_with_what_would_work(source: Any) -> None:
    with pytest.raises(SpecError, match=r"(?s)ECO104.*(a PyG graph|torch_geometric)"):
        load_graph(source)


def test_the_callers_graph_is_not_modified() -> None:
    original = triangle()
    original.edge_attr = torch.rand(3, 2)
    before = {key: value.clone() for key, value in original.to_dict().items()}
    load_graph(original, normalize_features="row")
    assert original.to_dict().keys() == before.keys()
    assert all(torch.equal(original[key], value) for key, value in before.items())


def test_missing_reverse_edges_are_added_and_said() -> None:
    data = load_graph(triangle())
    assert data.edge_index.shape == (2, 6)
    assert data.is_undirected()
    assert data.notes == ["made undirected: 3 edges became 6"]


def test_directed_edges_stay_when_asked() -> None:
    data = load_graph(triangle(), undirected=False)
    assert torch.equal(data.edge_index, triangle().edge_index)
    assert data.notes == []


def test_the_largest_weight_of_an_edge_is_kept() -> None:
    data = triangle()
    data.edge_index = torch.tensor([[0, 0, 1, 1], [1, 1, 0, 2]])
    data.edge_weight = torch.tensor([1.0, 3.0, 2.0, 5.0])
    loaded = load_graph(data)
    assert loaded.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert loaded.edge_weight.tolist() == [3, 3, 5, 5]
    assert loaded.notes == [
        "1 duplicate edge merged",
        "made undirected: 3 edges became 4",
        "where an edge had several weights, the largest is kept",
    ]


def test_self_loops_are_kept_and_edge_attributes_that_no_longer_match_are_dropped() -> None:
    data = triangle()
    data.edge_index = torch.tensor([[0, 1], [0, 2]])
    data.edge_attr = torch.rand(2, 4)
    loaded = load_graph(data)
    assert loaded.edge_index.tolist() == [[0, 1, 2], [0, 2, 1]]
    assert loaded.edge_attr is None
    assert "1 self-loop kept" in loaded.notes
    assert any("'edge_attr' dropped" in note for note in loaded.notes)


def test_an_undirected_graph_keeps_the_order_of_its_edges() -> None:
    edges = torch.tensor([[2, 1, 0, 1], [1, 2, 1, 0]])
    data = load_graph((torch.eye(3), edges))
    assert torch.equal(data.edge_index, edges)
    assert data.notes == []


@pytest.mark.parametrize("sparse", [False, True])
def test_rows_are_divided_by_their_sums_of_absolute_values(sparse: bool) -> None:
    x = torch.tensor([[1.0, 3.0], [0.0, 0.0], [-1.0, 1.0]])
    data = load_graph((x.to_sparse() if sparse else x, torch.tensor([[0], [1]])), normalize_features="row")
    assert data.x.is_sparse == sparse
    dense = data.x.to_dense()
    assert torch.equal(dense, torch.tensor([[0.25, 0.75], [0.0, 0.0], [-0.5, 0.5]]))
    assert "features divided by row sums, 1 rows are zero" in data.notes
    if sparse:
        assert data.x.is_coalesced()


def test_an_unknown_normalisation_is_refused() -> None:
    with pytest.raises(SpecError, match="'rows'"):
        load_graph(triangle(), normalize_features="rows")


def test_a_path_is_read_and_named_after_its_file(tmp_path: Path) -> None:
    path = save_npz(triangle(), tmp_path / "tri.npz")
    assert load_graph(str(path)).name == "tri"
    with pytest.raises(SpecError, match=r"ECO103.*'header'"):
        load_graph(path, header=True)


edge_lists = st.integers(1, 8).flatmap(
    lambda n: st.tuples(
        st.just(n),
        st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1), st.integers(0, 9)), max_size=20),
    )
)


@settings(max_examples=60, deadline=None)
@given(edge_lists)
def test_undirected_is_symmetric_without_duplicates_and_idempotent(
    case: tuple[int, list[tuple[int, int, int]]],
) -> None:
    num_nodes, rows = case
    triples = torch.tensor(rows, dtype=torch.int64).reshape(-1, 3)
    data = Data(x=torch.eye(num_nodes), edge_index=triples[:, :2].T, edge_weight=triples[:, 2].float())
    loaded = load_graph(data)
    found = {(int(a), int(b)): float(w) for a, b, w in zip(*loaded.edge_index, loaded.edge_weight, strict=True)}
    expected: dict[tuple[int, int], float] = {}
    for a, b, w in rows:
        for key in ((a, b), (b, a)):
            expected[key] = max(expected.get(key, 0.0), float(w))
    assert len(found) == loaded.edge_index.shape[1]
    assert found == expected
    again = load_graph(loaded)
    assert torch.equal(again.edge_index, loaded.edge_index)
    assert torch.equal(again.edge_weight, loaded.edge_weight)
    assert again.notes == loaded.notes
