"""The parts of a composition: builds and swaps them, and prepares the graphs that they read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from torch import nn
from typing_extensions import Self

from eco_core.engine.seeding import seeded
from eco_core.errors import DataError, Problem
from eco_core.model.base_model import BaseModel
from eco_core.model.build import Built, build_parts, example_graph, readers_of
from eco_core.model.clusters import number_of_clusters
from eco_core.model.not_built import NotBuiltError, not_built
from eco_core.model.preparation import GraphPreparation, check_given, on_device
from eco_core.model.wiring import Wiring
from eco_core.ops.sample import is_mini_batch
from eco_core.parts.protocols import Strategy
from eco_core.parts.step import Step
from eco_core.plan.graph import load_planned
from eco_core.plan.part import Part
from eco_core.plan.plan import Plan

_MODULES = {"encoder": "encoder", "objective": "objective", "cluster_head": "head"}
"""Maps the attribute of a module to the kind of the part."""


class ComposedParts(BaseModel):
    """A module that consists of the parts of a plan.

    Args:
        plan: The checked plan.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan
        self._built: Built | None = None
        self._preparation = GraphPreparation()
        self._encoding: Any = None
        self.data_fingerprint = ""

    @property
    def is_built(self) -> bool:
        """Whether the parts exist."""
        return self._built is not None

    @property
    def plan(self) -> Plan:
        """The checked plan of this model; after the build, as the build completed it."""
        return self._plan if self._built is None else self._built.plan

    @property
    def spec(self) -> dict[str, Any]:
        """The resolved spec, as plain data; the number of clusters is a number as soon as it is known."""
        resolved = self.plan.resolved()
        resolved["clusters"] = self.n_clusters or resolved["clusters"]
        return resolved

    @property
    def graph_facts(self) -> Mapping[str, int]:
        """The sizes that the parts were built for: ``in_channels``, ``num_nodes`` and, where known, ``n_clusters``."""
        return {} if self._built is None else self._built.facts.stored()

    @property
    def n_clusters(self) -> int | None:
        """The number of clusters; None if no part needs it, or before it is known."""
        return None if self._built is None else self._built.facts.n_clusters

    @property
    def encoder(self) -> nn.Module:
        """The encoder; assign another encoder to swap it."""
        return self._part("encoder")

    @encoder.setter
    def encoder(self, value: Any) -> None:
        self._swap("encoder", value)

    @property
    def objective(self) -> nn.Module | None:
        """The objective, or None; assign another objective to swap it."""
        return self._part("objective")

    @objective.setter
    def objective(self, value: Any) -> None:
        self._swap("objective", value)

    @property
    def cluster_head(self) -> nn.Module:
        """The cluster head; assign another head to swap it."""
        return self._part("cluster_head")

    @cluster_head.setter
    def cluster_head(self, value: Any) -> None:
        self._swap("cluster_head", value)

    @property
    def strategy(self) -> Strategy:
        """The strategy; assign another strategy to swap it."""
        return self._require("strategy").strategy

    @strategy.setter
    def strategy(self, value: Any) -> None:
        self._swap("strategy", value)

    def __getattr__(self, name: str) -> Any:
        # Python also calls this method when a property raises NotBuiltError, an AttributeError. Call the property again
        # to raise its own message, which is more helpful than "no attribute".
        attribute = getattr(type(self), name, None)
        if isinstance(attribute, property) and attribute.fget is not None:
            return attribute.fget(self)
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        # nn.Module would register a module without looking for a property; call the setters of the parts instead.
        if isinstance(getattr(type(self), name, None), property):
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def _part(self, attribute: str) -> Any:
        self._require(attribute)
        return self._modules.get(attribute)

    def _require(self, name: str) -> Built:
        if self._built is None:
            raise NotBuiltError(not_built(name))
        return self._built

    def _swap(self, attribute: str, value: Any) -> None:
        """Replaces a part by an instance, in the model and in its plan."""
        kind = _MODULES.get(attribute, attribute)
        if isinstance(value, (str, type, Mapping)):
            raise TypeError(
                f"{attribute} was set to {value!r}; assign an instance, or compose anew with {kind}={value!r}."
            )
        part = None if value is None and kind == "objective" else Part.of_instance(kind, value)
        self._plan = self._plan.with_part(kind, part)
        if self._built is None:
            return
        built = replace(self._built, plan=self._built.plan.with_part(kind, part))
        if kind == "strategy":
            built = replace(built, strategy=value)
        else:
            setattr(built.wiring, kind, value)
            built.wiring.readers = readers_of(built.plan)
            built.wiring.prepared.forget(kind)
        self.install(built)

    def build(
        self,
        graph: Any = None,
        *,
        in_channels: int | None = None,
        num_nodes: int | None = None,
    ) -> Self:
        """Makes the parts, for a graph or for a width.

        Args:
            graph: A graph as for `fit`; it is prepared according to the spec.
            in_channels: Feature width, if no graph is given.
            num_nodes: Number of nodes, if no graph is given and a part asks for it.

        Returns:
            The model itself.

        Raises:
            CompositionError: If the parts do not fit: too many clusters, widths that differ, wrong outputs.
        """
        prepared = None if graph is None else self.load_graph(graph)
        plan = self.plan_for(prepared)
        with seeded(plan.spec.seed):
            if prepared is None:
                built = build_parts(plan, example_graph(in_channels, num_nodes), is_example=True)
            else:
                built = build_parts(plan, prepared)
                self._preparation.remember(graph, prepared)
        self.install(built)
        return self

    def plan_for(self, graph: Any) -> Plan:
        """Returns the plan as it was before any build, with the data section of a graph.

        Args:
            graph: A graph that `load_graph` returned. For any other graph, or None, the data section stays as it is.
        """
        section = self._preparation.section_of(graph)
        return self._plan if section is None else self._plan.with_data(section)

    def install(self, built: Built) -> None:
        """Sets the parts of this module; the references of ``built`` to the graph are not kept."""
        self._built = built.without_graph()
        wiring = built.wiring
        for attribute, module in zip(_MODULES, (wiring.encoder, wiring.objective, wiring.head), strict=True):
            self._modules[attribute] = module

    def take_as_prepared(self, graph: Any, plan: Plan) -> None:
        """Remembers that a graph is prepared according to the data section of a plan."""
        self._preparation.note(graph, plan.spec.data)

    @property
    def table_encoding(self) -> Any:
        """How the columns of the fitted graph's table became features (a `TableEncoding`); None for other graphs."""
        return self._encoding

    def take_encoding(self, encoding: Any) -> None:
        """Remembers how the table of a graph was encoded: tables that are given later are encoded in the same way.

        Args:
            encoding: The ``encoding`` of the graph; None: its features were not made of a table.
        """
        self._encoding = encoding

    def load_graph(self, data: Any = None, anew: bool = False) -> Any:
        """Loads and prepares a graph according to the spec's sections ``data`` and ``graph``.

        Args:
            data: A source that `eco_core.load_graph` takes; None: the graph that the spec names. A graph in memory is
                prepared, too, unless this method returned it.
            anew: Whether the columns of a table are encoded anew, as for a fit. Otherwise they are encoded as those of
                the graph that the model was fitted on, if it was fitted on a table.

        Returns:
            A ``torch_geometric.data.Data``.
        """
        if data is not None and self._preparation.section_of(data) is not None:
            return data
        encoding = None if anew else self._encoding
        graph, section = load_planned(
            self._plan.spec.data,
            self._plan.registry,
            data,
            encoding,
            neighbors=self._plan.spec.graph,
            features_as_stored=self._plan.features_as_stored,
        )
        self._preparation.note(graph, section)
        return graph

    def check_graph(self, graph: Any) -> None:
        """Checks before training that the number of clusters fits a graph.

        Raises:
            CompositionError: ECO207, if the number of clusters is unknown or larger than the number of nodes.
        """
        number_of_clusters(self._plan, graph)

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, nn.Parameter]]:
        """As in `torch.nn.Module`; raises `NotBuiltError` before the parts are built."""
        self._require("parameters")
        return super().named_parameters(*args, **kwargs)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """As in `torch.nn.Module`; raises `NotBuiltError` before the parts are built."""
        self._require("state_dict")
        return super().state_dict(*args, **kwargs)

    @property
    def _wiring(self) -> Wiring:
        return self._require("the model").wiring

    def step_of(self, data: Any, epoch: int = 0) -> Step:
        """Returns the names that the parts' calls may ask for on a graph.

        Args:
            data: A `Step`, a mini-batch, or a graph as for `fit`; such a graph is prepared like the training graph.
            epoch: Number of the epoch, for calls that ask for it.
        """
        return data if isinstance(data, Step) else self._wiring.step(self._graph(data), epoch)

    def _graph(self, data: Any) -> Any:
        """Returns the prepared graph for a user's ``data``, on the device of the model."""
        check_given(data)
        if is_mini_batch(data):
            return self._with_the_same_features(data)
        known = self._preparation.known(data)
        device = next((p.device for p in self.parameters()), None)
        if known is None:
            known = self._with_the_same_features(self.load_graph(data))
            if device is not None:
                known = on_device(known, device)
            self._preparation.remember(data, known)
        return known if device is None else on_device(known, device)

    def _with_the_same_features(self, graph: Any) -> Any:
        """Refuses a graph whose features are not those that the parts were made for."""
        found, expected = graph.x.size(1), self._require("the model").facts.in_channels
        if found != expected:
            raise DataError(
                Problem(
                    "ECO307",
                    f"The features x have {found:,} columns, but this model was made for graphs with {expected:,}.",
                    "Give a graph with the same features in the same order, or fit the model on this graph.",
                )
            )
        return graph

    def notes_before_a_fit(self) -> tuple[str, ...]:
        """Sentences of the plan and of the build that a user should read."""
        return tuple(dict.fromkeys([*self.plan.notes, *(self._built.notes if self._built else ())]))


__all__ = ["ComposedParts"]
