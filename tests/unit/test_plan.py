"""The check of a composition: every code that it can raise, all problems at once, and specs that re-run."""

from __future__ import annotations

import copy
import enum
import pickle
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch
from pydantic import Field, ValidationError
from torch import Tensor, nn
from torch_geometric.nn import GCN, GCNConv

from eco_core import BaseClusterHead, StageOptions
from eco_core.errors import CompositionError, Problem
from eco_core.model.clusters import number_of_clusters
from eco_core.plan.checks import check_parts
from eco_core.plan.part import Part, plain
from eco_core.plan.plan import Plan, make_plan, needs_clusters
from eco_core.registry.registry import Registry
from eco_core.spec.assemble import assemble
from eco_core.spec.digest import spec_digest
from eco_core.spec.models import DataSpec, RunSpec
from eco_core.spec.python_only import has_python_only
from eco_core.spec.yaml_io import dump_yaml, load_yaml
from tests.registries import component, core_and


class Learner(nn.Module):
    learns = True

    def __init__(self, in_channels: int, width: Annotated[int, Field(gt=0)] = 4) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, width)

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        return self.linear(x)


class Rebuild(nn.Module):
    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()

    def forward(self, encode: Any, graph: Any) -> Tensor:
        return encode(graph).mean()


class Soft(BaseClusterHead):
    """A differentiable head whose centres can be placed."""

    def __init__(self, n_clusters: int, n_features: int, alpha: Annotated[float, Field(gt=0)] = 1.0) -> None:
        super().__init__()

    def forward(self, z: Tensor) -> Tensor:
        return z.mean()

    def cluster(self, z: Tensor, soft: bool = False) -> Tensor:
        return z.argmax(1)

    def reset_cluster_centers(self, centers: Tensor) -> None: ...


class SelfMade(BaseClusterHead):
    """A differentiable head that nobody can place: trained, or random."""

    def forward(self, z: Tensor) -> Tensor:
        return z.mean()

    def cluster(self, z: Tensor, soft: bool = False) -> Tensor:
        return z.argmax(1)


class Finding(nn.Module):
    """A head that finds the number of clusters."""

    def fit(self, z: Tensor) -> None: ...

    def cluster(self, z: Tensor, soft: bool = False) -> Tensor:
        return z.argmax(1)


LEARNER = component("encoder", Learner)
REBUILD = component("objective", Rebuild)
GAE = component("objective", Rebuild, "gae", "eco-autoencoder")
SOFT = component("head", Soft)
SELF_MADE = component("head", SelfMade)
REGISTRY = core_and(LEARNER, REBUILD, SOFT, SELF_MADE)


def plan_of(registry: Registry = REGISTRY, /, **flags: Any) -> Plan:
    notes: list[str] = []
    return make_plan(assemble(registry, notes, flags=flags), registry, notes)


def problems(registry: Registry = REGISTRY, /, **flags: Any) -> list[Problem]:
    with pytest.raises(CompositionError) as caught:
        plan_of(registry, **flags)
    assert caught.value.exit_code == 2
    assert all(problem.fix for problem in caught.value.problems)
    return list(caught.value.problems)


def only_problem(registry: Registry = REGISTRY, /, **flags: Any) -> Problem:
    (problem,) = problems(registry, **flags)
    return problem


def codes(registry: Registry = REGISTRY, /, **flags: Any) -> list[str]:
    return sorted(problem.code for problem in problems(registry, **flags))


# ---------------------------------------------------------------------------------------------- parts, in all forms


def test_the_defaults_make_a_plan() -> None:
    plan = plan_of()
    assert [str(plan.part(kind)).partition(" (")[0] for kind in ("encoder", "head", "strategy")] == [
        "encoder 'identity'",
        "head 'kmeans'",
        "strategy 'decoupled'",
    ]
    assert plan.parts["objective"] is None
    assert plan.rerunnable


def test_a_part_is_a_name_a_class_an_instance_or_a_mapping() -> None:
    instance = Learner(3, 2)
    for encoder in (
        "learner",
        "eco-test:learner",
        Learner,
        instance,
        {"name": "learner", "width": 2},
        {"name": Learner, "width": 2},
    ):
        plan = plan_of(encoder=encoder, objective=Rebuild)
        part = plan.part("encoder")
        assert (part.target is instance) if encoder is instance else (part.target is Learner)
        assert part.is_instance == (encoder is instance)
        assert part.registered == ("learner" in str(encoder) and Learner is not encoder and encoder is not instance)
        if isinstance(encoder, dict):
            assert part.spec()["width"] == 2
        assert part.build({"in_channels": 3}).linear.out_features in (2, 4)


