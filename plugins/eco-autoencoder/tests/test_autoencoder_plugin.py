"""What eco-autoencoder registers."""

from __future__ import annotations

import importlib
import importlib.resources
from typing import Any

import pytest
import yaml
from eco_autoencoder import plugin


def spec_of(name: str) -> dict[str, Any]:
    recipe = next(recipe for recipe in plugin.eco_recipes() if recipe.name == name)
    package, path = recipe.spec.split(":")
    return yaml.safe_load(importlib.resources.files(package).joinpath(path).read_text(encoding="utf-8"))


def test_gae_recipe_has_the_published_values() -> None:
    spec = spec_of("gae")
    assert spec["objective"] == {"name": "eco-autoencoder:gae"}
    assert spec["strategy"]["train"]["optimizer"]["lr"] == 0.01
    assert spec["overrides"]["cora"]["encoder"] == {"hidden_channels": 32, "num_layers": 2}
    assert spec["overrides"]["photo"]["encoder"] == {"hidden_channels": 256, "num_layers": 1}


def test_vgae_recipe_has_the_published_values() -> None:
    spec = spec_of("vgae")
    train = spec["strategy"]["train"]
    assert (spec["encoder"]["hidden_channels"], spec["encoder"]["num_layers"], spec["encoder"]["act_last"]) == (
        32,
        1,
        True,
    )
    assert spec["objective"] == {"name": "eco-autoencoder:vgae", "latent_channels": 16}
    assert (train["epochs"], train["optimizer"]["lr"]) == (200, 0.001)


@pytest.mark.parametrize("name", ["arga", "argva"])
def test_adversarial_recipes_have_the_published_values(name: str) -> None:
    spec = spec_of(name)
    assert spec["encoder"]["hidden_channels"] == 32
    assert spec["encoder"].get("out_channels", spec["objective"].get("latent_channels")) == 16
    assert spec["objective"]["discriminator_channels"] == [16, 64]
    train = spec["strategy"]["train"]
    assert (train["epochs"], train["optimizer"]["lr"]) == (200, 0.001)


@pytest.mark.parametrize("name", ["vgae", "arga", "argva"])
def test_recipes_without_a_measure_of_quality_keep_their_last_weights(name: str) -> None:
    train = spec_of(name)["strategy"]["train"]
    assert (train["patience"], train["restore_best"]) == (None, False)
