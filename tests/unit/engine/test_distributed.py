"""Two processes that torchrun starts on this machine train together, and each tells what it ended with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from eco_core.engine.collectives import all_gathered, rank_and_size
from tests.unit.engine import distributed_worker as worker

ROOT = Path(__file__).parents[3]
LAUNCHER = ("--standalone", "--nproc-per-node", "2")


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes has in the end."""
    folder = tmp_path_factory.mktemp("ranks")
    places = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *LAUNCHER, "-m", worker.__name__, str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, places))},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return [torch.load(folder / f"rank-{rank}.pt", weights_only=True) for rank in (0, 1)]


def assert_same(one: Any, other: Any) -> None:
    """Equal to the last bit."""
    torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_there_are_two(ranks: list[dict[str, Any]]) -> None:
    assert [found["size"] for found in ranks] == [2, 2]
    assert ranks[0]["pid"] != ranks[1]["pid"]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_loss_that_is_a_mean_over_nodes_trains_as_in_one_process(ranks: list[dict[str, Any]], optimizer: str) -> None:
    alone = worker.outcome(worker.exact(optimizer))
    together = ranks[0][optimizer]
    assert [row["stage"] for row in together["history"]] == ["pretrain"] * 4 + ["joint"] * 4
    # Each epoch is three updates, and its loss the mean of those of the joint batches.
    for row, expected in zip(together["history"], alone["history"], strict=True):
        assert row == pytest.approx(expected, abs=1e-5)
    torch.testing.assert_close(together["state"], alone["state"], atol=1e-5, rtol=0)
    torch.testing.assert_close(together["embedding"], alone["embedding"], atol=1e-5, rtol=0)
    assert torch.equal(together["labels"], alone["labels"])


@pytest.mark.parametrize("name", ["sgd", "adam", "neighbor", "subgraph", "auto", "resumed"])
def test_all_processes_end_with_the_same(ranks: list[dict[str, Any]], name: str) -> None:
    first, second = (found[name] for found in ranks)
    assert first["history"] == second["history"]
    assert first["metrics"] == second["metrics"]
    for key in ("state", "labels", "confidence", "embedding"):
        assert_same(first[key], second[key])


def test_patience_ends_a_stage_of_all_processes_in_the_same_epoch(ranks: list[dict[str, Any]]) -> None:
    epochs = [sum(row["stage"] == "pretrain" for row in found["neighbor"]["history"]) for found in ranks]
    assert epochs[0] == epochs[1]
    assert 3 < epochs[0] < 30


def test_a_resumed_run_ends_as_one_that_was_never_interrupted(ranks: list[dict[str, Any]]) -> None:
    for key in ("state", "labels", "embedding"):
        assert_same(ranks[0]["resumed"][key], ranks[0]["neighbor"][key])
    assert ranks[0]["resumed"]["history"] == ranks[0]["neighbor"]["history"]


def test_auto_shares_batches(ranks: list[dict[str, Any]]) -> None:
    assert ranks[0]["auto"]["batch"] == "subgraph"  # The objective reads edges.
    (note,) = (note for note in ranks[0]["auto"]["notes"] if note.startswith("train.batch"))
    assert note.startswith("train.batch auto is subgraph: 2 processes share each batch")


def test_what_cannot_be_shared_is_refused(ranks: list[dict[str, Any]]) -> None:
    full, small, table = ranks[1]["refused"]
    assert "ECO104  2 processes share the seeds of batches, but train.batch is full" in full
    assert "ECO104  2 processes share each batch, but a batch has only 1 nodes" in small
    assert "is not trained on batches of the graph" in table


def test_gradients_that_a_process_lacks_count_as_zeros_and_those_that_all_lack_stay_absent(
    ranks: list[dict[str, Any]],
) -> None:
    for found in ranks:
        own, others, nobodys = found["averaged"]["gradients"]
        assert own.tolist() == [0.25, 0.25]
        assert others.tolist() == [0.25, 0.25]
        assert nobodys is None
        assert (float(found["averaged"]["loss"]), float(found["averaged"]["part"])) == (1.0, 2.0)


def test_a_process_by_itself_gathers_what_it_has() -> None:
    assert rank_and_size() == (0, 1)
    assert all_gathered("cpu") == ["cpu"]