def test_a_part_says_where_it_is_from() -> None:
    assert str(plan_of(encoder="learner", objective="rebuild").part("encoder")) == "encoder 'learner' (eco-test 1.0)"
    given = str(plan_of(encoder=Learner, objective="rebuild").part("encoder"))
    assert given == f"encoder '<{__name__}.Learner>' (given from Python)"


def test_an_instance_takes_no_parameters() -> None:
    problem = only_problem(encoder={"name": Learner(3), "width": 2}, objective="rebuild")
    assert problem.code == "ECO206"
    assert "is an instance, and was given parameters: width" in problem.message


def test_what_a_spec_says_of_a_part_from_python_is_told_apart() -> None:
    problem = only_problem(head={"name": "<mine.Head>"})
    assert problem.code == "ECO101"
    assert "eco.load(folder, head=...)" in problem.fix


def test_building_makes_a_part_anew_and_an_instance_stays() -> None:
    part = plan_of(encoder="learner", objective="rebuild").part("encoder")
    assert part.build({"in_channels": 3}) is not part.build({"in_channels": 3})
    instance = Learner(3)
    assert plan_of(encoder=instance, objective="rebuild").part("encoder").build({}) is instance


def test_a_constructor_that_refuses_its_parameters_is_a_coded_error() -> None:
    class Picky(Learner):
        def __init__(self, in_channels: int, width: int = 4) -> None:
            raise ValueError("width must be a prime number")

    part = plan_of(encoder={"name": Picky, "width": 4}, objective="rebuild").part("encoder")
    with pytest.raises(CompositionError, match=r"ECO109 .*Picky.* ValueError: width must be"):
        part.build({"in_channels": 3})


def test_parts_say_which_provided_names_they_want() -> None:
    class WithSeededView(Learner):
        def __init__(self, in_channels: int, view: Any) -> None: ...

    class View:
        def __init__(self, seed: int, p: float = 0.1) -> None: ...

    WithSeededView.__init__.__annotations__["view"] = View
    plan = plan_of(encoder={"name": WithSeededView, "view": {}}, objective="rebuild", head="soft")
    assert plan.part("encoder").wants("in_channels")
    assert plan.part("encoder").wants("seed")
    assert not plan.part("encoder").wants("n_clusters")
    assert [part.kind for part in needs_clusters(plan.parts)] == ["head"]
    assert not plan_of(encoder=Learner(3), objective="rebuild").part("encoder").wants("in_channels")


# ------------------------------------------------------------------------------------------------ names and values


def test_an_unknown_name_is_told_with_a_suggestion() -> None:
    problem = only_problem(encoder="lerner")
    assert problem.code == "ECO101"
    assert "There is no encoder 'lerner'." in problem.message
    assert "Did you mean 'learner'?" in problem.fix
    assert "eco list encoders" in problem.fix


def test_a_name_of_another_kind_is_told_so() -> None:
    assert "'soft' is a head, not an encoder." in only_problem(encoder="soft").fix


def test_an_ambiguous_short_name_is_told_with_its_candidates() -> None:
    registry = core_and(LEARNER, GAE, component("encoder", Learner, distribution="eco-other"))
    problem = only_problem(registry, encoder="learner")
    assert problem.code == "ECO102"
    assert "eco-other:learner or eco-test:learner" in problem.fix
    plan = plan_of(registry, encoder="eco-other:learner")
    assert plan.part("encoder").label == "eco-other:learner"
    assert plan.resolved()["encoder"]["name"] == "eco-other:learner"


def test_a_stranger_s_parts_of_the_same_names_leave_the_defaults_alone() -> None:
    registry = core_and(
        LEARNER,
        GAE,
        component("encoder", Learner, "identity"),
        component("head", Soft, "kmeans"),
        component("strategy", SelfMade, "decoupled"),
        component("objective", Rebuild, "gae"),
    )
    plan = plan_of(registry)
    assert [plan.part(kind).label for kind in ("encoder", "head", "strategy")] == [
        "eco-core:identity",
        "eco-core:kmeans",
        "eco-core:decoupled",
    ]
    objective = plan_of(registry, encoder="learner").parts["objective"]
    assert objective is not None
    assert objective.label == "eco-autoencoder:gae"
    assert codes(registry, head="kmeans") == ["ECO102"]


def test_a_component_that_cannot_be_loaded_is_a_coded_problem() -> None:
    registry = core_and(component("head", "eco_nowhere.head:Head", "lost"))
    problem = only_problem(registry, head="lost")
    assert problem.code == "ECO110"
    assert "eco_nowhere" in problem.message


def test_a_typo_in_a_parameter_names_the_part() -> None:
    problem = only_problem(head={"name": "soft", "alhpa": 2})
    assert problem.code == "ECO103"
    assert problem.message == "head 'soft' has no parameter 'alhpa'."
    assert "Did you mean 'alpha'?" in problem.fix
    assert "eco show soft" in problem.fix


