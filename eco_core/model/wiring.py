"""Connects the parts of one model: the names that each part's calls get, and the values that parts prepared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eco_core.inject.calls import call, method_names
from eco_core.model.features import readable, sparse_where_it_pays
from eco_core.model.prepared import PreparedValues
from eco_core.ops.sample import is_mini_batch
from eco_core.parts.step import PartNames, Step, num_seeds

KINDS = ("encoder", "objective", "head")
"""The parts that are called on graphs, in the order in which their ``prepare`` is called."""


class Wiring:
    """Encoder, objective and head of one model, and the values that they prepared for one graph.

    Args:
        readers: The classes (or instances) of encoder and objective in the plan. The layout of the features depends on
            both, and is needed before the objective is made.
        normalize: Whether discrete heads and k-means initialisation get embeddings of unit length.
        encoder: The encoder.
        objective: The objective; None if there is none, or before it is made.
        head: The cluster head; None before it is made.
    """

    def __init__(
        self,
        readers: tuple[Any, ...],
        normalize: bool,
        encoder: nn.Module,
        objective: nn.Module | None = None,
        head: nn.Module | None = None,
    ) -> None:
        self.readers = readers
        self.normalize = normalize
        self.encoder = encoder
        self.objective = objective
        self.head = head
        self.prepared = PreparedValues()
        self._readers_of_x = [part for part in readers[1:] if _asks_for_x(part)]

    def parts(self) -> list[tuple[str, nn.Module]]:
        """The kinds and modules of the parts that exist."""
        modules = zip(KINDS, (self.encoder, self.objective, self.head), strict=True)
        return [(kind, module) for kind, module in modules if module is not None]

    def called_for_embeddings(self) -> list[tuple[str, nn.Module]]:
        """The parts that are called to embed and cluster a whole graph without training on it."""
        return [(k, m) for k, m in self.parts() if k != "objective" or callable(getattr(m, "embed", None))]

    # ------------------------------------------------------------------------------------------------------- steps

    def step(self, data: Any, epoch: int = 0, parts: list[tuple[str, nn.Module]] | None = None) -> Step:
        """Returns the names that calls on a graph may ask for, after calling ``prepare`` of the parts.

        Args:
            data: The graph, whole or a mini-batch.
            epoch: Number of the epoch within its stage.
            parts: The parts that will be called; default all.
        """
        graph = self.readable(data)
        self.prepared.make(graph, data, self.parts() if parts is None else parts)
        return self.step_on(graph, epoch)

    def step_on(self, graph: Any, epoch: int = 0) -> Step:
        """Returns the step on a graph with readable features, without calling ``prepare``."""
        return Step(graph, epoch, lambda other: self.encode(other, epoch), self.embed)

    def names(self, kind: str, step: Step, **replaced: Any) -> Mapping[str, Any]:
        """Returns the names that one part gets: the step's names, the part's prepared values, and replaced values."""
        own = {**self.prepared.of(kind, step), **(step.batch if kind == "objective" else {})}
        return PartNames(step, own, **replaced) if own or replaced else step

    def head_names(self, step: Step) -> Mapping[str, Any]:
        """Returns the names that the head gets."""
        return self.names("head", step, z=self.head_view(step.z))

    # -------------------------------------------------------------------------------------------------- embeddings

    def encode(self, graph: Any, epoch: int = 0) -> Tensor:
        """Returns the encoder's embeddings (num_nodes, width) of a graph; for a mini-batch, of its seed nodes only."""
        z = call(self.encoder, self.names("encoder", Step(readable(graph, self.encoder), epoch)))
        return z[: num_seeds(graph)] if is_mini_batch(graph) else z

    def embed(self, step: Step) -> Tensor:
        """Returns the embedding ``z`` of a step: the objective's ``embed`` if it has one, else the encoder's output."""
        own = getattr(self.objective, "embed", None)
        if callable(own):
            return call(own, self.names("objective", step))
        return step.encode(step.graph)

    def head_view(self, z: Tensor) -> Tensor:
        """The embedding that the head gets: normalised for discrete heads, unchanged for differentiable heads."""
        return self.normalized(z) if hasattr(self.head, "fit") else z

    def normalized(self, z: Tensor) -> Tensor:
        """The embedding for k-means: rows have unit length if ``normalize`` is set."""
        return F.normalize(z, dim=-1) if self.normalize else z

    def readable(self, graph: Any) -> Any:
        """The graph with features in a layout that the encoder and the objective can read."""
        return sparse_where_it_pays(readable(graph, self.encoder, *self._readers_of_x), self.readers)


def _asks_for_x(part: Any) -> bool:
    """Whether calls of a part get the features by name: one that does not can be given any layout."""
    if not callable(getattr(part, "forward", None)):
        return False
    wanted = method_names(part, "forward")
    return "x" in (*wanted.required, *wanted.optional)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Context manager: disables gradients and sets a module to evaluation mode.

    Args:
        module: The module. Afterwards it and all its submodules have the mode that the module had before.
    """
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(training)


__all__ = ["KINDS", "Wiring", "evaluating"]
