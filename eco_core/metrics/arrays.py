"""Turns the arguments of metrics into checked NumPy arrays, and looks metrics up by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from eco_core.errors import DataError, Problem, SpecError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

Array: TypeAlias = "NDArray[Any] | Tensor"

UNLABELLED = -1
"""The label of an unlabelled node; in labels of a floating dtype, NaN means the same."""


def to_numpy(values: Any) -> NDArray[Any]:
    """Returns a tensor of any device, or anything that NumPy can read, as a NumPy array."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    return np.asarray(values)


def clusters_of(pred: Array) -> NDArray[np.int64]:
    """Checks cluster ids.

    Args:
        pred: Cluster ids of shape (num_nodes,), any integers.

    Returns:
        The ids of shape (num_nodes,), dtype int64.

    Raises:
        DataError: ECO305, if there is not exactly one integer for each node.
    """
    return _integers(to_numpy(pred), "The clusters 'pred'", "take clusters.argmax(-1) of a soft assignment first")


def labels_of(y: Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Selects the labels of the labelled nodes.

    Args:
        y: Labels of shape (num_nodes,) or (num_nodes, 1); -1 or NaN for unlabelled nodes.

    Returns:
        The labels of the labelled nodes, dtype int64; and a mask of the labelled nodes, of shape (num_nodes,).

    Raises:
        DataError: ECO305, if a node has more than one label, or a label is not an integer.
    """
    values = _one_a_node(to_numpy(y), "The labels 'y'", "choose one of several targets, such as y[:, 0]")
    mask = values != UNLABELLED
    if values.dtype.kind == "f":
        mask &= ~np.isnan(values)
    return _integers(values[mask], "The labels 'y'", "encode classes as 0, 1, 2, ..."), mask


def labelled_pairs(y: Array, pred: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Selects the labels and clusters of the labelled nodes.

    Args:
        y: Labels of shape (num_nodes,) or (num_nodes, 1); -1 or NaN for unlabelled nodes.
        pred: Cluster ids of shape (num_nodes,).

    Returns:
        Labels and cluster ids of the labelled nodes, both of dtype int64.

    Raises:
        DataError: ECO305, if the lengths differ, no node is labelled, or the values are not integers.
    """
    clusters = clusters_of(pred)
    labels, mask = labels_of(y)
    if len(mask) != len(clusters):
        raise DataError(
            Problem(
                "ECO305",
                f"There are {len(mask)} labels but {len(clusters)} cluster assignments; each node needs one of each.",
                "Pass labels and clusters of the same nodes in the same order (y = -1 where a node has no label).",
            )
        )
    if not mask.any():
        raise DataError(
            Problem(
                "ECO305",
                f"None of the {len(mask)} nodes has a label (-1 and NaN mean unlabelled), so nothing can be compared.",
                "Pass labels, or use the structure metrics, which need no labels.",
            )
        )
    return labels, clusters[mask]


def compute(
    functions: Mapping[str, Callable[..., float]], metrics: str | Iterable[str], kind: str, pred: Array, **others: Any
) -> dict[str, float]:
    """Computes metrics that are chosen by name; upper and lower case are the same.

    Args:
        functions: The known metrics by lower-case name.
        metrics: One name, or several.
        kind: The kind of the metrics, such as ``"label"``, for the message.
        pred: The clusters: each metric's first argument.
        **others: Each metric's other arguments.

    Returns:
        The values, under the names exactly as given.

    Raises:
        SpecError: ECO101, with a problem for each unknown name.
    """
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    problems = [
        Problem("ECO101", f"There is no {kind} metric {name!r}.", did_you_mean(str(name), functions))
        for name in names
        if str(name).lower() not in functions
    ]
    if problems:
        raise SpecError(*problems)
    return {name: functions[name.lower()](pred, **others) for name in names}


def _integers(values: NDArray[Any], what: str, fix: str) -> NDArray[np.int64]:
    values = _one_a_node(values, what, fix)
    if values.dtype.kind == "f":
        fractional = ~np.isfinite(values) | (values != np.floor(values))
        if fractional.any():
            raise DataError(
                Problem("ECO305", f"{what} hold {values[fractional][0]}; expected integers.", _sentence(fix))
            )
    return values.astype(np.int64, copy=False)


def _one_a_node(values: NDArray[Any], what: str, fix: str) -> NDArray[Any]:
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or values.dtype.kind not in "iufb":
        raise DataError(
            Problem(
                "ECO305",
                f"{what} have shape {values.shape} and dtype {values.dtype}; expected (num_nodes,) integers.",
                _sentence(fix),
            )
        )
    return values


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."
