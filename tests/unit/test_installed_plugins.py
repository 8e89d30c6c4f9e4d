"""What every installed first-party plugin owes: components that load, documentation, papers, and a light import."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from importlib.metadata import version

import pytest

import eco_core
from eco_core.registry import Registry
from eco_core.registry.records import HOOKS, Component, Recipe
from eco_core.registry.registry import Entry
from eco_core.spec.recipes import read_recipe
from tests.first_party import FIRST_PARTY

REGISTRY = Registry.discover()
PACKAGES = [name for name in FIRST_PARTY if name.replace("_", "-") in {e.distribution for e in REGISTRY.entries()}]
ENTRIES = [entry for entry in REGISTRY.entries() if entry.distribution.replace("-", "_") in PACKAGES]
PARTS = [entry for entry in ENTRIES if entry.kind in ("encoder", "head", "objective", "strategy")]
RECIPES = [entry for entry in ENTRIES if entry.kind == "recipe"]
WITHOUT_PAPER = {("eco-nonparametric", "embedding")}  # A table of vectors: nobody published it.


@pytest.mark.parametrize("entry", PARTS, ids=lambda entry: entry.id)
def test_every_part_loads_and_is_documented(entry: Entry) -> None:
    part = entry.load()
    assert isinstance(entry.item, Component)
    package, attribute = entry.item.target.partition(".")[0], entry.item.target.rpartition(":")[2]
    assert inspect.getdoc(part)
    assert entry.item.summary
    assert getattr(importlib.import_module(package), attribute) is part


@pytest.mark.parametrize("entry", PARTS + RECIPES, ids=lambda entry: entry.id)
def test_every_part_and_recipe_names_its_paper(entry: Entry) -> None:
    assert isinstance(entry.item, Component | Recipe)
    assert bool(entry.item.paper) != ((entry.distribution, entry.name) in WITHOUT_PAPER)


@pytest.mark.parametrize("entry", RECIPES, ids=lambda entry: entry.id)
def test_every_recipe_composes_and_names_its_parts_in_full(entry: Entry) -> None:
    eco_core.compose(recipe=entry.id, clusters=4)  # Raises CompositionError for a recipe that is not valid.
    spec, _ = read_recipe(entry.id, REGISTRY)
    parts = [spec[kind] for kind in ("encoder", "objective", "head", "strategy")]
    assert all(part == "none" or ":" in part["name"] for part in parts)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_can_be_imported_and_no_other(package: str) -> None:
    module = importlib.import_module(package)
    assert set(module.__all__) <= set(dir(module))
    assert all(inspect.getdoc(getattr(module, name)) for name in module.__all__)
    with pytest.raises(AttributeError, match="NoSuchName"):
        _ = module.NoSuchName


@pytest.mark.parametrize("package", ["eco_core", *PACKAGES])
def test_the_version_of_the_package_is_that_of_its_distribution(package: str) -> None:
    assert importlib.import_module(package).__version__ == version(package.replace("_", "-"))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_plugin_states_the_interface_that_it_was_written_for(package: str) -> None:
    assert importlib.import_module(f"{package}.plugin").eco_api() == ">=1,<2"


def test_listing_what_plugins_register_imports_nothing_heavy() -> None:
    hooks = sorted({hook for hook, _ in HOOKS.values()})
    code = f"""
import importlib, sys
for package in {PACKAGES!r}:
    plugin = importlib.import_module(package + ".plugin")
    for hook in {hooks!r}:
        list(getattr(plugin, hook, list)())
print(sorted({{"torch", "scipy", "leidenalg", "infomap", "numba"}} & set(sys.modules)))
"""
    path = [entry for entry in sys.path if entry]
    code = f"import sys; sys.path[:0] = {path!r}\n{code}"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
