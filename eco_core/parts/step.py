"""The names that a call may ask for while a graph is processed: one mapping per optimisation step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from eco_core.ops.sample import BatchRows, SampledEdges

NAMES = ("x", "edge_index", "edge_weight", "graph", "data", "n_id", "num_seeds", "sampled", "epoch", "step")
"""The names that every call may ask for."""

ENCODED_NAMES = ("encode", "z")
"""Further names that the calls of heads and objectives may ask for."""


class Step(Mapping[str, Any]):
    """The names available to calls on one graph; embeddings are computed when they are first asked for.

    ``encode(graph)`` of the step's own graph runs the encoder once: the objective, the head and ``on_epoch`` share it.

    On a mini-batch, heads and objectives see the seed nodes only: ``z``, ``x`` and ``n_id`` have one row per seed,
    ``edge_index`` has the edges among seeds. Encoders see the whole sampled neighbourhood.

    Args:
        graph: The whole graph, or a sampled batch of it.
        epoch: Number of the epoch within its stage, from 0.
        encode: Returns the embeddings of a graph; None for models without an encoder.
        embed: Returns the embedding ``z`` of a step; default ``encode(graph)``.
        batch: The names that the objective's own ``batches`` yielded for this step.
    """

    def __init__(
        self,
        graph: Any,
        epoch: int = 0,
        encode: Callable[[Any], Tensor] | None = None,
        embed: Callable[[Step], Tensor] | None = None,
        batch: Mapping[str, Any] | None = None,
    ) -> None:
        self.graph = graph
        self.epoch = epoch
        self.batch: Mapping[str, Any] = batch or {}
        self._encode = encode
        self._embed = embed
        self._encoded: Tensor | None = None
        self._z: Tensor | None = None
        self._rows: BatchRows | None = None

    @property
    def rows(self) -> BatchRows | None:
        """The seed nodes of a mini-batch and the edges among them; None for a whole graph, and for encoders."""
        if self._encode is None or getattr(self.graph, "n_id", None) is None:
            return None
        if self._rows is None:
            self._rows = getattr(self.graph, "rows", None) or _sampled_rows(self.graph)
        return self._rows

    @property
    def num_rows(self) -> int:
        """The number of rows of ``z``."""
        return self.graph.num_nodes if self.rows is None else len(self.rows.n_id)

    def anew(self, batch: Mapping[str, Any] | None = None) -> Step:
        """Returns a copy of the step without computed embeddings: after a change of the weights, or for another batch.

        Args:
            batch: The names of another batch of the objective; None keeps this step's.
        """
        return Step(self.graph, self.epoch, self._encode, self._embed, self.batch if batch is None else batch)

    def encode(self, graph: Any) -> Tensor:
        """Returns the embeddings (num_nodes, width) of a graph; the step's own graph is encoded only once.

        Raises:
            RuntimeError: If the model has no encoder.
        """
        if self._encode is None:
            raise RuntimeError("This step belongs to a model without an encoder: it cannot encode a graph.")
        if graph is not self.graph:
            return self._encode(graph)
        if self._encoded is None:
            self._encoded = self._encode(graph)
        return self._encoded

    @property
    def z(self) -> Tensor:
        """The embedding of the step's graph: (num_nodes, width)."""
        if self._z is None:
            self._z = self._embed(self) if self._embed is not None else self.encode(self.graph)
        return self._z

    def __getitem__(self, name: str) -> Any:
        if name in ("graph", "data"):
            return self.graph
        if name == "step":
            return self
        if name == "epoch":
            return self.epoch
        if name == "x" and self.rows is not None:
            return self.graph.x[: self.num_rows]
        if name in ("edge_index", "edge_weight", "n_id") and self.rows is not None:
            return getattr(self.rows, name)
        if name in ("x", "edge_index", "edge_weight"):
            return getattr(self.graph, name, None)
        if name == "n_id":
            n_id = getattr(self.graph, "n_id", None)
            return torch.arange(self.graph.num_nodes, device=self.graph.edge_index.device) if n_id is None else n_id
        if name == "num_seeds":
            return num_seeds(self.graph)
        if name == "sampled":
            return SampledEdges.of(self.graph) if self.rows is None else None
        if self._encode is not None and name in ENCODED_NAMES:
            return getattr(self, name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES + (ENCODED_NAMES if self._encode is not None else ()))

    def __len__(self) -> int:
        return len(NAMES) + (len(ENCODED_NAMES) if self._encode is not None else 0)

    def __contains__(self, name: object) -> bool:
        return name in NAMES or (self._encode is not None and name in ENCODED_NAMES)


def num_seeds(graph: Any) -> int:
    """The number of seed nodes of a mini-batch, which are its first nodes; for a whole graph, the number of nodes."""
    return getattr(graph, "batch_size", None) or graph.num_nodes


def _sampled_rows(batch: Any) -> BatchRows:
    """The seed nodes of a mini-batch from another loader, and the sampled edges among them."""
    seeds = num_seeds(batch)
    among = (batch.edge_index < seeds).all(dim=0)
    weight = getattr(batch, "edge_weight", None)
    return BatchRows(batch.n_id[:seeds], batch.edge_index[:, among], None if weight is None else weight[among])


class PartNames(Mapping[str, Any]):
    """A step's names, with some names added or replaced for one part.

    Args:
        step: The names of the step.
        own: The names that the part's ``prepare`` or ``batches`` returned; they fill optional parameters, too.
        **replaced: Names with another value for this part, such as a normalised embedding for a discrete head.
    """

    # Not a ChainMap: it would take a KeyError that is raised while computing a value for an absent name.

    def __init__(self, step: Mapping[str, Any], own: Mapping[str, Any], **replaced: Any) -> None:
        self._step = step
        self._extra = {**own, **replaced}
        self.own = own

    def __getitem__(self, name: str) -> Any:
        return self._extra[name] if name in self._extra else self._step[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._step, *self._extra)))

    def __len__(self) -> int:
        return len(set(self._step) | set(self._extra))

    def __contains__(self, name: object) -> bool:
        return name in self._extra or name in self._step
