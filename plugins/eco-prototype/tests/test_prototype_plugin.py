"""What eco-prototype registers."""

from __future__ import annotations

import importlib
import importlib.resources
import subprocess
import sys

import eco_prototype
import pytest
import yaml
from eco_prototype import plugin


def test_head_is_there_with_a_summary_and_a_paper() -> None:
    (component,) = plugin.eco_heads()
    module, attribute = component.target.split(":")
    assert component.name == "dec"
    assert getattr(importlib.import_module(module), attribute) is eco_prototype.DECClusterHead
    assert component.summary
    assert "arXiv" in component.paper


def test_daegc_recipe_is_packaged_and_has_the_published_values() -> None:
    (recipe,) = plugin.eco_recipes()
    package, path = recipe.spec.split(":")
    spec = yaml.safe_load(importlib.resources.files(package).joinpath(path).read_text(encoding="utf-8"))
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


def test_it_says_which_plugin_interface_it_was_written_for() -> None:
    assert plugin.eco_api() == ">=1,<2"


def test_listing_imports_no_torch() -> None:
    code = "import sys, eco_prototype.plugin as p; list(p.eco_heads()); sys.exit('torch' in sys.modules)"
    path = [entry for entry in sys.path if entry]
    done = subprocess.run([sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{code}"], check=False)
    assert done.returncode == 0


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="IDEC"):
        _ = eco_prototype.IDEC
