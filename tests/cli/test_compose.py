"""The contract of ``eco compose`` and of the run folder."""

from __future__ import annotations

import csv
import json
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from eco_core.cli import main
from tests.cli.conftest import Eco, Result
from tests.terminal import screen_of

FILES = {
    "spec.yaml",
    "assignments.csv",
    "embeddings.npy",
    "metrics.json",
    "history.csv",
    "model.pt",
    "environment.json",
    "log.txt",
    "clusters.csv",
    "explanation.json",
    "report.html",
}
LABEL_METRICS = {"nmi", "ari", "acc", "f1", "homogeneity", "completeness"}
STRUCTURE_METRICS = {"modularity", "conductance", "cut_fraction", "n_clusters"}
SMALL = ("--data", "sbm", "--set", "data.num_nodes=60", "--set", "data.n_blocks=3", "--set", "data.num_features=8")
TRAINED = (*SMALL, "--head", "fixture-head", "--strategy", "joint", "--encoder", "identity")


@pytest.fixture
def good(use: Callable[..., None]) -> None:
    """A plugin with a differentiable head: with it the core alone can train something."""
    use("good")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def history_without_seconds(folder: str | Path) -> list[dict[str, str]]:
    return [
        {key: value for key, value in row.items() if key != "seconds"} for row in rows_of(Path(folder, "history.csv"))
    ]


