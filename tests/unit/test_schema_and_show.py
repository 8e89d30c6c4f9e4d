"""``eco schema`` and ``eco show``: what components declare, as JSON Schema and as a page."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import Field
from torch import Tensor, nn

from eco_core.cli.app import main
from eco_core.errors import SpecError
from eco_core.inject.parameters import parameter_model
from eco_core.inject.problems import parameter_names
from eco_core.plan.describe import describe
from eco_core.plan.plan import make_plan
from eco_core.registry.registry import Entry, Registry
from eco_core.spec.assemble import assemble
from eco_core.spec.schema import spec_schema
from tests.registries import component, core_and


class First:
    class View:
        def __init__(self, p: Annotated[float, Field(ge=0, le=1)] = 0.2) -> None: ...


class Second:
    class View:
        def __init__(self, depth: int = 3) -> None: ...


class Encoder(nn.Module):
    """Encodes.

    Args:
        width: How wide.
    """

    learns = True

    def __init__(
        self,
        in_channels: int,
        width: Annotated[int, Field(gt=0, le=512)],
        view: First.View | None = None,
        act: str = "relu",
    ) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x


class Objective(nn.Module):
    def __init__(self, view: Second.View, rate: Annotated[float | None, Field(ge=0)] = None) -> None:
        super().__init__()

    def forward(self, z: Tensor) -> Tensor:
        return z


class Head(nn.Module):
    def __init__(self, n_clusters: int, **options: Any) -> None:
        super().__init__()

    def forward(self, z: Tensor) -> Tensor:
        return z

    def cluster(self, z: Tensor, soft: bool = False) -> Tensor:
        return z


BROKEN = component("encoder", "eco_nowhere:Encoder", "broken", "eco-broken")
BROKEN_HEAD = component("head", "eco_nowhere:Head", "broken", "eco-broken")
REGISTRY = core_and(
    component("encoder", Encoder, "deep", summary="Encodes deeply"),
    component("objective", Objective, "views"),
    component("head", Head, "open"),
    component("head", Head, "kmeans"),
)
ALL = Registry.discover()
IDS = [f"{entry.kind} {entry.id}" for entry in ALL.entries()]


# --------------------------------------------------------------------------------------------------------- schema


def check_schema(document: dict[str, Any]) -> None:
    """Beside the rules for all schemas: every reference leads somewhere, and what is required is declared."""
    Draft202012Validator.check_schema(document)
    for schema in objects(document):
        if isinstance(reference := schema.get("$ref"), str):
            assert reference.removeprefix("#/$defs/") in document["$defs"]
        if isinstance(required := schema.get("required"), list):
            assert set(required) <= set(schema["properties"])


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """All dictionaries within a document."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(inner)


def test_the_schema_is_a_schema() -> None:
    for registry in (REGISTRY, ALL, core_and()):
        document = spec_schema(registry)
        check_schema(document)
        assert json.loads(json.dumps(document)) == document
        assert document["type"] == "object"
        assert document["additionalProperties"] is False
        assert set(document["properties"]) == {
            "schema", "data", "graph", "encoder", "objective", "head", "strategy", "normalize_embeddings", "clusters",
            "train", "seed", "report",
        }  # fmt: skip


def test_the_schema_names_every_component_s_parameters() -> None:
    for registry in (REGISTRY, ALL):
        definitions = spec_schema(registry)["$defs"]
        for kind in ("encoder", "head", "objective", "strategy"):
            for entry in registry.entries(kind):
                declared = parameter_names(parameter_model(entry.load()))
                assert list(definitions[f"{kind}.{entry.id}"]["properties"]) == ["name", *declared]
    assert definitions["head.eco-core:kmeans"]["properties"]["n_init"]["minimum"] == 1


def test_nested_classes_of_the_same_name_are_told_apart() -> None:
    document = spec_schema(REGISTRY)
    views = [f"{kind}.eco-test:{name}.View" for kind, name in (("encoder", "deep"), ("objective", "views"))]
    assert [list(document["$defs"][view]["properties"]) for view in views] == [["p"], ["depth"]]


