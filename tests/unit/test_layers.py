"""The layers of a run: defaults < recipe < its overrides < spec < flags < ``--set``, and changes of component."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn

from eco_core import BaseClusterHead, StageOptions
from eco_core.errors import CompositionError, SpecError
from eco_core.parts.stages import OptimizerSpec
from eco_core.plan.plan import make_plan
from eco_core.registry.hookspecs import Recipe
from eco_core.registry.registry import Entry, Registry
from eco_core.spec.assemble import assemble
from eco_core.spec.components import default_objective
from eco_core.spec.files import parse_spec
from eco_core.spec.merge import DEFAULTS
from eco_core.spec.overrides import parse_override
from eco_core.spec.recipes import part_names, read_recipe
from tests.registries import component, core_and


class Wide(nn.Module):
    learns = True

    def __init__(self, in_channels: int, width: int = 4, depth: int = 1, act: str = "relu") -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x


class Sloped(nn.Module):
    learns = True

    def __init__(self, in_channels: int, width: int = 5, slope: float = 0.1) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x


class Rebuild(nn.Module):
    def __init__(self, weight: float = 1.0, ratio: float = 1.0) -> None:
        super().__init__()

    def forward(self, z: Tensor) -> Tensor:
        return z.mean()


class OpenHead(BaseClusterHead):
    def __init__(self, n_clusters: int, **options: Any) -> None:
        super().__init__()

    def fit(self, z: Tensor) -> None: ...

    def cluster(self, z: Tensor, soft: bool = False) -> Tensor:
        return z


class TwoStages:
    trains_head = False

    def __init__(
        self,
        first: StageOptions = StageOptions(epochs=11, optimizer=OptimizerSpec(lr=0.5)),
        second: StageOptions | None = None,
        rounds: int = 1,
    ) -> None: ...

    def stages(self, model: Any) -> list[Any]:
        return []


class OneNumber:
    trains_head = False

    def __init__(self, epochs: int = 9) -> None: ...

    def stages(self, model: Any) -> list[Any]:
        return []


class NoStages:
    trains_head = False

    def stages(self, model: Any) -> list[Any]:
        return []


PARTS = (
    component("encoder", Wide),
    component("encoder", Sloped),
    component("objective", Rebuild),
    component("head", OpenHead),
    component("strategy", TwoStages),
    component("strategy", OneNumber),
    component("strategy", NoStages),
)

METHOD = """
data: {undirected: false}
encoder: {name: wide, width: 10, depth: 2}
objective: {name: rebuild, weight: 2}
head: {name: eco-core:kmeans, n_init: 3}
strategy:
  name: twostages
  first: {epochs: 30, optimizer: {lr: 1e-2}}
clusters: 5
overrides:
  karate:
    encoder: {width: 20}
    strategy: {first: {patience: 7}}
  digits:
    clusters: 10
"""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The core, the parts above, and the recipe ``method``, read from a package as an installed one is."""
    return with_recipe(tmp_path, monkeypatch, METHOD)


def with_recipe(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> Registry:
    package = folder / f"eco_recipes_of_{folder.name}"
    (package / "recipes").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "recipes" / "method.yaml").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    recipe = Entry("recipe", "method", "eco-test", "1.0", Recipe("method", f"{package.name}:recipes/method.yaml"))
    return core_and(*PARTS, recipe)


@pytest.fixture
def resolve(registry: Registry) -> Callable[..., dict[str, Any]]:
    """From layers to the resolved spec."""

    def resolve(**layers: Any) -> dict[str, Any]:
        notes: list[str] = []
        return make_plan(assemble(registry, notes, **layers), registry, notes).resolved()

    return resolve


Resolve = Callable[..., dict[str, Any]]


# ----------------------------------------------------------------------------------------------------- precedence


def test_without_layers_there_are_the_defaults(registry: Registry) -> None:
    assert assemble(registry, []) == DEFAULTS
    assert assemble(registry, []) is not DEFAULTS


def test_a_component_s_defaults_are_below_the_recipe(resolve: Resolve) -> None:
    assert resolve(spec={"encoder": "wide", "objective": "rebuild"})["encoder"]["width"] == 4
    recipe = resolve(recipe="method", spec={"data": "cora"})
    assert recipe["encoder"] == {"name": "wide", "width": 10, "depth": 2, "act": "relu"}
    assert recipe["objective"] == {"name": "rebuild", "weight": 2.0, "ratio": 1.0}
    assert recipe["clusters"] == 5
    assert recipe["data"]["undirected"] is False