def test_a_parameter_that_the_core_provides_is_told_where_to_set_it() -> None:
    problem = only_problem(head={"name": "kmeans", "n_clusters": 3})
    assert problem.code == "ECO103"
    assert "--clusters" in problem.fix


def test_invalid_and_missing_parameters_are_told_with_their_keys() -> None:
    class Needs(Soft):
        def __init__(self, n_clusters: int, rate: float) -> None: ...

    assert only_problem(head={"name": "soft", "alpha": 0}).message.startswith("head.alpha is 0: ")
    problem = only_problem(head=Needs)
    assert (problem.code, problem.message) == ("ECO105", "head.rate is required but not given.")


def test_parameters_of_a_part_without_a_constructor_are_refused() -> None:
    problem = only_problem(encoder={"name": "identity", "width": 3})
    assert problem.code == "ECO103"
    assert "It has no parameters." in problem.fix


class Unreadable(Soft):
    def __init__(self, n_clusters: int, a: Nowhere, b: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


def test_parameters_that_cannot_be_read_are_told_together() -> None:
    assert codes(head=Unreadable) == ["ECO108", "ECO108"]


def test_unknown_data_and_parameters_of_data_are_told() -> None:
    assert only_problem(data="corra").code == "ECO101"
    problem = only_problem(data={"name": "sbm", "num_node": 5})
    assert problem.code == "ECO103"
    assert "'num_nodes'" in problem.fix
    assert only_problem(data={"name": "sbm", "num_nodes": "many"}).message.startswith("data.num_nodes is 'many'")


def test_a_path_is_not_looked_up(tmp_path: Path) -> None:
    assert plan_of(data=str(tmp_path / "not-yet-there.npz")).spec.data.name.endswith("not-yet-there.npz")


# ------------------------------------------------------------------------------------------------ ECO201 to ECO206


def test_eco201_a_discrete_head_cannot_be_trained() -> None:
    problem = only_problem(encoder="learner", objective="rebuild", strategy="joint")
    assert problem.code == "ECO201"
    assert "strategy 'joint' (eco-core " in problem.message
    assert "head 'kmeans' (eco-core " in problem.message
    assert "is discrete: it has no loss" in problem.message
    assert problem.fix == "Use --strategy decoupled, or a differentiable head: selfmade, soft."
    assert "none is installed ('eco list heads')" in only_problem(core_and(), strategy="joint").fix


def test_eco201_is_found_on_instances_and_classes_too() -> None:
    from eco_core.builtin.kmeans import KMeansClusterHead

    for head in (KMeansClusterHead, KMeansClusterHead(3)):
        assert codes(strategy="joint", head=head) == ["ECO201"]


def test_eco202_an_encoder_cannot_ask_for_its_own_width() -> None:
    class Circular(Learner):
        def __init__(self, in_channels: int, n_features: int) -> None: ...

    problem = only_problem(encoder=Circular, objective="rebuild")
    assert problem.code == "ECO202"
    assert "Circular" in problem.message
    assert "'n_features'" in problem.message
    assert "in_channels" in problem.fix


def test_eco202_is_found_in_nested_parameters() -> None:
    class Layer:
        def __init__(self, n_features: int, p: float = 0.1) -> None: ...

    class Outer(Learner):
        def __init__(self, in_channels: int, layer: Any) -> None: ...

    Outer.__init__.__annotations__["layer"] = Layer
    assert codes(encoder={"name": Outer, "layer": {}}, objective="rebuild") == ["ECO202"]


def asking(kind: type, method: str, function: Callable[..., Any]) -> type:
    return type(f"{kind.__name__}Asking", (kind,), {method: function})


@pytest.mark.parametrize(
    ("kind", "base", "method", "function"),
    [
        ("encoder", Learner, "forward", lambda self, x, edge_index, batch: x),
        ("encoder", Learner, "forward", lambda self, x, z, batch: x),
        ("encoder", Learner, "on_epoch", lambda self, z, batch: None),
        ("objective", Rebuild, "forward", lambda self, z, batch: z),
        ("objective", Rebuild, "embed", lambda self, z, batch: z),
        ("objective", Rebuild, "adversary_loss", lambda self, z, batch: z),
        ("head", Soft, "forward", lambda self, z, batch: z),
        ("head", Soft, "fit", lambda self, z, batch: z),
        ("head", Soft, "cluster", lambda self, z, batch, soft=False: z),
        ("head", Soft, "confidence", lambda self, z, batch: z),
        ("head", Soft, "on_epoch", lambda self, z, batch: None),
    ],
)
def test_eco203_every_call_must_be_satisfiable(
    kind: str, base: type, method: str, function: Callable[..., Any]
) -> None:
    parts = {"encoder": "learner", "objective": "rebuild", "head": "soft", kind: asking(base, method, function)}
    problem = only_problem(**parts)
    assert problem.code == "ECO203"
    assert f"in {method}(...), asks for " in problem.message
    assert "'batch'" in problem.message
    assert kind in problem.message
    assert "edge_index" in problem.message
    assert "prepare(graph)" in problem.fix


def test_eco203_an_encoder_cannot_ask_for_its_own_embedding() -> None:
    encoder = asking(Learner, "forward", lambda self, z: z)
    problem = only_problem(encoder=encoder, objective="rebuild")
    assert problem.code == "ECO203"
    assert "asks for 'z'" in problem.message
    assert "available are x, edge_index" in problem.message
    assert ", z" not in problem.message


def test_unknown_names_are_deferred_where_prepare_may_give_them() -> None:
    for kind, base in (("encoder", Learner), ("objective", Rebuild), ("head", Soft)):
        body: dict[str, Any] = {"forward": lambda self, x, pairs: x, "prepare": lambda self, graph: {"pairs": 1}}
        parts = {"encoder": "learner", "objective": "rebuild", "head": "soft", kind: type("Prepared", (base,), body)}
        assert plan_of(**parts).parts[kind] is not None


def test_optional_arguments_of_calls_are_nobody_s_concern() -> None:
    encoder = asking(Learner, "forward", lambda self, x, batch=None, **options: x)
    assert plan_of(encoder=encoder, objective="rebuild").part("encoder").target is encoder


def test_layers_of_pyg_are_encoders() -> None:
    for layer in ({"name": GCN, "hidden_channels": 4, "num_layers": 1}, {"name": GCNConv, "out_channels": 3}):
        assert plan_of(encoder=layer, objective="rebuild").part("encoder").target is layer["name"]


def test_eco204_a_learning_encoder_needs_an_objective() -> None:
    problem = only_problem(encoder="learner")
    assert problem.code == "ECO204"
    assert "strategy 'decoupled'" in problem.message
    assert "encoder 'learner' (eco-test 1.0) learns" in problem.message
    assert "--objective with one of: rebuild" in problem.fix
    assert only_problem(encoder=Learner(3), objective="none").code == "ECO204"
    assert "eco-autoencoder's gae" in only_problem(core_and(LEARNER), encoder="learner").fix


def test_a_learning_encoder_without_an_objective_is_trained_by_a_head() -> None:
    assert plan_of(encoder="learner", head="soft", strategy="joint").parts["objective"] is None


def test_eco205_a_head_that_nobody_trains_or_places_is_random() -> None:
    problem = only_problem(head="selfmade")
    assert problem.code == "ECO205"
    assert "head 'selfmade' (eco-test 1.0)" in problem.message
    assert "fit(z)" in problem.message
    assert problem.fix == "Use --strategy joint."
    assert plan_of(head="soft").part("head").target is Soft


def test_eco205_an_objective_with_an_encoder_that_does_not_learn_trains_nothing() -> None:
    problem = only_problem(objective="rebuild")
    assert problem.code == "ECO205"
    assert "objective 'rebuild' (eco-test 1.0)" in problem.message
    assert "encoder 'identity' (eco-core " in problem.message
    assert problem.fix == "Use --objective none, or an encoder that learns: learner."
    frozen = Learner(3).requires_grad_(False)
    assert codes(encoder=frozen, objective="rebuild") == ["ECO205"]


class Table(nn.Module):
    """An encoder that does not look at the graph."""

    learns = True
    reads_graph = False

    def __init__(self, num_nodes: int) -> None:
        super().__init__()
        self.table = nn.Embedding(num_nodes, 4)

    def forward(self) -> Tensor:
        return self.table.weight


class Views(Rebuild):
    needs_views = True


def test_eco210_views_that_the_encoder_cannot_see_are_refused() -> None:
    problem = only_problem(encoder=Table, objective=Views)
    assert problem.code == "ECO210"
    assert "Table" in problem.message
    assert "Views" in problem.message
    assert problem.fix.endswith("an objective without views: rebuild.")
    assert plan_of(encoder=Table, objective="rebuild").part("encoder").target is Table
    assert plan_of(encoder="learner", objective=Views).part("objective").target is Views


class NoCluster(BaseClusterHead):
    def forward(self, z: Tensor) -> Tensor:
        return z.mean()


class NoLossNoFit(BaseClusterHead):
    def cluster(self, z: Tensor, soft: bool = False) -> Tensor:
        return z


class HardOnly(BaseClusterHead):
    def fit(self, z: Tensor) -> None: ...

    def cluster(self, z: Tensor) -> Tensor:  # type: ignore[override]
        return z


class NoModule:
    def forward(self, x: Tensor) -> Tensor:
        return x

    def cluster(self, z: Tensor, soft: bool = False) -> Tensor:
        return z


class NoForward(nn.Module):
    pass


@pytest.mark.parametrize(
    ("kind", "part", "why"),
    [
        ("head", NoCluster, "has no cluster"),
        ("head", NoCluster(), "has no cluster"),
        ("head", NoForward, "has no cluster"),
        ("head", NoLossNoFit, "has neither a loss nor fit(z)"),
        ("head", HardOnly, "without the parameter 'soft'"),
        ("head", NoModule, "is not a torch.nn.Module"),
        ("head", NoModule(), "is not a torch.nn.Module"),
        ("encoder", NoForward, "has no forward"),
        ("encoder", NoModule, "is not a torch.nn.Module"),
        ("encoder", torch.relu, "is not a torch.nn.Module"),
        ("objective", NoForward, "has no forward"),
        ("objective", lambda z: z.mean(), "is not a torch.nn.Module"),
        ("strategy", NoModule, "has no stages"),
        ("strategy", NoModule(), "has no stages"),
    ],
)
def test_eco206_what_is_no_part_is_told_what_one_is(kind: str, part: Any, why: str) -> None:
    parts = {"encoder": "learner", "objective": "rebuild", "head": "soft", kind: part}
    problem = only_problem(**parts)
    assert problem.code == "ECO206"
    assert why in problem.message
    assert f"a usable {kind} is a" in problem.message


def a_function(z: Tensor) -> Tensor:
    return z


def test_eco206_a_trait_of_another_type_is_the_only_problem() -> None:
    class Doubtful(Table):
        learns = "perhaps"  # type: ignore[assignment]

    for encoder in (Doubtful, Doubtful(3)):
        problem = only_problem(encoder=encoder)
        assert problem.code == "ECO206"
        assert "Doubtful.learns is 'perhaps'; expected True or False." in problem.message


def test_eco206_a_target_that_is_no_class() -> None:
    for kind in ("encoder", "objective", "head", "strategy"):
        registry = core_and(LEARNER, GAE, component(kind, f"{__name__}:a_function", "odd"))
        problem = only_problem(registry, **{"encoder": "learner", kind: "odd"})
        assert problem.code == "ECO206"
        assert f"{kind} 'odd' is function, not a class" in problem.message


# --------------------------------------------------------------------------------------------- all problems at once


def test_all_problems_are_in_one_error() -> None:
    found = problems(
        encoder="lerner",
        head={"name": "soft", "alhpa": 2},
        clusters=0,
        strategy={"name": "joint", "pretrain": {"epoch": 3}},
        data={"name": "sbm", "num_node": 3, "undirected": "perhaps"},
        train={"bach": 1},
        seed=-1,
    )
    text = "\n".join(map(str, found))
    assert [problem.code for problem in found].count("ECO101") == 1
    for key in ("lerner", "alhpa", "clusters is 0", "epoch", "num_node", "data.undirected", "bach", "seed is -1"):
        assert key in text, key
    assert len(found) == 8
    assert str(CompositionError(*found)) == text


def test_a_discrete_head_is_told_beside_an_unknown_encoder() -> None:
    assert codes(encoder="lerner", strategy="joint") == ["ECO101", "ECO201"]
    encoder = asking(Learner, "forward", lambda self, x, batch: x)
    assert codes(encoder=encoder, objective="rebuild", strategy="joint") == ["ECO201", "ECO203"]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        # An unknown objective is not the absence of one.
        ({"encoder": "learner", "objective": "rebild"}, ["ECO101"]),
        ({"encoder": "learner", "objective": {"name": "rebuild", "wieght": 1}}, ["ECO103"]),
        ({"encoder": "learner", "objective": {"name": 3}}, ["ECO104"]),
        # A section that is invalid is not the default one.
        ({"encoder": {"name": "learner", 3: 4}, "objective": "rebuild"}, ["ECO103"]),
        ({"encoder": {"name": [1]}, "objective": "rebuild"}, ["ECO104"]),
        ({"encoder": "learner", "objective": "rebuild", "head": {"name": 3}, "strategy": "joint"}, ["ECO104"]),
        ({"encoder": "learner", "strategy": {"name": None}, "head": "selfmade", "objective": "rebuild"}, ["ECO104"]),
        # What is no head at all is not told to be a discrete one.
        ({"encoder": "learner", "objective": "rebuild", "head": NoLossNoFit, "strategy": "joint"}, ["ECO206"]),
        ({"encoder": "learner", "objective": NoForward}, ["ECO206"]),
    ],
)
def test_a_mistake_causes_no_other_messages(flags: dict[str, Any], expected: list[str]) -> None:
    assert codes(**flags) == expected


