"""The state of one training, which exists only during a `fit`."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from eco_core.engine.batch_norm import has_batch_norm, recalibrated_batch_norm
from eco_core.inject.calls import call
from eco_core.model.batching import Batches, make_batches
from eco_core.model.build import Built
from eco_core.model.centers import place_centers
from eco_core.model.fingerprint import graph_fingerprint
from eco_core.model.inference import Prediction, predict
from eco_core.model.wiring import evaluating
from eco_core.parts.heads import is_differentiable
from eco_core.parts.stages import Stage
from eco_core.parts.step import Step
from eco_core.parts.traits import traits_of
from eco_core.spec.digest import spec_digest


class FitSession:
    """The state of one training of a composition: mini-batches, prepared values, and the graph.

    Args:
        module: The composition, for its weights and its training mode.
        built: The parts of the composition, made for this graph.
    """

    def __init__(self, module: nn.Module, built: Built) -> None:
        self.module = module
        self.graph: Any = built.graph
        self.batches: Batches | None = built.batches
        self._plan = built.plan
        self._facts = built.facts
        self._strategy = built.strategy
        self._wiring = built.wiring
        self._probe: Step | None = built.probe
        self._identity: dict[str, str] | None = None
        self._is_replaced = False
        # build_parts prepared values for the graph in its original layout; keep them for its readable layout.
        self._wiring.prepared.hold_for(self.graph)

    @property
    def identity(self) -> Mapping[str, str]:
        """Digests of the spec and of the graph, computed when they are first read."""
        if self._identity is None:
            # Leave the data section out: the graph has its own digest. Leave the seed out: it is compared separately.
            spec = {**self._plan.resolved(), "data": {}, "seed": None, "clusters": self._facts.n_clusters}
            self._identity = {
                "spec": spec_digest(spec),
                "graph": graph_fingerprint(self.graph),
            }
        return self._identity

    def place(self, device: torch.device) -> None:
        """Does nothing: the parts and the graph are on the device already."""

    def before(self, stage: Stage) -> None:
        """Calls the stage's ``before``, for example to place the head's centres."""
        if stage.before is not None:
            call(stage.before, self.step())

    def step(self, epoch: int = 0) -> Step:
        """Returns the step on the whole graph, after calling ``prepare`` of the parts that are called on it."""
        return self._wiring.step(self.graph, epoch, self._called_on_the_whole_graph())

    def _called_on_the_whole_graph(self) -> list[tuple[str, nn.Module]]:
        # In mini-batch training the objective is called on the whole graph only if it defines `embed`.
        return self._wiring.parts() if self.batches is None else self._wiring.called_for_embeddings()

    def steps(self, epoch: int, modules: Iterable[nn.Module]) -> Iterator[Step]:
        """Yields one step on the whole graph, or one step for each mini-batch.

        The mini-batches are the spec's; if the spec trains on the whole graph, the objective's own ``batches``, if any.
        """
        wiring = self._wiring
        if self.batches is not None:
            wiring.prepared.make_for_batches(self.graph, wiring.parts())
            for batch in self.batches:
                yield wiring.step_on(wiring.readable(batch), epoch)
            return
        step, objective = self.step(epoch), wiring.objective
        # A stage that trains the whole model lists the composition itself.
        trained = any(module is objective or module is self.module for module in modules)
        if objective is None or not trained or not callable(getattr(objective, "batches", None)):
            yield step
            return
        for names in call(objective.batches, wiring.names("objective", step)):  # type: ignore[arg-type]
            yield step.anew(names)

    def begin_epoch(self, step: Step, modules: Iterable[nn.Module]) -> None:
        """Calls ``on_epoch`` of the parts that are being trained; they share one embedding of all nodes.

        A part with an ``update_interval`` is called only every ``update_interval`` epochs: in mini-batch training,
        embedding all nodes takes as long as many steps.
        """
        trained = {id(module) for module in modules}
        due = [
            (kind, module)
            for kind, module in self._wiring.parts()
            if callable(getattr(module, "on_epoch", None))
            and trained & {id(module), id(self.module)}
            and step.epoch % traits_of(module).update_interval == 0
        ]
        if not due:
            return
        # `on_epoch` gets the embeddings of all nodes (DEC's targets), not of this mini-batch. In whole-graph training
        # use the step's own embedding: the loss then uses the same embedding, and it is computed only once.
        everything = step if self.batches is None else self._embedded(step.epoch)
        call_on_epoch(self._wiring, due, everything)

    def end_epoch(self, epoch: int) -> None:
        """Replaces the graph if a part defines ``next_graph(z, epoch)`` and the call returns a graph."""
        for kind, module in self._wiring.parts():
            if callable(getattr(module, "next_graph", None)):
                names = self._wiring.names(kind, self._embedded(epoch))
                graph = call(module.next_graph, names)  # type: ignore[arg-type]
                if graph is not None:
                    self.replace_graph(graph)

    def end_stage(self) -> None:
        """Recomputes the running statistics of batch normalisation on the whole graph, if it was trained on.

        In mini-batch training the running averages stay: the statistics of a single mini-batch would be less accurate.
        """
        if self.batches is None and has_batch_norm(self.module):
            with torch.no_grad(), recalibrated_batch_norm(self.module):
                _ = self.step().z

    def replace_graph(self, graph: Any) -> None:
        """Trains on another graph from the next epoch on, with the same parts.

        Args:
            graph: A ``torch_geometric.data.Data`` with the same nodes and the same width of features.
        """
        _ = self.identity  # Compute the digest of the first graph before it is replaced.
        device = self.graph.edge_index.device
        self.graph = self._wiring.readable(graph if graph.edge_index.device == device else copy.copy(graph).to(device))
        self._wiring.prepared.forget()
        self._is_replaced = True
        if self.batches is not None:
            plan = self._plan
            self.batches = make_batches(self.graph, plan.spec.train, self._wiring.encoder, plan.spec.seed)

    def state(self) -> dict[str, Any]:
        """The tensors of the current graph if it replaced the first one. Mini-batches follow from the random states."""
        if not self._is_replaced:
            return {}
        return {name: value for name, value in self.graph.to_dict().items() if isinstance(value, torch.Tensor)}

    def restore(self, state: dict[str, Any]) -> None:
        """Restores the state that `state` returned."""
        if state:
            graph = copy.copy(self.graph)
            graph.update(state)
            self.replace_graph(graph)

    def _embedded(self, epoch: int) -> Step:
        with evaluating(self.module):
            step = self.step(epoch)
            _ = step.z
        return step

    def keep_probe(self, is_final: bool) -> None:
        """Keeps the probe's embeddings if they are final, else frees their memory.

        Args:
            is_final: Whether nothing is trained, so that the embeddings of the probe are the final embeddings.
        """
        self._probe = self._probe if is_final and self.batches is None else None

    def finish(self) -> Prediction:
        """Clusters the final embeddings."""
        wiring, part = self._wiring, self._plan.part("head")
        self.module.eval()
        with torch.no_grad():
            step = self.step()  # Also calls `prepare` of the head, which did not exist when the probe was made.
            step = step if self._probe is None else self._probe
            names = wiring.head_names(step)  # Only once: for many nodes, a normalised copy of the embeddings takes GBs.
            head: Any = wiring.head
            if callable(getattr(head, "fit", None)):
                call(head.fit, names)
            elif not traits_of(self._strategy).trains_head and is_differentiable(head):
                z = step.z
                place_centers(head, z, self._plan.spec.seed, self._facts.n_clusters, wiring.normalized(z))
            return predict(wiring, part, step, names)


def call_on_epoch(wiring: Any, due: list[tuple[str, nn.Module]], step: Step) -> None:
    """Calls ``on_epoch`` of parts with the embedding of all nodes, without gradients.

    Args:
        wiring: The parts' `Wiring`.
        due: Kinds and modules.
        step: The step on the whole graph.
    """
    z = step.z.detach()
    with torch.no_grad():
        for kind, module in due:
            seen = wiring.head_view(z) if kind == "head" else z
            call(module.on_epoch, wiring.names(kind, step, z=seen))  # type: ignore[arg-type]


class WholeGraphSession:
    """The training of a model without parts: one step on the whole graph in each epoch, and no ``prepare``.

    Args:
        model: A model with ``step_of(graph, epoch)``.
        graph: A ``torch_geometric.data.Data``; it is not changed.
    """

    def __init__(self, model: Any, graph: Any) -> None:
        self.module: nn.Module = model
        self.graph = graph
        self._model = model

    @property
    def identity(self) -> Mapping[str, str]:
        """The class of the model, and a digest of the graph."""
        cls = type(self.module)
        return {"model": f"{cls.__module__}.{cls.__qualname__}", "graph": graph_fingerprint(self.graph)}

    def place(self, device: torch.device) -> None:
        """Moves the model and a copy of the graph: ``Data.to`` works in place, and must not move the caller's graph."""
        self.module.to(device)
        if self.graph.edge_index.device != device:
            self.graph = copy.copy(self.graph).to(device)

    def before(self, stage: Stage) -> None:
        """Calls the stage's ``before``."""
        if stage.before is not None:
            call(stage.before, self._model.step_of(self.graph))

    def steps(self, epoch: int, modules: Iterable[nn.Module]) -> Iterator[Step]:
        """Yields the step on the whole graph."""
        yield self._model.step_of(self.graph, epoch)

    def begin_epoch(self, step: Step, modules: Iterable[nn.Module]) -> None:
        """Does nothing."""

    def end_epoch(self, epoch: int) -> None:
        """Does nothing."""

    def end_stage(self) -> None:
        """Does nothing."""

    def state(self) -> dict[str, Any]:
        """Returns an empty state: a resumed run needs only weights and random states."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Does nothing."""


__all__ = ["FitSession", "WholeGraphSession", "call_on_epoch"]
