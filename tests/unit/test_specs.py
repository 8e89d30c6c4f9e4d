"""Specs: unknown keys, invalid values, and their mistakes as sentences that name key, value and fix."""

from __future__ import annotations

from typing import Annotated, Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from eco_core.builtin.strategies import JointStrategy
from eco_core.errors import Problem
from eco_core.inject.parameters import parameter_model
from eco_core.inject.problems import nested_model, parameter_names, problems_of
from eco_core.parts.stages import EarlyStopping, OptimizerSpec, StageOptions
from eco_core.spec.models import RunSpec


def problems(model: type[BaseModel], given: Any, where: str = "") -> list[Problem]:
    with pytest.raises(pydantic.ValidationError) as caught:
        model.model_validate(given)
    return problems_of(caught.value, model, where)


def only_problem(model: type[BaseModel], given: Any, where: str = "") -> Problem:
    (problem,) = problems(model, given, where)
    return problem


def joint(**given: Any) -> Problem:
    return only_problem(parameter_model(JointStrategy), given, "strategy")


# ------------------------------------------------------------------------------------------------------- the spec


def test_an_empty_spec_is_k_means_on_the_features_of_digits() -> None:
    spec = RunSpec()
    assert (spec.data.name, spec.encoder.name, spec.objective, spec.head.name, spec.strategy.name) == (
        "digits",
        "identity",
        "auto",
        "kmeans",
        "decoupled",
    )
    assert (spec.clusters, spec.seed, spec.version) == (None, 0, 1)


def test_an_unknown_key_is_refused_with_a_suggestion() -> None:
    problem = only_problem(RunSpec, {"clustres": 3})
    assert problem == Problem("ECO103", "the spec has no parameter 'clustres'.", "Did you mean 'clusters'?")


def test_an_unknown_key_within_a_section_names_the_section() -> None:
    problem = only_problem(RunSpec, {"train": {"bach": "full"}})
    assert problem == Problem("ECO103", "train has no parameter 'bach'.", "Did you mean 'batch'?")


def test_a_key_that_is_no_text_is_refused() -> None:
    assert only_problem(RunSpec, {1: 2}).message == "the spec has no parameter '1'."
    assert only_problem(RunSpec, {"encoder": {"name": "gat", 3: 4}}).message == "encoder has no parameter '3'."


def test_unknown_keys_of_stages_and_their_optimisers_are_refused_with_what_there_is() -> None:
    problem = joint(pretrain={"epoch": 3})
    assert problem == Problem("ECO103", "strategy.pretrain has no parameter 'epoch'.", "Did you mean 'epochs'?")
    problem = joint(pretrain={"optimizer": {"rl": 0.1}})
    assert problem.message == "strategy.pretrain.optimizer has no parameter 'rl'."
    assert problem.fix == "Known here: lr, momentum, name, weight_decay."


@pytest.mark.parametrize(("value", "read"), [(1, 1), (7, 7), ("7", 7), ("auto", "auto"), (None, None)])
def test_a_number_of_clusters_auto_or_none_is_accepted(value: Any, read: Any) -> None:
    assert RunSpec(clusters=value).clusters == read


@pytest.mark.parametrize("value", [0, -1, "0"])
def test_no_clusters_at_all_are_refused(value: Any) -> None:
    problem = only_problem(RunSpec, {"clusters": value})
    assert problem.code == "ECO104"
    assert problem.message == f"clusters is {value!r}: it must be 1 or more, or 'auto'."
    assert "--clusters" in problem.fix


@pytest.mark.parametrize("value", ["seven", 2.5, True, False, [3], {"k": 3}])
def test_what_is_no_number_of_clusters_is_refused_once_naming_the_key(value: Any) -> None:
    problem = only_problem(RunSpec, {"clusters": value})
    assert problem.code == "ECO104"
    assert problem.message.startswith(f"clusters is {value!r}: ")
    assert "'auto'" in problem.message


