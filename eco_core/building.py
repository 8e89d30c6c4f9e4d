"""What is checked while a composition is built: parts against the graph, and what the parts make of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from eco_core.errors import CompositionError, Problem
from eco_core.part_checks import untrained_encoder
from eco_core.plan import Part, Plan, needs_clusters


class NotBuiltError(CompositionError, AttributeError):
    """A composition was asked for something that exists only when the width of its graph is known."""


def not_built(name: str) -> Problem:
    """The problem that a composition is asked for something that only a built one has."""
    return Problem(
        "ECO208",
        f"{name} was asked for, but this composition is not built: the width of its graph is not known yet.",
        "Call fit(data), or compose(..., data=...) or compose(..., in_channels=...).",
    )


def number_of_clusters(plan: Plan, graph: Any) -> tuple[int | None, list[str]]:
    """Finds the number of clusters.

    Args:
        plan: Says how many, or ``auto``: as many as the graph declares.
        graph: The graph; None where there is none yet.

    Returns:
        The number, None where no part needs one; and notes to the user: where it is the graph's, or is not used.

    Raises:
        CompositionError: ECO207, if it is unknown but needed, or larger than the number of nodes.
    """
    wanted = needs_clusters(plan)
    clusters: int | str | None = plan.spec.clusters
    notes = []
    if clusters == "auto":
        clusters = getattr(graph, "n_classes", None) if wanted else None
        if clusters is not None:
            name = getattr(graph, "name", "")
            notes.append(f"{clusters} clusters: the declared number of classes of data set '{name}'.")
    elif not wanted and not plan.part("head").is_instance:
        notes.append(f"clusters: {clusters} is not used: {plan.part('head')} finds the number of clusters.")
    if clusters is None:
        if wanted:
            raise CompositionError(
                Problem(
                    "ECO207",
                    f"{wanted[0]} needs the number of clusters, and the data declares none.",
                    "Give --clusters K (clusters=K in Python). To choose K, compare the modularity of a few "
                    "values, or ask how many groups you could act on.",
                )
            )
        return None, notes
    if graph is not None and wanted and clusters > graph.num_nodes:
        raise CompositionError(
            Problem(
                "ECO207",
                f"{clusters} clusters were asked for, but the graph has {graph.num_nodes} nodes.",
                f"Use --clusters with a number from 1 to {graph.num_nodes}.",
            )
        )
    return int(clusters), notes


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
        raise CompositionError(untrained_encoder(plan, plan.part("strategy"), plan.part("encoder")))


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
