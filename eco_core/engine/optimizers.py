"""Makes the optimiser of an update."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from eco_core.errors import Problem, TrainingError
from eco_core.parts.stages import OptimizerSpec, Update


def trained_parameters(update: Update) -> list[nn.Parameter]:
    """Returns the trainable parameters of ``update.modules``, without the parameters of ``update.without``.

    Args:
        update: The update.
    """
    left_alone = {id(p) for module in update.without for p in module.parameters()}
    parameters = {id(p): p for module in update.modules for p in module.parameters() if p.requires_grad}
    return [p for key, p in parameters.items() if key not in left_alone]


def make_optimizer(update: Update) -> torch.optim.Optimizer:
    """Makes the optimiser of an update over the trainable parameters of its modules.

    Args:
        update: The update.

    Raises:
        TrainingError: ECO205, if there is nothing to train.
    """
    chosen = trained_parameters(update)
    if not chosen:
        names = ", ".join(type(module).__name__ for module in update.modules) or "no module"
        raise TrainingError(
            Problem("ECO205", f"There is nothing to train: {names} has no parameters.", "Train another module.")
        )
    if not isinstance(update.optimizer, OptimizerSpec):
        return update.optimizer(chosen)
    classes: dict[str, Any] = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "sgd": torch.optim.SGD,
        "rmsprop": torch.optim.RMSprop,
        "adagrad": torch.optim.Adagrad,
        "nadam": torch.optim.NAdam,
        "radam": torch.optim.RAdam,
    }
    spec = update.optimizer
    momentum = {} if spec.momentum is None else {"momentum": spec.momentum}
    # The fused forms make one pass over the weights instead of eight.
    fused = {"fused": True} if spec.name in ("adam", "adamw") and all(map(_can_be_fused, chosen)) else {}
    return classes[spec.name](chosen, lr=spec.lr, weight_decay=spec.weight_decay, **momentum, **fused)


def _can_be_fused(parameter: nn.Parameter) -> bool:
    return parameter.device.type in ("cpu", "cuda") and parameter.is_floating_point()


__all__ = ["make_optimizer", "trained_parameters"]
