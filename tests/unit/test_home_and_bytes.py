"""Paths that begin with ``~``, and ids of bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

import eco_core as eco
from eco_core.data import save_npz
from tests.graphs import blocks
from tests.parts import SmallEncoder, Smoothness


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.chdir(tmp_path)


def test_a_tilde_is_the_home_folder_wherever_a_path_is_given() -> None:
    save_npz(blocks(), Path.home() / "graph.npz")
    (Path.home() / "spec.yaml").write_text("{data: ~/graph.npz, head: kmeans, clusters: 3}\n")
    eco.run("~/spec.yaml", out="~/run")
    model = eco.load("~/run")
    model.save("~/saved")
    trained = eco.compose(encoder=SmallEncoder, objective=Smoothness, clusters=3, epochs=60)
    trained.fit("~/graph.npz", checkpoint="~/state.pt")
    trained.fit("~/graph.npz", resume="~/state.pt")
    assert {path.name for path in Path.home().iterdir()} == {"graph.npz", "spec.yaml", "run", "saved", "state.pt"}
    assert not Path("~").exists()


def test_ids_of_bytes_become_text(tmp_path: Path) -> None:
    edge_index = torch.tensor([[0, 1, 2], [1, 2, 0]])
    ids = [b"anna", "bj\u00f6rn".encode(), "ren\u00e9".encode("latin-1")]
    graph = eco.load_graph(Data(x=torch.rand(3, 2), edge_index=edge_index, node_ids=ids))
    assert list(graph.node_ids) == ["anna", "bj\u00f6rn", "ren\u00e9"]
    np.savez(
        tmp_path / "g.npz", x=np.ones((3, 1)), edge_index=edge_index.numpy(), node_ids=np.array([b"a", b"b", b"c"])
    )
    assert list(eco.load_graph(tmp_path / "g.npz").node_ids) == ["a", "b", "c"]
