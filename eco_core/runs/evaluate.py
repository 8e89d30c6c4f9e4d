"""Computes metrics of given clusters, such as of an assignments file, on a graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eco_core.errors import DataError, Problem
from eco_core.registry.registry import Registry


def evaluate_assignments(clusters: Mapping[str, int], graph: Any, registry: Registry) -> dict[str, float]:
    """Computes all metrics of given clusters of a graph.

    Args:
        clusters: The cluster of each node by node id; if the graph has no ids, they are ``"0"``, ``"1"`` and so on.
        graph: The ``torch_geometric.data.Data`` that was clustered.
        registry: Where metrics are looked up.

    Returns:
        Values by the names of the metrics.

    Raises:
        DataError: ECO305, if the nodes of the assignments and of the graph are not the same.
    """
    import torch

    from eco_core.metrics.evaluate import evaluate_clustering, registered_metrics

    ids = getattr(graph, "node_ids", None) or [str(node) for node in range(graph.num_nodes)]
    missing = [node for node in ids if node not in clusters]
    unknown = clusters.keys() - set(ids)
    if missing or unknown:
        parts = [f"{len(missing)} nodes of the graph have no cluster (first: {missing[0]!r})"] if missing else []
        parts += [f"{len(unknown)} nodes of the file are not in the graph (first: {min(unknown)!r})"] if unknown else []
        raise DataError(
            Problem(
                "ECO305",
                f"The assignments do not fit the graph of {graph.num_nodes} nodes: {' and '.join(parts)}.",
                "Give the data set that was clustered.",
            )
        )
    return evaluate_clustering(registered_metrics(registry), graph, torch.tensor([clusters[node] for node in ids]))
