"""The outcome of one run of either library, and its reported figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class StageTimes:
    """The epochs of one stage.

    Attributes:
        name: The stage's name in ECO.
        full_epochs: Its epochs in the whole recipe.
        seconds: The seconds of each epoch that was run.
    """

    name: str
    full_epochs: int
    seconds: list[float] = field(default_factory=list)

    @property
    def epoch_seconds(self) -> float:
        """The median of the epochs after the first, which may prepare something."""
        return median(self.seconds[1:] or self.seconds)


@dataclass
class Outcome:
    """A finished run.

    Attributes:
        labels: The cluster of each node.
        train_seconds: Seconds from building the model to the end of training, including preparations; for methods
            without training, the seconds of the embedding.
        cluster_seconds: Seconds of the final embedding, if it is not computed yet, and of the clustering.
        stages: The stages that were trained.
        notes: The differences between both libraries.
    """

    labels: Tensor
    train_seconds: float
    cluster_seconds: float
    stages: list[StageTimes] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def figures(outcome: Outcome, is_cut: bool) -> dict[str, Any]:
    """Returns the times of a run, for its line of the file.

    The seconds of an epoch are for the whole recipe: the medians of the stages, weighted by their full epochs.

    Args:
        outcome: A finished run.
        is_cut: Whether the run had fewer epochs than the recipe; the total of the whole recipe is then projected.
    """
    stages = [stage for stage in outcome.stages if stage.seconds]
    total = outcome.train_seconds + outcome.cluster_seconds
    values: dict[str, Any] = {
        "epoch_seconds": None,
        "epochs_run": sum(len(stage.seconds) for stage in stages),
        "epochs_full": sum(stage.full_epochs for stage in stages),
        "stages": {
            stage.name: {
                "epoch_seconds": stage.epoch_seconds,
                "epochs_run": len(stage.seconds),
                "epochs_full": stage.full_epochs,
            }
            for stage in stages
        },
        "train_seconds": outcome.train_seconds,
        "cluster_seconds": outcome.cluster_seconds,
        "total_seconds": total,
        "projected_total_seconds": None,
    }
    if stages:
        whole = sum(stage.epoch_seconds * stage.full_epochs for stage in stages)
        values["epoch_seconds"] = whole / values["epochs_full"]
        if is_cut:
            values["projected_total_seconds"] = total - sum(sum(stage.seconds) for stage in stages) + whole
    return values
