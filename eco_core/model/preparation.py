"""What prepared the training graph prepares every graph that a user gives to a composition."""

from __future__ import annotations

import copy
import weakref
from typing import Any

import torch

from eco_core.ops.origin import Origin


class GraphPreparation:
    """Remembers which graphs are prepared, and what graphs given by a user became, as long as those live.

    A loop of one's own gives the same graph in every epoch; it is prepared once.
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
            section: The data section of the spec that says what it is.
        """
        self._prepared.put(graph, section)

    def section_of(self, data: Any) -> Any:
        """The data section of a graph that is prepared; None for anything else."""
        return self._prepared.get(data)

    def known(self, data: Any) -> Any:
        """What a graph became when it was last given, unless it was changed since; None where it is new."""
        origin, graph = self._became.get(data) or (None, None)
        return graph if origin is not None and origin.is_of(*_tensors(data)) else None

    def remember(self, data: Any, graph: Any) -> None:
        """Remembers what a graph that was given became."""
        if hasattr(data, "edge_index") and graph is not data:
            self._became.put(data, (Origin(*_tensors(data)), graph))


class _ByIdentity:
    """Values of objects that cannot be dictionary keys, such as PyG's ``Data``, as long as these live."""

    def __init__(self) -> None:
        self._values: dict[int, tuple[weakref.ref[Any], Any]] = {}

    def put(self, key: Any, value: Any) -> None:
        number = id(key)
        self._values[number] = (weakref.ref(key, lambda _: self._values.pop(number, None)), value)

    def get(self, key: Any) -> Any:
        reference, value = self._values.get(id(key), (None, None))
        return value if reference is not None and reference() is key else None


def is_mini_batch(data: Any) -> bool:
    """Whether a graph is a sampled part of another one, which was prepared as a whole."""
    return hasattr(data, "n_id")


def on_device(graph: Any, device: torch.device) -> Any:
    """The graph, or a copy of it on another device."""
    return graph if graph.edge_index.device == device else copy.copy(graph).to(device)


def _tensors(data: Any) -> list[Any]:
    values = (getattr(data, name, None) for name in ("x", "edge_index", "edge_weight"))
    return [value if isinstance(value, torch.Tensor) else None for value in values]


__all__ = ["GraphPreparation", "is_mini_batch", "on_device"]
