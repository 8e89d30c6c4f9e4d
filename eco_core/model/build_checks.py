"""What is checked while the parts are made: what they return, and whether they fit the graph and each other."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from eco_core.errors import CompositionError, Problem
from eco_core.parts.traits import traits_of
from eco_core.plan.checks import untrained_encoder
from eco_core.plan.part import Part
from eco_core.plan.plan import Plan


def check_embedding(z: Any, num_nodes: int, who: str) -> None:
    """Checks what an encoder returned.

    Raises:
        CompositionError: ECO209, if it is not a float tensor of shape (num_nodes, width).
    """
    if isinstance(z, Tensor) and z.dim() == 2 and z.shape[0] == num_nodes and z.is_floating_point():
        return
    found = f"a tensor of shape {tuple(z.shape)}" if isinstance(z, Tensor) else type(z).__name__
    raise CompositionError(
        Problem(
            "ECO209",
            f"{who} returned {found} for a graph of {num_nodes} nodes; an embedding is a float tensor of shape "
            "(num_nodes, width).",
            "Return one row per node; wrap a module that returns more than that.",
        )
    )


def check_trainable(plan: Plan, encoder: nn.Module, objective: nn.Module | None, strategy: Any) -> None:
    """Finds an encoder that nothing trains, which the check could not know before the encoder was made.

    Raises:
        CompositionError: ECO204.
    """
    trains_head = traits_of(strategy).trains_head
    if objective is None and not trains_head and any(p.requires_grad for p in encoder.parameters()):
        raise CompositionError(untrained_encoder(plan.registry, plan.part("strategy"), plan.part("encoder")))


def check_width(part: Part, head: Any, width: int) -> None:
    """Finds a head instance that was made for another width, before its matrix product fails."""
    declared = getattr(head, "n_features", None)
    if part.is_instance and isinstance(declared, int) and declared != width:
        raise CompositionError(
            Problem(
                "ECO209",
                f"{part} was made for n_features={declared}, but the embedding has width {width}.",
                f"Make it with n_features={width}, or give the class and let it be made.",
            )
        )