@pytest.mark.parametrize("value", [3, 2.5, True, [1], {"width": {"a": 1}}])
def test_a_section_of_another_shape_is_a_coded_problem(value: Any) -> None:
    for kind in ("encoder", "head", "strategy", "objective"):
        # ECO101: parameters alone are those of gae, which is not installed here.
        assert set(codes(**{kind: value})) <= {"ECO103", "ECO104", "ECO101" if kind == "objective" else ""}


def test_a_key_that_is_no_text_is_a_coded_problem() -> None:
    with pytest.raises(CompositionError, match="ECO103  the spec has no parameter '1'"):
        make_plan(assemble(REGISTRY, [], spec={1: 2}), REGISTRY)  # type: ignore[dict-item]


def test_checking_parts_says_nothing_of_those_that_are_unknown() -> None:
    parts = {**plan_of(encoder="learner", objective="rebuild").parts, "objective": None}
    assert [problem.code for problem in check_parts(parts, REGISTRY)] == ["ECO204"]
    assert check_parts(parts, REGISTRY, {"objective"}) == []


# ------------------------------------------------------------------------------------------------- a plan is a value


def test_a_plan_and_its_parts_do_not_change() -> None:
    plan = plan_of(encoder="learner", objective="rebuild")
    with pytest.raises(FrozenInstanceError):
        plan.objective_by_default = True  # type: ignore[misc]
    with pytest.raises(TypeError, match="item assignment"):
        plan.parts["objective"] = None  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        plan.part("encoder").label = "another"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        plan.spec.seed = 1
    with pytest.raises(ValidationError, match="frozen"):
        plan.spec.data.name = "another"