def test_a_recipe_keeps_what_it_does_not_say_of_a_stage(resolve: Resolve) -> None:
    stage = resolve(recipe="method", spec={"data": "cora"})["strategy"]["first"]
    assert (stage["epochs"], stage["optimizer"]["lr"], stage["optimizer"]["name"]) == (30, 0.01, "adam")


def test_the_recipe_is_below_its_overrides_for_the_data_set(resolve: Resolve) -> None:
    karate = resolve(recipe="method", spec={"data": "karate"})
    assert (karate["encoder"]["width"], karate["encoder"]["depth"]) == (20, 2)
    assert (karate["strategy"]["first"]["patience"], karate["strategy"]["first"]["epochs"]) == (7, 30)
    assert resolve(recipe="method")["clusters"] == 10


def test_the_overrides_are_below_the_spec(resolve: Resolve) -> None:
    spec = {"data": "karate", "encoder": {"width": 30}}
    assert resolve(recipe="method", spec=spec)["encoder"]["width"] == 30


def test_the_spec_is_below_the_flags(resolve: Resolve) -> None:
    spec = {"encoder": {"name": "wide", "width": 30}, "objective": "rebuild", "clusters": 3, "seed": 1}
    resolved = resolve(spec=spec, flags={"encoder": "sloped", "clusters": 4})
    assert (resolved["encoder"]["name"], resolved["encoder"]["width"]) == ("sloped", 30)
    assert (resolved["clusters"], resolved["seed"]) == (4, 1)


def test_the_flags_are_below_set(resolve: Resolve) -> None:
    flags = {"encoder": "wide", "objective": "rebuild", "clusters": 4}
    resolved = resolve(flags=flags, overrides=["encoder.width=40", "clusters=6"])
    assert (resolved["encoder"]["width"], resolved["clusters"]) == (40, 6)


def test_a_later_set_wins(resolve: Resolve) -> None:
    flags = {"encoder": "wide", "objective": "rebuild"}
    resolved = resolve(flags=flags, overrides=["encoder.width=40", "encoder.width=50", "encoder.depth=2"])
    assert (resolved["encoder"]["width"], resolved["encoder"]["depth"]) == (50, 2)


def test_an_absent_section_changes_nothing(resolve: Resolve) -> None:
    assert resolve(spec={"encoder": None, "head": None, "strategy": None, "data": None, "clusters": None}) == resolve()


def test_layers_are_left_as_they_are(registry: Registry) -> None:
    spec = {"encoder": {"name": "wide"}, "data": {"name": "karate"}, "train": {"precision": "32"}}
    flags = {"encoder": {"width": 3}}
    assemble(registry, [], recipe="method", spec=spec, flags=flags, overrides=["encoder.depth=3"], epochs=4)
    assert spec == {"encoder": {"name": "wide"}, "data": {"name": "karate"}, "train": {"precision": "32"}}
    assert flags == {"encoder": {"width": 3}}


# ------------------------------------------------------------------------------------------------------- the data


@pytest.mark.parametrize(
    "layers",
    [
        {"spec": {"data": "karate"}},
        {"spec": {"data": {"name": "karate"}}},
        {"flags": {"data": {"name": "karate", "root": "somewhere"}}},
        {"overrides": ["data=karate"]},
        {"overrides": ["data.name=karate"]},
        {"spec": {"data": "cora"}, "flags": {"data": {"name": "karate"}}},
        {"spec": {"data": "digits"}, "flags": {"data": "cora"}, "overrides": ["data.name=karate"]},
        {"flags": {"data": "eco-core:karate"}},
    ],
)
def test_wherever_the_data_set_is_named_its_overrides_are_taken(resolve: Resolve, layers: dict[str, Any]) -> None:
    resolved = resolve(recipe="method", **layers)
    assert resolved["encoder"]["width"] == 20
    assert resolved["clusters"] == 5
    assert resolved["data"]["name"].endswith("karate")
    assert resolved["data"]["undirected"] is False


