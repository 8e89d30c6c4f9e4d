"""``eco data convert``: a graph goes to disk, and every verb reads it from there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Eco

NAMES = [f"person-{i}" for i in range(12)]


@pytest.fixture
def tables() -> tuple[str, ...]:
    """Two groups of people, each a ring, with one tie between the groups."""
    ring = [(6 * group + i, 6 * group + (i + 1) % 6) for group in (0, 1) for i in range(6)]
    lines = [f"{NAMES[one]},{NAMES[other]}\n" for one, other in [*ring, (0, 6)]]
    Path("ties.csv").write_text("source,target\n" + "".join(lines))
    rows = [f"{name},{i // 6 + 0.01 * i},{1 - i // 6}\n" for i, name in enumerate(NAMES)]
    Path("people.csv").write_text("name,a,b\n" + "".join(rows))
    Path("groups.csv").write_text("name,group\n" + "".join(f"{name},{i // 6}\n" for i, name in enumerate(NAMES)))
    return "ties.csv", "--features", "people.csv", "--labels", "groups.csv", "--classes", "2"


def test_convert_prints_what_was_written(eco: Eco, tables: tuple[str, ...]) -> None:
    result = eco("data", "convert", *tables, "--out", "graph", "--json")
    assert result.code == 0, result.err
    assert result.err.startswith("reading features from people.csv")
    facts = result.document
    assert (facts["folder"], facts["nodes"], facts["edges"], facts["declared_classes"]) == ("graph", 12, 26, 2)
    assert facts["undirected"] is True
    assert facts["bytes"] == sum(path.stat().st_size for path in Path("graph").iterdir())
    text = eco("data", "convert", *tables, "--out", "graph", "--force", "--directed").out
    assert re.search(r"^edges +13$", text, re.MULTILINE)
    directed = eco("data", "info", "graph", "--json").document
    assert (directed["undirected"], directed["edges"]) == (False, 13)


def test_info_of_a_folder_is_that_of_the_tables(eco: Eco, tables: tuple[str, ...]) -> None:
    eco("data", "convert", *tables, "--out", "graph")
    facts = eco("data", "info", "graph", "--verify", "--json").document
    words = ("--set", "features=people.csv", "--set", "labels=groups.csv", "--json")
    expected = eco("data", "info", "ties.csv", *words).document
    for key in expected.keys() - {"name", "notes", "declared_classes", "columns"}:
        assert facts[key] == pytest.approx(expected[key]), key


def test_a_run_on_disk_is_the_run_in_memory(eco: Eco, tables: tuple[str, ...]) -> None:
    eco("data", "convert", *tables, "--out", "graph")
    on_disk = eco("compose", "--encoder", "identity", "--data", "graph", "--out", "run", "--json")
    assert on_disk.code == 0, on_disk.err
    in_memory = eco(
        *("compose", "--encoder", "identity", "--data", "ties.csv"),
        *("--set", "data.features=people.csv", "--set", "data.labels=groups.csv"),
        *("--clusters", "2", "--out", "other", "--json"),
    )
    assert on_disk.document["metrics"] == pytest.approx(in_memory.document["metrics"])
    assert Path("run/assignments.csv").read_text() == Path("other/assignments.csv").read_text()
    evaluated = eco("evaluate", "run/assignments.csv", "--data", "graph", "--json")
    assert evaluated.document["metrics"] == pytest.approx(on_disk.document["metrics"])


def test_a_data_set_can_be_converted_with_its_parameters(eco: Eco) -> None:
    result = eco("data", "convert", "sbm", "--set", "num_nodes=50", "--set", "data.n_blocks=2", "--out", "s", "--json")
    assert (result.document["nodes"], result.document["declared_classes"]) == (50, 2)


def test_what_a_folder_was_not_converted_for_is_refused(eco: Eco, tables: tuple[str, ...]) -> None:
    eco("data", "convert", *tables, "--out", "graph", "--directed")
    result = eco("compose", "--data", "graph", "--out", "run", "--set", "data.normalize_features=row")
    assert result.code == 2
    for named in ("ECO104", "data.undirected=false", "--directed", "--normalize-features row"):
        assert named in result.err
    eco("data", "convert", *tables, "--out", "rows", "--directed", "--normalize-features", "row")
    words = ("--set", "data.normalize_features=row", "--set", "data.undirected=false")
    assert eco("compose", "--data", "rows", "--out", "run", *words).code == 0


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("ties.csv",), ("ECO104", "--features", "--no-features")),
        (("ties.csv", "--features", "none.csv"), ("ECO301", "none.csv")),
        (("ties.csv", "--features", "groups.csv", "--labels", "people.csv"), ("ECO302", "3 columns")),
        (("none.csv", "--no-features"), ("ECO301", "none.csv")),
        (("karat",), ("ECO101", "karate")),
        (("karate", "--no-features"), ("ECO104", "whole graph")),
        (("karate", "--normalize-features", "rows"), ("ECO104", "'rows'")),
    ],
)
def test_mistakes_are_told_and_nothing_is_left(
    eco: Eco, tables: tuple[str, ...], words: tuple[str, ...], named: tuple[str, ...]
) -> None:
    before = sorted(Path().iterdir())
    result = eco("data", "convert", *words, "--out", "graph")
    assert (result.code, result.out) == (2, "")
    for text in named:
        assert text in result.err
    assert sorted(Path().iterdir()) == before


def test_a_folder_is_not_replaced_by_accident_and_damage_is_found(eco: Eco, tables: tuple[str, ...]) -> None:
    eco("data", "convert", *tables, "--out", "graph")
    result = eco("data", "convert", *tables, "--out", "graph")
    assert result.code == 2
    assert "ECO306" in result.err
    x = np.load("graph/x.npy")
    x[3] += 1
    np.save("graph/x.npy", x)
    assert eco("data", "info", "graph").code == 0
    result = eco("data", "info", "graph", "--verify")
    assert (result.code, result.out) == (2, "")
    assert "x.npy has changed" in result.err
    assert json.loads(Path("graph/manifest.json").read_text())["num_nodes"] == 12
    assert "'verify'" in eco("data", "info", "karate", "--verify").err
