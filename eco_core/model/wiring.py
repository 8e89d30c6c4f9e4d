"""What each part's calls see: the names available on a graph, and the values that the parts prepared of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eco_core.inject.calls import call
from eco_core.model.features import readable, sparse_where_it_pays
from eco_core.model.prepared import PreparedValues
from eco_core.parts.step import PartNames, Step, num_seeds

KINDS = ("encoder", "objective", "head")
"""The parts that are called on graphs, in the order in which they prepare."""


class Wiring:
    """Encoder, objective and head of one model, and what they prepared of one graph.

    Args:
        readers: Classes (or instances) of encoder and objective as the plan has them: the layout of the features
            depends on both, and is needed before the objective is made.
        normalize: Whether discrete heads and k-means initialisation see embeddings of unit length.
        encoder: The encoder.
        objective: The objective; None where there is none, or not yet.
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

    def parts(self) -> list[tuple[str, nn.Module]]:
        """The kinds and modules that exist."""
        modules = zip(KINDS, (self.encoder, self.objective, self.head), strict=True)
        return [(kind, module) for kind, module in modules if module is not None]

    def called_for_embeddings(self) -> list[tuple[str, nn.Module]]:
        """The parts that are called on a whole graph that is embedded and clustered, but not trained on."""
        return [(k, m) for k, m in self.parts() if k != "objective" or callable(getattr(m, "embed", None))]

    # ------------------------------------------------------------------------------------------------------- steps

    def step(self, data: Any, epoch: int = 0, parts: list[tuple[str, nn.Module]] | None = None) -> Step:
        """Returns the names that calls on a graph may ask for, once the parts have prepared what they want of it.

        Args:
            data: The graph, whole or a mini-batch.
            epoch: Number of the epoch within its stage.
            parts: The parts that will be called; default all.
        """
        graph = self.readable(data)
        self.prepared.make(graph, data, self.parts() if parts is None else parts)
        return self.step_on(graph, epoch)

    def step_on(self, graph: Any, epoch: int = 0) -> Step:
        """Returns the step on a graph in its readable layout, without preparing anything."""
        return Step(graph, epoch, lambda other: self.encode(other, epoch), self.embed)

    def names(self, kind: str, step: Step, **replaced: Any) -> Mapping[str, Any]:
        """Returns a step's names as one part sees them: with what it prepared, and with replaced values."""
        own = {**self.prepared.of(kind, step), **(step.batch if kind == "objective" else {})}
        return PartNames(step, own, **replaced) if own or replaced else step

    def head_names(self, step: Step) -> Mapping[str, Any]:
        """Returns a step's names as the head sees them."""
        return self.names("head", step, z=self.head_view(step.z))

    # -------------------------------------------------------------------------------------------------- embeddings

    def encode(self, graph: Any, epoch: int = 0) -> Tensor:
        """Returns the encoder's embeddings of a graph: (num_nodes, width); of a mini-batch, those of the seeds."""
        z = call(self.encoder, self.names("encoder", Step(readable(graph, self.encoder), epoch)))
        return z[: num_seeds(graph)] if hasattr(graph, "n_id") else z

    def embed(self, step: Step) -> Tensor:
        """Returns the embedding ``z`` of a step: the objective's ``embed`` where it has one, else the encoder's."""
        own = getattr(self.objective, "embed", None)
        if callable(own):
            return call(own, self.names("objective", step))
        return step.encode(step.graph)

    def head_view(self, z: Tensor) -> Tensor:
        """The embedding as the head sees it: of unit length for discrete heads, as it is for differentiable ones."""
        return self.normalized(z) if hasattr(self.head, "fit") else z

    def normalized(self, z: Tensor) -> Tensor:
        """The embedding as k-means compares it."""
        return F.normalize(z, dim=-1) if self.normalize else z

    def readable(self, graph: Any) -> Any:
        """The graph with its features in the layout in which the encoder and the objective read them."""
        return sparse_where_it_pays(readable(graph, self.encoder), self.readers)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Without gradients, and with a module in evaluation mode.

    Args:
        module: Its mode, and that of all modules in it, is afterwards what its own was.
    """
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(training)


__all__ = ["KINDS", "Wiring", "evaluating"]
