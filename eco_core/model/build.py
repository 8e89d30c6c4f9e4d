"""Makes the parts of a composition for a graph."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from eco_core.errors import CompositionError, EcoError, Problem
from eco_core.inject.calls import method_names
from eco_core.model.batching import Batches, choose_batch, make_batches
from eco_core.model.build_checks import check_embedding, check_trainable, check_width
from eco_core.model.clusters import number_of_clusters
from eco_core.model.not_built import not_built
from eco_core.model.wiring import Wiring, evaluating
from eco_core.ops.sample import is_mini_batch
from eco_core.parts.protocols import Strategy
from eco_core.parts.step import Step
from eco_core.parts.traits import traits_of
from eco_core.plan.plan import Plan


@dataclass(frozen=True)
class GraphFacts:
    """The sizes that the parts are built for.

    Attributes:
        in_channels: Width of the features.
        num_nodes: Number of nodes.
        n_clusters: The number of clusters; None if no part needs it.
        feature_shape: The shape of one node's features: ``(in_channels,)`` for vectors.
    """

    in_channels: int
    num_nodes: int
    n_clusters: int | None
    feature_shape: tuple[int, ...]

    @classmethod
    def of(cls, graph: Any, n_clusters: int | None = None) -> GraphFacts:
        """Reads the facts of a graph.

        Args:
            graph: A ``torch_geometric.data.Data`` with features ``x``.
            n_clusters: The number of clusters, if it is known.
        """
        shape = tuple(int(size) for size in graph.x.shape[1:])
        return cls(shape[0], int(graph.num_nodes), n_clusters, shape)

    def provided(self, seed: int, n_features: int | None = None) -> dict[str, Any]:
        """The names that constructors may ask for.

        Args:
            seed: The training seed.
            n_features: Width of the embeddings, once it is known.
        """
        names: dict[str, Any] = {"in_channels": self.in_channels, "num_nodes": self.num_nodes}
        names |= {} if self.n_clusters is None else {"n_clusters": self.n_clusters}
        names |= {"seed": seed, "random_state": seed}
        return names if n_features is None else {**names, "n_features": n_features}

    def stored(self) -> dict[str, int]:
        """The facts as ``model.pt`` holds them."""
        known = {} if self.n_clusters is None else {"n_clusters": self.n_clusters}
        return {"in_channels": self.in_channels, "num_nodes": self.num_nodes, **known}


@dataclass(frozen=True, eq=False)
class Built:
    """The parts of a composition, made for a graph.

    Attributes:
        plan: The plan, completed by the build: the default objective is removed if the encoder has no weights, and
            ``train.batch: auto`` is resolved.
        facts: The sizes that the parts were built for.
        wiring: Encoder, objective and head.
        strategy: The strategy.
        notes: Sentences that a user should read.
        batches: The mini-batches of an epoch; None: each epoch has one step on the whole graph.
        probe: The step on the whole graph. It holds the embeddings from which their width was read, unless the width
            was read from a mini-batch. None after `without_graph`.
    """

    plan: Plan
    facts: GraphFacts
    wiring: Wiring
    strategy: Strategy
    notes: tuple[str, ...]
    batches: Batches | None
    probe: Step | None

    @property
    def graph(self) -> Any:
        """The graph that the parts were made for, in the layout that they read; None after `without_graph`."""
        return None if self.probe is None else self.probe.graph

    def without_graph(self) -> Built:
        """Returns the same parts without the references that keep the graph in memory."""
        return replace(self, batches=None, probe=None)


def build_parts(plan: Plan, graph: Any, *, is_example: bool = False) -> Built:
    """Makes the parts for a graph. No existing object is changed, except for parts that are given as instances.

    Args:
        plan: The checked plan.
        graph: A ``torch_geometric.data.Data``, on the device of the parts.
        is_example: Whether the graph is only an example of a graph that is not known yet. Then its number of classes
            and its size are not used.

    Raises:
        CompositionError: If the parts do not fit: too many clusters, widths that differ, wrong outputs.
    """
    clusters, notes = number_of_clusters(plan, None if is_example else graph)
    facts = GraphFacts.of(graph, clusters)
    names, device = facts.provided(plan.spec.seed), graph.edge_index.device
    encoder = plan.part("encoder").build(names).to(device)
    learns = any(p.requires_grad for p in encoder.parameters())
    if plan.objective_by_default and not learns:
        plan = plan.without_objective()
    wiring = Wiring(readers_of(plan), plan.spec.normalize_embeddings, encoder)
    batches, probed = None, graph
    if not is_example and learns and traits_of(encoder).reads_graph:
        plan, batches, note = _batches_of(plan, wiring, graph)
        notes = [*notes, *note]
        if batches is not None:
            # Restore the random state: drawing a probe batch must not change the parts' initial weights.
            with torch.random.fork_rng(devices=[]):
                wiring.prepared.make_for_batches(graph, [("encoder", encoder)])
                probed = next(iter(batches))
    probe = _probe(plan, wiring, probed, "the encoder")
    part = plan.parts["objective"]
    if part is not None:
        wiring.objective = part.build(facts.provided(plan.spec.seed, int(probe.z.shape[1]))).to(device)
        if callable(getattr(wiring.objective, "embed", None)):
            probe = _probe(plan, wiring, probed, "the objective's embed")
    width = int(probe.z.shape[1])
    names = facts.provided(plan.spec.seed, width)
    wiring.head = plan.part("head").build(names).to(device)
    check_width(plan.part("head"), wiring.head, width)
    strategy = plan.part("strategy").build(names)
    check_trainable(plan, encoder, wiring.objective, strategy)
    return Built(plan, facts, wiring, strategy, tuple(notes), batches, probe if probed is graph else Step(graph))


def readers_of(plan: Plan) -> tuple[Any, ...]:
    """The classes or instances of the parts that read features: encoder and objective."""
    return tuple(part.target for kind in ("encoder", "objective") if (part := plan.parts[kind]) is not None)


def _batches_of(plan: Plan, wiring: Wiring, graph: Any) -> tuple[Plan, Batches | None, list[str]]:
    """Makes the mini-batches of the spec; resolves ``auto`` for this graph and this machine."""
    train, encoder = plan.spec.train, wiring.encoder
    notes: list[str] = []
    if train.batch == "auto":
        objective = plan.parts["objective"]
        readers = [part for part in (objective, plan.part("head")) if part is not None]
        reads_edges = any("edge_index" in method_names(part.target, "forward").required for part in readers)
        batch, note = choose_batch(graph, encoder, objective and objective.target, reads_edges)
        notes = [note]
        train = train.model_copy(update={"batch": batch})
        plan = plan.with_spec(train=train)
    return plan, make_batches(wiring.readable(graph), train, encoder, plan.spec.seed), notes


def _probe(plan: Plan, wiring: Wiring, graph: Any, who: str) -> Step:
    """Embeds a graph without gradients, and checks the embedding."""
    modules = nn.ModuleList(module for _, module in wiring.parts())
    try:
        with evaluating(modules):
            step = wiring.step(graph)
            z = step.z
    except EcoError:
        raise
    except Exception as error:
        fix = "Its forward gets the arguments that it names: x (num_nodes, in_channels), edge_index (2, num_edges), ..."
        if is_mini_batch(graph) and callable(getattr(wiring.encoder, "prepare", None)):
            fix += "\nIn mini-batches it gets the values that prepare made of the whole graph: index them by n_id."
        raise CompositionError(
            Problem("ECO209", f"{plan.part('encoder')} failed on the graph: {type(error).__name__}: {error}", fix)
        ) from error
    check_embedding(z, step.num_rows, who)
    return step


def example_graph(in_channels: int | None, num_nodes: int | None) -> Any:
    """Makes a ring with random features, to find the width of the embedding when parts are built without a graph."""
    from torch_geometric.data import Data

    if in_channels is None:
        raise CompositionError(not_built("build"))
    nodes = max(num_nodes or 8, 2)
    source = torch.arange(nodes)
    ring = torch.stack([source, (source + 1) % nodes])
    graph = Data(x=torch.rand(nodes, in_channels), edge_index=torch.cat([ring, ring.flip(0)], dim=1))
    graph.num_nodes = nodes
    return graph
