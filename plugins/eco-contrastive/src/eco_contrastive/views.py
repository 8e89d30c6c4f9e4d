"""The embeddings of two random views of a graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor


def two_views(
    encode: Callable[[Any], Tensor], graph: Any, first: Callable[[Any], Any], second: Callable[[Any], Any]
) -> tuple[Tensor, Tensor]:
    """Encodes two views of a graph, the first one before the second is drawn.

    Args:
        encode: Maps a graph to its embeddings, of shape (num_nodes, width).
        graph: The graph, or a mini-batch of it. It is not changed.
        first: Makes the first view.
        second: Makes the second view.

    Returns:
        The embeddings of both views.
    """
    return encode(first(graph)), encode(second(graph))
