"""One of two processes that torchrun starts for `test_distributed`: it trains, and leaves what it has in a file.

Also what the test itself trains by itself, to compare.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

import eco_core as eco
from eco_core import CompositionError
from eco_core.engine.collectives import average, rank_and_size
from eco_core.parts.loss import LossOutput
from tests.graphs import blocks
from tests.parts import SimpleClusterHead, SmallEncoder, Smoothness


class Targets(nn.Module):
    """A loss that is a mean over nodes."""

    def forward(self, encode, graph, x):
        return (encode(graph) - x[:, :6]).square().mean()


class Restless(SmallEncoder):
    """Draws numbers and keeps statistics of what it sees."""

    def __init__(self, in_channels: int) -> None:
        super().__init__(in_channels)
        self.norm = nn.BatchNorm1d(6)

    def forward(self, x, edge_index, edge_weight=None):
        return nn.functional.dropout(self.norm(super().forward(x, edge_index, edge_weight)), 0.5, self.training)


def graph() -> Any:
    """63 nodes: batches of 21, which two processes share as 11 and 10."""
    return blocks(63)


def exact(optimizer: str) -> Any:
    """Trains what several processes train as one does: 12 steps of each stage.

    The second hop completes the degrees by which the one layer normalises.
    """
    stage = {"epochs": 4, "optimizer": {"name": optimizer, "lr": 0.05}}
    return eco.compose(
        encoder=SmallEncoder,
        objective=Targets,
        head=SimpleClusterHead,
        strategy={"name": "joint", "pretrain": stage, "joint": stage},
        clusters=3,
        train={"batch": "neighbor", "batch_size": 21, "fan_out": [-1, -1]},
    ).fit(graph(), device="cpu")


def restless(batch: str, epochs: int = 60, **options: Any) -> Any:
    """Trains what several processes train in their own way."""
    model = eco.compose(
        encoder=Restless,
        objective=Smoothness,
        head=SimpleClusterHead,
        strategy={"name": "joint", "pretrain": {"epochs": 30, "patience": 3, "optimizer": {"lr": 0.05}}},
        epochs=None,
        clusters=3,
        train={"batch": batch, "batch_size": 21},
        overrides=[f"strategy.joint.epochs={epochs}"],
    )
    return model.fit(graph(), device="cpu", **options)


def outcome(model: Any) -> dict[str, Any]:
    """All that training left."""
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in model.history_]
    return {
        "state": model.state_dict(),
        "history": rows,
        "labels": model.clustering_.labels,
        "confidence": model.clustering_.confidence,
        "embedding": model.clustering_.embedding,
        "metrics": model.metrics_,
        "batch": model.spec["train"]["batch"],
        "notes": model.notes_,
    }


def averaged(rank: int) -> dict[str, Any]:
    """Averages gradients of which one process lacks the second, and both the third."""
    parameters = [nn.Parameter(torch.zeros(2)) for _ in range(3)]
    parameters[0].grad = torch.full((2,), float(rank))
    if rank == 1:
        parameters[1].grad = torch.ones(2)
    loss = average(parameters, LossOutput(torch.tensor(4.0 * rank), part=2.0), (0.75, 0.25)[rank])
    return {"gradients": [p.grad for p in parameters], "loss": loss.total, "part": loss.part}


def refused(batch: str, **options: Any) -> str:
    """The message with which a spec is refused."""
    options = {"encoder": SmallEncoder, "objective": Targets, **options}
    try:
        eco.compose(clusters=3, train={"batch": batch, "batch_size": 1}, **options).fit(graph(), device="cpu")
    except CompositionError as error:
        return str(error)
    return ""


class Table(SmallEncoder):
    reads_graph = False


def main(folder: Path) -> None:
    found: dict[str, Any] = {name: outcome(exact(name)) for name in ("sgd", "adam")}
    checkpoint = folder / "checkpoint.pt"
    for batch in ("neighbor", "subgraph", "auto"):
        found[batch] = outcome(restless(batch))
    restless("neighbor", checkpoint=checkpoint)
    found["resumed"] = outcome(restless("neighbor", resume=checkpoint))
    found["refused"] = [refused("full"), refused("neighbor"), refused("auto", encoder=Table)]
    rank, found["size"] = rank_and_size()
    found["averaged"] = averaged(rank)
    found["pid"] = os.getpid()
    torch.save(found, folder / f"rank-{rank}.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
