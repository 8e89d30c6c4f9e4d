"""A run's spec works from anywhere, and says when its data changed or are gone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch_geometric.data import Data

import eco_core as eco
from eco_core.data import save_npz
from eco_core.errors import DataError, EcoWarning
from eco_core.runs.run import run
from eco_core.spec.data_paths import portable_data, resolved_data
from eco_core.spec.files import read_spec

PARTS = {"encoder": "eco-core:identity", "head": "eco-core:kmeans", "clusters": 2, "report": False}


def ring(nodes: int = 8, shift: float = 0.0) -> Data:
    source = torch.arange(nodes)
    x = torch.stack([torch.arange(nodes) < nodes // 2, torch.ones(nodes)], dim=1).float() + shift
    edges = torch.stack([source, (source + 1) % nodes])
    return Data(x=x, edge_index=edges, node_ids=[f"n{number}" for number in range(nodes)])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a graph and a run of it, which is not the current folder."""
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir()
    other.mkdir()
    save_npz(ring(), home / "graph.npz")
    monkeypatch.chdir(home)
    run({**PARTS, "data": {"name": str(home / "graph.npz")}}, out="runs/first")
    monkeypatch.chdir(other)
    return home


def test_a_run_folder_names_its_data_relative_to_itself(place: Path) -> None:
    text = (place / "runs/first/spec.yaml").read_text()
    assert "name: ../../graph.npz\n" in text
    assert str(place) not in text


def test_no_file_of_a_run_folder_tells_where_the_data_lay(place: Path) -> None:
    texts = [path.read_bytes() for path in (place / "runs/first").iterdir()]
    assert texts
    assert not any(str(place).encode() in text for text in texts)


def test_a_spec_runs_again_from_another_folder_and_after_it_moved_with_its_data(place: Path) -> None:
    again = run(place / "runs/first/spec.yaml", out="again")
    assert (again.folder / "assignments.csv").read_bytes() == (place / "runs/first/assignments.csv").read_bytes()
    moved = place.rename(place.with_name("moved"))
    run(moved / "runs/first/spec.yaml", out="moved-again")
    assert eco.load(moved / "runs/first").load_graph().num_nodes == 8


def test_the_spec_of_a_rerun_names_the_same_data(place: Path) -> None:
    again = run(place / "runs/first/spec.yaml", out="deep/er/again")
    third = run(again.folder / "spec.yaml", out="third")
    assert third.model.labels_.tolist() == again.model.labels_.tolist()


def test_other_data_under_the_same_path_are_noticed(place: Path) -> None:
    changed = Data(**{**ring().to_dict(), "node_ids": [f"m{number}" for number in range(8)]})
    for number, graph in enumerate((ring(shift=0.5), changed)):
        save_npz(graph, place / "graph.npz")
        with pytest.warns(EcoWarning, match="data have changed since the run"):
            run(place / "runs/first/spec.yaml", out=f"changed-{number}")


def test_the_log_of_a_rerun_keeps_that_the_data_changed(place: Path) -> None:
    save_npz(ring(shift=0.5), place / "graph.npz")
    with pytest.warns(EcoWarning, match="changed"):
        again = run(place / "runs/first/spec.yaml", out="changed")
    assert "The data have changed" in (again.folder / "log.txt").read_text()


@pytest.mark.filterwarnings("error")
def test_the_same_data_and_data_that_were_asked_for_are_no_change(place: Path) -> None:
    run(place / "runs/first/spec.yaml", out="same")
    save_npz(ring(shift=0.5), place / "other.npz")
    run(place / "runs/first/spec.yaml", flags={"data": {"name": str(place / "other.npz")}}, out="asked")


def test_data_that_are_gone_are_named_with_what_to_do(place: Path) -> None:
    (place / "graph.npz").rename(place / "elsewhere.npz")
    with pytest.raises(DataError, match=r"(?s)ECO301.*are gone.*graph\.npz.*--data PATH"):
        run(place / "runs/first/spec.yaml", out="gone")
    assert not Path("gone").exists()
    run(place / "runs/first/spec.yaml", flags={"data": {"name": str(place / "elsewhere.npz")}}, out="found")


def test_a_saved_model_keeps_the_fingerprint_of_its_data(place: Path) -> None:
    first = place / "runs/first"
    eco.load(first).save("copy")
    prints = [
        json.loads((folder / "environment.json").read_text())["data_fingerprint"] for folder in (first, Path("copy"))
    ]
    assert prints[0] == prints[1] != ""


def test_a_users_spec_may_name_data_beside_itself_or_in_the_current_folder(place: Path) -> None:
    spec = place / "mine.yaml"
    spec.write_text("data: {name: graph.npz}\n")
    assert Path(read_spec(spec)["data"]["name"]) == place / "graph.npz"
    shutil.move(place / "graph.npz", "graph.npz")
    assert read_spec(spec)["data"]["name"] == "graph.npz"


def test_paths_keep_names_of_data_sets_and_absolute_paths(tmp_path: Path) -> None:
    (tmp_path / "cora").mkdir()
    assert resolved_data({"name": "cora", "k": 3}, tmp_path) == {"name": "cora", "k": 3}
    assert resolved_data(str(tmp_path / "x.npz"), Path("elsewhere")) == str(tmp_path / "x.npz")
    assert portable_data({"name": "cora", "root": None}, tmp_path, is_path=False) == {"name": "cora", "root": None}
    assert portable_data({"name": str(tmp_path / "run" / "g")}, tmp_path / "run", is_path=True) == {"name": "./g"}
    assert portable_data({"name": "cora", "root": str(tmp_path)}, tmp_path / "run", is_path=False)["root"] == "./.."
