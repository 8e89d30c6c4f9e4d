"""Parts whose modules are not installed: refused when they are planned, before any data are loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

import eco_core as eco
from eco_core.data import load_graph
from eco_core.errors import CompositionError, EcoError, SpecError
from eco_core.plan.describe import describe
from eco_core.registry.hookspecs import Component, Dataset
from eco_core.registry.registry import Entry
from tests.registries import core_and

NEEDY = Entry(
    "head",
    "needy",
    "eco-odd",
    "1.0",
    Component("needy", "eco_core.builtin.kmeans:KMeansClusterHead", requires=("no_such_module_here",), extra="needs"),
)

FAR = Entry(
    "dataset",
    "far",
    "eco-odd",
    "1.0",
    Dataset("far", "no_such_module_here.data:far", requires=("no_such_module_here",), extra="needs"),
)


def test_a_part_whose_modules_are_missing_is_refused_before_the_data_are_loaded(tmp_path: Path) -> None:
    with pytest.raises(CompositionError) as caught:
        eco.run(
            {"head": "needy", "data": str(tmp_path / "not-there.npz")}, registry=core_and(NEEDY), out=tmp_path / "run"
        )
    (problem,) = caught.value.problems
    assert problem.code == "ECO110"
    assert "no_such_module_here" in problem.message
    assert problem.fix == "pip install 'eco-odd[needs]'"
    assert not (tmp_path / "run").exists()


def test_its_description_has_the_command_that_installs_them() -> None:
    document = describe(NEEDY, core_and(NEEDY))
    assert document["missing"] == ["no_such_module_here"]
    assert document["install"] == "pip install 'eco-odd[needs]'"


def test_a_data_set_whose_modules_are_missing_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(EcoError) as planned:
        eco.run({"head": "kmeans", "data": "far"}, registry=core_and(FAR), out=tmp_path / "run")
    with pytest.raises(SpecError) as loaded:
        load_graph("far", registry=core_and(FAR))
    for caught in (planned, loaded):
        (problem,) = caught.value.problems
        assert problem.code == "ECO110"
        assert "data set 'far'" in problem.message
        assert "no_such_module_here" in problem.message
        assert problem.fix == "pip install 'eco-odd[needs]'"
    assert not (tmp_path / "run").exists()
