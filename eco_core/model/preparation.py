"""Remembers the prepared graphs of a composition, so that a graph that is given again is not prepared again."""

from __future__ import annotations

import copy
import weakref
from typing import Any

import torch

from eco_core.errors import EcoError, Problem
from eco_core.ops.origin import Origin


class GraphPreparation:
    """Remembers which graphs are prepared, and the prepared graph of each graph that a user gave, as long as it lives.

    A user's own training loop gives the same graph in every epoch; the graph is prepared only once.
    """

    def __init__(self) -> None:
        self._prepared = _ByIdentity()
        self._became = _ByIdentity()

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]

    def note(self, graph: Any, section: Any) -> None:
        """Remembers that a graph is prepared.

        Args:
            graph: The graph.
            section: The data section of the spec that describes the graph.
        """
        self._prepared.put(graph, section)

    def section_of(self, data: Any) -> Any:
        """The data section of a prepared graph; None for anything else."""
        return self._prepared.get(data)

    def known(self, data: Any) -> Any:
        """The prepared graph of a graph that was given before; None if it is new or was changed since then."""
        origin, graph = self._became.get(data) or (None, None)
        return graph if origin is not None and origin.is_of(*_tensors(data)) else None

    def remember(self, data: Any, graph: Any) -> None:
        """Remembers ``graph`` as the prepared graph of ``data``."""
        if hasattr(data, "edge_index") and graph is not data:
            self._became.put(data, (Origin(*_tensors(data)), graph))


class _ByIdentity:
    """Maps objects that cannot be dictionary keys, such as PyG's ``Data``, to values, as long as the objects live."""

    def __init__(self) -> None:
        self._values: dict[int, tuple[weakref.ref[Any], Any]] = {}

    def put(self, key: Any, value: Any) -> None:
        number = id(key)
        self._values[number] = (weakref.ref(key, lambda _: self._values.pop(number, None)), value)

    def get(self, key: Any) -> Any:
        reference, value = self._values.get(id(key), (None, None))
        return value if reference is not None and reference() is key else None


def check_given(data: Any) -> None:
    """Refuses None in the place of a graph: a variable that was lost must not mean the default data set.

    Raises:
        EcoError: ECO104, if ``data`` is None.
    """
    if data is None:
        raise EcoError(
            Problem("ECO104", "None was given in the place of a graph.", "Give a graph, a path, or a data set's name.")
        )


def on_device(graph: Any, device: torch.device) -> Any:
    """The graph, or a copy of it on another device."""
    return graph if graph.edge_index.device == device else copy.copy(graph).to(device)


def _tensors(data: Any) -> list[Any]:
    values = (getattr(data, name, None) for name in ("x", "edge_index", "edge_weight"))
    return [value if isinstance(value, torch.Tensor) else None for value in values]


__all__ = ["GraphPreparation", "check_given", "on_device"]
