"""What is checked while a composition is built: parts against the graph, and what the parts make of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from eco_core.errors import CompositionError, Problem
from eco_core.model.not_built import not_built
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
    trains_head = getattr(strategy, "trains_head", False)
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


def example_graph(in_channels: int | None, num_nodes: int | None) -> Any:
    """A ring with features, to learn the width of an encoder that is built without a graph."""
    from torch_geometric.data import Data

    if in_channels is None:
        raise CompositionError(not_built("build"))
    nodes = max(num_nodes or 8, 2)
    source = torch.arange(nodes)
    ring = torch.stack([source, (source + 1) % nodes])
    graph = Data(x=torch.rand(nodes, in_channels), edge_index=torch.cat([ring, ring.flip(0)], dim=1))
    graph.num_nodes = nodes
    return graph