def test_data_given_by_path_take_no_overrides(resolve: Resolve, tmp_path: Path) -> None:
    path = str(tmp_path / "graph.npz")
    resolved = resolve(recipe="method", flags={"data": {"name": path}})
    assert resolved["data"]["name"] == path
    assert (resolved["encoder"]["width"], resolved["clusters"]) == (10, 5)


def test_another_data_set_keeps_the_preparation_and_drops_what_was_the_other_s_alone(registry: Registry) -> None:
    notes: list[str] = []
    spec = {"data": {"name": "sbm", "num_nodes": 50, "undirected": False, "normalize_features": "row", "root": "here"}}
    joined = assemble(registry, notes, spec=spec, flags={"data": {"name": "karate"}})
    assert joined["data"] == {
        "name": "karate",
        "undirected": False,
        "normalize_features": "row",
        "root": "here",
    }
    assert notes == ["data.num_nodes: left out, because data set sbm was replaced."]
    assert assemble(registry, [], spec=spec, flags={"data": {"name": "sbm"}})["data"]["num_nodes"] == 50


# ---------------------------------------------------------------------------------------------- another component


def test_another_component_keeps_what_both_declare_drops_the_rest_and_says_which(registry: Registry) -> None:
    notes: list[str] = []
    joined = assemble(registry, notes, recipe="method", spec={"data": "cora"}, flags={"encoder": "sloped"})
    assert joined["encoder"] == {"name": "sloped", "width": 10}
    assert notes == ["sloped has no encoder.depth: left out."]


def test_parameters_given_with_the_new_name_win(registry: Registry) -> None:
    spec = {"data": "cora", "encoder": {"name": "sloped", "width": 1, "slope": 0.5}}
    joined = assemble(registry, [], recipe="method", spec=spec)
    assert joined["encoder"] == {"name": "sloped", "width": 1, "slope": 0.5}


def test_a_component_given_as_a_class_keeps_what_it_declares(registry: Registry) -> None:
    notes: list[str] = []
    joined = assemble(registry, notes, recipe="method", spec={"data": "cora"}, flags={"encoder": Sloped})
    assert joined["encoder"] == {"name": Sloped, "width": 10}
    assert notes == ["Sloped has no encoder.depth: left out."]


def test_an_instance_keeps_nothing(registry: Registry) -> None:
    notes: list[str] = []
    instance = Sloped(3)
    joined = assemble(registry, notes, recipe="method", spec={"data": "cora"}, flags={"encoder": instance})
    assert joined["encoder"] == {"name": instance}
    assert notes == ["Sloped has no encoder.width, encoder.depth: left out."]


def test_the_same_component_by_its_full_and_its_short_name_keeps_everything(registry: Registry) -> None:
    spec = {"head": {"name": "eco-test:openhead", "alpha": 3}}
    for name in ("openhead", "eco-test:openhead", "ECO_test:openhead"):
        notes: list[str] = []
        assert assemble(registry, notes, spec=spec, flags={"head": name})["head"] == {"name": name, "alpha": 3}
        assert notes == []


def test_parameters_without_a_name_are_the_default_component_s(resolve: Resolve) -> None:
    assert resolve(spec={"head": {"n_init": 3}})["head"]["n_init"] == 3


# ----------------------------------------------------------------------------------------------------- objectives


def test_no_objective_can_be_asked_for_in_every_layer(resolve: Resolve) -> None:
    for layers in (
        {"spec": {"objective": None}},
        {"flags": {"objective": None}},
        {"flags": {"objective": "none"}},
        {"overrides": ["objective=none"]},
        {"overrides": ["objective=null"]},
        {"overrides": ["objective.name=none"]},
        {"spec": {"objective": {"name": "none"}}},
    ):
        flags = {"encoder": "eco-core:identity", **layers.pop("flags", {})}  # type: ignore[dict-item]
        assert resolve(recipe="method", flags=flags, **layers)["objective"] == "none"


def test_an_objective_can_be_named_over_none_and_auto(registry: Registry) -> None:
    for below in (None, "none", "auto"):
        joined = assemble(registry, [], spec={"objective": below}, flags={"objective": "rebuild"})
        assert joined["objective"] == {"name": "rebuild"}
    assert assemble(registry, [], spec={"objective": "rebuild"}, flags={"objective": "auto"})["objective"] == "auto"


