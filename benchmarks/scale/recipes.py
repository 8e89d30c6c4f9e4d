"""Measures one recipe on a graph on disk: the seconds of a batch, and of embedding and clustering all nodes."""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any
from unittest import mock

import torch
from torch_geometric.data import Data

import eco_core as eco
from benchmarks.side_by_side import specs
from eco_core.data.sampling.batches import NeighborBatches, SubgraphBatches
from eco_core.engine.callbacks import Callback
from eco_core.model import batching
from eco_core.parts.stages import Stage

_SOME = 10
"""Batches that stand for an epoch."""


class _Some:
    """The first batches of an epoch."""

    def __iter__(self) -> Iterator[Data]:
        return itertools.islice(super().__iter__(), _SOME)  # type: ignore[misc]


class _SomeNeighborBatches(_Some, NeighborBatches):
    """The first batches of neighbourhoods."""


class _SomeSubgraphBatches(_Some, SubgraphBatches):
    """The first batches of subgraphs."""


class _Clock(Callback):
    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.ready: float | None = None
        self.epochs: dict[str, list[float]] = {}

    def on_stage_start(self, stage: Stage, first_epoch: int) -> None:
        if self.ready is None:
            self.ready = time.perf_counter() - self.start

    def on_epoch_end(self, stage: Stage, row: dict[str, Any]) -> None:
        self.epochs.setdefault(stage.name, []).append(row["seconds"])


def measure(folder: str, recipe: str, batch: str, batch_size: int) -> dict[str, Any]:
    """Trains each stage for two epochs of a few batches, then embeds and clusters all nodes.

    Args:
        folder: Folder of the graph.
        recipe: Name of the recipe.
        batch: ``neighbor`` or ``subgraph``.
        batch_size: Number of seed nodes of a batch.

    Returns:
        The seconds until ``ready`` (reading the graph, finding its parts, and everything else before the first stage),
        the seconds of the first epoch of each stage (including values that are made once for the whole graph), of a
        batch of the second epoch, and of ``cluster`` (embedding and clustering all nodes). A head with an
        ``update_interval`` updates in both epochs, so that the second epoch includes the time of an update.
    """
    spec = {"data": {"name": folder, "normalize_features": "none"}}
    first = eco.compose(spec, recipe=recipe)
    changes = [f"train.batch={batch}", f"train.batch_size={batch_size}"]
    for stage in specs.stage_names(first.spec):
        changes += [f"strategy.{stage}.epochs=2", f"strategy.{stage}.patience=null"]
    changes += ["head.n_init=1"] if first.spec["head"]["name"] == "kmeans" else []
    update_interval = first.spec["head"].get("update_interval")
    changes += ["head.update_interval=1"] if update_interval else []
    model, clock = eco.compose(spec, recipe=recipe, overrides=changes), _Clock()
    patches: dict[str, Any] = {"NeighborBatches": _SomeNeighborBatches, "SubgraphBatches": _SomeSubgraphBatches}
    with mock.patch.multiple(batching, **patches):
        model.fit(folder, callbacks=[clock])
    batches = math.ceil(len(model.labels_) / batch_size)
    return {
        "batch": batch,
        "batch_size": batch_size,
        "batches": batches,
        "update_interval": update_interval,
        "ready_seconds": clock.ready,
        "first_epoch_seconds": {stage: seconds[0] for stage, seconds in clock.epochs.items()},
        "batch_seconds": {stage: seconds[1] / min(_SOME, batches) for stage, seconds in clock.epochs.items()},
        "cluster_seconds": model.seconds_["cluster"],
        "width": model.embedding_.shape[1],
        "metrics": model.metrics_,
    }


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line: prints one JSON document."""
    parser = argparse.ArgumentParser(prog="recipes", description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("recipe")
    parser.add_argument("--batch", choices=("neighbor", "subgraph"), required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--threads", type=int, default=2)
    options: Any = parser.parse_args(words)
    torch.set_num_threads(options.threads)
    print(json.dumps(measure(options.folder, options.recipe, options.batch, options.batch_size)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
