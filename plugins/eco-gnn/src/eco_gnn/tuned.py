"""A function that makes a convolutional encoder by its name, with the names that PyAGC uses."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

from eco_gnn.stack import ConvolutionStack

_CLASSES = {"gcn": "GCN", "gat": "GAT", "gatv2": "GATv2", "sage": "SAGE", "gin": "GIN", "mlp": "MLP"}


def create_tuned_gnn(
    gnn_type: str,
    in_channels: int,
    hidden_channels: int,
    num_layers: int,
    out_channels: int | None = None,
    **kwargs: Any,
) -> ConvolutionStack:
    """Makes an encoder with the knobs of the tuned classic networks (Luo et al., NeurIPS 2024, arXiv 2406.08993).

    Every option reaches the encoder; none is dropped. Two spellings are accepted here alone: None for the ``"none"`` of
    ``act`` and ``norm``, and names of normalisations that end in ``_norm``, such as ``"batch_norm"``.

    Args:
        gnn_type: ``gcn``, ``gat``, ``gatv2``, ``sage``, ``gin`` or ``mlp``, in any case. (The other encoders of this
            package are no stacks of convolutions with these knobs: use their classes.)
        in_channels: Width of the features.
        hidden_channels: Width of the hidden layers; for ``gat`` and ``gatv2`` the width of each head.
        num_layers: Number of layers.
        out_channels: Width of the embeddings; for ``gat`` and ``gatv2`` the width of each head of the last layer, which
            averages its heads unless ``concat_last`` is true. None: ``hidden_channels``.
        **kwargs: Any other parameter of the encoder's class, such as ``dropout``, ``act``, ``norm``, ``residual``,
            ``pre_linear`` and ``jk``, or ``heads`` and ``concat``.

    Returns:
        The encoder: `GCN`, `GAT`, `GATv2`, `SAGE`, `GIN` or `MLP`.

    Raises:
        ValueError: ``gnn_type`` is unknown, or a value is outside its range.
        TypeError: The encoder does not have an option that is given.
    """
    name = gnn_type.lower()
    if name not in _CLASSES:
        raise ValueError(f"gnn_type is {gnn_type!r}; it must be one of {', '.join(_CLASSES)}.")
    cls = getattr(import_module(f"eco_gnn.{name}"), _CLASSES[name])
    parameters = inspect.signature(cls).parameters
    for option in kwargs:
        if option not in parameters:
            raise TypeError(
                f"{option!r} is not an option of the encoder {name!r}; its options are {', '.join(parameters)}."
            )
    options = {
        "in_channels": in_channels,
        "hidden_channels": hidden_channels,
        "num_layers": num_layers,
        "out_channels": out_channels,
        **{option: _spelled(option, value) for option, value in kwargs.items()},
    }
    return cls(**options)


def _spelled(option: str, value: Any) -> Any:
    if option in ("act", "norm") and value is None:
        return "none"
    return value.removesuffix("_norm") if option == "norm" and isinstance(value, str) else value
