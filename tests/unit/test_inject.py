"""Signatures as declarations: calls by name, and pydantic models derived from constructors."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional

import pydantic
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field
from torch import nn
from torch_geometric.nn import APPNP, GCN, MLP, GATConv, GCNConv, GraphSAGE

from eco_core.builtin.strategies import DecoupledStrategy, JointStrategy
from eco_core.errors import CompositionError, SpecError
from eco_core.inject.calls import call, call_names, method_names
from eco_core.inject.parameters import PROVIDED, ParameterModel, parameter_model
from eco_core.inject.schema import json_schema
from eco_core.registry.registry import Entry, Registry

if TYPE_CHECKING:
    from nowhere import Unknown  # type: ignore[import-not-found]


# ---------------------------------------------------------------------------------------------------------- calls


class Lazy(Mapping[str, Any]):
    """Names whose values are computed when they are asked for."""

    def __init__(self, **values: Callable[[], Any]) -> None:
        self._values = values
        self.computed: list[str] = []

    def __getitem__(self, name: str) -> Any:
        self.computed.append(name)
        return self._values[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values


def test_a_call_gets_the_arguments_that_it_names() -> None:
    def loss(z: int, epoch: int) -> tuple[int, int]:
        return z, epoch

    assert call(loss, {"x": 1, "z": 2, "epoch": 3}) == (2, 3)


def test_a_call_computes_only_what_it_names() -> None:
    names = Lazy(x=lambda: 1, z=lambda: pytest.fail("z was computed"))
    assert call(lambda x: x, names) == 1
    assert names.computed == ["x"]


def test_methods_modules_and_partial_signatures_are_called_by_name() -> None:
    class Head(nn.Module):
        def forward(self, z: int) -> int:
            return z + 1

        def cluster(self, z: int, soft: bool = False) -> tuple[int, bool]:
            return z, soft

    assert call(Head(), {"z": 1}) == 2
    assert call(Head().cluster, {"z": 1}, soft=True) == (1, True)


def test_a_missing_name_is_told_with_the_function_and_what_there_is() -> None:
    class Head:
        def forward(self, z: int, edges: int, degrees: int) -> None: ...

    with pytest.raises(CompositionError) as caught:
        call(Head().forward, {"z": 1, "edge_index": 2})
    (problem,) = caught.value.problems
    assert problem.code == "ECO203"
    assert "Head.forward" in problem.message
    assert "'edges', 'degrees'" in problem.message
    assert "z, edge_index" in problem.message
    assert "Rename" in problem.fix


def test_of_optional_parameters_only_weights_and_node_ids_are_filled() -> None:
    def forward(x: int, edge_weight: int = 0, n_id: int = 0, epoch: int = 0, z: int = 0) -> tuple[int, ...]:
        return x, edge_weight, n_id, epoch, z

    names = {"x": 1, "edge_weight": 2, "n_id": 3, "epoch": 4, "z": 5}
    assert call(forward, names) == (1, 2, 3, 0, 0)
    assert call(forward, {"x": 1}) == (1, 0, 0, 0, 0)


def test_explicit_arguments_win_and_their_names_are_not_looked_up() -> None:
    names = Lazy(x=lambda: 1, edge_weight=lambda: 2)

    def forward(x: int, edge_weight: int = 0) -> tuple[int, int]:
        return x, edge_weight

    assert call(forward, names, x=7, edge_weight=8) == (7, 8)
    assert names.computed == []
    assert call(lambda new, x: (new, x), {"x": 1}, new=3) == (3, 1)


def test_a_key_error_while_computing_a_value_is_not_taken_for_an_absent_name() -> None:
    def broken() -> Any:
        empty: dict[str, int] = {}
        return empty["inner"]

    with pytest.raises(KeyError, match="inner"):
        call(lambda z: z, Lazy(z=broken))


def test_variadic_parameters_ask_for_nothing() -> None:
    def forward(x: int, *args: int, **kwargs: int) -> tuple[Any, ...]:
        return x, args, kwargs

    assert call(forward, {"x": 1, "args": 2, "kwargs": 3, "y": 4}) == (1, (), {})


def test_methods_of_a_class_and_of_an_instance_ask_for_the_same() -> None:
    class Head(nn.Module):
        def forward(self, z: int, edge_index: int, alpha: float = 1.0) -> None: ...

        @staticmethod
        def free(z: int) -> None: ...

        @classmethod
        def owned(cls, z: int) -> None: ...

    for method, required in (("forward", ("z", "edge_index")), ("free", ("z",)), ("owned", ("z",))):
        assert method_names(Head, method) == method_names(Head(), method)
        assert method_names(Head, method).required == required
    assert call_names(Head()).optional == ("alpha",)


@given(st.sets(st.sampled_from("abcdefgh")), st.sets(st.sampled_from("abcdefgh")))
def test_a_call_succeeds_exactly_when_its_names_are_there(required: set[str], available: set[str]) -> None:
    namespace: dict[str, Any] = {}
    exec(f"def function({', '.join(sorted(required))}): return locals()", namespace)
    names = {name: ord(name) for name in available}
    if required <= available:
        assert call(namespace["function"], names) == {name: ord(name) for name in required}
    else:
        with pytest.raises(CompositionError) as caught:
            call(namespace["function"], names)
        assert all(repr(name) in caught.value.problems[0].message for name in required - available)


# --------------------------------------------------------------------------------------------------- constructors


class View:
    """A class of its own."""

    def __init__(self, p: Annotated[float, Field(ge=0, le=1)] = 0.2, kind: str = "edge", seed: int = 0) -> None:
        self.p, self.kind, self.seed = p, kind, seed


class Pair:
    """A class of its own that has others within."""

    def __init__(self, first: View, second: View | None = None, scale: float = 1.0) -> None:
        self.first, self.second, self.scale = first, second, scale


class Part:
    """Remembers what it was made from."""

    def __init__(self, **given: Any) -> None:
        self.given = given


class Nested(Part):
    def __init__(
        self,
        view: View,
        maybe: Optional[View] = None,  # noqa: UP045 - the old spelling must work, too
        several: list[View] = [],  # noqa: B006
        pair: Pair | None = None,
    ) -> None:
        super().__init__(view=view, maybe=maybe, several=several, pair=pair)


def validated(target: Any, /, **given: Any) -> ParameterModel:
    return parameter_model(target).model_validate(given)


def names_of(target: Any) -> list[str]:
    return [field.alias or "" for field in parameter_model(target).model_fields.values()]


def refused(target: Any, /, **given: Any) -> list[tuple[Any, ...]]:
    """Where pydantic found mistakes."""
    with pytest.raises(pydantic.ValidationError) as caught:
        validated(target, **given)
    return [detail["loc"] for detail in caught.value.errors()]


def unresolved(target: Any) -> list[str]:
    """The messages of the problems with a constructor."""
    with pytest.raises(SpecError) as caught:
        parameter_model(target)
    assert {problem.code for problem in caught.value.problems} == {"ECO108"}
    assert all(problem.fix for problem in caught.value.problems)
    return [problem.message for problem in caught.value.problems]


def test_provided_names_are_not_the_users() -> None:
    class Head(Part):
        def __init__(
            self, in_channels: int, n_features: int, n_clusters: int, num_nodes: int, seed: int, random_state: int,
            alpha: float = 1.0,
        ) -> None:  # fmt: skip
            super().__init__(**{name: value for name, value in locals().items() if name in {*PROVIDED, "alpha"}})

    assert names_of(Head) == ["alpha"]
    assert set(parameter_model(Head).provided) == set(PROVIDED)
    provided = {name: number for number, name in enumerate(PROVIDED)}
    made = validated(Head, alpha=3).construct_target({**provided, "x": 1})
    assert made.given == {**provided, "alpha": 3.0}
    assert refused(Head, n_clusters=3) == [("n_clusters",)]


def test_other_functions_provide_other_names() -> None:
    def dataset(root: str, k: int = 3, seed: int = 0) -> tuple[str, int, int]:
        return root, k, seed

    model = parameter_model(dataset, provided=("root",))
    given = model.model_validate({"k": 4})
    assert given.values() == {"k": 4, "seed": 0}
    assert given.construct_target({"root": "data"}) == ("data", 4, 0)


class OneUnknownProvided:
    def __init__(self, n_clusters: Unknown, alpha: float = 1.0) -> None: ...


class TwoUnknown:
    def __init__(self, n_clusters: int, a: Unknown, b: Literal["x"], c: list[Unknown] | None = None) -> None: ...


class InheritsConstructor(OneUnknownProvided):
    """Has no constructor of its own."""


def test_an_annotation_that_does_not_resolve_does_no_harm_where_the_core_provides_the_value() -> None:
    for target in (OneUnknownProvided, InheritsConstructor):
        assert names_of(target) == ["alpha"]
        assert refused(target, alpha="much") == [("alpha",)]


def test_all_parameters_that_do_not_resolve_are_told_at_once_and_no_other() -> None:
    messages = unresolved(TwoUnknown)
    assert len(messages) == 2
    assert "Parameter 'a' of TwoUnknown" in messages[0]
    assert "'Unknown'" in messages[0]
    assert "Parameter 'c' of TwoUnknown" in messages[1]


def test_without_an_annotation_the_type_is_that_of_the_default() -> None:
    class Head:
        def __init__(self, alpha=1.0, width=3, mode="a", on=True, many=(), free=None, act=torch.relu): ...

    model = validated(Head, alpha=2, width="4", many=[1, "a"], free=[1])
    assert model.values() == {
        "alpha": 2.0, "width": 4, "mode": "a", "on": True, "many": (1, "a"), "free": [1], "act": torch.relu
    }  # fmt: skip
    assert isinstance(model.values()["alpha"], float)
    assert refused(Head, width=2.5, alpha="a", on="perhaps", act=3) == [("alpha",), ("width",), ("on",), ("act",)]


def test_a_required_parameter_without_annotation_takes_anything() -> None:
    class Head:
        def __init__(self, thing): ...

    assert validated(Head, thing=[1]).values() == {"thing": [1]}
    assert refused(Head) == [("thing",)]


def test_an_annotation_that_is_no_type_takes_anything() -> None:
    class Head:
        def __init__(self, act=None, width=3) -> None: ...

    # As people write them: `act: callable`, `width: (int, float)`.
    Head.__init__.__annotations__.update(act=callable, width=(int, float))

    assert validated(Head, act="relu", width=0.5).values() == {"act": "relu", "width": 0.5}


def test_bounds_and_choices_are_kept() -> None:
    class Head:
        def __init__(
            self, alpha: Annotated[float, Field(gt=0)] = 1.0, mode: Literal["row", "none"] = "row", k: int = 1
        ) -> None: ...

    assert refused(Head, alpha=0, mode="column", k=2.5) == [("alpha",), ("mode",), ("k",)]
    assert validated(Head, alpha="1e-3", k=2.0).values() == {"alpha": 0.001, "mode": "row", "k": 2}


def test_a_number_is_accepted_where_text_is_wanted() -> None:
    class Head:
        def __init__(self, label: str = "") -> None: ...

    assert validated(Head, label=7).values() == {"label": "7"}


def test_a_class_of_its_own_is_given_by_its_parameters_or_as_an_instance() -> None:
    model = validated(Nested, view={"p": 0.5}, several=[{"kind": "node"}, {}], pair={"first": {"p": 1}, "scale": 2})
    made = model.construct_target({"seed": 9})
    assert (made.given["view"].p, made.given["view"].kind, made.given["view"].seed) == (0.5, "edge", 9)
    assert made.given["maybe"] is None
    assert [(view.kind, view.seed) for view in made.given["several"]] == [("node", 9), ("edge", 9)]
    assert (made.given["pair"].first.p, made.given["pair"].first.seed, made.given["pair"].scale) == (1.0, 9, 2.0)

    view = View(p=0.9)
    made = validated(Nested, view=view, maybe=view, several=[view, {}], pair=Pair(view)).construct_target({"seed": 9})
    assert made.given["view"] is made.given["maybe"] is made.given["several"][0] is made.given["pair"].first is view
    assert made.given["several"][1].seed == 9


def test_parameters_of_a_nested_class_are_checked_like_its_own() -> None:
    assert {loc[-1] for loc in refused(Nested, view={"q": 1})} >= {"q"}
    assert any(loc[-2:] == ("View", "p") for loc in refused(Nested, view={"p": 3}))
    assert any("scale" in loc for loc in refused(Nested, view={}, pair={"first": {}, "scale": "big"}))
    assert refused(Nested) == [("view",)]


def test_each_build_makes_nested_objects_anew() -> None:
    model = validated(Nested, view={})
    assert model.construct_target({"seed": 1}).given["view"] is not model.construct_target({"seed": 1}).given["view"]


def test_sequences_and_mappings_of_a_class_are_configured_too() -> None:
    class Head(Part):
        def __init__(self, views: Sequence[View], by_name: dict[str, View], two: tuple[View, View]) -> None:
            super().__init__(views=views, by_name=by_name, two=two)

    made = validated(Head, views=[{"p": 0.1}], by_name={"a": {"p": 0.3}}, two=[{}, {"p": 0}]).construct_target({})
    assert made.given["views"][0].p == 0.1
    assert made.given["by_name"]["a"].p == 0.3
    assert [view.p for view in made.given["two"]] == [0.2, 0]


def test_a_class_that_contains_itself_is_given_as_an_instance() -> None:
    class Tree:
        def __init__(self, value: int = 0) -> None: ...

    Tree.__init__.__annotations__["value"] = Tree
    assert "contain Tree again" in unresolved(Tree)[0]


@dataclass
class Options:
    rate: float = 0.1
    steps: int = 3


def test_data_classes_and_pydantic_models_are_taken_as_they_are() -> None:
    class Settings(pydantic.BaseModel):
        depth: int = 1

    class Head(Part):
        def __init__(self, options: Options, settings: Any) -> None: ...

    Head.__init__.__annotations__["settings"] = Settings
    values = validated(Head, options={"rate": 1}, settings={"depth": 4}).values()
    assert values == {"options": Options(1.0, 3), "settings": Settings(depth=4)}


def test_a_default_that_is_a_model_is_completed_by_what_is_given() -> None:
    stage = validated(DecoupledStrategy, train={"epochs": 5}).values()["train"]
    assert (stage.epochs, stage.patience, stage.optimizer.lr) == (5, 50, 0.01)
    stage = validated(JointStrategy, pretrain={"optimizer": {"weight_decay": 1}}).values()["pretrain"]
    assert (stage.epochs, stage.optimizer.lr, stage.optimizer.weight_decay) == (200, 0.01, 1.0)


def test_keyword_arguments_let_extra_keys_through() -> None:
    class Open(Part):
        def __init__(self, alpha: float = 1.0, **options: Any) -> None:
            super().__init__(alpha=alpha, **options)

    model = validated(Open, beta=2, name_of="x")
    assert model.values() == {"alpha": 1.0, "beta": 2, "name_of": "x"}
    assert model.given() == {"beta", "name_of"}
    assert model.construct_target({}).given == {"alpha": 1.0, "beta": 2, "name_of": "x"}
    assert refused(View, beta=2) == [("beta",)]


def test_a_module_without_a_constructor_has_no_parameters() -> None:
    class Plain(nn.Module):
        pass

    class Bare:
        pass

    for cls in (Plain, Bare):
        assert names_of(cls) == []
        assert refused(cls, width=3) == [("width",)]


def test_name_is_reserved() -> None:
    class Head:
        def __init__(self, name: str = "") -> None: ...

    (message,) = unresolved(Head)
    assert "'name'" in message
    assert "reserve" in message


def test_a_constructor_that_cannot_be_read_is_a_coded_error() -> None:
    (message,) = unresolved(dict)
    assert "dict" in message


class OddNames(Part):
    def __init__(
        self, K: int = 3, copy: bool = True, json: str = "a", schema: int = 1, model_config: int = 2, fields: int = 4,
        model_x: float = 1.0, values: int = 5, target: int = 6, given: int = 7, _hidden: int = 8, class_: int = 9,
    ) -> None:  # fmt: skip
        super().__init__(**{key: value for key, value in locals().items() if key not in ("self", "__class__")})


def test_parameters_may_be_called_what_pydantic_calls_its_own() -> None:
    assert names_of(OddNames) == [
        "K", "copy", "json", "schema", "model_config", "fields", "model_x", "values", "target", "given", "_hidden",
        "class_",
    ]  # fmt: skip
    given = dict.fromkeys(names_of(OddNames), 1)
    made = validated(OddNames, **given).construct_target({})
    assert made.given == {**given, "copy": True, "json": "1", "model_x": 1.0}
    assert refused(OddNames, k=3, K_=3, p_K=3) == [("k",), ("K_",), ("p_K",)]


@given(st.text("abcdefghijklmnopqrstuvwxyzK_0", min_size=1).filter(str.isidentifier), st.integers())
def test_any_parameter_name_is_passed_on(name: str, value: int) -> None:
    import keyword

    if keyword.iskeyword(name) or name in (*PROVIDED, "name"):
        return
    namespace: dict[str, Any] = {}
    exec(f"def function({name}=0): return {name}", namespace)
    assert validated(namespace["function"], **{name: value}).construct_target({}) == value


@pytest.mark.parametrize(
    ("layer", "given"),
    [
        (GCNConv, {"out_channels": 4, "improved": True}),
        (GATConv, {"out_channels": 4, "heads": 2, "fill_value": "mean"}),
        (GCN, {"hidden_channels": 8, "num_layers": 2, "act": "elu", "norm": "batch", "jk": "cat"}),
        (GraphSAGE, {"hidden_channels": 8, "num_layers": 2}),
        (APPNP, {"K": 2, "alpha": 0.1}),
        (MLP, {"channel_list": [3, 8, 4], "dropout": 0.5}),
    ],
)
def test_layers_of_pyg_have_a_model_of_their_parameters(layer: type, given: dict[str, Any]) -> None:
    model = validated(layer, **given)
    assert {key: model.values()[key] for key in given} == given
    built = model.construct_target({} if layer is MLP else {"in_channels": 3})
    assert isinstance(built, layer)
    schema = json_schema(parameter_model(layer))
    assert set(given) <= set(schema["properties"])
    assert refused(layer, **{**given, "dropout": "much", "normalize": "perhaps", "heads": "x"})


def test_the_json_schema_of_parameters_that_only_python_can_give_is_left_open() -> None:
    class Head:
        def __init__(
            self, act: Callable[[int], int] = abs, generator: torch.Generator | None = None,
            view: Any = None, k: Annotated[int, Field(ge=2)] = 3, dtype: Any = torch.float32,
        ) -> None: ...  # fmt: skip

    Head.__init__.__annotations__["view"] = View
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda message, *rest: pytest.fail(str(message)))
        schema = json_schema(parameter_model(Head), prefix="head.x.")
    assert json.loads(json.dumps(schema)) == schema
    properties = schema["properties"]
    assert list(properties) == ["act", "generator", "view", "k", "dtype"]
    assert properties["act"]["description"] == "a Python callable"
    assert properties["k"] == {"default": 3, "minimum": 2, "title": "K", "type": "integer"}
    assert {"$ref": "#/$defs/head.x.View"} in properties["view"]["anyOf"]
    assert schema["$defs"]["head.x.View"]["properties"]["p"]["maximum"] == 1
    assert schema["additionalProperties"] is False


# ------------------------------------------------------------------------------------------------- copies and pickles

COMPONENTS = [
    entry for kind in ("encoder", "head", "objective", "strategy") for entry in Registry.discover().entries(kind)
]


def _round_trips(values: ParameterModel) -> list[ParameterModel]:
    return [pickle.loads(pickle.dumps(values)), copy.deepcopy(values), copy.copy(values)]


@pytest.mark.parametrize("entry", COMPONENTS, ids=lambda entry: f"{entry.kind}-{entry.id}")
def test_the_parameters_of_every_component_can_be_pickled_and_copied(entry: Entry) -> None:
    model = entry.parameters
    defaults = {field.alias: field.get_default() for field in model.model_fields.values() if not field.is_required()}
    for chosen in ({}, defaults):
        values = model.model_validate(chosen)
        for again in _round_trips(values):
            assert again == values
            assert again.values() == values.values()
            assert again.given() == values.given() == set(chosen)


def test_a_pickled_nested_model_builds_the_same_object() -> None:
    values = validated(Pair, first={"p": 0.5})
    for again in _round_trips(values):
        assert again.values()["first"].given() == {"p"}
        made = again.construct_target({"seed": 4})
        assert (made.first.p, made.first.kind, made.first.seed, made.second) == (0.5, "edge", 4, None)


def test_extra_parameters_survive_a_pickle() -> None:
    for again in _round_trips(validated(Part, first=1, second=[2, 3])):
        assert again.values() == {"first": 1, "second": [2, 3]}
        assert again.given() == {"first", "second"}


def test_a_pickle_is_read_by_a_process_that_has_derived_nothing() -> None:
    values = parameter_model(JointStrategy).model_validate({"head_weight": 2, "joint": {"epochs": 7}})
    read = "import pickle, sys; v = pickle.load(sys.stdin.buffer); print(v.given(), v.values()['joint'].epochs)"
    done = subprocess.run([sys.executable, "-c", read], input=pickle.dumps(values), capture_output=True, check=True)
    assert done.stdout.decode().strip() in ("{'head_weight', 'joint'} 7", "{'joint', 'head_weight'} 7")


def test_a_pickle_keeps_which_names_are_not_the_users() -> None:
    values = parameter_model(View, provided=("kind",)).model_validate({"seed": 3})
    made = pickle.loads(pickle.dumps(values)).construct_target({"kind": "node", "seed": 5})
    assert (made.kind, made.seed) == ("node", 3)


def test_parameters_of_a_local_class_raise_the_error_of_pickle() -> None:
    class Local:
        def __init__(self, size: int = 1) -> None:
            self.size = size

    values = parameter_model(Local).model_validate({})
    with pytest.raises((pickle.PicklingError, AttributeError), match="Local"):
        pickle.dumps(values)
    assert copy.deepcopy(values) == values


def test_the_model_of_a_class_is_derived_once() -> None:
    assert parameter_model(JointStrategy) is parameter_model(JointStrategy)
    assert parameter_model(JointStrategy) is not parameter_model(JointStrategy, provided=())
