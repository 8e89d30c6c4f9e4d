"""Agreement of clusters with known labels. All metrics are fractions; 1 is perfect.

The number of clusters may differ from the number of classes. Cluster ids may be any integers. The id -1, which some
algorithms give to noise, is a cluster like any other: a method cannot leave out nodes to raise its score. Nodes whose
label is -1 or NaN have no label and are left out. Only `acc` and `f1` match clusters to classes. All metrics raise
DataError ECO305 if labels and clusters do not match, or no node is labelled.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eco_core.metrics.arrays import Array, compute, labelled_pairs


def nmi(pred: Array, *, y: Array) -> float:
    """Normalised mutual information, divided by the arithmetic mean of the two entropies.

    Args:
        pred: Cluster ids of shape (num_nodes,), any integers.
        y: Labels of shape (num_nodes,), integers; -1 or NaN for unlabelled nodes.

    Returns:
        A fraction in [0, 1].
    """
    from sklearn.metrics import normalized_mutual_info_score

    return _fraction(_score(normalized_mutual_info_score, y, pred, average_method="arithmetic"))


def ari(pred: Array, *, y: Array) -> float:
    """Adjusted Rand index (Hubert & Arabie, 1985).

    Args:
        pred: Cluster ids of shape (num_nodes,), any integers.
        y: Labels of shape (num_nodes,), integers; -1 or NaN for unlabelled nodes.

    Returns:
        At most 1; about 0 for random clusters, down to -0.5 for worse than random ones.
    """
    from sklearn.metrics import adjusted_rand_score

    return _score(adjusted_rand_score, y, pred)


def homogeneity(pred: Array, *, y: Array) -> float:
    """Whether each cluster holds only nodes of one class (Rosenberg & Hirschberg, EMNLP 2007).

    Args:
        pred: Cluster ids of shape (num_nodes,), any integers.
        y: Labels of shape (num_nodes,), integers; -1 or NaN for unlabelled nodes.

    Returns:
        A fraction in [0, 1].
    """
    from sklearn.metrics import homogeneity_score

    return _fraction(_score(homogeneity_score, y, pred))


def completeness(pred: Array, *, y: Array) -> float:
    """Whether all nodes of a class are in one cluster (Rosenberg & Hirschberg, EMNLP 2007).

    Args:
        pred: Cluster ids of shape (num_nodes,), any integers.
        y: Labels of shape (num_nodes,), integers; -1 or NaN for unlabelled nodes.

    Returns:
        A fraction in [0, 1].
    """
    from sklearn.metrics import completeness_score

    return _fraction(_score(completeness_score, y, pred))


def acc(pred: Array, *, y: Array) -> float:
    """Accuracy after the best one-to-one matching of clusters and classes (Kuhn, 1955).

    With more clusters than classes, the nodes of unmatched clusters count as wrong. With fewer clusters, the nodes of
    unmatched classes count as wrong.

    Args:
        pred: Cluster ids of shape (num_nodes,), any integers.
        y: Labels of shape (num_nodes,), integers; -1 or NaN for unlabelled nodes.

    Returns:
        A fraction in (0, 1].
    """
    table = _contingency(y, pred)
    return float(table[_match(table)].sum() / table.sum())


def f1(pred: Array, *, y: Array) -> float:
    """Macro F1 over the true classes after the matching of `acc`.

    A class without a cluster has F1 0. If several matchings have the same accuracy, the matching with the highest macro
    F1 is taken, so that the value does not depend on the numbering of clusters.

    Args:
        pred: Cluster ids of shape (num_nodes,), any integers.
        y: Labels of shape (num_nodes,), integers; -1 or NaN for unlabelled nodes.

    Returns:
        A fraction in (0, 1].
    """
    table = _contingency(y, pred)
    return float(_f1_of_pairs(table)[_match(table)].sum() / table.shape[0])


_METRICS: dict[str, Callable[..., float]] = {
    "nmi": nmi,
    "ari": ari,
    "acc": acc,
    "f1": f1,
    "homogeneity": homogeneity,
    "completeness": completeness,
}


def label_metrics(
    y: Array,
    pred: Array,
    metrics: str | Iterable[str] = ("nmi", "ari", "acc", "f1", "homogeneity", "completeness"),
) -> dict[str, float]:
    """Computes several metrics of agreement with labels.

    Args:
        y: Labels of shape (num_nodes,), integers; -1 or NaN for unlabelled nodes.
        pred: Cluster ids of shape (num_nodes,), any integers.
        metrics: Names of metrics; upper and lower case are the same.

    Returns:
        The values, under the names exactly as given.

    Raises:
        SpecError: ECO101, for an unknown name.
        DataError: ECO305, if labels and clusters do not match or no node is labelled.

    Example:
        >>> label_metrics(np.array([0, 0, 1, 1]), np.array([5, 5, 2, 2]), metrics=["NMI", "ACC"])
        {'NMI': 1.0, 'ACC': 1.0}
    """
    labels, clusters = labelled_pairs(y, pred)
    return compute(_METRICS, metrics, "label", clusters, y=labels)


def _score(function: Callable[..., float], y: Array, pred: Array, **options: Any) -> float:
    labels, clusters = labelled_pairs(y, pred)
    with warnings.catch_warnings():
        # With many small clusters, scikit-learn warns of a regression problem; cluster ids are never its targets.
        warnings.filterwarnings("ignore", message=".*could represent a regression problem", category=UserWarning)
        return float(function(labels, clusters, **options))


def _fraction(value: float) -> float:
    # Rounding errors of entropies can give 1 + 2e-16 or -1e-16.
    return min(1.0, max(0.0, value))


def _contingency(y: Array, pred: Array) -> NDArray[np.int64]:
    from sklearn.metrics.cluster import contingency_matrix

    return contingency_matrix(*labelled_pairs(y, pred))


def _f1_of_pairs(table: NDArray[np.int64]) -> NDArray[np.float64]:
    return 2.0 * table / (table.sum(1, keepdims=True) + table.sum(0, keepdims=True))


def _match(table: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Matches classes (rows) and clusters (columns): most nodes first, then the highest sum of F1."""
    from scipy.optimize import linear_sum_assignment

    # At most min(shape) pairs are matched, each with an F1 of at most 1: all tie breaks add up to less than one node.
    tie_break = _f1_of_pairs(table) / (2.0 * min(table.shape))
    return linear_sum_assignment(table + tie_break, maximize=True)
