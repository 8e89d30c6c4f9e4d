"""What eco-spectral registers."""

from __future__ import annotations

import importlib
import importlib.resources

import yaml
from eco_spectral import plugin


def test_recipe_is_packaged_and_has_the_published_values() -> None:
    (recipe,) = plugin.eco_recipes()
    package, path = recipe.spec.split(":")
    spec = yaml.safe_load(importlib.resources.files(package).joinpath(path).read_text(encoding="utf-8"))
    stage = spec["strategy"]["joint"]
    assert "1907.00481" in recipe.paper
    assert (stage["epochs"], stage["patience"]) == (1000, 50)
    assert stage["optimizer"] == {"name": "adam", "lr": 0.001, "weight_decay": 0.00001}
    assert (spec["head"]["lam"], spec["head"]["temperature"]) == (1.0, 1.0)
    assert spec["strategy"]["initialize"] is False
    photo = {**spec["encoder"], **spec["overrides"]["photo"]["encoder"]}
    for encoder, width, norm in ((spec["encoder"], 128, None), (photo, 64, "batch")):
        assert (encoder["hidden_channels"], encoder.get("norm")) == (width, norm)
        assert (encoder["num_layers"], encoder["dropout"], encoder["act"]) == (2, 0.5, "selu")
