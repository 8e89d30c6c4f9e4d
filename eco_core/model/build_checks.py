"""Checks while the parts are made: their outputs, and whether they fit the graph and each other."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from eco_core.errors import CompositionError, Problem
from eco_core.parts.traits import traits_of
from eco_core.plan.checks import untrained_encoder
from eco_core.plan.part import Part
from eco_core.plan.plan import Plan


def check_embedding(z: Any, num_nodes: int, who: str) -> None:
    """Checks the output of an encoder.

    Args:
        z: The output.
        num_nodes: The number of rows that it must have.
        who: The name of the encoder, for the message.

    Raises:
        CompositionError: ECO209, if the output is not a float tensor of shape (num_nodes, width).
    """
    if isinstance(z, Tensor) and z.dim() == 2 and z.shape[0] == num_nodes and z.is_floating_point():
        return
    found = f"a tensor of shape {tuple(z.shape)}" if isinstance(z, Tensor) else type(z).__name__
    raise CompositionError(
        Problem(
            "ECO209",
            f"{who} returned {found} for a graph of {num_nodes} nodes; an embedding is a float tensor of shape "
            "(num_nodes, width).",
            "Return one row per node; if a module returns more, wrap it in one that returns the embedding alone.",
        )
    )


def check_trainable(plan: Plan, encoder: nn.Module, objective: nn.Module | None, strategy: Any) -> None:
    """Checks that an encoder with weights is trained. Only the built encoder shows whether it has weights.

    Raises:
        CompositionError: ECO204, if the encoder has weights and nothing trains them.
    """
    trains_head = traits_of(strategy).trains_head
    if objective is None and not trains_head and any(p.requires_grad for p in encoder.parameters()):
        raise CompositionError(untrained_encoder(plan.registry, plan.part("strategy"), plan.part("encoder")))


def check_width(part: Part, head: Any, width: int) -> None:
    """Checks that a head given as an instance was made for the embedding's width, before its matrix product fails.

    Raises:
        CompositionError: ECO209, if the widths differ.
    """
    declared = getattr(head, "n_features", None)
    if part.is_instance and isinstance(declared, int) and declared != width:
        raise CompositionError(
            Problem(
                "ECO209",
                f"{part} was made for n_features={declared}, but the embedding has width {width}.",
                f"Make it with n_features={width}, or give its class instead of an instance.",
            )
        )
