"""The declarative side with the plugins that come with ECO. Left out where they are not installed."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import eco_core as eco
from eco_core.cli.app import main
from eco_core.errors import CompositionError
from eco_core.plan.describe import describe
from eco_core.plan.plan import Plan, make_plan
from eco_core.registry.registry import Entry, Registry
from eco_core.spec.assemble import assemble
from eco_core.spec.recipes import read_recipe
from eco_core.spec.schema import spec_schema
from eco_core.spec.yaml_io import dump_yaml, load_yaml
from tests.first_party import FIRST_PARTY

for plugin in FIRST_PARTY:
    pytest.importorskip(plugin)

REGISTRY = Registry.discover()
RECIPES = REGISTRY.entries("recipe")
MAIN_JOB = {"encoder": "gat", "head": "dec", "strategy": "joint"}


def plan_of(notes: list[str] | None = None, **layers: Any) -> Plan:
    notes = [] if notes is None else notes
    return make_plan(assemble(REGISTRY, notes, **layers), REGISTRY, notes)


def test_the_main_job_is_checked_and_takes_gae() -> None:
    plan = plan_of(flags=MAIN_JOB)
    assert plan.objective_by_default
    assert [plan.part(kind).label for kind in ("encoder", "objective", "head", "strategy")] == [
        "gat",
        "gae",
        "dec",
        "joint",
    ]
    assert plan.rerunnable


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.id)
def test_every_recipe_is_a_valid_spec_for_every_data_set_that_it_knows(recipe: Entry) -> None:
    _, overrides = read_recipe(recipe.id, REGISTRY)
    known = {entry.name for entry in REGISTRY.entries("dataset")}
    assert set(overrides) <= known
    validator = Draft202012Validator(spec_schema(REGISTRY))
    for data in ("digits", *overrides):
        notes: list[str] = []
        resolved = plan_of(notes, recipe=recipe.id, flags={"data": {"name": data}}).resolved()
        assert notes == []
        validator.validate(resolved)
        assert plan_of(spec=load_yaml(dump_yaml(resolved), "spec.yaml")).resolved() == resolved


def test_another_encoder_than_the_recipe_s_runs_with_one_flag() -> None:
    notes: list[str] = []
    plan = plan_of(notes, recipe="daegc", flags={"encoder": "gcn", "data": {"name": "cora"}})
    published, _ = read_recipe("daegc", REGISTRY)
    encoder = plan.part("encoder").spec()
    assert encoder["hidden_channels"] == published["encoder"]["hidden_channels"]
    assert notes == ["gcn has no encoder.heads, encoder.concat, encoder.concat_last: left out."]


def test_the_short_and_the_full_name_of_an_encoder_mean_the_same() -> None:
    for name in ("gat", "eco-gnn:gat"):
        notes: list[str] = []
        encoder = plan_of(notes, recipe="daegc", flags={"encoder": name}).part("encoder").spec()
        assert encoder == plan_of(recipe="daegc").part("encoder").spec()
        assert notes == []


def test_a_parameter_of_the_default_objective_can_be_set_without_naming_it() -> None:
    plan = plan_of(flags=MAIN_JOB, overrides=["objective.neg_ratio=2"])
    assert plan.resolved()["objective"] == {"name": "gae", "neg_ratio": 2.0}


@pytest.mark.parametrize(
    ("flags", "overrides", "code", "words"),
    [
        ({"strategy": "joint"}, [], "ECO201", ["--strategy decoupled", "dec"]),
        ({"encoder": "gat", "objective": None}, [], "ECO204", ["gae", "identity"]),
        ({"objective": "gae"}, [], "ECO205", ["--objective none", "gat, gatv2, gcn"]),
        ({"encoder": "embedding", "objective": "ccassg"}, [], "ECO210", ["gae, ", "node2vec"]),
        ({"encoder": "gta"}, [], "ECO101", ["'gat'"]),
        ({"encoder": "dec"}, [], "ECO101", ["'dec' is a head, not an encoder"]),
        (MAIN_JOB, ["head.alhpa=2"], "ECO103", ["'alpha'"]),
        (MAIN_JOB, ["head.alpha=0"], "ECO104", ["head.alpha is 0"]),
        (MAIN_JOB, ["encoder.hidden_channels=2.5"], "ECO104", ["encoder.hidden_channels is 2.5"]),
        (MAIN_JOB, ["strategy.pretrain.epoch=3"], "ECO103", ["'epochs'"]),
        (MAIN_JOB, ["head.n_clusters=3"], "ECO103", ["--clusters"]),
    ],
)
def test_mistakes_are_told_with_the_fix(flags: Any, overrides: list[str], code: str, words: list[str]) -> None:
    with pytest.raises(CompositionError) as caught:
        plan_of(flags=flags, overrides=overrides)
    (problem,) = caught.value.problems
    assert problem.code == code
    assert all(word in str(problem) for word in words)


@pytest.mark.parametrize(
    "entry",
    [entry for entry in REGISTRY.entries() if entry.kind in ("encoder", "head", "objective", "strategy", "recipe")],
    ids=lambda entry: f"{entry.kind} {entry.id}",
)
def test_the_command_that_is_shown_works(entry: Entry, capsys: pytest.CaptureFixture[str]) -> None:
    _, *words = shlex.split(describe(entry, REGISTRY)["command"])
    assert main([*words, "--dry-run"]) == 0
    assert load_yaml(capsys.readouterr().out, "stdout")["schema"] == 1


def test_the_resolved_spec_of_a_dry_run_can_be_given_back(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for part, name in MAIN_JOB.items() for word in (f"--{part}", name)]
    assert main(["compose", *words, "--epochs", "3", "--set", "encoder.dropout=1e-3", "--dry-run"]) == 0
    text = capsys.readouterr().out
    path = tmp_path / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    assert main(["compose", str(path), "--dry-run"]) == 0
    assert capsys.readouterr().out == text


@pytest.mark.parametrize("batch", ["neighbor", "subgraph"])
@pytest.mark.parametrize("entry", RECIPES, ids=[REGISTRY.short_name(entry) for entry in RECIPES])
def test_every_recipe_runs_in_batches_of_the_graph(entry: Entry, batch: str) -> None:
    data = {"name": "sbm", "num_nodes": 120, "n_blocks": 3, "num_features": 12}
    model = eco.compose(
        {"data": data},
        recipe=REGISTRY.short_name(entry),
        epochs=1,
        clusters=3,
        train={"batch": batch, "batch_size": 60},
    )
    model.fit(model.load_graph())
    assert model.labels_.shape == (120,)
    assert model.clustering_.embedding.isfinite().all()