@pytest.mark.parametrize(
    ("given", "key", "value"),
    [
        ({"seed": -1}, "seed", "-1"),
        ({"seed": 2**32}, "seed", "4294967296"),
        ({"schema": 2}, "schema", "2"),
        ({"normalize_embeddings": "perhaps"}, "normalize_embeddings", "'perhaps'"),
        ({"train": {"precision": 16}}, "train.precision", "16"),
        ({"data": {"normalize_features": "column"}}, "data.normalize_features", "'column'"),
        ({"data": {"undirected": 3}}, "data.undirected", "3"),
        ({"encoder": {"name": 3}}, "encoder.name", "3"),
        ({"objective": {"name": [1]}}, "objective.name", "[1]"),
        ({"objective": 3}, "objective", "3"),
    ],
)
def test_an_invalid_value_is_told_with_its_key(given: dict[str, Any], key: str, value: str) -> None:
    problem = only_problem(RunSpec, given)
    assert problem.code == "ECO104"
    assert problem.message.startswith(f"{key} is {value}: ")
    assert key in problem.fix


def test_precision_may_be_written_as_a_number() -> None:
    assert RunSpec.model_validate({"train": {"precision": 32}}).train.precision == "32"


def test_a_section_that_is_no_mapping_is_told_its_keys() -> None:
    problem = only_problem(RunSpec, {"train": "full"})
    assert (
        problem.message
        == "train is 'full': it should be a mapping with the keys batch, batch_size, fan_out, precision."
    )


def test_a_section_without_its_name_is_told_to_need_one() -> None:
    for section in ("encoder", "head", "strategy", "objective"):
        problem = only_problem(RunSpec, {section: {"alpha": 1}})
        assert problem.code == "ECO105"
        assert problem.message == f"{section}.name is required but not given."
        assert f"--set {section}.name=VALUE" in problem.fix


def test_all_problems_are_told_at_once() -> None:
    given = {"clusters": 0, "seed": "x", "train": {"bach": 1}, "data": {"undirected": "perhaps"}, "colour": "red"}
    found = problems(RunSpec, given)
    assert sorted(problem.code for problem in found) == ["ECO103", "ECO103", "ECO104", "ECO104", "ECO104"]
    text = "\n".join(problem.message for problem in found)
    assert all(key in text for key in ("clusters", "seed", "bach", "data.undirected", "colour"))


def test_long_values_are_shortened() -> None:
    assert len(only_problem(RunSpec, {"train": "x" * 1000}).message) < 200


@given(st.dictionaries(st.sampled_from([*parameter_names(RunSpec), "colour"]), st.integers() | st.text() | st.none()))
def test_any_mistake_becomes_problems_that_name_its_key(given: dict[str, Any]) -> None:
    try:
        RunSpec.model_validate(given)
    except pydantic.ValidationError as error:
        found = problems_of(error, RunSpec)
        assert found
        for problem in found:
            assert problem.code in ("ECO103", "ECO104", "ECO105")
            assert problem.fix
            assert any(key in problem.message for key in given)


# -------------------------------------------------------------------------------------------------- stage options


def test_an_optimiser_without_momentum_refuses_one() -> None:
    problem = joint(joint={"optimizer": {"momentum": 0.9}})
    assert problem.code == "ECO104"
    assert problem.message.startswith("strategy.joint.optimizer is ")
    assert "'adam' has no momentum; use sgd or rmsprop" in problem.message
    assert OptimizerSpec(name="sgd", momentum=0.9).momentum == 0.9


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"epochs": -1}, "epochs"),
        ({"epochs": 2.5}, "epochs"),
        ({"patience": 0}, "patience"),
        ({"clip_norm": 0}, "clip_norm"),
        ({"optimizer": {"lr": 0}}, "optimizer.lr"),
        ({"optimizer": {"name": "adm"}}, "optimizer.name"),
        ({"optimizer": {"name": "sgd", "momentum": 1}}, "optimizer.momentum"),
        ({"optimizer": "adam"}, "optimizer"),
    ],
)
def test_an_invalid_stage_option_is_told_with_its_whole_key(given: dict[str, Any], key: str) -> None:
    problem = joint(pretrain=given)
    assert problem.code == "ECO104"
    assert problem.message.startswith(f"strategy.pretrain.{key} is ")
    assert f"--set strategy.pretrain.{key}=VALUE" in problem.fix


def test_stages_stop_early_where_patience_or_the_best_weights_are_wanted() -> None:
    assert StageOptions(patience=None, restore_best=False).early_stopping() is None
    assert StageOptions(patience=5, restore_best=False).early_stopping() == EarlyStopping(5, restore_best=False)
    assert StageOptions().early_stopping() == EarlyStopping(None, restore_best=True)