def test_a_component_that_cannot_be_loaded_is_left_out_of_the_schema() -> None:
    document = spec_schema(core_and(BROKEN))
    check_schema(document)
    assert "encoder.eco-broken:broken" not in document["$defs"]


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"encoder": "deep"},
        {"encoder": {"name": "deep", "width": 4, "view": {"p": 0.5}}},
        {"encoder": {"name": "eco-test:deep", "width": 4, "act": "elu"}, "objective": "auto"},
        {"objective": None},
        {"objective": "none", "data": "cora", "clusters": 3},
        {"objective": {"name": "views", "view": {}, "rate": None}, "data": {"name": "sbm", "num_nodes": 3}},
        {"head": {"name": "open", "anything": [1, "b"]}},
        {"head": {"name": "eco-core:kmeans", "n_init": 2}},
        {"strategy": {"name": "joint", "pretrain": {"epochs": 3, "optimizer": {"name": "sgd", "momentum": 0.5}}}},
    ],
)
def test_specs_are_valid_by_the_schema(spec: dict[str, Any]) -> None:
    Draft202012Validator(spec_schema(REGISTRY)).validate(spec)


@pytest.mark.parametrize(
    "spec",
    [
        {"clustres": 3},
        {"clusters": "seven"},
        {"clusters": 0},
        {"seed": -1},
        {"encoder": "dep"},
        {"encoder": {"name": "dep"}},
        {"encoder": {"name": "deep"}},
        {"encoder": {"name": "deep", "width": 0}},
        {"encoder": {"name": "deep", "width": 4, "depth": 3}},
        {"head": {"name": "eco-core:kmeans", "n_init": 0}},
        # The short name is ambiguous here.
        {"head": "kmeans"},
        {"strategy": {"name": "joint", "pretrain": {"epoch": 3}}},
        {"train": {"precision": "16"}},
        {"schema": 2},
    ],
)
def test_mistakes_are_invalid_by_the_schema(spec: dict[str, Any]) -> None:
    assert not Draft202012Validator(spec_schema(REGISTRY)).is_valid(spec)


@pytest.mark.parametrize("strategy", ["decoupled", "joint"])
def test_a_resolved_spec_is_valid_by_the_schema(strategy: str) -> None:
    flags = {"strategy": strategy, "head": "eco-core:kmeans" if strategy == "decoupled" else "open", "clusters": 3}
    resolved = make_plan(assemble(REGISTRY, [], flags=flags), REGISTRY).resolved()
    Draft202012Validator(spec_schema(REGISTRY)).validate(resolved)


def test_the_schema_is_printed_as_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == spec_schema(ALL)


# ----------------------------------------------------------------------------------------------------------- show


def find(kind: str, name: str) -> dict[str, Any]:
    return describe(REGISTRY.find(kind, name), REGISTRY)


def parameter(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in document["parameters"] if one["name"] == name)


def test_a_component_is_described_with_its_parameters_defaults_and_ranges() -> None:
    document = find("encoder", "deep")
    assert (document["name"], document["kind"], document["id"], document["version"]) == (
        "deep",
        "encoder",
        "eco-test:deep",
        "1.0",
    )
    assert document["summary"] == "Encodes deeply"
    assert document["description"].startswith("Encodes.")
    assert [one["name"] for one in document["parameters"]] == ["width", "view", "act"]
    assert parameter(document, "width") == {
        "name": "width", "type": "integer", "required": True, "default": None, "range": "> 0, <= 512"
    }  # fmt: skip
    assert parameter(document, "act") == {
        "name": "act", "type": "string", "required": False, "default": "relu", "range": ""
    }  # fmt: skip
    assert "View" in parameter(document, "view")["type"]


def test_the_range_of_an_optional_number_is_shown() -> None:
    document = find("objective", "views")
    assert parameter(document, "rate")["range"] == ">= 0"
    assert parameter(document, "rate")["type"] == "number | null"


def test_choices_and_defaults_of_stages_are_shown() -> None:
    backend = parameter(find("head", "eco-core:kmeans"), "backend")
    assert (backend["type"], backend["default"]) == ("auto | sklearn | torch", "auto")
    decoupled = find("strategy", "decoupled")
    assert parameter(decoupled, "train.patience")["default"] == 50
    rate = parameter(decoupled, "train.optimizer.lr")
    assert (rate["type"], rate["default"], rate["range"]) == ("number", 0.01, "> 0")