def test_parameters_over_auto_are_those_of_the_objective_that_auto_chooses(registry: Registry) -> None:
    joined = assemble(registry, [], overrides=["objective.weight=3"])
    assert joined["objective"] == {"name": "gae", "weight": 3}
    with_gae = core_and(
        component("objective", Rebuild, "gae", "eco-autoencoder"), component("objective", Rebuild, "gae")
    )
    joined = assemble(with_gae, [], overrides=["objective.weight=3", "objective.ratio=2"])
    assert joined["objective"] == {"name": "eco-autoencoder:gae", "weight": 3, "ratio": 2}


def test_parameters_over_no_objective_are_told_to_lack_a_name(registry: Registry) -> None:
    joined = assemble(registry, [], flags={"objective": "none"}, overrides=["objective.weight=3"])
    with pytest.raises(CompositionError, match=r"ECO105  objective\.name is required"):
        make_plan(joined, registry)


def test_auto_means_our_own_gae_or_the_only_one() -> None:
    ours = component("objective", Rebuild, "gae", "eco-autoencoder")
    theirs = component("objective", Rebuild, "gae", "eco-a")
    others = component("objective", Rebuild, "gae", "eco-z")
    assert default_objective(core_and()) is None
    assert default_objective(core_and(theirs)) == "eco-a:gae"
    assert default_objective(core_and(theirs, others)) is None
    assert default_objective(core_and(theirs, ours, others)) == "eco-autoencoder:gae"


# --------------------------------------------------------------------------------------------------------- epochs


def test_epochs_are_those_of_every_stage(resolve: Resolve) -> None:
    strategy = resolve(recipe="method", spec={"data": "cora"}, epochs=2)["strategy"]
    assert (strategy["first"]["epochs"], strategy["second"]["epochs"]) == (2, 2)
    assert strategy["first"]["optimizer"]["lr"] == 0.01
    assert resolve(epochs=0)["strategy"]["train"]["epochs"] == 0


def test_epochs_change_nothing_else_of_a_stage(resolve: Resolve) -> None:
    for name in ("decoupled", "joint"):
        flags = {"strategy": name, "head": OpenHead if name == "decoupled" else Trained}
        before, after = resolve(flags=flags)["strategy"], resolve(flags=flags, epochs=3)["strategy"]
        for stage in ("train", "pretrain", "joint"):
            if stage in before:
                assert after[stage] == {**before[stage], "epochs": 3}


class Trained(BaseClusterHead):
    def forward(self, z: Tensor) -> Tensor:
        return z.mean()

    def cluster(self, z: Tensor, soft: bool = False) -> Tensor:
        return z


def test_epochs_of_a_stage_by_set_win_over_those_of_all(resolve: Resolve) -> None:
    overrides = ["strategy.second.epochs=8"]
    strategy = resolve(recipe="method", spec={"data": "cora"}, epochs=2, overrides=overrides)["strategy"]
    assert (strategy["first"]["epochs"], strategy["second"]["epochs"]) == (2, 8)


def test_epochs_are_above_spec_and_recipe(resolve: Resolve) -> None:
    spec = {"strategy": {"first": {"epochs": 99}}}
    assert resolve(recipe="method", spec=spec, epochs=2)["strategy"]["first"]["epochs"] == 2


def test_epochs_of_a_strategy_chosen_by_set(registry: Registry) -> None:
    notes: list[str] = []
    joined = assemble(registry, notes, epochs=2, overrides=["strategy=twostages"])
    assert joined["strategy"] == {"name": "twostages", "first": {"epochs": 2}, "second": {"epochs": 2}}
    assert notes == []


def test_a_strategy_may_have_a_number_of_epochs_of_its_own(resolve: Resolve) -> None:
    assert resolve(flags={"strategy": "onenumber"}, epochs=2)["strategy"]["epochs"] == 2


def test_a_strategy_without_stages_has_no_epochs_to_set(registry: Registry) -> None:
    for strategy in ("nostages", NoStages, NoStages()):
        with pytest.raises(SpecError) as caught:
            assemble(registry, [], flags={"strategy": strategy}, epochs=2)
        (problem,) = caught.value.problems
        assert problem.code == "ECO103"
        assert "nostages" in problem.message.lower()
        assert "--epochs" in problem.fix