def test_the_parts_of_a_plan_are_its_own() -> None:
    parts = dict(plan_of(encoder="learner", objective="rebuild").parts)
    plan = Plan(RunSpec(), parts, REGISTRY)
    parts["objective"] = None
    assert plan.parts["objective"] is not None


def test_another_part_makes_another_plan() -> None:
    plan = plan_of(core_and(LEARNER, REBUILD, GAE), encoder="learner")
    head = Part("head", "mine", "given from Python", Soft(2, 3), registered=False)
    swapped = plan.with_part("head", head)
    assert (swapped.part("head"), plan.part("head").label) == (head, "kmeans")
    assert swapped.objective_by_default
    assert not plan.with_part("objective", plan.parts["objective"]).objective_by_default
    with pytest.raises(CompositionError, match="ECO204"):
        plan.with_part("objective", None)


def test_a_plan_without_objective_keeps_the_rest_unchecked() -> None:
    plan = plan_of(encoder="learner", objective="rebuild")
    without = plan.without_objective()
    assert (without.parts["objective"], without.part("encoder")) == (None, plan.part("encoder"))
    assert plan.parts["objective"] is not None


def test_copied_and_pickled_plans_are_equal() -> None:
    plan = plan_of(encoder="learner", objective="rebuild", clusters=3)
    for other in (copy.copy(plan), copy.deepcopy(plan)):
        assert other.resolved() == plan.resolved()
        assert (other.spec, other.notes) == (plan.spec, plan.notes)
    given = Plan(RunSpec(seed=4), {"head": Part("head", "mine", "", Soft(2, 3))}, Registry(()), ("a note",))
    read = pickle.loads(pickle.dumps(given))
    assert (read.spec, read.notes, read.part("head").label) == (given.spec, ("a note",), "mine")
    with pytest.raises(TypeError, match="item assignment"):
        read.parts["head"] = None


