"""What the parts make of a graph once, by their ``prepare``, and what a batch has of it."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from typing import Any

from eco_core.inject.calls import call
from eco_core.parts.step import Step


class Prepared:
    """The names that parts made of one graph for their own calls. It does not keep the graph alive."""

    def __init__(self) -> None:
        self._values: dict[str, Mapping[str, Any]] = {}
        self._graph: weakref.ref[Any] | None = None

    def forget(self, kind: str) -> None:
        """Forgets what one part made.

        Args:
            kind: Of the part.
        """
        self._values.pop(kind, None)

    def hold_for(self, graph: Any) -> None:
        """Keeps what there is for a graph that is the same but for its layout."""
        self._graph = weakref.ref(graph)

    def make(self, graph: Any, original: Any, parts: Iterable[tuple[str, Any]]) -> None:
        """Runs the parts' ``prepare``, once for each graph; batches, which have ``n_id``, use the whole graph's.

        Args:
            graph: The graph as the parts read it.
            original: The graph as it was given, by which it is known again.
            parts: Kinds and modules.
        """
        if hasattr(graph, "n_id"):
            return
        if self._graph is None or self._graph() is not original:
            self._graph, self._values = weakref.ref(original), {}
        for kind, module in parts:
            if kind not in self._values:
                prepares = callable(getattr(module, "prepare", None))
                self._values[kind] = dict(call(module.prepare, Step(graph))) if prepares else {}

    def of(self, kind: str, step: Step) -> dict[str, Any]:
        """Returns the names that a part made; where the step is a batch, values that can be are restricted to it.

        Args:
            kind: Of the part.
            step: What the part is called on.
        """
        values = dict(self._values.get(kind, {}))
        rows = step.rows
        if rows is None or rows.sample is None:
            return values
        return {name: value.of_batch(rows) if hasattr(value, "of_batch") else value for name, value in values.items()}
