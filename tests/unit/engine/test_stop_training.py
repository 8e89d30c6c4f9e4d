"""Callbacks that stop a training, and what is left of a training that failed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import eco_core as eco
from eco_core import StopTraining
from eco_core.errors import TrainingError
from tests.graphs import blocks
from tests.parts import SimpleClusterHead, SmallEncoder, Smoothness


def model(epochs: int = 20, **parts: Any) -> eco.Composition:
    return eco.compose(encoder=SmallEncoder, objective=Smoothness, clusters=3, epochs=epochs, **parts)


class Raises:
    """Raises at an event; the number of the epoch is the row's."""

    def __init__(self, error: BaseException, event: str = "on_epoch_end", epoch: int = 4, stage: str = "") -> None:
        self.error, self.epoch, self.stage = error, epoch, stage
        setattr(self, event, self.listen)

    def listen(self, stage: Any, row: Any, *_: Any) -> None:
        if isinstance(row, dict) and (row["epoch"] < self.epoch or self.stage not in ("", stage.name)):
            return
        raise self.error


class Records:
    def __init__(self) -> None:
        self.epochs: list[tuple[str, int]] = []
        self.ended: list[tuple[str, int]] = []

    def on_epoch_end(self, stage: Any, row: dict[str, Any]) -> None:
        self.epochs.append((stage.name, row["epoch"]))

    def on_stage_end(self, stage: Any, epochs: int, best: Any) -> None:
        self.ended.append((stage.name, epochs))


def test_a_callback_that_stops_the_training_leaves_a_usable_model() -> None:
    records = Records()
    fitted = model().fit(blocks(), callbacks=[Raises(StopTraining("the loss is low enough")), records])
    assert [row["epoch"] for row in fitted.history_] == [0, 1, 2, 3, 4]
    assert records.epochs[-1] == ("train", 4)  # The other callbacks hear of the last epoch, too.
    assert records.ended == [("train", 5)]
    assert fitted.labels_.shape == (60,)
    assert np.array_equal(fitted.predict(blocks()), fitted.labels_)
    assert any("epoch 4" in note and "the loss is low enough" in note for note in fitted.notes_)


def test_the_result_is_that_of_as_many_epochs() -> None:
    stopped = model().fit(blocks(), callbacks=[Raises(StopTraining())])
    short = model(epochs=5).fit(blocks())
    assert np.array_equal(stopped.embedding_, short.embedding_)


def test_a_stop_in_the_first_stage_still_places_the_centres_of_the_head() -> None:
    records = Records()
    joint = model(head=SimpleClusterHead, strategy="joint")
    joint.fit(blocks(), callbacks=[Raises(StopTraining(), stage="pretrain"), records])
    assert records.ended == [("pretrain", 5), ("joint", 0)]
    assert joint.metrics_["n_clusters"] == 3


def test_a_stop_at_the_start_of_a_stage_trains_nothing() -> None:
    fitted = model().fit(blocks(), callbacks=[Raises(StopTraining(), "on_stage_start")])
    assert list(fitted.history_) == []
    assert fitted.labels_.shape == (60,)


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()], ids=repr)
def test_another_exception_keeps_the_history_so_far(error: BaseException) -> None:
    interrupted = model()
    with pytest.raises(type(error)):
        interrupted.fit(blocks(), callbacks=[Raises(error)])
    assert [row["epoch"] for row in interrupted.history_] == [0, 1, 2, 3, 4]
    assert not hasattr(interrupted, "labels_")


def test_a_callback_that_fails_at_the_end_does_not_lose_the_fit() -> None:
    class Fails:
        def on_fit_end(self, clustering: Any) -> None:
            raise ValueError("mine")

    fitted = model()
    with pytest.raises(ValueError, match="mine"):
        fitted.fit(blocks(), callbacks=[Fails()])
    assert fitted.labels_.shape == (60,)


def test_a_training_that_fails_keeps_the_history_so_far() -> None:
    class Explodes(Smoothness):
        def forward(self, encode: Any, graph: Any, edge_index: Any, epoch: int) -> Any:  # type: ignore[override]
            return super().forward(encode, graph, edge_index).total * (float("inf") if epoch == 3 else 1.0)

    failed = eco.compose(encoder=SmallEncoder, objective=Explodes, clusters=3, epochs=9)
    with pytest.raises(TrainingError):
        failed.fit(blocks())
    assert [row["epoch"] for row in failed.history_] == [0, 1, 2]


def test_a_new_fit_forgets_the_history_of_the_one_that_failed() -> None:
    again = model(epochs=3)
    with pytest.raises(ValueError, match="mine"):
        again.fit(blocks(), callbacks=[Raises(ValueError("mine"), epoch=0)])
    assert len(again.fit(blocks()).history_) == 3


def test_a_model_written_by_hand_stops_and_keeps_its_history() -> None:
    class Small(eco.TrainableModel):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = SmallEncoder(12)

        def loss(self, x: Any, edge_index: Any) -> Any:
            return self.encoder(x, edge_index).square().mean()

    small = Small().fit(blocks(), epochs=9, callbacks=[Raises(StopTraining(), epoch=2)])
    assert len(small.history_) == 3
    with pytest.raises(ValueError, match="mine"):
        small.fit(blocks(), epochs=9, callbacks=[Raises(ValueError("mine"), epoch=5)])
    assert len(small.history_) == 6
