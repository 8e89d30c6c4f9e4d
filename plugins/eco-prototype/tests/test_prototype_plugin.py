"""What eco-prototype registers."""

from __future__ import annotations

import importlib
import importlib.resources
import subprocess
import sys
from typing import Any

import eco_prototype
import pytest
import yaml
from eco_prototype import plugin

from eco_core import Recipe

COMPONENTS = {
    "dec": eco_prototype.DECClusterHead,
    "dink": eco_prototype.DinkClusterHead,
    "inc": eco_prototype.INCClusterHead,
}


def spec_of(recipe: Recipe) -> dict[str, Any]:
    package, path = recipe.spec.split(":")
    text = importlib.resources.files(package).joinpath(path).read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def recipes() -> dict[str, Recipe]:
    return {recipe.name: recipe for recipe in plugin.eco_recipes()}


def test_heads_are_there_with_a_summary_and_a_paper() -> None:
    heads = {component.name: component for component in plugin.eco_heads()}
    assert set(heads) == set(COMPONENTS)
    for name, component in heads.items():
        module, attribute = component.target.split(":")
        assert getattr(importlib.import_module(module), attribute) is COMPONENTS[name]
        assert component.summary
        assert "20" in component.paper


def test_objective_is_there_with_a_summary_and_a_paper() -> None:
    (component,) = plugin.eco_objectives()
    module, attribute = component.target.split(":")
    assert component.name == "dink"
    assert getattr(importlib.import_module(module), attribute) is eco_prototype.NodeDiscrimination
    assert component.summary
    assert "arXiv" in component.paper


def test_all_public_names_are_there() -> None:
    assert all(getattr(eco_prototype, name).__name__ == name for name in eco_prototype.__all__)


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


def test_it_says_which_plugin_interface_it_was_written_for() -> None:
    assert plugin.eco_api() == ">=1,<2"


def test_listing_imports_no_torch() -> None:
    listing = "list(p.eco_heads()), list(p.eco_objectives()), list(p.eco_recipes())"
    code = f"import sys, eco_prototype.plugin as p; {listing}; sys.exit('torch' in sys.modules)"
    path = [entry for entry in sys.path if entry]
    done = subprocess.run([sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{code}"], check=False)
    assert done.returncode == 0


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="IDEC"):
        _ = eco_prototype.IDEC