def test_the_digest_of_a_plan_is_that_of_its_spec_but_for_the_folder_of_data_sets() -> None:
    digest = plan_of(clusters=3).digest()
    assert len(digest) == 64
    assert plan_of(clusters=3, data={"name": "digits", "root": "elsewhere"}).digest() == digest
    assert spec_digest(load_yaml(dump_yaml(plan_of(clusters=3).resolved()), "spec.yaml")) == digest
    others = [plan_of(clusters=4), plan_of(clusters=3, seed=1), plan_of(clusters=3, head={"n_init": 11})]
    assert len({digest, *(plan.digest() for plan in others)}) == 4
    assert plan_of(clusters=3).with_data(DataSpec(name="sbm")).digest() != digest


# ---------------------------------------------------------------------------------------- what only Python can give


class Tagged(Finding):
    def __init__(self, tag: str = "<a>", act: Any = nn.ReLU(), pairs: tuple[Any, ...] = ()) -> None:  # noqa: B008
        super().__init__()
        self.tag = tag


TAGGED = core_and(component("head", Tagged))


def test_a_text_that_begins_with_a_bracket_is_a_text() -> None:
    plan = plan_of(TAGGED, head={"name": "tagged", "tag": "<b>"})
    assert plan.rerunnable
    assert plan.resolved()["head"]["tag"] == "<b>"
    assert again(plan.resolved(), TAGGED) == plan.resolved()
    by_default = plan_of(TAGGED, head="tagged")
    assert by_default.rerunnable
    assert by_default.part("head").spec() == {"name": "tagged", "tag": "<a>", "pairs": []}


