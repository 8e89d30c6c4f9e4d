"""The training loop: updates, early stopping, determinism, failures and checkpoints."""

from __future__ import annotations

import copy
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from eco_core import EarlyStopping, LossOutput, OptimizerSpec, Stage, TrainableModel, Update
from eco_core.engine.callbacks import Callback
from eco_core.engine.checkpoint import load_checkpoint, save_checkpoint
from eco_core.engine.seeding import seeded
from eco_core.engine.trainer import train as train_session
from eco_core.errors import CompositionError, EcoError, TrainingError
from eco_core.model.session import WholeGraphSession
from tests.graphs import ring


class Regression(TrainableModel):
    """Learns the features of each node from random inputs, with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.other = nn.Linear(4, 4)
        self.dropout = nn.Dropout(0.2)

    def loss(self, x, epoch):
        return {
            "fit": (self.dropout(self.linear(x)) - x).pow(2).mean(),
            "small": 0.01 * self.linear.weight.pow(2).mean(),
        }


def train(model, graph, stages, **options):
    return train_session(WholeGraphSession(model, graph), stages, **options)


def stage(model, epochs=10, lr=0.05, **options):
    update = Update(model.loss, (model.linear,), OptimizerSpec(lr=lr))
    return Stage("fit", (update,), epochs, **options)


def fresh() -> Regression:
    torch.manual_seed(1)
    return Regression()


def figures(history):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


def test_training_lowers_the_loss_and_records_each_component_of_each_epoch():
    model = fresh()
    history = train(model, ring(), [stage(model, 60)])
    assert [row["epoch"] for row in history] == list(range(60))
    assert history.columns == ["stage", "epoch", "loss", "fit", "small", "seconds"]
    for row in history:
        assert row["loss"] == pytest.approx(row["fit"] + row["small"], rel=1e-6)
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]


def test_only_the_modules_of_an_update_move():
    model = fresh()
    before = copy.deepcopy(model.state_dict())
    train(model, ring(), [stage(model)])
    after = model.state_dict()
    assert not torch.equal(before["linear.weight"], after["linear.weight"])
    assert torch.equal(before["other.weight"], after["other.weight"])


def test_the_same_seed_gives_the_same_history_and_weights_and_another_seed_others():
    runs = []
    for seed in (0, 0, 1):
        model = fresh()
        history = train(model, ring(), [stage(model)], seed=seed)
        runs.append((figures(history), model.linear.weight.detach().clone()))
    assert runs[0][0] == runs[1][0]
    assert torch.equal(runs[0][1], runs[1][1])
    assert runs[0][0] != runs[2][0]


def test_a_run_leaves_the_generators_of_the_caller_and_its_determinism_as_they_were():
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    expected = (torch.rand(1).item(), np.random.rand(), random.random())
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    model = fresh()
    torch.manual_seed(5)
    train(model, ring(), [stage(model)], seed=3)
    assert (torch.rand(1).item(), np.random.rand(), random.random()) == expected
    assert not torch.are_deterministic_algorithms_enabled()
    with seeded(0):
        assert torch.are_deterministic_algorithms_enabled()


class Bouncing(TrainableModel):
    """Its loss is given for each epoch; the weight counts the steps that were taken."""

    def __init__(self, losses):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.losses = losses

    def loss(self, epoch):
        return self.losses[epoch] + self.weight - self.weight.detach()


def test_early_stopping_restores_the_weights_that_gave_the_lowest_loss():
    model = Bouncing([3.0, 2.0, 1.0, 5.0, 4.0, 6.0, 7.0])
    update = Update(model.loss, (model,), lambda parameters: torch.optim.SGD(parameters, lr=1.0))
    history = train(model, ring(), [Stage("s", (update,), 7, stop=EarlyStopping(patience=2))])
    assert [row["loss"] for row in history] == [3.0, 2.0, 1.0, 5.0, 4.0]
    # The loss of epoch 2 was that of the weights after two steps.
    assert model.weight.item() == -2.0


def test_without_restoring_the_last_weights_stay():
    model = Bouncing([1.0, 2.0, 3.0])
    update = Update(model.loss, (model,), lambda parameters: torch.optim.SGD(parameters, lr=1.0))
    train(model, ring(), [Stage("s", (update,), 3, stop=EarlyStopping(patience=5, restore_best=False))])
    assert model.weight.item() == -3.0


def test_min_delta_ignores_smaller_improvements():
    model = Bouncing([1.0, 0.99, 0.98, 0.97])
    update = Update(model.loss, (model,), OptimizerSpec())
    history = train(model, ring(), [Stage("s", (update,), 4, stop=EarlyStopping(patience=2, min_delta=0.5))])
    assert len(history) == 3


class Rivals(TrainableModel):
    """Two modules that alternate; each loss sees what the other did."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        self.seen: list[float] = []

    def first_loss(self):
        return self.first.weight.sum()

    def second_loss(self):
        self.seen.append(self.first.weight.item())
        return LossOutput(self.second.weight.sum(), gap=self.second.weight.sum() - self.first.weight.sum())