def contents(folder: str | Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def succeeded(result: Result) -> Result:
    assert result.code == 0, result.err
    assert "Traceback" not in result.err
    return result


# ------------------------------------------------------------------------------- the run folder


def test_a_run_folder_holds_exactly_its_files(eco: Eco, good: None) -> None:
    succeeded(eco("compose", *TRAINED, "--epochs", "3", "--out", "run"))
    assert {path.name for path in Path("run").iterdir()} == FILES

    spec = yaml.safe_load(Path("run/spec.yaml").read_text())
    assert spec["schema"] == 1
    assert spec["clusters"] == 3
    assert spec["strategy"]["joint"]["epochs"] == 3

    assignments = rows_of(Path("run/assignments.csv"))
    assert list(assignments[0]) == ["node", "cluster", "confidence"]
    assert [row["node"] for row in assignments] == [str(node) for node in range(60)]
    assert all(row["cluster"] in "012" and 0 <= float(row["confidence"]) <= 1 for row in assignments)

    embeddings = np.load("run/embeddings.npy", allow_pickle=False)
    assert embeddings.shape == (60, 8)
    assert embeddings.dtype == np.float32

    history = rows_of(Path("run/history.csv"))
    assert list(history[0]) == ["stage", "epoch", "loss", "fixture-head", "seconds"]
    assert [(row["stage"], row["epoch"]) for row in history] == [("joint", "0"), ("joint", "1"), ("joint", "2")]
    assert all(math.isfinite(float(row["loss"])) and float(row["seconds"]) > 0 for row in history)

    model = torch.load("run/model.pt", weights_only=True)
    assert model["state"]["cluster_head.cluster_centers"].shape == (3, 8)

    environment = json.loads(Path("run/environment.json").read_text())
    assert environment["seed"] == 0
    assert environment["device"] == "cpu"
    assert environment["threads"] >= 1
    assert environment["plugins"]["eco-fixture-good"] == {"version": "1.0", "status": "ok"}
    assert environment["versions"]["torch"] == str(torch.__version__)

    log = Path("run/log.txt").read_text()
    assert "3 clusters: the declared number of classes" in log
    assert "joint: 3 epochs" in log


def test_metrics_are_fractions_and_label_metrics_are_there_with_labels(eco: Eco) -> None:
    succeeded(eco("compose", *SMALL, "--out", "run"))
    metrics = json.loads(Path("run/metrics.json").read_text())
    assert set(metrics) >= LABEL_METRICS | STRUCTURE_METRICS
    assert all(0 <= metrics[name] <= 1 for name in LABEL_METRICS - {"ari"} | {"conductance", "cut_fraction"})
    assert metrics["acc"] > 0.9, "the blocks of this graph are easy"
    assert metrics["n_clusters"] == 3


def test_without_labels_there_are_structure_metrics_only(eco: Eco) -> None:
    np.savez("plain.npz", x=np.random.default_rng(0).random((12, 3)), edge_index=[[0, 1, 2], [1, 2, 3]])
    succeeded(eco("compose", "--data", "plain.npz", "--clusters", "2", "--out", "run"))
    metrics = json.loads(Path("run/metrics.json").read_text())
    assert not set(metrics) & LABEL_METRICS
    assert set(metrics) >= STRUCTURE_METRICS


def test_assignments_use_the_ids_of_the_user(eco: Eco) -> None:
    Path("edges.csv").write_text("source,target\nada,bob\nbob,cy\ndan,eve\n")
    names = ("ada", "bob", "cy", "dan", "eve")
    Path("features.csv").write_text("node,age\n" + "".join(f"{name},{i}\n" for i, name in enumerate(names)))
    succeeded(eco("compose", "--data", "edges.csv", "--clusters", "2", "--out", "run"))
    assert [row["node"] for row in rows_of(Path("run/assignments.csv"))] == list(names)


def test_the_default_folder_is_new_for_every_run_and_says_what_it_is(eco: Eco) -> None:
    first, second = (
        succeeded(eco("compose", "--data", "karate", "--head", "kmeans", "--json")).document["run"] for _ in range(2)
    )
    assert first != second
    for folder in (first, second):
        assert re.fullmatch(r"runs/\d{8}-\d{6}-identity-kmeans-decoupled(-\d+)?", Path(folder).as_posix())
        assert {path.name for path in Path(folder).iterdir()} == FILES


def test_the_embedded_data_set_is_used_where_none_is_named(eco: Eco) -> None:
    result = succeeded(eco("compose", "--out", "run", "--set", "head.n_init=1"))
    assert "10 clusters: the declared number of classes of data set 'digits'" in result.err
    assert len(rows_of(Path("run/assignments.csv"))) == 1797


# ------------------------------------------------------------------------------- what is there stays there


def test_a_folder_that_is_not_empty_is_left_as_it_is(eco: Eco) -> None:
    succeeded(eco("compose", "--data", "karate", "--out", "run"))
    before = contents("run")
    result = eco("compose", "--data", "karate", "--clusters", "2", "--out", "run")
    assert result.code == 2
    assert "ECO402" in result.err
    assert "--force" in result.err
    assert contents("run") == before


def test_force_replaces_the_run(eco: Eco) -> None:
    succeeded(eco("compose", "--data", "karate", "--out", "run"))
    Path("run/checkpoint.pt").write_text("of an unfinished run")
    succeeded(eco("compose", "--data", "karate", "--clusters", "2", "--out", "run", "--force"))
    assert {path.name for path in Path("run").iterdir()} == FILES
    assert {row["cluster"] for row in rows_of(Path("run/assignments.csv"))} == {"0", "1"}


@pytest.mark.parametrize(
    "mistake",
    [
        ("--data", "nan.npz"),
        ("--clusters", "99"),
        ("--head", "nope"),
        ("--set", "head.n_init=0"),
        ("--device", "tpu"),
        ("--encoder", "fixture-head"),
    ],
    ids=" ".join,
)
def test_a_mistake_with_force_loses_nothing(eco: Eco, good: None, mistake: tuple[str, ...]) -> None:
    np.savez("nan.npz", x=np.array([[np.nan], [1.0]]), edge_index=np.array([[0], [1]]))
    succeeded(eco("compose", "--data", "karate", "--out", "run"))
    before = contents("run")
    assert eco("compose", "--data", "karate", "--clusters", "2", "--out", "run", "--force", *mistake).code == 2
    assert contents("run") == before


def test_a_part_that_does_not_fit_the_graph_is_found_before_the_folder_is_touched(
    eco: Eco, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eco_core.builtin.identity import IdentityEncoder

    succeeded(eco("compose", "--data", "karate", "--head", "kmeans", "--out", "run"))
    before = contents("run")
    monkeypatch.setattr(IdentityEncoder, "forward", lambda self, x: x.sum(0))
    for out in (("--out", "run", "--force"), ()):
        result = eco("compose", "--data", "karate", "--head", "kmeans", *out)
        assert result.code == 2
        assert "ECO209" in result.err
    assert contents("run") == before
    assert not Path("runs").exists()


# ------------------------------------------------------------------------------- stdout and stderr


def test_json_is_one_document_with_exactly_its_keys(eco: Eco, good: None) -> None:
    result = succeeded(eco("compose", *TRAINED, "--epochs", "2", "--out", "run", "--json"))
    document = result.document
    assert list(document) == ["run", "metrics", "seconds", "peak_memory_mb", "spec"]
    assert document["run"] == "run"
    assert document["metrics"] == json.loads(Path("run/metrics.json").read_text())
    assert list(document["seconds"]) == ["load", "train", "cluster", "total"]
    assert document["seconds"]["total"] >= document["seconds"]["train"] > 0
    assert document["peak_memory_mb"] > 10
    assert document["spec"] == yaml.safe_load(Path("run/spec.yaml").read_text())
    assert "3 clusters" in result.err
    assert "joint: 2 epochs" in result.err


def test_results_go_to_stdout_and_messages_to_stderr(eco: Eco) -> None:
    result = succeeded(eco("compose", "--data", "karate", "--out", "run"))
    for name in ("nmi", "ari", "acc", "f1", "modularity", "conductance"):
        assert re.search(rf"^{name} +-?[01]\.\d{{4}}$", result.out, re.MULTILINE)
    assert "run folder: run" in result.out
    assert "4 clusters: the declared number of classes of data set 'karate'" in result.err
    assert "declared" not in result.out


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["text", "json"])
def test_quiet_says_nothing_but_the_result(eco: Eco, more: tuple[str, ...]) -> None:
    result = succeeded(eco("compose", "--data", "karate", "--out", "run", "--quiet", *more))
    assert result.err == ""
    assert "nmi" in result.out
    assert "4 clusters" in Path("run/log.txt").read_text()


def test_nothing_is_announced_where_the_number_of_clusters_is_given(eco: Eco) -> None:
    result = succeeded(eco("compose", "--data", "karate", "--head", "kmeans", "--clusters", "2", "--out", "run"))
    assert "clusters" not in result.err
    assert yaml.safe_load(Path("run/spec.yaml").read_text())["clusters"] == 2


@pytest.mark.parametrize("clusters", ["", "clusters: null\n"])
def test_clusters_that_are_not_given_are_the_declared_number(eco: Eco, clusters: str) -> None:
    Path("spec.yaml").write_text(f"{clusters}data: karate\n")
    document = succeeded(eco("compose", "spec.yaml", "--json")).document
    assert document["spec"]["clusters"] == 4


def test_one_cluster_is_allowed(eco: Eco) -> None:
    document = succeeded(eco("compose", "--data", "karate", "--clusters", "1", "--json")).document
    assert document["metrics"]["n_clusters"] == 1
    assert {row["confidence"] for row in rows_of(Path(document["run"], "assignments.csv"))} == {"1.000000"}


# ------------------------------------------------------------------------------- the spec's layers


def test_a_dry_run_writes_nothing_and_prints_a_spec_that_runs(eco: Eco, good: None) -> None:
    dry = succeeded(eco("compose", *TRAINED, "--epochs", "2", "--seed", "7", "--dry-run"))
    assert list(Path().iterdir()) == []
    Path("printed.yaml").write_text(dry.out)
    succeeded(eco("compose", *TRAINED, "--epochs", "2", "--seed", "7", "--out", "flags"))
    succeeded(eco("compose", "printed.yaml", "--out", "printed"))
    for name in ("spec.yaml", "assignments.csv", "embeddings.npy", "metrics.json"):
        assert contents("flags")[name] == contents("printed")[name]
    as_json = succeeded(eco("compose", *TRAINED, "--epochs", "2", "--seed", "7", "--dry-run", "--json"))
    assert as_json.document == yaml.safe_load(dry.out)


def resolved(result: Result) -> Any:
    return yaml.safe_load(succeeded(result).out)


def test_set_values_have_the_type_of_their_parameter(eco: Eco) -> None:
    spec = resolved(
        eco(
            *("compose", "--dry-run", "--set", "head.n_init=3", "--set", "head.backend=torch"),
            *("--set", "strategy.train.optimizer.lr=1e-3", "--set", "strategy.train.patience=null"),
            *("--set", "normalize_embeddings=false", "--set", "data.k=4", "--set", "train.precision=32"),
        )
    )
    assert spec["head"] == {"name": "kmeans", "backend": "torch", "n_init": 3, "max_iter": 300, "criterion": "inertia"}
    assert spec["strategy"]["train"]["optimizer"]["lr"] == 0.001
    assert spec["strategy"]["train"]["patience"] is None
    assert spec["normalize_embeddings"] is False
    assert spec["data"]["k"] == 4
    assert spec["train"]["precision"] == "32"


def test_flags_go_over_the_spec_and_set_goes_over_flags(eco: Eco) -> None:
    Path("spec.yaml").write_text("seed: 1\nclusters: 5\ndata: {name: karate}\nhead: {n_init: 2}\n")
    words = ("compose", "spec.yaml", "--dry-run", "--seed", "2", "--set", "seed=3", "--clusters", "6")
    spec = resolved(eco(*words))
    assert (spec["seed"], spec["clusters"], spec["data"]["name"], spec["head"]["n_init"]) == (3, 6, "karate", 2)


def test_epochs_change_the_epochs_of_every_stage_and_nothing_else(eco: Eco, good: None) -> None:
    words = ("compose", "--dry-run", "--head", "fixture-head", "--strategy", "joint")
    before, after = resolved(eco(*words))["strategy"], resolved(eco(*words, "--epochs", "7"))["strategy"]
    assert after["pretrain"].pop("epochs") == after["joint"].pop("epochs") == 7
    del before["pretrain"]["epochs"], before["joint"]["epochs"]
    assert after == before
    assert before["pretrain"]["optimizer"]["lr"] != before["joint"]["optimizer"]["lr"], "each has defaults of its own"


def test_a_section_given_in_part_keeps_the_other_defaults(eco: Eco) -> None:
    full = resolved(eco("compose", "--dry-run"))["strategy"]["train"]
    changed = resolved(eco("compose", "--dry-run", "--set", "strategy.train.optimizer.weight_decay=0.1"))
    assert changed["strategy"]["train"] == {**full, "optimizer": {**full["optimizer"], "weight_decay": 0.1}}


def test_no_epochs_at_all_cluster_what_is_there(eco: Eco, good: None) -> None:
    succeeded(eco("compose", *TRAINED, "--epochs", "0", "--out", "run"))
    assert rows_of(Path("run/history.csv")) == []
    assert len(rows_of(Path("run/assignments.csv"))) == 60


def test_empty_sections_of_a_spec_are_the_defaults(eco: Eco) -> None:
    Path("spec.yaml").write_text("encoder:\nhead:\nstrategy: decoupled\ndata: karate\ntrain:\n")
    spec = resolved(eco("compose", "spec.yaml", "--dry-run"))
    assert [spec[kind]["name"] for kind in ("encoder", "head", "strategy", "data")] == [
        "identity",
        "kmeans",
        "decoupled",
        "karate",
    ]


def test_threads_are_those_of_the_run_only(eco: Eco) -> None:
    before = torch.get_num_threads()
    succeeded(eco("compose", "--data", "karate", "--threads", "2", "--out", "run"))
    assert json.loads(Path("run/environment.json").read_text())["threads"] == 2
    assert torch.get_num_threads() == before


def test_a_recipe_is_a_run(eco: Eco) -> None:
    document = succeeded(eco("compose", "--recipe", "kmeans", "--data", "karate", "--json")).document
    assert "kmeans" in document["run"]
    assert document["spec"]["data"] == {
        "name": "karate",
        "root": None,
        "undirected": True,
        "normalize_features": "row",
        "duplicates": "max",
    }


# ------------------------------------------------------------------------------- repeatability


def assert_same_run(one: str, other: str) -> None:
    for name in ("assignments.csv", "spec.yaml", "embeddings.npy", "metrics.json"):
        assert contents(one)[name] == contents(other)[name], name
    assert history_without_seconds(one) == history_without_seconds(other)


def test_the_same_seed_and_the_runs_own_spec_give_the_same_run(eco: Eco, good: None) -> None:
    words = ("compose", *TRAINED, "--epochs", "5", "--seed", "3", "--quiet", "--out")
    succeeded(eco(*words, "first"))
    succeeded(eco(*words, "second"))
    succeeded(eco("compose", "first/spec.yaml", "--quiet", "--out", "third"))
    assert len(history_without_seconds("first")) == 5
    assert_same_run("first", "second")
    assert_same_run("first", "third")


def test_another_seed_gives_another_run(eco: Eco, good: None) -> None:
    for seed in ("0", "1"):
        succeeded(eco("compose", *TRAINED, "--epochs", "3", "--seed", seed, "--quiet", "--out", f"seed{seed}"))
    assert history_without_seconds("seed0") != history_without_seconds("seed1")
    first, second = ([row["node"] for row in rows_of(Path(f"seed{seed}/assignments.csv"))] for seed in (0, 1))
    assert first == second, "the seed is of the training; the generated graph has its own"


def test_the_main_job_is_repeatable(eco: Eco) -> None:
    pytest.importorskip("eco_gnn")
    pytest.importorskip("eco_prototype")
    pytest.importorskip("eco_autoencoder")
    words = ("compose", *SMALL, "--encoder", "gat", "--head", "dec", "--strategy", "joint", "--epochs", "3", "--quiet")
    succeeded(eco(*words, "--out", "first"))
    succeeded(eco(*words, "--out", "second"))
    succeeded(eco("compose", "first/spec.yaml", "--quiet", "--out", "third"))
    assert_same_run("first", "second")
    assert_same_run("first", "third")
    assert list(rows_of(Path("first/history.csv"))[0]) == [
        *("stage", "epoch", "loss", "gae", "gae.positive", "gae.negative", "dec", "seconds")
    ]
    assert {row["stage"] for row in rows_of(Path("first/history.csv"))} == {"pretrain", "joint"}


def test_runs_in_processes_of_their_own_are_the_same(eco: Eco, eco_process: Eco, good: None) -> None:
    words = ("compose", *TRAINED, "--epochs", "3", "--quiet", "--threads", "1", "--out")
    succeeded(eco(*words, "here"))
    succeeded(eco_process(*words, "there", plugins=("good",)))
    assert_same_run("here", "there")


def test_the_command_line_leaves_the_process_as_it_was(eco: Eco) -> None:
    import warnings

    before = (dict(os.environ), warnings.showwarning, torch.are_deterministic_algorithms_enabled())
    state = torch.get_rng_state()
    succeeded(eco("--block", "nothing-of-that-name", "compose", "--data", "karate"))
    assert (dict(os.environ), warnings.showwarning, torch.are_deterministic_algorithms_enabled()) == before
    assert torch.equal(torch.get_rng_state(), state)


def test_on_a_terminal_the_bar_ends_at_the_last_epoch_and_messages_have_lines_of_their_own(
    good: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pty")
    words = ["compose", *TRAINED, "--epochs", "13", "--out", "run"]
    lines = screen_of(lambda stream: print("The next command.", main(words), file=stream), monkeypatch)
    assert lines[0].startswith("3 clusters: the declared")
    assert re.match(r"joint ━+ 13/13 loss \d", lines[1])
    assert lines[2].startswith("joint: 13 epochs in ")
    assert lines[3:] == ["The next command. 0"]
