"""What eco-sbm registers, and its recipe."""

from __future__ import annotations

import importlib
import importlib.resources
import subprocess
import sys
from typing import Any

import eco_sbm
import pytest
import yaml
from eco_sbm import plugin

import eco_core as eco


def spec() -> dict[str, Any]:
    (recipe,) = plugin.eco_recipes()
    package, path = recipe.spec.split(":")
    return dict(yaml.safe_load(importlib.resources.files(package).joinpath(path).read_text(encoding="utf-8")))


def test_head_is_there_with_a_summary_and_a_paper() -> None:
    (component,) = plugin.eco_heads()
    module, attribute = component.target.split(":")
    assert component.name == "sbm"
    assert getattr(importlib.import_module(module), attribute) is eco_sbm.SBMClusterHead
    assert component.summary
    assert "T1vdfm1THf" in component.paper


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


def test_it_says_which_plugin_interface_it_was_written_for() -> None:
    assert plugin.eco_api() == ">=1,<2"


def test_listing_imports_no_torch() -> None:
    code = (
        "import sys, eco_sbm.plugin as p; list(p.eco_heads()), list(p.eco_recipes()); sys.exit('torch' in sys.modules)"
    )
    path = [entry for entry in sys.path if entry]
    done = subprocess.run([sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{code}"], check=False)
    assert done.returncode == 0


def test_all_public_names_are_there_and_others_are_attribute_errors() -> None:
    assert all(getattr(eco_sbm, name).__name__ == name for name in eco_sbm.__all__)
    with pytest.raises(AttributeError, match="GCSBM"):
        _ = eco_sbm.GCSBM