@pytest.mark.parametrize("given", [{"act": nn.Tanh()}, {"pairs": (1, nn.Tanh())}, {"pairs": ({"a": nn.Tanh()},)}])
def test_a_value_that_only_python_can_give_makes_a_run_not_rerunnable(given: dict[str, Any]) -> None:
    plan = plan_of(TAGGED, head={"name": "tagged", **given})
    assert not plan.rerunnable
    assert "<torch.nn.modules.activation.Tanh>" in dump_yaml(plan.resolved())
    assert not has_python_only(load_yaml(dump_yaml(plan.resolved()), "spec.yaml"))


@dataclass
class Holder:
    act: Any
    width: int = 2


def test_a_value_within_a_data_class_is_marked_alone() -> None:
    written = plain([Holder(nn.Tanh()), Colour.RED])
    assert written == [{"act": "<torch.nn.modules.activation.Tanh>", "width": 2}, "red"]
    assert has_python_only(written)
    assert not has_python_only(plain([Holder("<b>")]))


def test_the_short_name_of_a_part_has_neither_distribution_nor_module() -> None:
    other = core_and(component("head", Finding), component("head", Finding, distribution="eco-other"))
    assert plan_of(other, head="eco-other:finding").part("head").short_name == "finding"
    assert plan_of(head=Finding).part("head").short_name == "Finding"
    assert plan_of(head=Finding()).part("head").short_name == "Finding"
    part = Part.of_instance("head", Finding())
    assert (str(part), part.short_name) == (f"head '<{__name__}.Finding>' (given from Python)", "Finding")


# ------------------------------------------------------------------------------------------------ number of clusters


def test_a_search_for_the_number_of_clusters_is_refused_where_a_part_needs_a_number() -> None:
    problem = only_problem(clusters="auto")
    assert (problem.code, "--clusters K" in problem.fix, "leave clusters out" in problem.fix) == ("ECO207", True, True)
    finds_it = core_and(component("head", Finding))
    plan = plan_of(finds_it, head="finding", clusters="auto")
    with pytest.raises(CompositionError, match="ECO207"):
        plan.with_part("head", plan_of().part("head"))


@pytest.mark.parametrize("clusters", [None, "auto", 3])
def test_heads_that_find_the_number_of_clusters_ignore_it_with_a_note(clusters: Any) -> None:
    plan = plan_of(core_and(component("head", Finding)), head="finding", clusters=clusters)
    number, notes = number_of_clusters(plan, None)
    assert number == (3 if clusters == 3 else None)
    assert [note.partition(":")[2].split(" is not used")[0] for note in notes] == ([f" {clusters}"] if clusters else [])


def test_a_number_of_clusters_that_was_not_given_stays_so_in_a_spec() -> None:
    resolved = plan_of().resolved()
    assert resolved["clusters"] is None
    assert "clusters: null\n" in dump_yaml(resolved)
    assert again(resolved, REGISTRY) == resolved


# --------------------------------------------------------------------------------------------------- objective: auto


def test_auto_takes_gae_where_the_encoder_learns() -> None:
    registry = core_and(LEARNER, REBUILD, GAE, SOFT)
    plan = plan_of(registry, encoder="learner")
    assert plan.objective_by_default
    assert plan.resolved()["objective"] == {"name": "gae", "weight": 1.0}
    assert plan_of(registry).parts["objective"] is None
    assert plan_of(registry, encoder="learner", head="soft", strategy="joint").parts["objective"] is not None
    assert not plan_of(registry, encoder="learner", objective="rebuild").objective_by_default


def test_auto_is_nothing_where_gae_is_not_installed() -> None:
    assert plan_of(encoder="learner", head="soft", strategy="joint").resolved()["objective"] == "none"


# ---------------------------------------------------------------------------------------------------- resolved specs


class View:
    def __init__(self, p: float = 0.2, act: Callable[[Any], Any] = torch.relu) -> None:
        self.p = p


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Options:
    rate: float = 1e-05
    path: Path = Path("here")


class Rich(BaseClusterHead):
    """A head with parameters of many types."""

    def __init__(
        self,
        n_clusters: int,
        view: View,
        maybe: View | None = None,
        act: Callable[[Any], Any] = torch.relu,
        default_view: View = View(),  # noqa: B008
        colour: Colour = Colour.RED,
        options: Options = Options(),  # noqa: B008
        stage: StageOptions = StageOptions(patience=3),
        widths: tuple[int, ...] = (1, 2),
        by_name: dict[str, float] | None = None,
        text: str = "1e-3",
        **more: Any,
    ) -> None:
        super().__init__()
        self.given = {key: value for key, value in locals().items() if key not in ("self", "__class__")}

    def fit(self, z: Tensor) -> None: ...

    def cluster(self, z: Tensor, soft: bool = False) -> Tensor:
        return z


