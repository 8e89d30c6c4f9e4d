"""Features without edges, in memory or in a file: an array, or an ``.npy`` file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch_geometric.data import Data

from eco_core.errors import DataError, Problem, SpecError


def graph_of_features(source: Any) -> Data | None:
    """Reads features that were given instead of a graph.

    Args:
        source: A two-dimensional array or tensor.

    Returns:
        A graph with ``x`` and without edges, not yet validated; None if the source is something else.

    Raises:
        DataError: ECO303, for an array that has not two dimensions.
    """
    if not isinstance(source, (np.ndarray, Tensor)):
        return None
    if source.ndim != 2:
        shape = tuple(source.shape)
        raise DataError(
            Problem(
                "ECO303",
                f"The features are an array of shape {shape}; expected two dimensions.",
                "Give one row for each node and one column for each feature, or (x, edge_index).",
            )
        )
    return Data(x=source)


def is_frame(source: Any) -> bool:
    """Whether an object is a data frame of pandas or polars."""
    return hasattr(source, "columns") and (hasattr(source, "iloc") or hasattr(source, "to_pandas"))


def graph_of_features_frame(frame: Any) -> Data:
    """Reads a data frame of features that came with edges as arrays: a row for each node, all columns numbers.

    Raises:
        SpecError: ECO104, if a column does not hold numbers.
    """
    frame = frame if hasattr(frame, "iloc") else frame.to_pandas()
    try:
        x = frame.to_numpy(dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise SpecError(
            Problem(
                "ECO104",
                f"With edges as an array, a data frame of features holds only numbers; this one does not: {error}.",
                "Choose its columns of numbers, or give the edges as a data frame, too: (nodes, edges).",
            )
        ) from error
    return Data(x=x, feature_names=[str(column) for column in frame.columns])


def read_npy(path: str | Path) -> Data:
    """Reads features from an ``.npy`` file with one row for each node; the file has no edges.

    Args:
        path: The file.

    Raises:
        DataError: ECO301, if there is no such file; ECO302, if it is not an array of numbers with two dimensions.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(Problem("ECO301", f"There is no file {str(path)!r}."))
    how_to = "Write it with numpy.save(path, x), where x has one row for each node and one column for each feature."
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        if "pickle" in reason.lower():
            reason = "it is not an array of numbers"
        raise DataError(Problem("ECO302", f"Cannot read {path}: {reason}.", how_to)) from error
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "biuf":
        what = f"an array of shape {array.shape}, type {array.dtype}" if isinstance(array, np.ndarray) else "an archive"
        raise DataError(Problem("ECO302", f"{path} holds {what}; expected numbers with two dimensions.", how_to))
    return Data(x=array, name=path.stem)


__all__ = ["graph_of_features", "graph_of_features_frame", "is_frame", "read_npy"]
