"""Batch normalisation after training: running statistics that belong to the final weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def recalibrated_batch_norm(model: nn.Module) -> Iterator[None]:
    """Context manager: replaces the running statistics by those of the forward passes inside it.

    Training on a whole graph normalises by the statistics of the epoch, inference by averages over the last ten or so,
    whose weights were others. Where these moved in one direction, clusters differ from those that were trained. One
    pass over the graph takes the statistics that belong to the weights (Wu and Johnson, 2021, arXiv 2105.07576).

    All other modules stay in evaluation mode, so that these are the statistics of inference, without dropout. Layers
    that nothing passes through keep theirs. Afterwards the modes of all modules are as they were.

    Args:
        model: Has layers of batch normalisation, or none.
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
    """Tells whether a model keeps statistics of batches for inference.

    Args:
        model: The model.
    """
    return bool(_layers(model))


def _layers(model: nn.Module) -> list[_BatchNorm]:
    return [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
