"""Computes metrics: each function gets the arguments that it names. A metric that fails is left out."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eco_core.errors import DataError, EcoWarning
from eco_core.inject.calls import call, call_names
from eco_core.metrics.arrays import labels_of
from eco_core.metrics.catalogue import METRICS

if TYPE_CHECKING:
    from eco_core.registry.registry import Registry

_BY_NODE = ("pred", "x", "z")


def evaluate(metrics: Iterable[tuple[str, Callable[..., Any]]], names: Mapping[str, Any]) -> dict[str, float]:
    """Computes metrics of a finished clustering.

    A metric that asks for ``y`` gets the rows of ``y``, ``pred``, ``x`` and ``z`` of the labelled nodes only. Without
    ``y``, or without labelled nodes, it is left out. A metric is left out with a warning if it raises, asks for an
    absent name, or does not return a finite number. If ``y`` does not hold one label for each node, all metrics that
    ask for it are left out with a warning.

    Args:
        metrics: Pairs of name and function.
        names: The arguments that functions may ask for: ``y``, ``pred``, ``edge_index``, ``edge_weight``, ``x``, ``z``,
            ``graph``. Of a function's optional parameters only ``edge_weight`` is filled.

    Returns:
        Values by name: integers of metrics that count, floats of all others.
    """
    of_labelled = _labelled_nodes(names)
    values: dict[str, float] = {}
    for name, function in metrics:
        try:
            needs_labels = "y" in call_names(function).required
            if not needs_labels:
                value = call(function, names)
            elif of_labelled is not None:
                value = call(function, of_labelled)
            else:
                continue
            values[name] = _number(value)
        except Exception as error:  # A plugin's metric may raise any exception.
            warnings.warn(
                f"Metric {name!r} is left out: {type(error).__name__}: {error}", category=EcoWarning, stacklevel=2
            )
    return values


def _labelled_nodes(names: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Returns the names with the rows of labelled nodes only; None if there are no labelled nodes."""
    if names.get("y") is None:
        return None
    try:
        labels, mask = labels_of(names["y"])
    except DataError as error:
        warnings.warn(f"Metrics that compare with labels are left out: {error}", category=EcoWarning, stacklevel=3)
        return None
    return _LabelledNodes(names, labels, mask) if mask.any() else None


class _LabelledNodes(Mapping[str, Any]):
    def __init__(self, names: Mapping[str, Any], labels: NDArray[np.int64], mask: NDArray[np.bool_]) -> None:
        self._names = names
        self._labels = labels
        self._mask = mask

    def __getitem__(self, name: str) -> Any:
        if name == "y":
            return _like(self._names["pred"], self._labels)
        value = self._names[name]
        if name not in _BY_NODE or value is None or self._mask.all() or len(value) != len(self._mask):
            return value
        rows = _like(value, np.flatnonzero(self._mask))
        # Sparse tensors cannot be indexed by brackets.
        return value.index_select(0, rows) if hasattr(value, "index_select") else np.asarray(value)[rows]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _like(example: Any, values: NDArray[np.int64]) -> Any:
    """Returns the values as an array; if ``example`` is a tensor, as a tensor on its device."""
    if not hasattr(example, "detach"):
        return values
    import torch

    return torch.from_numpy(values).to(example.device)


def _number(value: Any) -> float:
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, numbers.Integral):
        return int(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"it returned {number}; a metric is a finite number.")
    return number


def registered_metrics(registry: Registry) -> list[tuple[str, Callable[..., Any]]]:
    """Lists the names and functions of all metrics that are installed.

    Args:
        registry: The registry of installed plugins.

    Returns:
        The core's metrics in the order of its catalogue, then the metrics of plugins.
    """
    rank = {metric.name: number for number, metric in enumerate(METRICS)}
    entries = sorted(registry.entries("metric"), key=lambda entry: rank.get(entry.name, len(rank)))
    return [(registry.short_name(entry), entry.load()) for entry in entries]


def evaluate_clustering(
    metrics: Iterable[tuple[str, Callable[..., Any]]], graph: Any, pred: Any, z: Any = None
) -> dict[str, float]:
    """Computes metrics of clusters of a graph.

    Args:
        metrics: Pairs of name and function, such as `registered_metrics`.
        graph: A ``torch_geometric.data.Data``; with ``y``, label metrics are computed, too.
        pred: Clusters of shape (num_nodes,), integers.
        z: Embeddings of shape (num_nodes, width), for metrics that ask for them.

    Returns:
        Values by name, as `evaluate` returns them.
    """
    names = {name: getattr(graph, name, None) for name in ("x", "edge_index", "edge_weight")}
    names.update(graph=graph, data=graph, pred=pred)
    if z is not None:
        names["z"] = z
    if getattr(graph, "y", None) is not None:
        names["y"] = graph.y
    return evaluate(metrics, names)
