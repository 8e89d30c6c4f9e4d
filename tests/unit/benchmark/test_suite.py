"""A suite is checked whole before anything runs, and becomes cells with complete specs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eco_core.benchmark.suite import METRICS, Suite, plan_suite, read_suite
from eco_core.errors import EcoError, SpecError
from eco_core.jobs.cell import Cell, file_name
from eco_core.metrics.catalogue import METRICS as CATALOGUE
from eco_core.registry.registry import Registry
from eco_core.spec.recipes import read_recipe

SMALL: dict[str, Any] = {"name": "small", "seeds": 2, "data": ["karate"], "runs": ["kmeans"]}


def problems_in(suite: Any, **more: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        plan_suite(suite, **more)
    return [str(problem) for problem in caught.value.problems]


def test_cells_are_every_run_on_every_data_set_with_every_seed() -> None:
    runs = ["kmeans", {"name": "other", "recipe": "kmeans", "set": ["head.n_init=3"]}]
    plan = plan_suite({**SMALL, "data": ["karate", "digits"], "runs": runs, "seeds": [7, 3]})
    assert [(cell.data, cell.run, cell.seed) for cell in plan.cells] == [
        (data, run, seed) for data in ("karate", "digits") for run in ("kmeans", "other") for seed in (7, 3)
    ]
    assert [cell.spec["head"]["n_init"] for cell in plan.cells[:4]] == [10, 10, 3, 3]
    assert all(cell.spec["seed"] == cell.seed and cell.spec["data"]["name"] == cell.data for cell in plan.cells)
    assert plan.metrics == METRICS


def test_the_seeds_given_replace_the_suite_s() -> None:
    assert [cell.seed for cell in plan_suite(SMALL, seeds=3).cells] == [0, 1, 2]
    assert [cell.seed for cell in plan_suite(SMALL, seeds=[5]).cells] == [5]
    assert [cell.seed for cell in plan_suite({**SMALL, "seeds": 1}).cells] == [0]


def test_the_layers_of_a_run_have_the_precedence_of_compose() -> None:
    spec = {"head": {"n_init": 2, "max_iter": 20}, "normalize_embeddings": False, "seed": 9}
    run = {"recipe": "kmeans", "spec": spec, "head": {"name": "kmeans", "n_init": 3}, "set": ["head.max_iter=30"]}
    (cell,) = plan_suite({**SMALL, "runs": [run], "seeds": [4]}).cells
    assert cell.spec["head"] == {**cell.spec["head"], "n_init": 3, "max_iter": 30}
    assert cell.spec["normalize_embeddings"] is False
    assert cell.spec["seed"] == 4


def test_a_recipe_keeps_its_own_preparation_of_the_data() -> None:
    (cell,) = plan_suite({**SMALL, "data": [{"name": "karate", "undirected": False}]}, seeds=1).cells
    alone = plan_suite(SMALL, seeds=1).cells[0].spec["data"]
    assert cell.spec["data"] == {**alone, "undirected": False}


def test_a_composition_of_its_own_needs_a_name() -> None:
    own = {"name": "mine", "encoder": "identity", "head": {"name": "kmeans", "n_init": 1}}
    (cell,) = plan_suite({**SMALL, "runs": [own]}, seeds=1).cells
    assert (cell.run, cell.spec["head"]["n_init"]) == ("mine", 1)
    (problem,) = problems_in({**SMALL, "runs": [{"encoder": "identity"}]})
    assert "runs.0" in problem
    assert "'recipe'" in problem


def test_paths_are_found_beside_the_suite_and_data_root_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / "g").mkdir()
    for name, text in {"edges": "source,target\na,b\n", "features": "node,f\na,1\nb,2\n"}.items():
        (tmp_path / "g" / f"{name}.csv").write_text(text)
    suite = tmp_path / "suite.yaml"
    suite.write_text("{name: s, seeds: 1, data: [g/edges.csv, {label: two, name: ./g}], runs: [kmeans]}")
    one, two = plan_suite(suite, data_root=tmp_path / "root").cells
    assert (one.data, one.spec["data"]["name"]) == ("edges", str(tmp_path / "g" / "edges.csv"))
    assert (two.data, two.spec["data"]["name"]) == ("two", str(tmp_path / "g"))
    assert one.spec["data"]["root"] == str(tmp_path / "root")


def test_all_mistakes_are_told_at_once_each_once() -> None:
    suite = {
        "name": "s",
        "data": ["karatte", "karate", "nowhere/graph.npz"],
        "runs": ["kmean", "kmeans", {"name": "bad", "recipe": "kmeans", "set": ["head.n_int=3"]}],
        "metrics": ["nmi", "modularty"],
        "reference": {"nmi": {"kmens": {"karate": 0.5}, "kmeans": {"karate": 13.9}}},
    }
    problems = problems_in(suite)
    expected = {
        "metric 'modularty'": "Did you mean 'modularity'?",
        "recipe 'kmean'": "Did you mean 'kmeans'?",
        "dataset 'karatte'": "Did you mean 'karate'?",
        "graph.npz": "ECO301",
        "In 'bad': head 'kmeans' has no parameter 'n_int'": "Did you mean 'n_init'?",
        "no run 'kmens'": "Did you mean 'kmeans'",
        "reference.nmi.kmeans.karate: 13.9 is not a fraction": "write 0.139",
    }
    assert len(problems) == len(expected)
    for (found, hint), problem in zip(expected.items(), problems, strict=True):
        assert found in problem
        assert hint in problem


def test_a_misfit_says_in_which_runs_it_is() -> None:
    runs = [{"name": name, "strategy": "joint", "head": "kmeans"} for name in ("a", "b")]
    problems = problems_in({**SMALL, "data": ["karate", "digits"], "runs": runs})
    assert [problem for problem in problems if "ECO201" in problem and "In 'a' and 'b': " in problem] == problems


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        ({"seeds": 0}, "ECO104", "seeds is 0"),
        ({"seeds": True}, "ECO104", "seeds is True"),
        ({"seeds": "five"}, "ECO104", "seeds is 'five'"),
        ({"seeds": []}, "ECO104", "seeds is []"),
        ({"seeds": [0, -1]}, "ECO104", "-1"),
        ({"seeds": [0, 0]}, "ECO104", "0 is listed twice"),
        ({"metrics": ["nmi", "nmi"]}, "ECO104", "'nmi' is listed twice"),
        ({"runs": []}, "ECO104", "runs is []"),
        ({"runs": ["kmeans", "kmeans"]}, "ECO104", "runs: 'kmeans' is listed twice"),
        ({"data": ["sbm", {"name": "sbm", "num_nodes": 50}]}, "ECO104", "data: 'sbm' is listed twice"),
        ({"data": [{"name": "karate", "undirected": "perhaps"}]}, "ECO104", "undirected"),
        ({"data": [{"name": "sbm", "num_node": 50}]}, "ECO103", "num_node"),
        ({"timeout": 0}, "ECO104", "timeout is 0"),
        ({"recipes": ["kmeans"]}, "ECO103", "no key 'recipes'"),
        ({"runs": [{"recipe": "kmeans", "sets": []}]}, "ECO103", "'sets'"),
        ({"runs": [{"recipe": "kmeans", "set": ["head.n_init"]}]}, "ECO107", "KEY=VALUE"),
        ({"schema": 2}, "ECO104", "schema is 2"),
        ({"reference": "nowhere.csv"}, "ECO106", "nowhere.csv"),
    ],
    ids=str,
)
def test_a_mistake_is_named(change: dict[str, Any], code: str, named: str) -> None:
    problems = problems_in({**SMALL, **change})
    assert any(problem.startswith(code) and named in problem for problem in problems), problems


def test_a_missing_key_is_named() -> None:
    problems = problems_in({"name": "s", "data": ["karate"]})
    assert [problem.splitlines()[0] for problem in problems] == ["ECO105  runs is required but not given."]


@pytest.mark.parametrize(
    ("text", "named"), [("name: [", "not valid YAML"), ("- a", "holds list"), ("", "holds NoneType")]
)
def test_a_file_that_is_no_suite_is_refused(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "s.yaml").write_text(text)
    (problem,) = problems_in(tmp_path / "s.yaml")
    assert named in problem
    (problem,) = problems_in(tmp_path / "missing.yaml")
    assert "cannot be read" in problem


def test_a_reference_file_may_hold_more_than_the_suite(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("method,data,metric,mean,std\nkmeans,karate,nmi,0.5,0.1\nother,karate,nmi,0.4,\n")
    (tmp_path / "s.yaml").write_text("{name: s, data: [karate], runs: [kmeans], reference: r.csv}")
    assert plan_suite(tmp_path / "s.yaml").reference == {("kmeans", "karate", "nmi"): (0.5, 0.1)}
    (tmp_path / "r.csv").write_text("method,data,metric,mean\nkmeans,karate,nmi,high\nkmeans,karate,ari,50\n")
    first, second = problems_in(tmp_path / "s.yaml")
    assert "line 2" in first
    assert "line 3: 50 is not a fraction" in second
    (tmp_path / "r.csv").write_text("method,data\n")
    assert "no column metric, mean" in problems_in(tmp_path / "s.yaml")[0]


def test_a_reference_in_the_suite_may_have_deviations() -> None:
    reference = {"nmi": {"kmeans": {"karate": [0.5, 0.02]}}, "modularity": {"kmeans": {"karate": -0.1}}}
    plan = plan_suite({**SMALL, "reference": reference})
    assert plan.reference == {
        ("kmeans", "karate", "nmi"): (0.5, 0.02),
        ("kmeans", "karate", "modularity"): (-0.1, None),
    }


def test_the_suite_has_a_json_schema_and_can_be_written_and_read() -> None:
    schema = json.loads(json.dumps(Suite.model_json_schema(by_alias=True)))
    assert set(schema["properties"]) >= {"schema", "name", "seeds", "data", "runs", "metrics", "reference", "timeout"}
    assert schema["additionalProperties"] is False
    suite, _ = read_suite({**SMALL, "reference": {"nmi": {"kmeans": {"karate": [0.5, 0.02]}}}})
    assert read_suite(suite.model_dump(mode="json", by_alias=True, exclude_unset=True))[0] == suite


def test_labels_become_folder_names_that_stay_in_their_place() -> None:
    assert file_name("eco-core:kmeans") == "eco-core-kmeans"
    assert file_name("../a b") == "-..-a-b"
    place = Cell("..", "a/b", 3, {}).place
    assert place.parts == ("cells", "-..", "a-b", "seed-3")


def test_the_default_metrics_are_the_core_s() -> None:
    assert set(METRICS) <= {metric.name for metric in CATALOGUE}


SUITES = Path(__file__).parents[3] / "benchmarks" / "suites"


@pytest.mark.skipif(not SUITES.is_dir(), reason="the benchmarks are not part of this copy")
def test_the_published_suite_is_valid_and_has_a_reference_for_every_row(tmp_path: Path) -> None:
    suite, _ = read_suite(SUITES / "published.yaml")
    installed = {entry.name for entry in Registry.discover().entries("recipe")}
    missing = [run for run in suite.runs if run not in installed]
    if missing:
        pytest.skip(f"recipes that are not installed: {', '.join(map(str, missing))}")
    plan = plan_suite(SUITES / "published.yaml", data_root=tmp_path)
    assert len(plan.cells) == len(suite.runs) * 2 * 5
    rows = {(cell.run, cell.data, metric) for cell in plan.cells for metric in plan.metrics}
    assert set(plan.reference) == rows
    assert plan.reference["daegc", "photo", "nmi"] == (0.6360, 0.0002)
    assert plan.reference["gae", "cora", "cut_fraction"] == (0.1172, None)


@pytest.mark.skipif(not SUITES.is_dir(), reason="the benchmarks are not part of this copy")
def test_the_suite_of_new_combinations_is_valid_and_has_no_recipe_s_parts(tmp_path: Path) -> None:
    registry = Registry.discover()
    for plugin in ("gnn", "autoencoder", "contrastive", "modularity", "nonparametric", "prototype", "sbm", "spectral"):
        pytest.importorskip(f"eco_{plugin}")
    kinds = ("encoder", "objective", "head", "strategy")
    plan = plan_suite(SUITES / "combinations.yaml", data_root=tmp_path)
    combinations = {tuple(short(cell.spec[kind]) for kind in kinds) for cell in plan.cells}
    recipes = [read_recipe(entry.name, registry)[0] for entry in registry.entries("recipe")]
    assert len(combinations) == 10
    assert not combinations & {tuple(short(recipe.get(kind)) for kind in kinds) for recipe in recipes}


def short(part: Any) -> str | None:
    """The name of a part, without its distribution."""
    name = part["name"] if isinstance(part, dict) else part
    return None if name in (None, "none") else name.rpartition(":")[2]


def test_a_registry_without_the_part_is_told(tmp_path: Path) -> None:
    with pytest.raises(EcoError) as caught:
        plan_suite(SMALL, registry=Registry([]))
    assert "ECO101" in str(caught.value)
