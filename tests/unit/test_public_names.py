"""The public names, and that every hook is documented."""

from __future__ import annotations

import dataclasses
import inspect
import pkgutil
from pathlib import Path

import pytest

import eco_core
from eco_core.registry import hookspecs
from eco_core.registry.records import HOOKS

CONTRACT = """
compose run load load_graph Component Recipe Dataset hookimpl Encoder ClusterHead Objective Strategy Stage LossOutput
BaseClusterHead BaseModel TrainableModel ClusteringModel Composition LinearClusterHead BatchRows SampledEdges
label_metrics structure_metrics CompositionError
"""


def test_the_public_names_contain_the_contract() -> None:
    assert set(CONTRACT.split()) <= set(eco_core.__all__)
    assert set(eco_core.__all__) <= set(dir(eco_core))


@pytest.mark.parametrize("name", eco_core.__all__)
def test_every_public_name_can_be_imported_and_is_documented(name: str) -> None:
    value = getattr(eco_core, name)
    if not isinstance(value, type(hookspecs.hookimpl)):
        assert inspect.getdoc(value)


def test_no_public_name_is_that_of_a_module_of_the_package() -> None:
    # Importing eco_core.run would replace the function eco_core.run by the module.
    modules = {module.name for module in pkgutil.iter_modules(eco_core.__path__)}
    assert modules & set(eco_core.__all__) == set()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'compse'"):
        _ = eco_core.compse
    assert not hasattr(eco_core, "torch")


def test_a_star_import_gives_the_public_names() -> None:
    namespace: dict[str, object] = {}
    exec("from eco_core import *", namespace)
    assert set(eco_core.__all__) <= set(namespace)


def test_every_hook_is_documented_and_has_its_kind() -> None:
    hooks = {name: value for name, value in vars(hookspecs).items() if hasattr(value, "eco_spec")}
    assert set(hooks) == {hook for hook, _ in HOOKS.values()} | {"eco_api"}
    for name, hook in hooks.items():
        assert inspect.getdoc(hook), name
        assert not inspect.signature(hook).parameters, name


RECORDS = list(dict.fromkeys(record for _, record in HOOKS.values()))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_field_of_the_records_is_documented(record: type) -> None:
    documentation = inspect.getdoc(record) or ""
    for field in dataclasses.fields(record):
        assert f"{field.name}: " in documentation


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(eco_core.__file__).parent / "py.typed").is_file()
