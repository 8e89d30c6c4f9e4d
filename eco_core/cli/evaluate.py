"""``eco evaluate``: the metrics of an assignments file on a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from eco_core.cli.output import discover, print_json, print_table
from eco_core.errors import DataError, Problem


def evaluate(
    assignments: Annotated[Path, typer.Argument(help="A CSV file with the columns node and cluster.")],
    data: Annotated[str, typer.Option(metavar="NAME|PATH", help="The graph that was clustered.")],
    data_root: Annotated[Path | None, typer.Option(help="Folder of downloaded data sets.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A parameter of the data, such as data.k=5.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Compute the metrics of an assignment of nodes to clusters."""
    from eco_core.cli.data import load_data
    from eco_core.results.assignments import read_assignments

    registry = discover()
    rows = read_assignments(assignments)
    graph = load_data(data, data_root, overrides or (), registry)
    metrics = evaluate_assignments({node: cluster for node, (cluster, _) in rows.items()}, graph, registry)
    if json:
        print_json({"metrics": metrics})
        return
    rows_ = ((name, str(value) if isinstance(value, int) else f"{value:.4f}") for name, value in metrics.items())
    print_table(rows_, ("metric", "value"))


def evaluate_assignments(clusters: dict[str, int], graph: Any, registry: Any) -> dict[str, float]:
    """Computes all metrics of clusters by node id.

    Raises:
        DataError: ECO305, if the nodes of the file and of the graph are not the same.
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
