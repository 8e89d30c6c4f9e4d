"""The graph that a data section names: loaded once for the command line and for Python."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch_geometric.data import Data

from eco_core.errors import DataError, SpecError
from eco_core.plan.graph import load_planned
from eco_core.registry.registry import Registry
from eco_core.spec.models import IN_MEMORY, DataSpec

REGISTRY = Registry.discover()
KARATE = DataSpec(name="karate")
SBM = DataSpec.model_validate({"name": "sbm", "num_nodes": 30, "n_blocks": 3, "num_features": 4})
PATH = Data(x=torch.tensor([[1.0, 3.0], [2.0, 2.0], [0.0, 5.0]]), edge_index=torch.tensor([[0, 1], [1, 2]]))


def test_a_section_is_loaded_with_its_parameters() -> None:
    graph, section = load_planned(SBM, REGISTRY)
    assert (graph.num_nodes, graph.x.shape[1]) == (30, 4)
    assert section is SBM


def test_the_section_s_own_name_keeps_its_parameters() -> None:
    graph, section = load_planned(SBM, REGISTRY, "sbm")
    assert graph.num_nodes == 30
    assert section is SBM


def test_another_name_takes_the_preparation_and_drops_the_parameters() -> None:
    planned = DataSpec.model_validate({**SBM.model_dump(), "root": "somewhere", "undirected": False})
    graph, section = load_planned(planned, REGISTRY, "karate")
    assert graph.num_nodes == 34
    assert section == DataSpec(name="karate", root="somewhere", undirected=False)


def test_a_graph_in_memory_is_prepared_as_the_section_says_and_not_modified() -> None:
    section = DataSpec(name="karate", normalize_features="row")
    graph, loaded = load_planned(section, REGISTRY, PATH)
    assert loaded == DataSpec(name=IN_MEMORY, normalize_features="row")
    assert graph.num_edges == 4
    assert torch.equal(graph.x.sum(1), torch.ones(3))
    assert PATH.num_edges == 2
    again, same = load_planned(loaded, REGISTRY, PATH)
    assert torch.equal(again.x, graph.x)
    assert same is loaded


def test_a_path_is_loaded_and_named(tmp_path: Path) -> None:
    file = tmp_path / "graph.pt"
    torch.save({"x": PATH.x, "edge_index": PATH.edge_index}, file)
    for source in (file, str(file)):
        graph, section = load_planned(KARATE, REGISTRY, source)
        assert graph.num_nodes == 3
        assert section.name == str(file)


def test_parameters_that_the_data_set_lacks_are_refused() -> None:
    with pytest.raises(SpecError, match="ECO103"):
        load_planned(DataSpec.model_validate({"name": "karate", "k": 3}), REGISTRY)


def test_a_graph_in_memory_has_to_be_given_again() -> None:
    with pytest.raises(DataError, match=r"(?s)fitted on a graph in memory.*data=.*--data") as caught:
        load_planned(DataSpec(name=IN_MEMORY), REGISTRY)
    assert [problem.code for problem in caught.value.problems] == ["ECO301"]
