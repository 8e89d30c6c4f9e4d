"""Batch normalisation after training: recomputes the running statistics with the final weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def recalibrated_batch_norm(model: nn.Module) -> Iterator[None]:
    """Context manager: replaces the running statistics by the statistics of the forward passes inside it.

    Training on a whole graph normalises by the statistics of the current epoch. Inference normalises by running
    averages over about the last ten epochs, which had other weights. If the weights moved steadily in one direction,
    inference gives other clusters than training. One forward pass over the graph inside this context computes the
    statistics of the final weights (Wu and Johnson, 2021, arXiv 2105.07576).

    All other modules are in evaluation mode inside the context, so that dropout does not affect the statistics. A layer
    that no forward pass reaches keeps its statistics. Afterwards the modes of all modules are restored.

    Args:
        model: A module with or without layers of batch normalisation.
    """
    modes = [(module, module.training) for module in model.modules()]
    layers = _layers(model)
    momenta = [layer.momentum for layer in layers]
    model.eval()
    try:
        for layer in layers:
            layer.train()
            layer.momentum = 1.0
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        for module, training in modes:
            module.training = training


def has_batch_norm(model: nn.Module) -> bool:
    """Returns whether a model has batch normalisation with running statistics.

    Args:
        model: The model.
    """
    return bool(_layers(model))


def _layers(model: nn.Module) -> list[_BatchNorm]:
    return [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
