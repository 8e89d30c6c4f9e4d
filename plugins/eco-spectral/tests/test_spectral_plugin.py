"""What eco-spectral registers."""

from __future__ import annotations

import importlib
import importlib.resources
import subprocess
import sys

import eco_spectral
import pytest
import yaml
from eco_spectral import plugin


def test_head_is_there_with_a_summary_and_a_paper() -> None:
    (component,) = plugin.eco_heads()
    module, attribute = component.target.split(":")
    assert component.name == "mincut"
    assert getattr(importlib.import_module(module), attribute) is eco_spectral.MinCutClusterHead
    assert component.summary
    assert "1907.00481" in component.paper


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


def test_all_public_names_are_there() -> None:
    assert all(getattr(eco_spectral, name).__name__ == name for name in eco_spectral.__all__)


def test_it_says_which_plugin_interface_it_was_written_for() -> None:
    assert plugin.eco_api() == ">=1,<2"


def test_listing_imports_no_torch() -> None:
    listing = "list(p.eco_heads()), list(p.eco_recipes())"
    code = f"import sys, eco_spectral.plugin as p; {listing}; sys.exit('torch' in sys.modules)"
    path = [entry for entry in sys.path if entry]
    done = subprocess.run([sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{code}"], check=False)
    assert done.returncode == 0


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="SpectralClusterHead"):
        _ = eco_spectral.SpectralClusterHead
