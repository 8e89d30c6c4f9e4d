"""Objectives that bring their own batches: each mapping that they yield is one step."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

import eco_core as eco
from eco_core import EarlyStopping, LossOutput, Stage
from eco_core.errors import TrainingError
from eco_core.model.build import build_parts
from eco_core.model.session import FitSession
from eco_core.parts.stages import OptimizerSpec, Update
from tests.graphs import blocks
from tests.parts import SimpleClusterHead, SmallEncoder


class EdgeBatches(nn.Module):
    """Draws neighbours together, a few edges a step."""

    def __init__(self, n_batches: int = 4) -> None:
        super().__init__()
        self.n_batches = n_batches
        self.calls: list[tuple[int, int | None]] = []
        self.epochs: list[int] = []

    def prepare(self, graph) -> dict[str, Tensor]:
        return {"order": torch.arange(graph.edge_index.size(1))}

    def batches(self, epoch: int, order: Tensor) -> Iterator[dict[str, object]]:
        self.epochs.append(epoch)
        for number, chosen in enumerate(order.chunk(self.n_batches) if self.n_batches else ()):
            yield {"number": number, "chosen": chosen}

    def forward(self, encode, graph, edge_index, epoch, chosen=None, number=None) -> LossOutput:
        self.calls.append((epoch, number))
        z = encode(graph)
        source, target = edge_index if chosen is None else edge_index[:, chosen]
        return LossOutput((z[source] - z[target]).square().mean(), number=torch.tensor(float(number or 0)))


def composed(objective: nn.Module, **options):
    options = {"strategy": "decoupled", "clusters": 3, "epochs": 3, **options}
    return eco.compose(encoder=SmallEncoder, objective=objective, **options)


def test_every_batch_is_a_step_and_its_entries_are_names():
    objective = EdgeBatches()
    model = composed(objective).fit(blocks(), device="cpu")
    assert objective.epochs == [0, 1, 2]
    assert objective.calls == [(epoch, number) for epoch in range(3) for number in range(4)]
    assert [row["EdgeBatches.number"] for row in model.history_] == [1.5, 1.5, 1.5]  # The mean over the steps.


def session_of(model, graph):
    return FitSession(model, build_parts(model.plan, graph))


def test_weights_move_after_every_batch():
    objective = EdgeBatches()
    graph = blocks()
    session = session_of(composed(objective), graph)
    seen = []
    for step in session.steps(0, (objective,)):
        seen.append(step.batch["number"])
        assert step.graph is graph
    assert seen == [0, 1, 2, 3]


def test_without_a_batch_the_objective_takes_the_whole_graph():
    objective = EdgeBatches()
    model = composed(objective)
    graph = blocks()
    model.build(graph)
    assert float(model.objective_loss(graph)) > 0
    assert objective.calls == [(0, None)]


def test_batches_go_with_a_trained_head_too():
    objective = EdgeBatches(2)
    model = composed(objective, strategy="joint", head=SimpleClusterHead).fit(blocks(), device="cpu")
    assert {row["stage"] for row in model.history_} == {"pretrain", "joint"}
    assert len(objective.calls) == 2 * len(model.history_)


def test_a_stage_that_does_not_train_the_objective_has_one_step():
    session = session_of(composed(EdgeBatches()), blocks())
    assert len(list(session.steps(0, ()))) == 1


def test_no_batch_at_all_is_an_error_that_says_so():
    with pytest.raises(TrainingError, match="yielded none"):
        composed(EdgeBatches(0)).fit(blocks(), device="cpu")


class Parabola(nn.Module):
    """The loss of each step is given; the weight only counts steps."""

    def __init__(self, losses: list[list[float]]) -> None:
        super().__init__()
        self.losses = losses
        self.weight = nn.Parameter(torch.zeros(()))

    def batches(self, epoch: int) -> Iterator[dict[str, float]]:
        yield from ({"value": value} for value in self.losses[epoch])

    def forward(self, encode, graph, value: float) -> Tensor:
        return self.weight + value - self.weight.detach() + 0 * encode(graph).sum()


@pytest.mark.parametrize(
    ("losses", "steps_of_the_best"),
    [
        ([[3.0, 1.0], [1.0, 1.0], [5.0, 0.0]], 4),  # Judged by the mean of an epoch, and kept as it ended.
        ([[3.0], [1.0], [5.0]], 1),  # One step: kept as it was when it gave the loss.
    ],
)
def test_the_best_epoch_is_that_of_the_lowest_mean_loss(losses: list[list[float]], steps_of_the_best: int):
    class Plan:
        def stages(self, model):
            sgd = OptimizerSpec(name="sgd", lr=1.0)
            update = Update(model.objective_loss, (model.encoder, model.objective), sgd)
            yield Stage("train", (update,), 3, stop=EarlyStopping())

    model = composed(Parabola(losses), strategy=Plan(), epochs=None).fit(blocks(), device="cpu")
    assert float(model.objective.weight.detach()) == -steps_of_the_best
