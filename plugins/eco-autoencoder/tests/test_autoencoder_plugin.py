"""What eco-autoencoder registers."""

from __future__ import annotations

import importlib
import importlib.resources
import subprocess
import sys

import eco_autoencoder
import pytest
import yaml
from eco_autoencoder import plugin


def test_objective_is_there_with_a_summary_and_a_paper() -> None:
    (component,) = plugin.eco_objectives()
    module, attribute = component.target.split(":")
    assert component.name == "gae"
    assert getattr(importlib.import_module(module), attribute) is eco_autoencoder.GAE
    assert component.summary
    assert "arXiv" in component.paper


def test_recipe_is_packaged_and_has_the_published_values() -> None:
    (recipe,) = plugin.eco_recipes()
    package, path = recipe.spec.split(":")
    spec = yaml.safe_load(importlib.resources.files(package).joinpath(path).read_text(encoding="utf-8"))
    assert spec["objective"] == {"name": "eco-autoencoder:gae"}
    assert spec["strategy"]["train"]["optimizer"]["lr"] == 0.01
    assert spec["overrides"]["cora"]["encoder"] == {"hidden_channels": 32, "num_layers": 2}
    assert spec["overrides"]["photo"]["encoder"] == {"hidden_channels": 256, "num_layers": 1}


def test_it_says_which_plugin_interface_it_was_written_for() -> None:
    assert plugin.eco_api() == ">=1,<2"


def test_listing_imports_no_torch() -> None:
    code = "import sys, eco_autoencoder.plugin as p; list(p.eco_objectives()); sys.exit('torch' in sys.modules)"
    path = [entry for entry in sys.path if entry]
    done = subprocess.run([sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{code}"], check=False)
    assert done.returncode == 0


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="VGAE"):
        _ = eco_autoencoder.VGAE
