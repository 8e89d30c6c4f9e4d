"""What eco-autoencoder registers."""

from __future__ import annotations

import importlib
import importlib.resources
import subprocess
import sys
from typing import Any

import eco_autoencoder
import pytest
import yaml
from eco_autoencoder import plugin


def spec_of(name: str) -> dict[str, Any]:
    recipe = next(recipe for recipe in plugin.eco_recipes() if recipe.name == name)
    package, path = recipe.spec.split(":")
    return yaml.safe_load(importlib.resources.files(package).joinpath(path).read_text(encoding="utf-8"))


def test_objectives_are_there_with_a_summary_and_a_paper() -> None:
    components = {component.name: component for component in plugin.eco_objectives()}
    assert set(components) == {"gae", "vgae", "arga", "argva"}
    for name, component in components.items():
        module, attribute = component.target.split(":")
        assert getattr(importlib.import_module(module), attribute) is getattr(eco_autoencoder, name.upper())
        assert component.summary
        assert "arXiv" in component.paper


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


def test_it_says_which_plugin_interface_it_was_written_for() -> None:
    assert plugin.eco_api() == ">=1,<2"


def test_listing_imports_no_torch() -> None:
    code = "import sys, eco_autoencoder.plugin as p; list(p.eco_objectives()); sys.exit('torch' in sys.modules)"
    path = [entry for entry in sys.path if entry]
    done = subprocess.run([sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{code}"], check=False)
    assert done.returncode == 0


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="SIGVAE"):
        _ = eco_autoencoder.SIGVAE
