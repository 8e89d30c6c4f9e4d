"""What eco-nonparametric registers, and its commands for those who lack an optional library."""

from __future__ import annotations

import importlib
import importlib.resources
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import eco_nonparametric
import pytest
import yaml
from eco_nonparametric import plugin

from eco_core import Component
from eco_core.cli import main

ENCODERS = {"sgc", "ssgc", "nafs", "sagsc", "s2cag", "ms2cag", "embedding"}
HEADS = {"snem", "spectral", "leiden", "infomap"}
RECIPES = {"sgc", "ssgc", "nafs", "sagsc", "s2cag", "ms2cag", "node2vec", "leiden", "infomap"}


@pytest.mark.parametrize(
    ("hook", "names"),
    [(plugin.eco_encoders, ENCODERS), (plugin.eco_heads, HEADS), (plugin.eco_objectives, {"node2vec"})],
)
def test_every_component_resolves_and_says_what_it_is(hook: Callable[[], Iterable[Component]], names: set[str]) -> None:
    components = list(hook())
    assert {component.name for component in components} == names
    for component in components:
        module, attribute = component.target.split(":")
        cls = getattr(importlib.import_module(module), attribute)
        assert component.summary
        assert cls is getattr(eco_nonparametric, attribute)
        assert cls.__doc__


def test_published_parts_name_their_papers() -> None:
    components = [*plugin.eco_encoders(), *plugin.eco_objectives(), *plugin.eco_heads()]
    assert {component.name for component in components if not component.paper} == {"embedding"}


@pytest.mark.parametrize("recipe", list(plugin.eco_recipes()), ids=lambda recipe: recipe.name)
def test_every_recipe_is_packaged_and_names_its_parts_in_full(recipe: plugin.Recipe) -> None:
    package, path = recipe.spec.split(":")
    spec = yaml.safe_load(importlib.resources.files(package).joinpath(path).read_text(encoding="utf-8"))
    assert recipe.summary
    assert recipe.paper
    assert spec["schema"] == 1
    parts = [spec[kind] for kind in ("encoder", "objective", "head", "strategy")]
    assert all(part == "none" or ":" in part["name"] for part in parts)


def test_recipes_are_those_of_the_issue() -> None:
    assert {recipe.name for recipe in plugin.eco_recipes()} == RECIPES


def test_it_says_which_plugin_interface_it_was_written_for() -> None:
    assert plugin.eco_api() == ">=1,<2"


def test_listing_imports_no_torch() -> None:
    code = (
        "import sys, eco_nonparametric, eco_nonparametric.plugin as p; "
        "list(p.eco_encoders()), list(p.eco_heads()), list(p.eco_objectives()), list(p.eco_recipes()); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'scipy', 'leidenalg', 'infomap')))"
    )
    path = [entry for entry in sys.path if entry]
    done = subprocess.run([sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{code}"], check=False)
    assert done.returncode == 0


def test_all_names_of_the_package_are_classes() -> None:
    assert all(isinstance(getattr(eco_nonparametric, name), type) for name in eco_nonparametric.__all__)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Louvain"):
        _ = eco_nonparametric.Louvain


@pytest.mark.parametrize(("recipe", "library"), [("leiden", "leidenalg"), ("infomap", "infomap")])
def test_missing_library_is_one_message_that_says_what_to_install(
    recipe: str, library: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    out = tmp_path / "run"
    code = main(["compose", "--recipe", recipe, "--out", str(out), "--quiet"])
    printed = capsys.readouterr()
    assert code == 2
    assert f"pip install 'eco-nonparametric[{recipe}]'" in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""
    assert not out.exists()


@pytest.mark.parametrize("name", sorted(HEADS))
def test_show_tells_each_head_s_paper(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", f"eco-nonparametric:{name}"]) == 0
    assert "arXiv" in capsys.readouterr().out