def test_several_updates_alternate_within_each_step_and_are_recorded_by_name():
    model = Rivals()
    nn.init.zeros_(model.first.weight)

    def sgd(parameters):
        return torch.optim.SGD(parameters, lr=1.0)

    updates = (Update(model.first_loss, (model.first,), sgd), Update(model.second_loss, (model.second,), sgd, "rival"))
    history = train(model, ring(), [Stage("duel", updates, 3)])
    assert model.seen == [-1.0, -2.0, -3.0]
    assert history.columns == ["stage", "epoch", "loss", "rival", "rival.gap", "seconds"]


def test_an_update_leaves_alone_what_it_is_told_to():
    model = fresh()
    before = model.linear.weight.detach().clone()
    update = Update(model.loss, (model,), OptimizerSpec(), without=(model.linear,))
    train(model, ring(), [Stage("s", (update,), 2)])
    assert torch.equal(before, model.linear.weight)


def test_clipping_bounds_the_step_of_sgd():
    model = fresh()
    before = torch.cat([p.detach().flatten() for p in model.linear.parameters()])
    update = Update(model.loss, (model.linear,), OptimizerSpec(name="sgd", lr=1.0), clip_norm=1e-3)
    train(model, ring(), [Stage("s", (update,), 1)])
    after = torch.cat([p.detach().flatten() for p in model.linear.parameters()])
    assert 0 < (after - before).norm() <= 1.001e-3


def test_each_stage_has_optimisers_of_its_own_and_runs_before_first():
    model = fresh()
    order: list[str] = []
    made: list[int] = []

    def optimizer(parameters):
        made.append(1)
        return torch.optim.Adam(parameters)

    stages = [
        Stage(name, (Update(model.loss, (model.linear,), optimizer),), 2, before=lambda name=name: order.append(name))
        for name in ("one", "two")
    ]
    history = train(model, ring(), stages)
    assert order == ["one", "two"]
    assert len(made) == 2
    assert [(row["stage"], row["epoch"]) for row in history] == [("one", 0), ("one", 1), ("two", 0), ("two", 1)]


class Exploding(TrainableModel):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def loss(self, epoch):
        bad = torch.log(torch.zeros(())) * (epoch == 3)
        return {"good": self.weight * 1.0, "bad": torch.nan_to_num(bad, nan=0.0, neginf=float("-inf")) + self.weight}


def test_a_loss_that_is_not_finite_names_stage_epoch_and_component():
    model = Exploding()
    with pytest.raises(TrainingError, match=r"'s', epoch 3: loss component 'bad' is -inf") as caught:
        train(model, ring(), [Stage("s", (Update(model.loss, (model,), OptimizerSpec()),), 10)])
    assert caught.value.problems[0].code == "ECO401"
    assert "good" not in str(caught.value)


