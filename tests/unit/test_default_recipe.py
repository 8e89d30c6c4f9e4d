"""A run that names no recipe and no part: the best untrained recipe that is installed, which uses the graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import eco_core as eco
from eco_core.data import load_graph, save_on_disk
from eco_core.registry.registry import Registry
from tests.graphs import blocks
from tests.registries import core_and

WITH_PLUGINS = Registry.discover()
needs_ssgc = pytest.mark.skipif(
    not WITH_PLUGINS.find_any("eco-nonparametric:ssgc"), reason="eco-nonparametric is missing"
)


def parts_of(model: eco.Composition) -> tuple[str, str]:
    return model.spec["encoder"]["name"], model.spec["head"]["name"]


@needs_ssgc
def test_without_a_part_the_graph_is_used_and_a_note_says_how_to_ask_for_another() -> None:
    model = eco.compose(clusters=3, registry=WITH_PLUGINS)
    assert parts_of(model) == ("ssgc", "kmeans")
    assert model.spec["data"]["normalize_features"] == "row"
    (note,) = model.notes_
    assert "ssgc" in note
    assert "--recipe NAME" in note
    assert "recipe=NAME" in note


@needs_ssgc
@pytest.mark.parametrize(
    "layers",
    [
        {"head": {"n_init": 3}},
        {"overrides": ["encoder.K=3"]},
        {"overrides": ["objective=auto"]},
        {"spec": {"data": "karate", "clusters": 2}},
    ],
    ids=str,
)
def test_parameters_and_data_name_no_part(layers: dict[str, Any]) -> None:
    assert parts_of(eco.compose(**layers, registry=WITH_PLUGINS)) == ("ssgc", "kmeans")


@pytest.mark.parametrize(
    "layers",
    [
        {"head": "kmeans"},
        {"recipe": "kmeans"},
        {"strategy": "decoupled"},
        {"objective": None},
        {"overrides": ["head=kmeans"]},
        {"overrides": ["encoder.name=identity"]},
        {"spec": {"encoder": "identity"}},
    ],
    ids=str,
)
def test_k_means_on_the_features_runs_where_it_is_asked_for(layers: dict[str, Any]) -> None:
    model = eco.compose(**layers, registry=WITH_PLUGINS)
    assert parts_of(model) == ("identity", "kmeans")
    assert not [note for note in model.notes_ if "No recipe" in note]


def test_the_core_alone_clusters_the_features_and_says_so() -> None:
    model = eco.compose(clusters=3, registry=core_and())
    assert parts_of(model) == ("identity", "kmeans")
    (note,) = model.notes_
    assert "without the graph" in note
    assert "eco-nonparametric" in note


@needs_ssgc
def test_a_graph_on_disk_keeps_its_features_as_they_were_converted(tmp_path: Path) -> None:
    save_on_disk(load_graph(blocks()), tmp_path / "disk")
    model = eco.compose(clusters=3, registry=WITH_PLUGINS).fit(tmp_path / "disk")
    assert model.labels_.shape == (60,)
    assert model.spec["data"]["normalize_features"] == "none"
