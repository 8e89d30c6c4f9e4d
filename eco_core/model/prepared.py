"""The values that parts prepare once for each graph, and their restriction to mini-batches."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from typing import Any

from eco_core.errors import CompositionError, Problem
from eco_core.inject.calls import call, method_names
from eco_core.ops.sample import is_mini_batch
from eco_core.parts.step import ENCODED_NAMES, NAMES, Step
from eco_core.parts.traits import traits_of


class PreparedValues:
    """The values that each part's ``prepare`` returned for one graph. This object does not keep the graph alive."""

    def __init__(self) -> None:
        self._values: dict[str, Mapping[str, Any]] = {}
        self._graph: weakref.ref[Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        # A copy prepares its own graph: weak references and some sparse tensors cannot be copied.
        return {"_values": {}, "_graph": None}

    def forget(self, kind: str | None = None) -> None:
        """Forgets the values of one part.

        Args:
            kind: The kind of the part; None: all parts.
        """
        if kind is None:
            self._values, self._graph = {}, None
        else:
            self._values.pop(kind, None)

    def hold_for(self, graph: Any) -> None:
        """Keeps the prepared values and re-keys them to ``graph``: the same graph with dense or sparse features."""
        self._graph = weakref.ref(graph)

    def make(self, graph: Any, original: Any, parts: Iterable[tuple[str, Any]]) -> None:
        """Calls each part's ``prepare(graph)`` the first time a graph is seen.

        Mini-batches (graphs with ``n_id``) are skipped; they use the whole graph's values.

        Args:
            graph: The graph as the parts read it.
            original: The graph as it was given; it is compared to recognise the graph.
            parts: Kinds and modules.
        """
        if is_mini_batch(graph):
            return
        if self._graph is None or self._graph() is not original:
            self._graph, self._values = weakref.ref(original), {}
        for kind, module in parts:
            if kind not in self._values:
                prepares = callable(getattr(module, "prepare", None))
                self._values[kind] = dict(call(module.prepare, Step(graph))) if prepares else {}

    def make_for_batches(self, graph: Any, parts: Iterable[tuple[str, Any]]) -> None:
        """Calls ``prepare`` once for each graph, for the parts that use its values in mini-batches.

        Args:
            graph: The whole graph.
            parts: Kinds and modules.

        Raises:
            CompositionError: ECO203, if a part with ``prepared_for_batches = False`` requires a value of its
                ``prepare``.
        """
        parts = list(parts)
        for kind, module in parts:
            _check_does_without(kind, module)
        self.make(graph, graph, [part for part in parts if traits_of(part[1]).prepared_for_batches])

    def of(self, kind: str, step: Step) -> dict[str, Any]:
        """Returns the values of a part by name; on a mini-batch, values with ``of_batch`` are restricted to it.

        Args:
            kind: The kind of the part.
            step: The step that the part is called on.
        """
        values = dict(self._values.get(kind, {}))
        rows = step.rows
        if rows is None or rows.sample is None:
            return values
        return {name: value.of_batch(rows) if hasattr(value, "of_batch") else value for name, value in values.items()}


def _check_does_without(kind: str, module: Any) -> None:
    """Raises ECO203 if a part requires values of its ``prepare``, but ``prepare`` is not called for mini-batches."""
    if traits_of(module).prepared_for_batches or not callable(getattr(module, "prepare", None)):
        return
    available = NAMES if kind == "encoder" else (*NAMES, *ENCODED_NAMES)
    missing = [name for name in method_names(module, "forward").required if name not in available]
    if missing:
        names = ", ".join(map(repr, missing))
        raise CompositionError(
            Problem(
                "ECO203",
                f"{type(module).__name__}.forward requires {names}, which is not available in mini-batches: "
                "prepared_for_batches is False, so that prepare(graph) is not called for them.",
                f"Give {names} a default, or leave prepared_for_batches out: then a call on a mini-batch gets the "
                "values of the whole graph, and the rows of per-node values by n_id.",
            )
        )
