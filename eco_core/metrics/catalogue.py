"""The records of the core's own metrics. They name their functions as text, so that nothing heavy is imported."""

from __future__ import annotations

from eco_core.registry.hookspecs import Metric

_LABELS = "eco_core.metrics.labels"
_STRUCTURE = "eco_core.metrics.structure"

METRICS: tuple[Metric, ...] = (
    Metric(
        "nmi",
        f"{_LABELS}:nmi",
        summary="Normalised mutual information with the labels (arithmetic mean of the entropies)",
        paper="Strehl & Ghosh, JMLR 2002",
    ),
    Metric(
        "ari",
        f"{_LABELS}:ari",
        summary="Adjusted Rand index with the labels",
        paper="Hubert & Arabie, Journal of Classification 1985",
    ),
    Metric(
        "acc",
        f"{_LABELS}:acc",
        summary="Accuracy after the best one-to-one matching of clusters and classes",
        paper="Kuhn, Naval Research Logistics Quarterly 1955",
    ),
    Metric("f1", f"{_LABELS}:f1", summary="Macro F1 over the classes after the same matching"),
    Metric(
        "homogeneity",
        f"{_LABELS}:homogeneity",
        summary="Whether each cluster holds only nodes of one class",
        paper="Rosenberg & Hirschberg, EMNLP 2007",
    ),
    Metric(
        "completeness",
        f"{_LABELS}:completeness",
        summary="Whether all nodes of a class are in one cluster",
        paper="Rosenberg & Hirschberg, EMNLP 2007",
    ),
    Metric(
        "modularity",
        f"{_STRUCTURE}:modularity",
        summary="Edges within clusters beyond what the degrees alone would give",
        paper="Newman & Girvan, Physical Review E 2004",
    ),
    Metric(
        "conductance",
        f"{_STRUCTURE}:conductance",
        summary="Mean over clusters of cut / min(volume, rest); lower is better",
        paper="Yang & Leskovec, ICDM 2012",
    ),
    Metric(
        "cut_fraction",
        f"{_STRUCTURE}:cut_fraction",
        summary="Share of the edge weight between clusters; lower is better",
    ),
    Metric("n_clusters", f"{_STRUCTURE}:n_clusters", summary="Number of clusters that have nodes"),
)
"""All metrics of the core, in the order in which they are reported."""