def test_an_ambiguous_name_is_shown_in_full() -> None:
    document = find("head", "eco-core:kmeans")
    assert document["name"] == "eco-core:kmeans"
    assert document["command"] == "eco compose --head eco-core:kmeans"


def test_papers_are_shown() -> None:
    assert "k-means++" in find("head", "eco-core:kmeans")["paper"]
    assert "k-means++" in find("recipe", "kmeans")["paper"]


def test_a_recipe_is_described_with_its_spec() -> None:
    document = find("recipe", "kmeans")
    assert document["spec"]["head"]["n_init"] == 10
    assert document["overrides"] == {}
    assert document["command"] == "eco compose --recipe kmeans"


def test_a_data_set_is_described_with_size_licence_and_parameters() -> None:
    document = find("dataset", "sbm")
    assert document["size"]
    assert document["licence"]
    assert "num_nodes" in [one["name"] for one in document["parameters"]]
    assert find("dataset", "cora")["classes"] == 7
    assert "root" not in [one["name"] for one in find("dataset", "cora")["parameters"]]


def test_a_metric_is_described_by_its_documentation() -> None:
    document = find("metric", "nmi")
    assert document["description"]
    assert "parameters" not in document


def test_commands_compose_what_they_show() -> None:
    assert find("encoder", "identity")["command"] == "eco compose --encoder identity"
    assert find("objective", "views")["command"] == "eco compose --objective views --encoder deep"
    assert find("head", "open")["command"] == "eco compose --head open --strategy joint"
    assert find("strategy", "joint")["command"] == "eco compose --strategy joint --head eco-test:kmeans"
    assert find("strategy", "decoupled")["command"] == "eco compose --strategy decoupled"
    assert find("dataset", "karate")["command"] == "eco compose --data karate"


def test_a_component_that_cannot_be_loaded_spoils_no_other_page() -> None:
    registry = core_and(BROKEN, BROKEN_HEAD, component("objective", Objective, "views"))
    assert describe(registry.find("objective", "views"), registry)["command"] == "eco compose --objective views"
    assert describe(registry.find("strategy", "joint"), registry)["command"] == "eco compose --strategy joint"
    with pytest.raises(SpecError, match="ECO110"):
        describe(registry.find("encoder", "broken"), registry)


@pytest.mark.parametrize("entry", ALL.entries(), ids=IDS)
def test_everything_that_is_installed_can_be_shown(entry: Entry, capsys: pytest.CaptureFixture[str]) -> None:
    document = describe(entry, ALL)
    assert json.loads(json.dumps(document)) == document
    assert document["id"] == entry.id
    assert document["summary"]
    assert document["command"].startswith("eco compose")
    for one in document.get("parameters", []):
        assert one["type"]
        assert not one["required"]
    assert main(["show", entry.id]) == 0
    page = capsys.readouterr().out
    assert f"command: {document['command']}" in page
    for one in document.get("parameters", []):
        assert one["name"] in page
    assert document.get("paper", "") in page


@pytest.mark.parametrize(
    "entry",
    # Alone, the core has no head that 'joint' could train; see test_with_plugins.
    [e for e in ALL.entries() if e.distribution == "eco-core" and e.name != "joint" and not e.missing],
    ids=lambda entry: f"{entry.kind} {entry.id}",
)
def test_the_command_that_is_shown_works(entry: Entry, capsys: pytest.CaptureFixture[str]) -> None:
    program, *words = shlex.split(describe(entry, ALL)["command"])
    assert program == "eco"
    assert main([*words, "--dry-run"]) == 0
    assert "schema" in capsys.readouterr().out


def test_show_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "eco-core:identity", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "encoder"
    # A name of two kinds is shown twice.
    assert main(["show", "eco-core:kmeans", "--json"]) == 0
    assert [one["kind"] for one in json.loads(capsys.readouterr().out)] == ["head", "recipe"]


def test_show_tells_what_an_unknown_name_may_have_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "identty"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "ECO101" in err
    assert "Did you mean 'identity'" in err
