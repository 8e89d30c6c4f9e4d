"""The two strategies of the field: decoupled and joint."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from eco_core.inject import checked
from eco_core.parts.stages import OptimizerSpec, Stage, StageOptions, Update

if TYPE_CHECKING:
    from torch import nn

    from eco_core.parts.protocols import StagedModel


def _stage(
    name: str,
    options: StageOptions,
    model: StagedModel,
    loss: Callable[..., Any],
    modules: tuple[nn.Module | None, ...],
    before: Callable[..., Any] | None = None,
) -> Stage:
    """Makes a stage with one update, and a second update if the objective has an adversary."""
    adversary = getattr(model.objective, "adversary", None)
    settings: dict[str, Any] = {"optimizer": options.optimizer, "clip_norm": options.clip_norm}
    left_alone = () if adversary is None else (adversary,)
    updates = [Update(loss, tuple(m for m in modules if m is not None), without=left_alone, **settings)]
    if adversary is not None:
        updates.append(Update(model.adversary_loss, (adversary,), name="adversary", **settings))
    return Stage(name, tuple(updates), options.epochs, before, options.early_stopping())


class DecoupledStrategy:
    """Trains the encoder by the objective alone; the head then clusters the embeddings.

    Args:
        train: Options of the only stage, ``train``. Without an objective there is no stage.
    """

    trains_head = False

    def __init__(self, train: StageOptions = StageOptions(optimizer=OptimizerSpec(lr=0.01), patience=50)) -> None:
        self.train = train

    def stages(self, model: StagedModel) -> Iterable[Stage]:
        """Yields the stage ``train``."""
        if model.objective is not None:
            yield _stage("train", self.train, model, model.objective_loss, (model.encoder, model.objective))


@checked
class JointStrategy:
    r"""Pretrains the encoder by the objective, places the head's centres by k-means, then trains all together.

    The loss of the joint stage is :math:`L_{objective} + w L_{head}`. Without an objective there is no pretraining, and
    the loss is the head's loss alone. Heads without ``reset_cluster_centers`` keep their own initialisation.

    Args:
        head_weight: The weight :math:`w` of the head's loss.
        pretrain: Options of the stage ``pretrain``.
        joint: Options of the stage ``joint``. By default the last weights are kept, not the weights of the lowest loss:
            a head that sharpens its own targets, such as DEC, raises its loss whenever it renews the targets, so that
            the first epochs have the lowest loss.
        initialize: Whether the head's centres are placed by k-means before the joint stage.
    """

    trains_head = True

    def __init__(
        self,
        head_weight: Annotated[float, Field(ge=0)] = 10.0,
        pretrain: StageOptions = StageOptions(optimizer=OptimizerSpec(lr=0.01), patience=50),
        joint: StageOptions = StageOptions(epochs=100, optimizer=OptimizerSpec(lr=0.001), restore_best=False),
        initialize: bool = True,
    ) -> None:
        self.head_weight = head_weight
        self.pretrain = pretrain
        self.joint = joint
        self.initialize = initialize

    def stages(self, model: StagedModel) -> Iterable[Stage]:
        """Yields the stages ``pretrain`` (with an objective) and ``joint``."""
        objective = model.objective
        if objective is not None and self.pretrain.epochs > 0:
            yield _stage("pretrain", self.pretrain, model, model.objective_loss, (model.encoder, objective))

        def joint_loss(step: Any) -> Any:
            loss = model.head_loss(step)
            return loss if objective is None else model.objective_loss(step).plus(loss, self.head_weight)

        places_centers = self.initialize and hasattr(model.cluster_head, "reset_cluster_centers")
        yield _stage(
            "joint",
            self.joint,
            model,
            joint_loss,
            (model.encoder, objective, model.cluster_head),
            before=model.initialize_cluster_centers if places_centers else None,
        )
