"""What eco-gnn registers."""

from __future__ import annotations

import importlib
import subprocess
import sys

import eco_gnn
import pytest
from eco_gnn import plugin

NAMES = ["gcn", "gat", "gatv2", "sage", "gin", "mlp", "sgformer", "polynormer", "h2gcn"]


def test_every_encoder_is_there_with_a_summary_and_a_paper() -> None:
    components = list(plugin.eco_encoders())
    assert [component.name for component in components] == NAMES
    for component in components:
        module, attribute = component.target.split(":")
        assert getattr(importlib.import_module(module), attribute) is getattr(eco_gnn, attribute)
        assert component.summary
        assert "arXiv" in component.paper or component.name == "mlp"
        assert component.paper


def test_it_says_which_plugin_interface_it_was_written_for() -> None:
    assert plugin.eco_api() == ">=1,<2"


def test_listing_imports_no_torch() -> None:
    code = "import sys, eco_gnn.plugin as p; list(p.eco_encoders()); sys.exit('torch' in sys.modules)"
    path = [entry for entry in sys.path if entry]
    done = subprocess.run([sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{code}"], check=False)
    assert done.returncode == 0


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="PNA"):
        _ = eco_gnn.PNA


def test_every_public_name_is_there() -> None:
    assert {type(getattr(eco_gnn, name)).__name__ for name in eco_gnn.__all__} == {"type", "function"}
    assert len(eco_gnn.__all__) == len(NAMES) + 1
