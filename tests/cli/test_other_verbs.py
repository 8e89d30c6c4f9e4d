"""The verbs beside compose: what they print is right, and is one JSON document where that is asked for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import eco_core
from tests.cli.conftest import Eco, process_environment

SBM = ("--data", "sbm", "--set", "data.num_nodes=60", "--set", "data.n_blocks=3")


# ------------------------------------------------------------------------------- list, show, plugins


def test_list_names_what_is_there_by_kind(eco: Eco) -> None:
    result = eco("list")
    assert result.code == 0
    lines = [line.split() for line in result.out.splitlines()]
    assert lines[0] == ["kind", "name", "plugin", "summary"]
    named = {(line[0], line[1]) for line in lines[1:]}
    assert named >= {
        ("encoder", "identity"),
        ("head", "kmeans"),
        ("strategy", "joint"),
        ("strategy", "decoupled"),
        ("recipe", "kmeans"),
        ("dataset", "karate"),
        ("metric", "nmi"),
    }


@pytest.mark.parametrize(
    "kind", ["encoders", "heads", "objectives", "strategies", "recipes", "datasets", "metrics", "encoder", "Heads"]
)
def test_list_of_one_kind_lists_no_other(eco: Eco, kind: str) -> None:
    result = eco("list", kind, "--json")
    assert result.code == 0
    singular = {"strategies": "strategy"}.get(kind, kind.lower().rstrip("s"))
    assert {entry["kind"] for entry in result.document} <= {singular}
    own = {"recipe": {"parts"}, "dataset": {"size", "licence", "classes"}, "metric": set()}.get(singular, {"tags"})
    assert set().union(*result.document) <= {
        "kind",
        "name",
        "id",
        "version",
        "summary",
        "paper",
        "missing",
        "install",
        *own,
    }


def test_list_where_finds_components_with_all_tags(eco: Eco) -> None:
    found = eco("list", "heads", "--where", "inductive, deterministic", "--json").document
    assert "kmeans" in {entry["name"] for entry in found}
    assert all({"inductive", "deterministic"} <= set(entry["tags"]) for entry in found)
    assert {entry["kind"] for entry in eco("list", "--where", "deterministic", "--json").document} <= {
        "encoder",
        "head",
        "objective",
        "strategy",
    }
    assert "inductive deterministic" in eco("list", "heads", "--where", "inductive").out


def test_list_where_may_be_repeated(eco: Eco) -> None:
    once = eco("list", "heads", "--where", "finds_k,deterministic", "--json").document
    assert eco("list", "heads", "--where", "finds_k", "--where", "deterministic", "--json").document == once


def test_list_where_of_tags_that_no_component_has_together_is_empty(eco: Eco) -> None:
    assert eco("list", "strategies", "--where", "trains_head,deterministic", "--json").document != []
    result = eco("list", "heads", "--where", "hierarchy")
    assert (result.code, result.out) == (0, "No heads with hierarchy are installed.\n")


def test_an_unknown_tag_is_refused_with_a_suggestion(eco: Eco) -> None:
    result = eco("list", "heads", "--where", "find_k")
    assert result.code == 2
    assert "ECO101  There is no tag 'find_k' of heads." in result.err
    assert "finds_k" in result.err
    assert "no tags" in eco("list", "recipes", "--where", "soft").err


def test_list_of_recipes_shows_their_parts_and_papers(eco: Eco) -> None:
    row = next(line for line in eco("list", "recipes").out.splitlines() if line.startswith("kmeans "))
    assert "identity + kmeans + decoupled" in row
    assert "SODA 2007" in row
    recipe = next(entry for entry in eco("list", "recipes", "--json").document if entry["id"] == "eco-core:kmeans")
    assert recipe["parts"] == {
        "encoder": "eco-core:identity",
        "objective": "none",
        "head": "eco-core:kmeans",
        "strategy": "eco-core:decoupled",
    }


def test_show_of_a_recipe_has_every_parameter_that_can_be_set_with_the_recipe_s_value(eco: Eco) -> None:
    document = eco("show", "eco-core:kmeans", "--json").document
    recipe = next(one for one in document if one["kind"] == "recipe") if isinstance(document, list) else document
    rows = {row["name"]: row for row in recipe["parameters"]}
    assert rows["head.n_init"]["default"] == recipe["spec"]["head"]["n_init"]
    assert rows["head.n_init"]["range"] == ">= 1"
    assert rows["strategy.train.optimizer.lr"]["range"] == "> 0"
    assert recipe["missing"] == []


def test_list_of_an_unknown_kind_is_refused(eco: Eco) -> None:
    result = eco("list", "encodrs")
    assert result.code == 2
    assert "'encodrs'" in result.err
    assert "Did you mean 'encoders'?" in result.err


def test_show_gives_parameters_with_defaults_ranges_and_a_command(eco: Eco) -> None:
    text = eco("show", "eco-core:kmeans").out
    assert re.search(r"^n_init +integer +10 +>= 1$", text, re.MULTILINE)
    assert re.search(r"^backend +auto \| sklearn \| torch +auto$", text, re.MULTILINE)
    assert "k-means++" in text
    head = next(entry for entry in eco("show", "kmeans", "--json").document if entry["kind"] == "head")
    n_init = next(parameter for parameter in head["parameters"] if parameter["name"] == "n_init")
    assert n_init == {"name": "n_init", "type": "integer", "required": False, "default": 10, "range": ">= 1"}


def test_every_name_can_be_shown_and_its_command_is_one(eco: Eco, use: Callable[..., None]) -> None:
    use("good")  # A strategy that trains heads needs one that can be trained.
    for entry in eco("list", "--json").document:
        if entry["missing"]:
            continue
        result = eco("show", entry["id"], "--json")
        assert result.code == 0, entry
        documents = result.document if isinstance(result.document, list) else [result.document]
        document = next(document for document in documents if document["kind"] == entry["kind"])
        assert document["id"] == entry["id"]
        words = document["command"].split()
        assert words[:2] == ["eco", "compose"]
        dry = eco(*words[1:], "--dry-run", "--clusters", "2")
        assert dry.code == 0, (document["command"], dry.err)
        assert eco("show", entry["name"]).code == 0


def test_show_of_an_unknown_name_is_refused_with_a_suggestion(eco: Eco) -> None:
    result = eco("show", "kmean")
    assert result.code == 2
    assert "'kmean'" in result.err
    assert "Did you mean 'kmeans'?" in result.err


def test_plugins_lists_the_core_first(eco: Eco) -> None:
    document = eco("plugins", "--json").document
    assert document[0]["distribution"] == "eco-core"
    assert document[0]["status"] == "ok"
    assert "head kmeans" in document[0]["components"]
    assert re.search(rf"^eco-core +{re.escape(eco_core.__version__)} +ok$", eco("plugins").out, re.MULTILINE)


def test_a_blocked_name_that_means_nothing_is_a_warning_on_stderr(eco: Eco) -> None:
    result = eco("--block", "eco-gnnn", "list", "--json")
    assert result.code == 0
    assert "eco-gnnn" in result.err
    assert result.document


# ------------------------------------------------------------------------------- schema


def test_the_schema_describes_the_specs_that_are_accepted(eco: Eco) -> None:
    schema = eco("schema").document
    assert set(schema["properties"]) == {
        *("schema", "data", "graph", "encoder", "objective", "head", "strategy"),
        *("normalize_embeddings", "clusters", "train", "seed", "report"),
    }
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["head.eco-core:kmeans"]["properties"]["n_init"]["minimum"] == 1
    references = re.findall(r'"\$ref": "#/\$defs/([^"]+)"', json.dumps(schema))
    assert set(references) <= set(schema["$defs"])


# ------------------------------------------------------------------------------- evaluate


@pytest.mark.parametrize(
    ("data", "more"),
    [(("--data", "karate"), ()), (SBM, ()), (("--data", "edges.csv"), ("--clusters", "2"))],
    ids=["named", "with parameters", "file with ids"],
)
def test_evaluate_gives_the_metrics_of_the_run(eco: Eco, data: tuple[str, ...], more: tuple[str, ...]) -> None:
    Path("edges.csv").write_text("source,target\nada,bob\nbob,cy\ndan,eve\n")
    names = ("ada", "bob", "cy", "dan", "eve")
    Path("features.csv").write_text("node,age\n" + "".join(f"{name},{i}\n" for i, name in enumerate(names)))
    assert eco("compose", *data, *more, "--out", "run").code == 0
    result = eco("evaluate", "run/assignments.csv", *data, "--json")
    assert result.code == 0, result.err
    assert result.document == {"metrics": json.loads(Path("run/metrics.json").read_text())}
    table = dict(line.split() for line in eco("evaluate", "run/assignments.csv", *data).out.splitlines()[1:])
    assert set(table) == set(result.document["metrics"])
    assert float(table["modularity"]) == pytest.approx(result.document["metrics"]["modularity"], abs=1e-4)


def test_evaluate_takes_the_nodes_in_any_order(eco: Eco) -> None:
    eco("compose", "--data", "karate", "--out", "run", "--quiet")
    header, *lines = Path("run/assignments.csv").read_text().splitlines()
    Path("reversed.csv").write_text("\n".join([header, *reversed(lines)]) + "\n", encoding="utf-8-sig")
    result = eco("evaluate", "reversed.csv", "--data", "karate", "--json")
    assert result.document["metrics"] == json.loads(Path("run/metrics.json").read_text())


@pytest.mark.parametrize(
    ("nodes", "code", "named"),
    [
        (range(33), "ECO305", ("1 nodes of the graph", "'33'")),
        (range(36), "ECO305", ("2 nodes of the file", "'34'")),
        ([*range(34), 3], "ECO403", ("line 36", "'3'", "twice")),
    ],
    ids=["missing", "unknown", "twice"],
)
def test_evaluate_refuses_nodes_that_are_not_those_of_the_graph(
    eco: Eco, nodes: list[int], code: str, named: tuple[str, ...]
) -> None:
    Path("a.csv").write_text("node,cluster\n" + "".join(f"{node},{node % 2}\n" for node in nodes))
    result = eco("evaluate", "a.csv", "--data", "karate")
    assert result.code == 2
    assert result.out == ""
    for text in (code, *named):
        assert text in result.err


def test_evaluate_refuses_what_is_no_assignments_file(eco: Eco) -> None:
    Path("a.csv").write_text("node,cluster\n0,first\n")
    for path, named in (("a.csv", "line 2"), ("missing.csv", "missing.csv"), (".", "directory")):
        result = eco("evaluate", path, "--data", "karate")
        assert result.code == 2
        assert "ECO403" in result.err
        assert named in result.err


# ------------------------------------------------------------------------------- data


def test_data_list_names_every_data_set_with_its_classes(eco: Eco) -> None:
    document = {entry["name"]: entry for entry in eco("data", "list", "--json").document}
    assert document["karate"]["classes"] == 4
    assert document["sbm"]["classes"] is None
    assert "karate" in eco("data", "list").out


def test_data_info_counts_what_is_in_a_graph(eco: Eco) -> None:
    facts = eco("data", "info", "karate", "--json").document
    assert (facts["nodes"], facts["edges"], facts["features"], facts["declared_classes"]) == (34, 156, 34, 4)
    assert re.search(r"^nodes +34$", eco("data", "info", "karate").out, re.MULTILINE)


def test_data_info_takes_parameters_with_and_without_their_section(eco: Eco) -> None:
    for prefix in ("", "data."):
        words = ("--set", f"{prefix}num_nodes=50", "--set", f"{prefix}n_blocks=2", "--json")
        facts = eco("data", "info", "sbm", *words).document
        assert (facts["nodes"], facts["declared_classes"]) == (50, 2)


def test_data_info_prepares_the_graph_as_compose_does(eco: Eco) -> None:
    Path("edges.csv").write_text("source,target\na,b\nb,c\n")
    Path("features.csv").write_text("node,f\na,1\nb,2\nc,3\n")
    assert eco("data", "info", "edges.csv", "--json").document["edges"] == 4
    directed = eco("data", "info", "edges.csv", "--set", "undirected=false", "--json").document
    assert (directed["edges"], directed["undirected"]) == (2, False)


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("num_node=50", "Did you mean 'num_nodes'?"),
        ("undirected=maybe", "'maybe'"),
        ("root=5", "root is 5"),
        ("num_nodes", "KEY=VALUE"),
        ("num_nodes=many", "'many'"),
    ],
)
def test_data_info_refuses_parameters_that_cannot_be_used(eco: Eco, override: str, named: str) -> None:
    result = eco("data", "info", "sbm", "--set", override)
    assert result.code == 2
    assert result.out == ""
    assert named in result.err


# ------------------------------------------------------------------------------- eco itself


def test_the_version_is_printed(eco: Eco) -> None:
    result = eco("--version")
    assert (result.code, result.out) == (0, f"eco {eco_core.__version__}\n")


def test_eco_alone_shows_its_verbs(eco: Eco) -> None:
    result = eco()
    assert result.code in (0, 2), "what Typer does where no command is given differs from version to version"
    for verb in ("compose", "list", "show", "plugins", "schema", "evaluate", "data"):
        assert verb in result.out + result.err


def test_help_is_asked_for_in_two_ways(eco: Eco) -> None:
    for words in (("--help",), ("compose", "-h"), ("data", "info", "--help")):
        result = eco(*words)
        assert result.code == 0
        assert "Usage: eco" in result.out


def test_a_reader_that_goes_away_is_no_error() -> None:
    for unbuffered in ("", "1"):  # The pipe breaks at the end, or within the verb.
        process = subprocess.Popen(
            [sys.executable, "-m", "eco_core.cli", "list"],
            env=process_environment(PYTHONUNBUFFERED=unbuffered),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
        assert process.wait(timeout=60) == 0
        assert err == b""


def test_a_run_of_a_stranger_s_recipe_is_shown_and_composed(eco: Eco, use: Callable[..., None]) -> None:
    use("good")
    shown = eco("show", "fixture-recipe", "--json").document
    assert shown["kind"] == "recipe"
    dry = eco(*shown["command"].split()[1:], "--data", "karate", "--dry-run")
    assert dry.code == 0
    assert yaml.safe_load(dry.out)["head"]["name"] == "fixture-head"
