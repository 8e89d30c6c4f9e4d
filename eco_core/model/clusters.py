"""The number of clusters of a composition: given, declared by the data, or found by its head."""

from __future__ import annotations

from typing import Any

from eco_core.errors import CompositionError, Problem
from eco_core.plan.plan import Plan, check_clusters, needs_clusters


def number_of_clusters(plan: Plan, graph: Any) -> tuple[int | None, list[str]]:
    """Finds the number of clusters.

    Args:
        plan: The plan. If its spec has no number of clusters, the graph's declared number of classes is taken.
        graph: The graph; None if it is not known yet.

    Returns:
        The number of clusters, None if no part needs it; and notes for the user: that the number is the graph's, or
        that the given number is not used.

    Raises:
        CompositionError: ECO207, if the number is needed but unknown, or larger than the number of nodes.
    """
    wanted = needs_clusters(plan.parts)
    clusters = plan.spec.clusters
    notes = []
    if problems := check_clusters(plan.spec, plan.parts):
        raise CompositionError(*problems)
    if clusters is None:
        clusters = getattr(graph, "n_classes", None) if wanted else None
        if clusters is not None:
            name = getattr(graph, "name", "")
            notes.append(f"{clusters} clusters: the declared number of classes of data set '{name}'.")
    elif not wanted and not plan.part("head").is_instance:
        notes.append(f"clusters: {clusters} is not used: {plan.part('head')} finds the number of clusters.")
    if clusters is None or clusters == "auto":
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
