"""A mistake costs its maker one clear message: no traceback, no files, nothing lost."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.cli.conftest import Eco, Result

KARATE = ("compose", "--data", "karate")


def files() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(Path().rglob("*")) if path.is_file()}


def folders() -> set[str]:
    return {str(path) for path in Path().rglob("*") if path.is_dir()}


def refused(eco: Eco, *words: str | Path, named: tuple[str, ...] = (), code: str = "") -> Result:
    """Runs a command that must be refused: exit 2, one message that names what is wrong, and nothing written."""
    before = files(), folders()
    result = eco(*words)
    assert result.code == 2, (result.out, result.err)
    assert result.out == ""
    assert "Traceback" not in result.err
    assert code in result.err
    for text in named:
        assert text in result.err
    assert (files(), folders()) == before
    return result


# ------------------------------------------------------------------------------- names and flags


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (("--encoder", "gatt"), "ECO101", ("encoder 'gatt'", "eco list encoders")),
        (("--head", "kmean"), "ECO101", ("head 'kmean'", "Did you mean 'kmeans'?")),
        (("--head", ""), "ECO101", ("head ''", "kmeans")),
        (("--head", "identity"), "ECO101", ("'identity' is an encoder, not a head",)),
        (("--strategy", "join"), "ECO101", ("strategy 'join'", "Did you mean 'joint'?")),
        (("--objective", "nope"), "ECO101", ("objective 'nope'",)),
        (("--recipe", "kmean"), "ECO101", ("recipe 'kmean'", "Did you mean 'kmeans'?")),
        (("--data", "Karatte"), "ECO101", ("'Karatte'", "Did you mean 'karate'?")),
        (("--data", ""), "ECO101", ("''", "karate")),
        (("--head", "kmeans", "--strategy", "joint"), "ECO201", ("'joint'", "'kmeans'", "--strategy decoupled")),
        (("--head", "nowhere:kmeans"), "ECO101", ("nowhere:kmeans", "eco-core:kmeans")),
        (("--clusters", "0"), "ECO104", ("clusters is 0", "1 or more", "--clusters")),
        (("--clusters", "-3"), "ECO104", ("clusters is -3", "--clusters")),
        (("--clusters", "seven"), "ECO104", ("'seven'", "integer", "'auto'", "--clusters")),
        (("--clusters", ""), "ECO104", ("clusters is ''",)),
        (("--clusters", "35"), "ECO207", ("35 clusters", "34 nodes", "from 1 to 34")),
        (("--seed", "-1"), "ECO104", ("seed is -1", "--seed")),
        (("--seed", "4294967296"), "ECO104", ("seed is 4294967296",)),
        (("--epochs", "-1"), "ECO104", ("--epochs is -1", "0 or more")),
        (("--device", "tpu"), "ECO405", ("'tpu'", "auto, cpu, cuda")),
        (("--devices", "0"), "ECO405", ("0 devices",)),
        (("--threads", "0"), "", ("--threads",)),
        (("--epochs", "many"), "", ("--epochs",)),
        (("--sed", "3"), "", ("--sed",)),
        (("a.yaml", "b.yaml"), "", ("b.yaml",)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) and value and value[0].startswith("--") else None,
)
def test_a_wrong_name_or_flag_is_named_with_its_fix(
    eco: Eco, words: tuple[str, ...], code: str, named: tuple[str, ...]
) -> None:
    refused(eco, *KARATE, *words, code=code, named=named)


def test_an_unknown_verb_is_refused_with_a_suggestion(eco: Eco) -> None:
    refused(eco, "compse", named=("compse", "compose"))
    refused(eco, "data", "lst", named=("lst",))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_cuda_device_is_named(eco: Eco) -> None:
    refused(eco, *KARATE, "--device", "cuda", code="ECO405", named=("'cuda'", "--device cpu"))


def test_all_problems_come_at_once(eco: Eco) -> None:
    words = ("--encoder", "gatt", "--objective", "nope", "--clusters", "0", "--seed", "-1", "--set", "head.n_int=3")
    result = refused(eco, *KARATE, *words)
    codes = re.findall(r"^ECO\d{3}", result.err, re.MULTILINE)
    assert sorted(codes) == ["ECO101", "ECO101", "ECO103", "ECO104", "ECO104"]


def test_debug_shows_where_a_mistake_was_found(eco: Eco) -> None:
    result = eco(*KARATE, "--head", "nope", "--debug")
    assert result.code == 2
    assert "Traceback" in result.err
    assert "ECO101" in result.err


# ------------------------------------------------------------------------------- --set


@pytest.mark.parametrize(
    ("override", "code", "named"),
    [
        ("head.n_int=3", "ECO103", ("head 'kmeans'", "'n_int'", "Did you mean 'n_init'?", "eco show kmeans")),
        ("haed.n_init=3", "ECO103", ("'haed'", "Did you mean 'head'?")),
        ("encoder.width=3", "ECO103", ("has no parameter 'width'",)),
        ("head.n_init", "ECO107", ("'head.n_init'", "KEY=VALUE")),
        ("=3", "ECO107", ("'=3'", "KEY=VALUE")),
        ("head.=3", "ECO107", ("'head.=3'", "KEY=VALUE")),
        ("head.n_init=three", "ECO104", ("head.n_init", "'three'", "integer")),
        ("head.n_init=2.5", "ECO104", ("head.n_init", "2.5", "integer")),
        ("head.n_init=0", "ECO104", ("head.n_init is 0", "1")),
        ("head.n_init=", "ECO104", ("head.n_init", "None", "integer")),
        ("head.n_init=[1", "ECO106", ("head.n_init=[1", "YAML")),
        ("head.n_init.x=5", "ECO104", ("head.n_init", "integer")),
        ("head.backend=spark", "ECO104", ("'spark'", "sklearn")),
        ("head.n_clusters=3", "ECO103", ("'n_clusters'",)),
        ("head=3", "ECO104", ("head", "3")),
        ("strategy.train.epoch=3", "ECO103", ("strategy.train", "'epoch'", "Did you mean 'epochs'?")),
        ("strategy.train.optimizer.lr=0", "ECO104", ("strategy.train.optimizer.lr is 0", "greater than 0")),
        ("strategy.train.optimizer.name=adamm", "ECO104", ("'adamm'", "adamw")),
        ("strategy.train.optimizer.momentum=0.9", "ECO104", ("no momentum", "sgd")),
        ("strategy.train=3", "ECO104", ("strategy.train is 3",)),
        ("train.precision=16", "ECO104", ("train.precision", "16", "bf16-mixed")),
        ("data.undirectd=false", "ECO103", ("'undirectd'", "Did you mean 'undirected'?")),
        ("data.undirected=maybe", "ECO104", ("data.undirected", "'maybe'", "boolean")),
        ("data.k=5", "ECO103", ("'k'",)),
        ("seed=abc", "ECO104", ("seed is 'abc'", "--seed")),
    ],
)
def test_an_override_that_cannot_be_used_is_named_with_its_fix(
    eco: Eco, override: str, code: str, named: tuple[str, ...]
) -> None:
    refused(eco, *KARATE, "--set", override, code=code, named=named)


def test_parameters_of_a_data_set_are_checked_like_those_of_a_part(eco: Eco) -> None:
    refused(eco, "compose", "--data", "sbm", "--set", "data.num_node=9", code="ECO103", named=("'num_nodes'",))
    refused(eco, "compose", "--data", "sbm", "--set", "data.num_nodes=many", code="ECO104", named=("'many'",))
    refused(eco, "compose", "--data", "sbm", "--set", "data.num_nodes=-5", code="ECO104", named=("-5",))


# ------------------------------------------------------------------------------- specs


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        ("- gat\n- dec\n", "ECO106", ("spec.yaml", "list", "mapping")),
        ("just words", "ECO106", ("spec.yaml", "str", "mapping")),
        ("encoder: [1\n", "ECO106", ("spec.yaml", "YAML", "line")),
        ("seed: 1\nseed: 2\n", "ECO106", ("'seed'", "twice", "line 2")),
        ('a: !!python/object/apply:os.system ["true"]\n', "ECO106", ("spec.yaml", "python/object")),
        ("encoder: &e {name: identity, x: *e}\n", "ECO106", ("recursive",)),
        ("encodr: gat\n", "ECO103", ("'encodr'", "Did you mean 'encoder'?")),
        ("schema: 2\n", "ECO104", ("schema is 2",)),
        ("head: {name: kmeans, n_int: 3}\n", "ECO103", ("'n_int'", "'n_init'")),
        ("head: 3\n", "ECO104", ("head", "3")),
        ("head: {name: [a]}\n", "ECO104", ("head", "['a']")),
        ("data: 7\n", "ECO104", ("data.name is 7",)),
        ("3: x\n", "ECO103", ("'3'",)),
        ("data: {name: karate, 3: x}\n", "ECO103", ("'3'",)),
        ("recipe: kmeans\n", "ECO103", ("'recipe'",)),
        ("seed: 2020-01-01\n", "ECO104", ("seed",)),
        ('seed: "\0"\n', "ECO106", ("spec.yaml",)),
    ],
)
def test_a_spec_that_cannot_be_used_is_refused(eco: Eco, text: str, code: str, named: tuple[str, ...]) -> None:
    Path("spec.yaml").write_text(text)
    refused(eco, "compose", "spec.yaml", code=code, named=named)


def test_a_spec_that_is_no_text_file_is_refused(eco: Eco) -> None:
    Path("binary.yaml").write_bytes(b"\xff\xfe\x00")
    Path("folder").mkdir()
    for path, named in (("missing.yaml", "No such file"), ("folder", "directory"), ("binary.yaml", "not a text file")):
        refused(eco, "compose", path, code="ECO106", named=(path, named))


# ------------------------------------------------------------------------------- data


@pytest.fixture
def graphs() -> None:
    """Files with one graph each, most of them with a mistake."""
    x = np.random.default_rng(0).random((10, 3), dtype=np.float32)
    edges = np.array([[0, 1, 2], [1, 2, 3]])
    with_nan, with_infinity = x.copy(), x.copy()
    with_nan[2, 1], with_infinity[4, 0] = np.nan, np.inf
    np.savez("fine.npz", x=x, edge_index=edges)
    np.savez("nan.npz", x=with_nan, edge_index=edges)
    np.savez("infinite.npz", x=with_infinity, edge_index=edges)
    np.savez("beyond.npz", x=x, edge_index=np.array([[0, 1], [1, 99]]))
    np.savez("negative.npz", x=x, edge_index=np.array([[0, -1], [1, 2]]))
    np.savez("empty.npz", x=np.zeros((0, 3)), edge_index=np.zeros((2, 0), dtype=int))
    np.savez("featureless.npz", x=np.zeros((10, 0)), edge_index=edges)
    np.savez("labels.npz", x=x, edge_index=edges, y=np.arange(9))
    np.savez("neither.npz", y=np.arange(10))
    np.savez("objects.npz", x=np.array([{}], dtype=object), edge_index=edges)
    np.savez("edgeless.npz", x=x, edge_index=np.zeros((2, 0), dtype=int))
    Path("junk.npz").write_text("not an archive")
    Path("junk.pt").write_text("no tensors")
    Path("graph.gml").write_text("graph []")
    Path("graph.doc").write_text("graph")
    Path("bare").write_text("")
    Path("folder").mkdir()
    Path("edges.csv").write_text("")
    Path("features.csv").write_text("node,age\na,1\nb,2\n")


@pytest.mark.parametrize(
    ("path", "code", "named"),
    [
        ("missing.npz", "ECO301", ("'missing.npz'",)),
        ("nowhere/graph.npz", "ECO301", ("nowhere",)),
        ("fin.npz", "ECO301", ("'fin.npz'", "Did you mean 'fine.npz'")),
        ("graph.gml", "ECO302", ("graph.gml", "no nodes")),
        ("graph.doc", "ECO302", ("graph.doc", ".npz, .pt")),
        ("bare", "ECO302", ("bare", ".npz, .pt")),
        ("folder", "ECO301", ("folder", "edges.csv")),
        ("junk.npz", "ECO302", ("junk.npz",)),
        ("junk.pt", "ECO302", ("junk.pt",)),
        ("neither.npz", "ECO302", ("neither.npz", "no edges", "no features", "y (10,)")),
        ("objects.npz", "ECO302", ("objects.npz",)),
        ("edges.csv", "ECO302", ("edges.csv", "empty")),
        ("nan.npz", "ECO303", ("nan", "row 2, column 1")),
        ("infinite.npz", "ECO303", ("inf", "row 4, column 0")),
        ("beyond.npz", "ECO303", ("99", "10 nodes")),
        ("negative.npz", "ECO303", ("-1", "10 nodes")),
        ("empty.npz", "ECO303", ("no nodes",)),
        ("featureless.npz", "ECO303", ("no node features",)),
        ("labels.npz", "ECO303", ("9", "10")),
    ],
)
def test_data_that_cannot_be_used_is_refused(
    eco: Eco, graphs: None, path: str, code: str, named: tuple[str, ...]
) -> None:
    for verb in (("compose", "--clusters", "2", "--data"), ("data", "info")):
        refused(eco, *verb, path, code=code, named=named)


def test_a_dry_run_finds_a_missing_file(eco: Eco, graphs: None) -> None:
    refused(eco, "compose", "--dry-run", "--data", "fin.npz", code="ECO301", named=("'fine.npz'",))
    refused(eco, "compose", "--dry-run", "--data", "graph.doc", code="ECO302")


def test_without_a_number_of_clusters_the_message_says_how_to_choose(eco: Eco, graphs: None) -> None:
    refused(eco, "compose", "--data", "fine.npz", code="ECO207", named=("'kmeans'", "--clusters K", "modularity"))


def test_a_search_for_the_number_of_clusters_is_refused_saying_what_to_give(eco: Eco) -> None:
    for more in ((), ("--dry-run",)):
        refused(
            eco,
            *("compose", "--data", "karate", "--clusters", "auto", *more),
            code="ECO207",
            named=("'kmeans'", "--clusters K", "leave clusters out"),
        )


def test_data_sets_that_cannot_be_downloaded_say_where_their_files_belong(
    eco: Eco, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(url: str, folder: str) -> None:
        raise OSError("no network")

    monkeypatch.setattr("torch_geometric.data.download_url", no_network)
    result = eco("compose", "--data", "cora", "--data-root", "root")
    assert result.code == 2
    assert "Traceback" not in result.err
    for text in ("ECO304", "ind.cora.graph", "root/Cora/raw", "no network", "--data-root"):
        assert text in result.err
    assert files() == {}


def test_a_graph_without_edges_can_be_clustered_by_its_features(eco: Eco, graphs: None) -> None:
    result = eco("compose", "--data", "edgeless.npz", "--clusters", "2", "--out", "run")
    assert result.code == 0
    assert "no edges" in result.err


def test_a_graph_without_edges_cannot_be_reconstructed(eco: Eco, graphs: None) -> None:
    pytest.importorskip("eco_gnn")
    pytest.importorskip("eco_autoencoder")
    result = eco("compose", "--data", "edgeless.npz", "--clusters", "2", "--encoder", "gcn", "--objective", "gae")
    assert result.code == 2
    assert "Traceback" not in result.err
    assert "no edge" in result.err


# ------------------------------------------------------------------------------- run folders


def test_the_run_folder_cannot_be_a_file(eco: Eco) -> None:
    Path("file").write_text("mine")
    for out in ("file", "file/below"):
        for force in ((), ("--force",)):
            refused(eco, *KARATE, "--out", out, *force, code="ECO403", named=(out, "--out"))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may write everywhere")
def test_a_folder_that_cannot_be_written_is_refused(eco: Eco) -> None:
    Path("locked").mkdir(mode=0o500)
    for out in ("locked", "locked/below"):
        refused(eco, *KARATE, "--out", out, code="ECO403", named=(out, "--out"))


# ------------------------------------------------------------------------------- parts that do not fit


def test_what_does_not_fit_is_said_with_what_would(eco: Eco) -> None:
    pytest.importorskip("eco_gnn")
    pytest.importorskip("eco_autoencoder")
    pytest.importorskip("eco_prototype")
    refused(eco, *KARATE, "--encoder", "gcn", "--objective", "none", code="ECO204", named=("'gcn'", "gae"))
    refused(eco, *KARATE, "--encoder", "identity", "--objective", "gae", code="ECO205", named=("'gae'", "gatv2, gcn"))
    refused(eco, *KARATE, "--encoder", "gcn", "--strategy", "joint", code="ECO201", named=("dec",))
    assert eco(*KARATE, "--encoder", "gcn", "--head", "dec", "--strategy", "decoupled", "--epochs", "1").code == 0


# ------------------------------------------------------------------------------- runs that fail midway


def test_a_failure_within_a_part_is_one_message_and_debug_shows_the_traceback(
    eco: Eco, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eco_core.builtin.kmeans import KMeansClusterHead

    def fail(self: object, z: object) -> None:
        raise RuntimeError("the library is out of sorts")

    monkeypatch.setattr(KMeansClusterHead, "fit", fail)
    result = eco(*KARATE, "--out", "run")
    assert result.code == 1
    assert result.out == ""
    assert "Traceback" not in result.err
    for text in ("ECO406", "RuntimeError", "the library is out of sorts", "--debug"):
        assert text in result.err
    assert "Unfinished: run keeps spec.yaml, log.txt" in result.err
    assert {path.name for path in Path("run").iterdir()} == {"spec.yaml", "log.txt"}
    assert "the library is out of sorts" in Path("run/log.txt").read_text()
    shown = eco(*KARATE, "--out", "again", "--debug")
    assert shown.code == 1
    assert "Traceback" in shown.err
    assert "in fail" in shown.err


def test_a_loss_that_is_not_finite_names_stage_epoch_and_component(eco: Eco, use: Callable[..., None]) -> None:
    use("good")
    words = ("--head", "fixture-head", "--strategy", "joint", "--epochs", "5")
    result = eco(*KARATE, *words, "--set", "strategy.joint.optimizer.lr=1e30", "--out", "run", "--json")
    assert result.code == 1
    assert result.out == ""
    assert "Traceback" not in result.err
    assert re.search(r"ECO401  Stage 'joint', epoch [12]: loss component 'fixture-head' is (inf|nan)", result.err)
    assert "learning rate" in result.err
    assert "ECO401" in Path("run/log.txt").read_text()


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise there")
def test_an_interrupted_run_says_what_it_keeps(popen: Callable[..., subprocess.Popen[str]]) -> None:
    process = popen(
        *("compose", "--data", "karate", "--head", "fixture-head", "--strategy", "joint"),
        *("--epochs", "1000000", "--threads", "1", "--out", "run"),
        # A shell's background job ignores the signal, and hands that down.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not Path("run/checkpoint.pt").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert "Interrupted" in err
    assert "Unfinished: run keeps spec.yaml, log.txt, checkpoint.pt" in err
    assert {"spec.yaml", "log.txt", "checkpoint.pt"} <= {path.name for path in Path("run").iterdir()}
    assert "assignments.csv" not in {path.name for path in Path("run").iterdir()}
    assert "KeyboardInterrupt" in Path("run/log.txt").read_text()


# ------------------------------------------------------------------------------- plugins


def status_of(result: Result, plugin: str) -> str:
    return next(info["status"] for info in result.document if info["distribution"] == plugin)


def test_a_broken_plugin_leaves_every_other_command_working(
    eco: Eco, eco_process: Eco, use: Callable[..., None]
) -> None:
    shown = eco_process("plugins", "--verbose", plugins=("broken",))
    assert shown.code == 0
    assert re.search(r"^eco-fixture-broken +1\.0 +broken ", shown.out, re.MULTILINE)
    assert "eco_fixture_package_that_is_not_installed" in shown.out
    assert "Traceback" in shown.out, "the traceback of the plugin, on request"
    use("broken")
    for words in (
        *(("list",), ("show", "karate"), ("schema",), ("data", "list"), ("data", "info", "karate")),
        ("compose", "--data", "karate", "--out", "run", "--quiet"),
        ("evaluate", "run/assignments.csv", "--data", "karate"),
    ):
        result = eco(*words)
        assert result.code == 0
        assert "Traceback" not in result.out + result.err


@pytest.mark.parametrize(
    ("folders", "plugin", "status"),
    [
        (("good",), "eco-fixture-good", "ok"),
        (("old_api",), "eco-fixture-old-api", "incompatible"),
        (("hook_raises",), "eco-fixture-hook-raises", "broken"),
        (("unknown_hook",), "eco-fixture-unknown-hook", "broken"),
        (("wrong_type",), "eco-fixture-wrong-type", "broken"),
        (("good", "duplicate"), "eco-fixture-good", "conflict"),
    ],
)
def test_the_status_of_every_plugin_is_shown(
    eco: Eco, use: Callable[..., None], folders: tuple[str, ...], plugin: str, status: str
) -> None:
    use(*folders)
    result = eco("plugins", "--json")
    assert result.code == 0
    assert status_of(result, plugin) == status
    assert status_of(result, "eco-core") == "ok"


def test_the_environment_and_a_flag_block_plugins(eco: Eco, eco_process: Eco) -> None:
    words = ("plugins", "--json")
    by_flag = eco_process("--block", "eco-fixture-good", *words, plugins=("good", "duplicate"))
    assert status_of(by_flag, "eco-fixture-good") == "blocked"
    assert status_of(by_flag, "eco-fixture-duplicate") == "ok"
    by_variable = eco_process(*words, plugins=("good",), ECO_BLOCK_PLUGINS="eco-fixture-good")
    assert status_of(by_variable, "eco-fixture-good") == "blocked"
    refused(eco, "--block", "eco-core", *KARATE, code="ECO503", named=("eco-core", "blocked"))


def test_an_ambiguous_name_is_refused_with_the_candidates(eco: Eco, use: Callable[..., None]) -> None:
    use("good", "duplicate")
    words = (*KARATE, "--strategy", "joint", "--epochs", "1", "--quiet", "--head")
    named = ("eco-fixture-good:fixture-head", "eco-fixture-duplicate:fixture-head")
    refused(eco, *words, "fixture-head", code="ECO102", named=named)
    assert eco(*words, "eco-fixture-duplicate:fixture-head").code == 0


def test_a_part_of_a_plugin_that_is_not_loaded_says_why(eco: Eco, use: Callable[..., None]) -> None:
    use("old_api")
    refused(eco, *KARATE, "--head", "eco-fixture-old-api:old-head", code="ECO502", named=("incompatible",))
    refused(eco, *KARATE, "--head", "old-head", code="ECO101", named=("eco-fixture-old-api is incompatible",))


def test_a_head_of_a_strangers_plugin_is_composed_by_name(eco: Eco, use: Callable[..., None]) -> None:
    use("good")
    words = ("--encoder", "identity", "--head", "fixture-head", "--strategy", "joint", "--epochs", "3")
    result = eco(*KARATE, *words, "--out", "run", "--json")
    assert result.code == 0
    assert result.document["spec"]["head"]["name"] == "fixture-head"
    assert "joint: 3 epochs" in result.err
