"""The comparison of two revisions finds what differs between two run folders, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.revisions.comparison import adjusted_rand_index, compare_runs
from benchmarks.revisions.pairs import in_pairs, table
from benchmarks.revisions.results import Cell, outcome, report


def write_run(
    folder: Path,
    *,
    clusters: str = "0011",
    losses: tuple[float, ...] = (0.5, 0.25),
    seconds: float = 0.1,
    value: float = 1.0,
    nmi: float = 0.75,
) -> Path:
    folder.mkdir()
    rows = [f"{node},{cluster},0.500000" for node, cluster in enumerate(clusters)]
    (folder / "assignments.csv").write_text("\n".join(["node,cluster,confidence", *rows]) + "\n")
    epochs = [f"train,{epoch},{loss},{seconds}" for epoch, loss in enumerate(losses)]
    (folder / "history.csv").write_text("\n".join(["stage,epoch,loss,seconds", *epochs]) + "\n")
    np.save(folder / "embeddings.npy", np.array([[value, 2.0]], dtype=np.float32))
    (folder / "metrics.json").write_text(json.dumps({"nmi": nmi, "n_clusters": 2}))
    return folder


def test_runs_that_differ_in_their_seconds_alone_are_the_same(tmp_path: Path) -> None:
    compared = compare_runs(write_run(tmp_path / "a"), write_run(tmp_path / "b", seconds=9.0))
    assert compared.differences == ()
    assert compared.ari == 1.0


def test_other_clusters_are_counted_and_measured(tmp_path: Path) -> None:
    compared = compare_runs(write_run(tmp_path / "a"), write_run(tmp_path / "b", clusters="0101"))
    assert compared.differences == ("assignments.csv: cluster of 2 and confidence of 0 of 4 nodes",)
    assert compared.ari == pytest.approx(-0.5)


def test_clusters_with_other_names_are_different_though_they_are_the_same_groups(tmp_path: Path) -> None:
    compared = compare_runs(write_run(tmp_path / "a"), write_run(tmp_path / "b", clusters="1100"))
    assert len(compared.differences) == 1
    assert compared.ari == 1.0


def test_the_first_row_of_another_history_is_named(tmp_path: Path) -> None:
    compared = compare_runs(write_run(tmp_path / "a"), write_run(tmp_path / "b", losses=(0.5, 0.125)))
    assert compared.differences == ("history.csv from row 1 (train 1): loss 0.25 / 0.125",)


def test_a_history_that_ends_earlier_is_different(tmp_path: Path) -> None:
    compared = compare_runs(write_run(tmp_path / "a"), write_run(tmp_path / "b", losses=(0.5,)))
    assert compared.differences == ("history.csv has 2 / 1 rows",)


def test_other_embeddings_and_metrics_are_named_with_their_figures(tmp_path: Path) -> None:
    compared = compare_runs(write_run(tmp_path / "a"), write_run(tmp_path / "b", value=1.5, nmi=0.5))
    assert compared.differences == ("embeddings.npy: largest difference 0.5", "metrics.json: nmi 0.75 / 0.5")


def test_a_file_that_neither_run_has_is_not_taken_for_the_same(tmp_path: Path) -> None:
    before, after = write_run(tmp_path / "a"), write_run(tmp_path / "b")
    for folder in (before, after):
        (folder / "metrics.json").unlink()
    assert compare_runs(before, after).differences == ("metrics.json is missing before and after",)


def test_the_report_says_how_many_runs_differ(tmp_path: Path) -> None:
    before = write_run(tmp_path / "a")
    other = write_run(tmp_path / "b", losses=(0.5, 0.125))
    same = outcome(Cell("dgi", "karate"), compare_runs(before, before))
    different = outcome(Cell("gae", "karate"), compare_runs(before, other))
    text = report([same, different])
    assert "| dgi | karate | same | 1.0000 |  |" in text
    assert "| gae | karate | different | 1.0000 | history.csv from row 1" in text
    assert text.endswith("2 runs on each side: 1 same, 1 different, 0 not compared.")


def test_the_adjusted_rand_index_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import adjusted_rand_score

    generator = np.random.default_rng(0)
    first = generator.integers(0, 4, 60)
    second = np.where(generator.random(60) < 0.3, generator.integers(0, 5, 60), first)
    index = adjusted_rand_index(first.tolist(), second.tolist())
    assert index == pytest.approx(adjusted_rand_score(first, second))


def test_pairs_are_measured_in_the_order_before_after_after_before() -> None:
    order = []

    def measure(side: str) -> dict[str, float]:
        order.append(side)
        return {"time": 1.0 if side == "old" else 3.0}

    pairs = [pair for found in in_pairs(measure, ("old", "new"), 2) for pair in found]
    assert order == ["old", "new", "new", "old"]
    assert [(pair.before, pair.after) for pair in pairs] == [(1.0, 3.0), (1.0, 3.0)]
    assert "| time | 2 | 1 | 3 | 3.000 [3.000, 3.000] | 1 | 3 | 3.000 |" in table(pairs)