RICH = component("head", Rich)


def again(resolved: dict[str, Any], registry: Registry) -> dict[str, Any]:
    """What a resolved spec resolves to when it is written, read and checked again."""
    spec = load_yaml(dump_yaml(resolved), "spec.yaml")
    assert spec == resolved
    return make_plan(assemble(registry, [], spec=spec), registry).resolved()


@pytest.mark.parametrize(
    "flags",
    [
        {},
        {"clusters": 7, "seed": 3, "normalize_embeddings": False, "train": {"precision": "bf16-mixed"}},
        {"encoder": "learner", "objective": "rebuild", "head": "soft", "strategy": "joint"},
        {"encoder": {"name": "learner", "width": 2}, "head": {"name": "soft", "alpha": 1e-05}, "objective": "rebuild"},
        {"strategy": {"name": "decoupled", "train": {"epochs": 3, "optimizer": {"name": "sgd", "momentum": 0.5}}}},
        {"data": {"name": "sbm", "num_nodes": 30, "mixing": 1e-3}},
        {"head": {"name": "rich", "view": {}}},
        {
            "head": {
                "name": "rich", "view": {"p": 0.5}, "maybe": {"p": 1}, "colour": "red", "options": {"rate": 2},
                "stage": {"epochs": 5}, "widths": [3], "by_name": {"a": 1}, "extra": [1, {"b": None}],
            }
        },
    ],
)  # fmt: skip
def test_a_resolved_spec_resolves_to_itself(flags: dict[str, Any]) -> None:
    registry = core_and(LEARNER, REBUILD, SOFT, RICH, GAE)
    plan = plan_of(registry, **flags)
    assert plan.rerunnable
    resolved = plan.resolved()
    assert again(resolved, registry) == resolved


def test_a_resolved_spec_has_every_default_and_the_order_of_a_spec() -> None:
    resolved = plan_of(encoder="learner", objective="rebuild").resolved()
    order = "schema data graph encoder objective head strategy normalize_embeddings clusters train seed report"
    assert list(resolved) == order.split()
    assert resolved["encoder"] == {"name": "learner", "width": 4}
    kmeans = {"backend": "auto", "n_init": 10, "max_iter": 300, "criterion": "inertia"}
    assert resolved["head"] == {"name": "kmeans", **kmeans}
    assert resolved["strategy"]["train"]["optimizer"] == {
        "name": "adam", "lr": 0.01, "weight_decay": 0.0, "momentum": None
    }  # fmt: skip


def test_a_default_that_only_python_can_write_is_left_to_the_class() -> None:
    registry = core_and(RICH)
    head = plan_of(registry, head={"name": "rich", "view": {"p": 0.5}}).resolved()["head"]
    assert "act" not in head
    assert "default_view" not in head
    assert head["view"] == {"p": 0.5}
    assert head["colour"] == "red"
    assert head["options"] == {"rate": 1e-05, "path": "here"}
    assert head["stage"]["patience"] == 3
    built = plan_of(registry, head=head).part("head").build({"n_clusters": 2})
    assert built.given["act"] is torch.relu


@pytest.mark.parametrize(
    "flags",
    [
        {"encoder": Learner, "objective": "rebuild"},
        {"encoder": Learner(3), "objective": "rebuild"},
        {"head": {"name": "rich", "view": View()}},
        {"head": {"name": "rich", "view": {}, "act": torch.sigmoid}},
    ],
)
def test_what_only_python_can_give_makes_a_spec_that_cannot_be_run_again(flags: dict[str, Any]) -> None:
    plan = plan_of(core_and(LEARNER, REBUILD, RICH), **flags)
    assert not plan.rerunnable
    assert "<" in dump_yaml(plan.resolved())


def test_a_plan_can_be_pickled_and_copied() -> None:
    plan = plan_of(Registry.discover(), encoder="identity", head="kmeans")
    for again in (pickle.loads(pickle.dumps(plan)), copy.deepcopy(plan)):
        assert again.resolved() == plan.resolved()
        assert again.part("head").build({"n_clusters": 3}).n_clusters == 3


def test_plain_data_are_what_yaml_and_json_can_hold() -> None:
    assert plain({"a": (1, 2.5), 3: None, "c": Colour.RED, "p": Path("x"), "s": {1}}) == {
        "a": [1, 2.5],
        "3": None,
        "c": "red",
        "p": "x",
        "s": [1],
    }
    assert plain(View()) == f"<{__name__}.View>"
    assert plain(View) == f"<{__name__}.View>"
    assert plain(StageOptions())["optimizer"]["name"] == "adam"


def test_this_module_is_found_by_its_name() -> None:
    # The targets of the registries here: pytest may name the module as it likes, but must have registered it.
    assert sys.modules[__name__].Learner is Learner