def test_a_loss_of_the_wrong_shape_is_a_coded_error():
    model = fresh()
    update = Update(lambda x: model.linear(x), (model,), OptimizerSpec())
    with pytest.raises(CompositionError, match=r"tensor of shape \(12, 4\)"):
        train(model, ring(), [Stage("s", (update,), 1)])


def test_nothing_to_train_is_said():
    model = fresh()
    with pytest.raises(TrainingError, match="has no parameters"):
        train(model, ring(), [Stage("s", (Update(model.loss, (nn.ReLU(),), OptimizerSpec()),), 1)])


def test_the_graph_of_the_caller_is_not_changed():
    model, graph = fresh(), ring()
    keys, x = set(graph.keys()), graph.x.clone()
    train(model, graph, [stage(model)])
    assert set(graph.keys()) == keys
    assert torch.equal(graph.x, x)


class Killed(Exception):
    pass


class KillAt(Callback):
    """Ends the run as a kill would, after an epoch of a stage."""

    def __init__(self, name: str, epoch: int) -> None:
        self.place = (name, epoch)

    def on_epoch_end(self, stage, row):
        if (row["stage"], row["epoch"]) == self.place:
            raise Killed


def two_stages(model):
    return [
        stage(model, 8, stop=EarlyStopping(patience=6)),
        Stage("second", (Update(model.loss, (model,), OptimizerSpec(name="sgd", lr=0.1, momentum=0.9)),), 9),
    ]


@pytest.mark.parametrize(("name", "epoch"), [("fit", 3), ("fit", 7), ("second", 1), ("second", 5), ("second", 8)])
def test_a_killed_run_resumes_to_the_bit_identical_result(tmp_path: Path, name: str, epoch: int):
    whole = fresh()
    expected = train(whole, ring(), two_stages(whole), seed=4)

    killed = fresh()
    checkpoint = tmp_path / "checkpoint.pt"
    options = {"checkpoint": checkpoint, "checkpoint_every": 2, "seed": 4}
    with pytest.raises(Killed):
        train(killed, ring(), two_stages(killed), callbacks=[KillAt(name, epoch)], **options)
    resumed = fresh()
    history = train(resumed, ring(), two_stages(resumed), resume=checkpoint, **options)

    assert figures(history) == figures(expected)
    for key, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[key]), key


def test_a_checkpoint_holds_tensors_and_plain_python_only(tmp_path: Path):
    model = fresh()
    path = tmp_path / "c.pt"
    train(model, ring(), [stage(model, 5, stop=EarlyStopping(patience=3))], checkpoint=path, checkpoint_every=2)
    state = torch.load(path, weights_only=True)  # refuses anything else
    assert state["epoch"] == 4
    assert [file.name for file in tmp_path.iterdir()] == ["c.pt"]


def test_a_torn_or_foreign_checkpoint_is_a_clear_error(tmp_path: Path):
    path = tmp_path / "c.pt"
    for content in (b"", b"not a checkpoint"):
        path.write_bytes(content)
        with pytest.raises(EcoError, match="not a readable checkpoint"):
            load_checkpoint(path)
    torch.save({"format": 99}, path)
    with pytest.raises(EcoError, match="checkpoint format 2, the only one"):
        load_checkpoint(path)
    with pytest.raises(EcoError, match="no checkpoint"):
        load_checkpoint(tmp_path / "absent.pt")


def test_a_failing_write_keeps_the_checkpoint_that_was_there(tmp_path: Path):
    path = tmp_path / "c.pt"
    save_checkpoint(path, {"epoch": 1})

    class Unwritable:
        def __reduce__(self):
            raise RuntimeError("cannot be written")

    with pytest.raises(RuntimeError, match="cannot be written"):
        save_checkpoint(path, {"epoch": Unwritable()})
    assert load_checkpoint(path)["epoch"] == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_history_survives_its_file_exactly(tmp_path: Path):
    model = fresh()
    history = train(model, ring(), two_stages(model))
    history.to_csv(tmp_path / "h.csv")
    assert type(history).from_csv(tmp_path / "h.csv") == history
