"""What eco-prototype registers."""

from __future__ import annotations

import importlib
import importlib.resources
from typing import Any

import yaml
from eco_prototype import plugin

from eco_core import Recipe


def spec_of(recipe: Recipe) -> dict[str, Any]:
    package, path = recipe.spec.split(":")
    text = importlib.resources.files(package).joinpath(path).read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def recipes() -> dict[str, Recipe]:
    return {recipe.name: recipe for recipe in plugin.eco_recipes()}


def test_daegc_recipe_is_packaged_and_has_the_published_values() -> None:
    recipe = recipes()["daegc"]
    spec = spec_of(recipe)
    strategy = spec["strategy"]
    assert "1906.06532" in recipe.paper
    assert spec["head"] == {"name": "eco-prototype:dec", "alpha": 1.0, "update_interval": 5}
    assert strategy["head_weight"] == 10.0
    assert (strategy["pretrain"]["epochs"], strategy["pretrain"]["optimizer"]["lr"]) == (200, 0.01)
    assert (strategy["joint"]["epochs"], strategy["joint"]["optimizer"]["lr"]) == (100, 0.001)
    assert strategy["pretrain"]["patience"] == 50
    assert strategy["joint"]["restore_best"] is False
    widths = {
        name: each["encoder"]["hidden_channels"] * each["encoder"]["heads"] for name, each in spec["overrides"].items()
    }
    assert widths == {"cora": 64, "photo": 256}


def test_dinknet_recipe_is_packaged_and_has_the_published_values() -> None:
    recipe = recipes()["dinknet"]
    spec = spec_of(recipe)
    assert "2305.18405" in recipe.paper
    encoder, strategy = spec["encoder"], spec["strategy"]
    assert (encoder["act"], encoder["act_last"], encoder["num_layers"], encoder["dropout"]) == ("prelu", True, 1, 0.0)
    assert spec["objective"]["projector_layers"] == 1
    assert (strategy["pretrain"]["epochs"], strategy["joint"]["epochs"]) == (200, 50)
    assert (strategy["pretrain"]["patience"], strategy["joint"]["patience"]) == (50, 50)
    assert strategy["pretrain"]["optimizer"]["lr"] == 0.001
    published = {"cora": (512, 0.001, 10.0), "photo": (1024, 0.0001, 2.0)}  # width, rate, weight of the discrimination
    assert set(spec["overrides"]) == set(published)
    for name, each in spec["overrides"].items():
        rate, weight = each["strategy"]["joint"]["optimizer"]["lr"], 1 / each["strategy"]["head_weight"]
        assert (each["encoder"]["hidden_channels"], rate, weight) == published[name]
