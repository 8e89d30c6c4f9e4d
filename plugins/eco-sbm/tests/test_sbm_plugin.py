"""What eco-sbm registers, and its recipe."""

from __future__ import annotations

import importlib
import importlib.resources
from typing import Any

import pytest
import yaml
from eco_sbm import plugin

import eco_core as eco


def spec() -> dict[str, Any]:
    (recipe,) = plugin.eco_recipes()
    package, path = recipe.spec.split(":")
    return dict(yaml.safe_load(importlib.resources.files(package).joinpath(path).read_text(encoding="utf-8")))


def test_recipe_trains_the_degree_corrected_model_alone_and_from_random_weights() -> None:
    values = spec()
    assert values["head"] == {"name": "eco-sbm:sbm", "variant": "poisson-dc", "eta": 3.0, "alpha": 3.0}
    assert values["objective"] == "none"
    assert values["strategy"]["initialize"] is False
    assert values["strategy"]["joint"]["restore_best"] is True


@pytest.mark.parametrize("variant", ["bernoulli", "poisson", "bernoulli-dc", "poisson-dc", "match"])
def test_recipe_trains_with_every_variant(variant: str) -> None:
    pytest.importorskip("eco_gnn")
    labels = [
        eco.compose(recipe="gcsbm", head={"variant": variant}, epochs=2, clusters=4, seed=seed).fit_predict("karate")
        for seed in (0, 0)
    ]
    assert labels[0].shape == (34,)
    assert (labels[0] == labels[1]).all()