# -------------------------------------------------------------------------------------- paths through annotations


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    p: Annotated[float, Field(ge=0, le=1)] = 0.5


class View:
    def __init__(self, p: Annotated[float, Field(ge=0, le=1)] = 0.2, seed: int = 0) -> None: ...


class Pair:
    def __init__(self, first: View, scale: float = 1.0) -> None: ...


def checked(value: Any) -> Any:
    return value


class Deep:
    def __init__(
        self,
        view: View | None = None,
        views: list[View] | None = None,
        pair: Pair | None = None,
        either: int | View | None = None,
        widths: int | list[int] = 3,
        options: dict[str, float] | None = None,
        by_name: dict[str, View] | float = 1.0,
        inner: Annotated[Inner | int, pydantic.BeforeValidator(checked)] = 3,
        many: tuple[Inner, ...] = (),
        fixed: tuple[int, Inner] | None = None,
        n_clusters: int = 3,
    ) -> None: ...


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"view": {"p": 3}}, "view.p"),
        ({"views": [{}, {"p": "x"}]}, "views.1.p"),
        ({"pair": {"first": {"p": -1}}}, "pair.first.p"),
        ({"either": {"p": 3}}, "either.p"),
        ({"either": "x"}, "either"),
        ({"widths": "x"}, "widths"),
        ({"widths": [1, "x"]}, "widths.1"),
        ({"options": {"a": "x"}}, "options.a"),
        ({"by_name": {"a": {"p": 3}}}, "by_name.a.p"),
        ({"inner": {"p": 3}}, "inner.p"),
        ({"inner": "x"}, "inner"),
        ({"many": [{}, {"p": 3}]}, "many.1.p"),
        ({"fixed": [1, {"p": 3}]}, "fixed.1.p"),
        ({"view": 3}, "view"),
        ({"views": {"p": 1}}, "views"),
    ],
)
def test_the_key_of_a_mistake_has_no_tags_of_unions(given: dict[str, Any], key: str) -> None:
    problem = only_problem(parameter_model(Deep), given, "head")
    assert problem.code == "ECO104"
    assert problem.message.startswith(f"head.{key} is ")


@pytest.mark.parametrize(
    ("given", "owner", "fix"),
    [
        ({"view": {"q": 3}}, "head.view", "Known here: p."),
        ({"views": [{}, {"q": 1}]}, "head.views.1", "Known here: p."),
        ({"pair": {"first": {}, "sale": 1}}, "head.pair", "Did you mean 'scale'?"),
        ({"either": {"q": 3}}, "head.either", "Known here: p."),
        ({"by_name": {"a": {"q": 3}}}, "head.by_name.a", "Known here: p."),
        ({"inner": {"q": 3}}, "head.inner", "Known here: p."),
        ({"vew": 3}, "head", "Did you mean 'view' or 'views'?"),
    ],
)
def test_an_unknown_key_is_told_the_keys_of_its_own_owner(given: dict[str, Any], owner: str, fix: str) -> None:
    problem = only_problem(parameter_model(Deep), given, "head")
    assert problem.code == "ECO103"
    assert problem.message.startswith(f"{owner} has no parameter ")
    assert problem.fix == fix


def test_a_key_that_a_nested_class_requires_is_told_by_its_whole_path() -> None:
    problem = only_problem(parameter_model(Deep), {"pair": {"scale": 2}}, "head")
    assert (problem.code, problem.message) == ("ECO105", "head.pair.first is required but not given.")


@pytest.mark.parametrize(
    ("given", "fix"),
    [({"n_clusters": 3}, "--clusters"), ({"view": {"seed": 3}}, "--seed")],
)
def test_a_value_that_the_core_provides_is_told_where_to_set_it(given: dict[str, Any], fix: str) -> None:
    problem = only_problem(parameter_model(Deep), given, "head")
    assert problem.code == "ECO103"
    assert fix in problem.fix


def test_the_model_within_an_annotation_is_found() -> None:
    assert nested_model(StageOptions) is StageOptions
    assert nested_model(StageOptions | None) is StageOptions
    assert nested_model(list[Annotated[StageOptions, "x"]]) is StageOptions
    assert nested_model(int) is None
