"""The figures of a graph."""

from __future__ import annotations

import json

import networkx as nx
import pytest
import torch
from torch_geometric.data import Data

from eco_core.data import graph_info, load_graph
from eco_core.errors import DataError


def test_every_figure_of_a_small_graph() -> None:
    data = Data(
        x=torch.tensor([[1.0, 0], [0, 0], [1, 1], [0, 0], [0, 2]]),
        edge_index=torch.tensor([[0, 0, 1, 2], [1, 1, 0, 2]]),
        edge_weight=torch.ones(4),
        y=torch.tensor([0, 1, -1, -1, 1]),
        n_classes=3,
        name="small",
    )
    info = graph_info(data)
    assert json.loads(json.dumps(info)) == info
    assert info == {
        "name": "small",
        "nodes": 5,
        "edges": 4,
        "features": 2,
        "feature_density": 0.4,
        "sparse_features": False,
        "weighted": True,
        "undirected": True,
        "isolated_nodes": 3,
        "self_loops": 1,
        "duplicate_edges": 1,
        "components": 4,
        "average_degree": 0.8,
        "max_degree": 2,
        "labels": True,
        "labelled_nodes": 3,
        "declared_classes": 3,
        "notes": [],
        "columns": [],
    }


def test_a_directed_unlabelled_sparse_graph() -> None:
    data = Data(x=torch.eye(3).to_sparse(), edge_index=torch.tensor([[0, 1], [1, 2]]))
    info = graph_info(data)
    assert not info["undirected"]
    assert info["components"] == 1
    assert info["sparse_features"]
    assert info["feature_density"] == pytest.approx(1 / 3)
    assert not info["labels"]
    assert info["declared_classes"] is None


def test_many_parallel_edges_are_still_one_component() -> None:
    data = Data(x=torch.ones(2, 1), edge_index=torch.tensor([[0] * 256, [1] * 256]))
    assert graph_info(data)["components"] == 1


def test_a_graph_without_edges() -> None:
    info = graph_info(Data(x=torch.ones(3, 1), edge_index=torch.zeros(2, 0, dtype=torch.int64)))
    assert (info["components"], info["max_degree"], info["isolated_nodes"]) == (3, 0, 3)


@pytest.mark.parametrize("seed", range(3))
def test_figures_agree_with_networkx(seed: int) -> None:
    reference = nx.gnm_random_graph(40, 35, seed=seed)
    edges = torch.tensor(list(reference.edges)).T
    info = graph_info(load_graph((torch.ones(40, 1), edges)))
    assert info["edges"] == 2 * reference.number_of_edges()
    assert info["components"] == nx.number_connected_components(reference)
    assert info["isolated_nodes"] == len(list(nx.isolates(reference)))
    assert info["max_degree"] == max(degree for _, degree in reference.degree)


def test_an_invalid_graph_is_refused() -> None:
    with pytest.raises(DataError):
        graph_info(Data(x=torch.ones(3, 1), edge_index=torch.tensor([[0], [3]])))