def test_an_unknown_strategy_is_left_to_the_check(registry: Registry) -> None:
    joined = assemble(registry, [], flags={"strategy": "jont", "encoder": "wdie"}, epochs=2)
    with pytest.raises(CompositionError, match=r"encoder 'wdie'[\s\S]*strategy 'jont'"):
        make_plan(joined, registry)


# ---------------------------------------------------------------------------------------------------- text to layers


@pytest.mark.parametrize(
    ("text", "layer"),
    [
        ("head.alpha=2.0", {"head": {"alpha": 2.0}}),
        ("strategy.pretrain.optimizer.lr=1e-3", {"strategy": {"pretrain": {"optimizer": {"lr": 0.001}}}}),
        ("encoder.widths=[1, 2]", {"encoder": {"widths": [1, 2]}}),
        ("clusters=7", {"clusters": 7}),
        ("clusters=auto", {"clusters": "auto"}),
        (" seed = 3", {"seed": 3}),
        ("data.name=a=b", {"data": {"name": "a=b"}}),
        ("head={name: dec, alpha: 2}", {"head": {"name": "dec", "alpha": 2}}),
        ("schema=1", {"schema": 1}),
    ],
)
def test_an_override_is_read_as_yaml(text: str, layer: dict[str, Any]) -> None:
    assert parse_override(text) == layer


@pytest.mark.parametrize("text", ["head.alpha", "=3", ".alpha=3", "head.=3", "head..alpha=3", "", " =1"])
def test_what_is_no_key_and_value_is_refused(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_override(text)
    (problem,) = caught.value.problems
    assert problem.code == "ECO107"
    assert repr(text) in problem.message
    assert "--set head.alpha=2.0" in problem.fix


def test_an_unknown_section_is_refused_with_a_suggestion() -> None:
    with pytest.raises(SpecError, match=r"ECO103  --set haed.alpha=2: [\s\S]*'haed'[\s\S]*Did you mean 'head'"):
        parse_override("haed.alpha=2")


def test_a_value_that_is_no_yaml_is_refused() -> None:
    with pytest.raises(SpecError, match=r"ECO106  --set head\.alpha=\[1 is not valid YAML"):
        parse_override("head.alpha=[1")


def test_all_overrides_that_cannot_be_read_are_told_together(registry: Registry) -> None:
    with pytest.raises(SpecError) as caught:
        assemble(registry, [], overrides=["alpha", "haed.alpha=2", "head.alpha=[", "clusters=3"])
    assert [problem.code for problem in caught.value.problems] == ["ECO107", "ECO103", "ECO106"]


def test_a_spec_is_a_mapping() -> None:
    assert parse_spec("", "spec.yaml") == {}
    assert parse_spec("clusters: 3", "spec.yaml") == {"clusters": 3}
    for text in ("- 1", "gat", "3"):
        with pytest.raises(SpecError, match=r"ECO106  spec.yaml holds (list|str|int); a spec is a mapping"):
            parse_spec(text, "spec.yaml")


def test_a_recipe_is_read_with_its_overrides(registry: Registry) -> None:
    spec, overrides = read_recipe("method", registry)
    assert "overrides" not in spec
    assert spec["clusters"] == 5
    assert set(overrides) == {"karate", "digits"}
    assert read_recipe("eco-core:kmeans", registry)[1] == {}


@pytest.mark.parametrize("text", ["overrides: 3", "overrides: [cora]", "overrides: {cora: 3}"])
def test_overrides_that_are_no_mapping_are_told_with_their_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    broken = with_recipe(tmp_path, monkeypatch, text)
    with pytest.raises(SpecError, match=r"ECO106 .* recipe eco-test:method"):
        assemble(broken, [], recipe="method")


def test_an_unknown_recipe_is_told_with_a_suggestion(registry: Registry) -> None:
    with pytest.raises(SpecError, match=r"ECO101  There is no recipe 'methd'.[\s\S]*Did you mean 'method'"):
        assemble(registry, [], recipe="methd")


def test_the_parts_of_a_recipe_are_those_it_names_and_the_defaults() -> None:
    assert part_names({"head": {"n_init": 3}, "encoder": "gat", "objective": {"name": "gae"}}) == {
        "encoder": "gat",
        "objective": "gae",
        "head": "eco-core:kmeans",
        "strategy": "eco-core:decoupled",
    }
    assert part_names({"objective": None})["objective"] == "none"
