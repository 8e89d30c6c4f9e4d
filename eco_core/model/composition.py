"""The composed model: built from a checked plan, trained by the engine, used like any module."""

from __future__ import annotations

import copy
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eco_core.engine.batch_norm import has_batch_norm, statistics_taken_anew
from eco_core.engine.callbacks import Callback
from eco_core.engine.history import History
from eco_core.engine.seeding import seeded
from eco_core.errors import CompositionError, EcoError, Problem
from eco_core.inject.calls import call, method_names
from eco_core.model.bases import ClusteringModel
from eco_core.model.build import check_embedding, check_trainable, check_width, example_graph
from eco_core.model.centers import place_centers
from eco_core.model.clusters import number_of_clusters
from eco_core.model.features import readable, sparse_where_it_pays
from eco_core.model.not_built import NotBuiltError, not_built
from eco_core.model.prepared import Prepared
from eco_core.parts.heads import is_differentiable
from eco_core.parts.loss import LossOutput
from eco_core.parts.step import ExtendedNames, Step, num_seeds
from eco_core.parts.traits import prepares_for_batches
from eco_core.plan.checks import check_parts
from eco_core.plan.part import Part
from eco_core.plan.plan import Plan

if TYPE_CHECKING:
    from eco_core.model.batching import Batches
    from eco_core.parts.stages import Stage

_ATTRIBUTES = {"encoder": "encoder", "objective": "objective", "cluster_head": "head", "strategy": "strategy"}


class Composition(ClusteringModel):
    """An encoder, a cluster head, a strategy and an objective, as one module.

    Made by `eco_core.compose`. Parts given by name or class are made when the graph is known (`build`, or `fit`), and
    made anew from the seed at every `fit`; parts given as instances are trained in place. Assigning ``encoder``,
    ``objective`` or ``cluster_head`` swaps the part.

    Attributes:
        labels_: The cluster of every node after `fit`: (num_nodes,), int64.
        confidence_: How sure each is: (num_nodes,), float32 in [0, 1].
        embedding_: (num_nodes, width), float32.
        metrics_: Figures of the clustering, as fractions.
        history_: One row per epoch.
        seconds_: Wall-clock seconds of training and clustering.
        notes_: Sentences that a user should read.
    """

    embedding_: Tensor
    labels_: Tensor
    confidence_: Tensor
    metrics_: dict[str, float]
    history_: History

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan
        self._graph_facts: dict[str, int] = {}
        self._prepared = Prepared()
        self._batches: Batches | None = None
        self._whole: Any = None
        self._loaded: Any = None
        self.node_ids_: list[str] | None = None
        self.seconds_: dict[str, float] = {}
        self.notes_ = list(plan.notes)

    # ------------------------------------------------------------------------------------------------- building

    @property
    def is_built(self) -> bool:
        """Whether the parts exist."""
        return bool(self._graph_facts)

    @property
    def plan(self) -> Plan:
        """The checked plan that this model is made from."""
        return self._plan

    @property
    def spec(self) -> dict[str, Any]:
        """The resolved spec, as plain data; the number of clusters is a number as soon as it is known."""
        resolved = self._plan.resolved()
        resolved["clusters"] = self.n_clusters or resolved["clusters"]
        return resolved

    @property
    def graph_facts(self) -> Mapping[str, int]:
        """What the parts were built for: ``in_channels``, ``num_nodes`` and, where known, ``n_clusters``."""
        return self._graph_facts

    @property
    def n_clusters(self) -> int | None:
        """The number of clusters asked for; None where no part needs it."""
        return self._graph_facts.get("n_clusters") or None

    def build(
        self,
        graph: Any = None,
        *,
        in_channels: int | None = None,
        num_nodes: int | None = None,
    ) -> Composition:
        """Makes the parts, for a graph or for a width.

        Args:
            graph: A ``torch_geometric.data.Data``.
            in_channels: Feature width, where no graph is given.
            num_nodes: Number of nodes, where no graph is given and a part asks for it.

        Raises:
            CompositionError: If parts turn out not to fit: too many clusters, widths that differ, wrong outputs.
        """
        with seeded(self._plan.spec.seed):
            self._build(graph if graph is not None else example_graph(in_channels, num_nodes), graph is not None)
        return self

    def _build(self, graph: Any, is_real: bool = True) -> Step:
        """Makes the parts; returns the step on the graph that the width of the embedding was read from."""
        plan = self._plan
        facts: dict[str, int] = {"in_channels": int(graph.x.shape[1]), "num_nodes": int(graph.num_nodes)}
        clusters, note = number_of_clusters(plan, graph if is_real else None)
        self.notes_ = list(dict.fromkeys([*self.notes_, *note]))
        if clusters is not None:
            facts["n_clusters"] = clusters
        names = {**facts, "seed": plan.spec.seed, "random_state": plan.spec.seed}
        self._graph_facts = facts
        self._prepared = Prepared()
        self._batches = None
        device = graph.edge_index.device
        self._install("objective", None)
        self._install("cluster_head", None)
        self._install("encoder", plan.part("encoder").build(names).to(device))
        if plan.objective_by_default and not any(p.requires_grad for p in self.encoder.parameters()):
            plan.parts["objective"] = None
        whole = graph
        learns = any(p.requires_grad for p in self.encoder.parameters())
        if is_real and learns and getattr(self.encoder, "reads_graph", True):
            self._batches = self._make_batches(graph)
            if self._batches is not None:
                with torch.random.fork_rng(devices=[]):  # The parts are drawn as they are without batches.
                    graph = next(iter(self._batches))
        probe = self._probe(graph, "the encoder")
        objective = plan.parts["objective"]
        if objective is not None:
            width = int(probe.z.shape[1])
            self._install("objective", objective.build({**names, "n_features": width}).to(device))
            if callable(getattr(self.objective, "embed", None)):
                probe = self._probe(graph, "the objective's embed")
        width = int(probe.z.shape[1])
        head = plan.part("head")
        self._install("cluster_head", head.build({**names, "n_features": width}).to(device))
        check_width(head, self.cluster_head, width)
        object.__setattr__(self, "strategy", plan.part("strategy").build({**names, "n_features": width}))
        check_trainable(plan, self.encoder, self.objective, self.strategy)
        return probe if graph is whole else Step(whole)

    def _make_batches(self, graph: Any) -> Batches | None:
        """Makes the batches that the spec asks for, and resolves ``auto`` in it."""
        from eco_core.model.batching import choose_batch, make_batches

        train = self._plan.spec.train
        if train.batch == "auto":
            objective = self._plan.parts["objective"]
            readers = [part for part in (objective, self._plan.part("head")) if part is not None]
            reads_edges = any("edge_index" in method_names(part.target, "forward").required for part in readers)
            batch, note = choose_batch(graph, self.encoder, objective and objective.target, reads_edges)
            self.notes_.append(note)
            resolved = copy.copy(self._plan)
            resolved.spec = self._plan.spec.model_copy(update={"train": train.model_copy(update={"batch": batch})})
            object.__setattr__(self, "_plan", resolved)
            train = resolved.spec.train
        return make_batches(self._readable(graph), train, self.encoder, self._plan.spec.seed)

    def _install(self, attribute: str, module: nn.Module | None) -> None:
        """Sets a part without taking it for a user's swap."""
        self.__dict__.pop(attribute, None)
        nn.Module.__setattr__(self, attribute, module)  # type: ignore[arg-type]

    def _probe(self, graph: Any, who: str) -> Step:
        """Embeds a graph without gradients, and checks what comes out."""
        try:
            step = self._infer(graph, _embedded)
        except EcoError:
            raise
        except Exception as error:
            part = self._plan.part("encoder")
            raise CompositionError(
                Problem(
                    "ECO209",
                    f"{part} failed on the graph: {type(error).__name__}: {error}",
                    "Its forward gets what it names: x (num_nodes, in_channels), edge_index (2, num_edges), ...",
                )
            ) from error
        check_embedding(step.z, step.num_rows, who)
        return step

    def __getattr__(self, name: str) -> Any:
        if name in _ATTRIBUTES and not self.__dict__.get("_graph_facts"):
            raise NotBuiltError(not_built(name))
        if name in ("labels_", "confidence_", "embedding_", "metrics_", "history_"):
            raise NotBuiltError(
                Problem("ECO208", f"{name} exists after fit; this composition is not fitted.", "Call fit(data) first.")
            )
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _ATTRIBUTES and "_plan" in self.__dict__:
            self._swap(name, value)
            return
        super().__setattr__(name, value)

    def _swap(self, attribute: str, value: Any) -> None:
        """Puts an instance in the place of a part, in the model and in its plan."""
        kind = _ATTRIBUTES[attribute]
        if value is None and kind == "objective":
            part = None
        elif isinstance(value, (str, type, Mapping)):
            raise TypeError(
                f"{attribute} was set to {value!r}; assign an instance, or compose anew with {kind}={value!r}."
            )
        else:
            cls = type(value)
            label = f"<{cls.__module__}.{cls.__qualname__}>"
            part = Part(kind, label, "given from Python", value, registered=False)
        swapped = copy.copy(self._plan)
        swapped.parts = {**self._plan.parts, kind: part}
        swapped.objective_by_default = self._plan.objective_by_default and kind != "objective"
        problems = check_parts(swapped.parts, swapped.registry)
        if problems:
            raise CompositionError(*problems)
        object.__setattr__(self, "_plan", swapped)
        if kind == "strategy":
            object.__setattr__(self, "strategy", value)
        elif self.is_built:
            self._install(attribute, value)
        self._prepared.forget(kind)

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, nn.Parameter]]:
        """As in `torch.nn.Module`; raises before the parts are built."""
        if not self.is_built:
            raise NotBuiltError(not_built("parameters"))
        return super().named_parameters(*args, **kwargs)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """As in `torch.nn.Module`; raises before the parts are built."""
        if not self.is_built:
            raise NotBuiltError(not_built("state_dict"))
        return super().state_dict(*args, **kwargs)

    # -------------------------------------------------------------------------------------------- names and losses

    def step_of(self, data: Any, epoch: int = 0) -> Step:
        """Returns the names that the parts' calls may ask for on a graph."""
        graph = self._readable(data)
        self._prepared.make(graph, data, self._needed())
        return self._step(graph, epoch)

    def _step(self, graph: Any, epoch: int) -> Step:
        return Step(graph, epoch, lambda other: self._encode(other, epoch), self._embedding_of)

    def _needed(self) -> Iterator[tuple[str, Any]]:
        """The parts that are called on the whole graph."""
        for kind, module in self._parts():
            # The loss is that of batches: the objective sees the whole graph only to embed it.
            if self._batches is None or kind != "objective" or callable(getattr(module, "embed", None)):
                yield kind, module

    def steps(self, graph: Any, epoch: int, modules: Iterable[nn.Module]) -> Iterator[Step]:
        """Yields the steps of an epoch: one on the whole graph, or one for each batch, the spec's or the objective's.

        Where the objective has batches of its own, those of the spec come before them.
        """
        if self._batches is not None:
            self._whole = weakref.ref(graph)
            self._prepared.make(graph, graph, [part for part in self._parts() if prepares_for_batches(part[1])])
            for batch in self._batches:
                yield self._step(self._readable(batch), epoch)
            return
        step = self.step_of(graph, epoch)
        # A stage that trains the whole model lists the composition itself.
        trained = any(module is self.objective or module is self for module in modules)
        if not trained or not callable(getattr(self.objective, "batches", None)):
            yield step
            return
        for names in call(self.objective.batches, self._names("objective", step)):
            yield step.anew(names)

    def _readable(self, graph: Any) -> Any:
        """The graph with its features in the layout in which the encoder and the objective read them."""
        # Those of the plan: the encoder is asked for its width before there is an objective.
        readers = [part.target for kind in ("encoder", "objective") if (part := self._plan.parts[kind]) is not None]
        return sparse_where_it_pays(readable(graph, self.encoder), readers)

    def _parts(self) -> list[tuple[str, Any]]:
        modules = (("encoder", "encoder"), ("objective", "objective"), ("head", "cluster_head"))
        return [(kind, m) for kind, attribute in modules if (m := self._modules.get(attribute)) is not None]

    def _names(self, kind: str, step: Step, **replaced: Any) -> Mapping[str, Any]:
        own = {**self._prepared.of(kind, step), **(step.batch if kind == "objective" else {})}
        return ExtendedNames(step, own, **replaced) if own or replaced else step

    def _encode(self, graph: Any, epoch: int) -> Tensor:
        z = call(self.encoder, self._names("encoder", Step(readable(graph, self.encoder), epoch)))
        return z[: num_seeds(graph)] if hasattr(graph, "n_id") else z

    def _embedding_of(self, step: Step) -> Tensor:
        if callable(getattr(self.objective, "embed", None)):
            return call(self.objective.embed, self._names("objective", step))
        return step.encode(step.graph)

    def _head_view(self, z: Tensor) -> Tensor:
        """The embedding as the head sees it: of unit length for discrete heads, as it is for differentiable ones."""
        return self._normalized(z) if hasattr(self.cluster_head, "fit") else z

    def _head_names(self, step: Step) -> Mapping[str, Any]:
        return self._names("head", step, z=self._head_view(step.z))

    def _normalized(self, z: Tensor) -> Tensor:
        return F.normalize(z, dim=-1) if self._plan.spec.normalize_embeddings else z

    def _as_step(self, data: Any, epoch: int = 0) -> Step:
        return data if isinstance(data, Step) else self.step_of(data, epoch)

    def objective_loss(self, step: Any) -> LossOutput:
        """The loss of the objective, named after it in the history.

        Args:
            step: A `Step`, or a graph.
        """
        step = self._as_step(step)
        part = self._plan.parts["objective"]
        assert part is not None
        value = call(self.objective, self._names("objective", step))
        return LossOutput.of(value, str(part)).named(self._column("objective"))

    def head_loss(self, step: Any) -> LossOutput:
        """The loss of the cluster head, named after it in the history.

        Args:
            step: A `Step`, or a graph.
        """
        step = self._as_step(step)
        part = self._plan.part("head")
        return LossOutput.of(call(self.cluster_head, self._head_names(step)), str(part)).named(self._column("head"))

    def _column(self, kind: str) -> str:
        """The column of a part in the history: its short name, with its kind where objective and head share one."""
        parts = {k: part for k in ("objective", "head") if (part := self._plan.parts[k]) is not None}
        names = {k: part.label.strip("<>").rpartition(".")[2].rpartition(":")[2] for k, part in parts.items()}
        return names[kind] if len(set(names.values())) == len(names) else f"{names[kind]}_{kind}"

    def adversary_loss(self, step: Any) -> LossOutput:
        """The loss of the objective's adversary.

        Args:
            step: A `Step`, or a graph.
        """
        step = self._as_step(step)
        return LossOutput.of(call(self.objective.adversary_loss, self._names("objective", step)), "adversary_loss")

    def stages(self) -> tuple[Stage, ...]:
        """The stages of the strategy for this model."""
        return tuple(self.strategy.stages(self))

    def loss(self, step: Any, stage: str | None = None) -> LossOutput:
        """The loss of a stage's main update; by default the last stage's.

        Args:
            step: A `Step`, or a graph.
            stage: Name of the stage.
        """
        stages = {candidate.name: candidate for candidate in self.stages()}
        if not stages:
            raise CompositionError(
                Problem("ECO205", "This composition trains nothing: it has no stage.", "Call fit_predict(data).")
            )
        if stage is not None and stage not in stages:
            raise ValueError(f"There is no stage {stage!r}; the strategy has: {', '.join(stages)}.")
        chosen = stages[stage] if stage is not None else list(stages.values())[-1]
        return LossOutput.of(call(chosen.updates[0].loss, self._as_step(step)))

    def begin_epoch(self, step: Step, modules: Iterable[nn.Module]) -> None:
        """Calls ``on_epoch`` of the parts that are being trained; they share the step's embedding.

        A part with an ``update_interval`` is told only every so many epochs: in mini-batches the embedding of all nodes
        takes as long as many steps.
        """
        trained = {id(module) for module in modules}
        for kind, module in self._parts():
            if not callable(getattr(module, "on_epoch", None)) or not trained & {id(module), id(self)}:
                continue
            if step.epoch % (getattr(module, "update_interval", None) or 1):
                continue
            if step.rows is not None and self._batches is not None:
                epoch = step.epoch
                step = self._infer(self._whole(), _embedded)  # Of all nodes, as what is kept between epochs.
                step.epoch = epoch
            # Within the step's own graph, not under no_grad: the loss differentiates through the same embedding.
            z = step.z.detach()
            with torch.no_grad():
                call(module.on_epoch, self._names(kind, step, z=self._head_view(z) if kind == "head" else z))

    @torch.no_grad()
    def end_stage(self, graph: Any) -> None:
        """Takes the statistics of batch normalisation on the whole graph, where the encoder was trained on it.

        In mini-batches the running averages stay: the statistics of one batch would say less.

        Args:
            graph: The whole graph.
        """
        if self._batches is None and has_batch_norm(self):
            with statistics_taken_anew(self):
                _embedded(self.step_of(graph))

    # ------------------------------------------------------------------------------------------------- inference

    def forward(self, data: Any) -> Tensor:
        """Returns the cluster of every node of a graph: (num_nodes,), int64."""
        return self._cluster(self._head_names(self._as_step(data)), soft=False)

    def embed(self, data: Any, edge_index: Tensor | None = None, edge_weight: Tensor | None = None) -> Tensor:
        """Returns the embeddings (num_nodes, width) of a graph, or of features and edges.

        Args:
            data: A ``torch_geometric.data.Data``, a `Step`, or features (num_nodes, in_channels).
            edge_index: (2, num_edges), where ``data`` is features.
            edge_weight: (num_edges,), where ``data`` is features.
        """
        if edge_index is not None:
            from torch_geometric.data import Data

            data = Data(x=data, edge_index=edge_index, edge_weight=edge_weight)
        return self._as_step(data).z

    def infer_full(self, data: Any) -> Tensor:
        """Returns the cluster of every node of a graph without training: (num_nodes,), int64."""
        return self._infer(data, lambda step: self._cluster(self._head_names(step), soft=False))

    def cluster(self, data: Any = None, soft: bool = False) -> Tensor:
        """Returns clusters: labels (num_nodes,), or with ``soft`` assignments (num_nodes, n_clusters).

        Args:
            data: A graph; None: the graph of the last `fit`.
            soft: Whether probabilities are wanted.
        """
        if data is not None:
            return self._infer(data, lambda step: self._cluster(self._head_names(step), soft=soft))
        if not soft:
            return self.labels_
        z = self.embedding_.to(next((p.device for p in self.parameters()), self.embedding_.device))
        return call(self.cluster_head.cluster, {"z": self._head_view(z)}, soft=True).detach().cpu()

    def _cluster(self, names: Mapping[str, Any], soft: bool) -> Tensor:
        out = call(self.cluster_head.cluster, names, soft=soft)
        nodes = names["z"].size(0)
        dims = 2 if soft else 1
        if not isinstance(out, Tensor) or out.dim() != dims or out.shape[0] != nodes:
            found = f"a tensor of shape {tuple(out.shape)}" if isinstance(out, Tensor) else type(out).__name__
            expected = "(num_nodes, n_clusters)" if soft else "(num_nodes,)"
            raise CompositionError(
                Problem(
                    "ECO209",
                    f"{self._plan.part('head')} returned {found} from cluster(z, soft={soft}) for {nodes} nodes; "
                    f"expected shape {expected}.",
                    "Return one entry per node.",
                )
            )
        return out if soft else out.long()

    def _confidence(self, names: Mapping[str, Any]) -> Tensor:
        if callable(getattr(self.cluster_head, "confidence", None)):
            return call(self.cluster_head.confidence, names)
        return self._cluster(names, soft=True).max(dim=1).values

    def initialize_cluster_centers(
        self, data: Any, train_idx: Tensor | None = None, method: str = "kmeans", seed: int | None = None
    ) -> None:
        """Places the head's centres: the means of the clusters that k-means finds in the current embeddings.

        With ``normalize_embeddings`` k-means compares directions, while the means are those of the embeddings
        themselves, the space that a differentiable head works in.

        Args:
            data: A graph.
            train_idx: Only these nodes are used; default all.
            method: ``"kmeans"``, the only one.
            seed: Seed of k-means; default the spec's.
        """
        if method != "kmeans":
            raise ValueError(f"method is {method!r}; cluster centres are initialised by 'kmeans' only.")
        z = self._infer(data, lambda step: step.z)
        chosen = z if train_idx is None else z[train_idx]
        kmeans_seed = self._plan.spec.seed if seed is None else seed
        place_centers(self.cluster_head, chosen, kmeans_seed, self.n_clusters, self._normalized(chosen))

    # --------------------------------------------------------------------------------------------------- whole runs

    def fit(  # type: ignore[override]
        self,
        data: Any,
        *,
        device: str = "auto",
        callbacks: Sequence[Callback] = (),
        checkpoint: Path | Callable[[], Path] | None = None,
        resume: Path | None = None,
    ) -> Composition:
        """Trains and clusters a graph. In a process that was launched with others, all of them do so together.

        Args:
            data: A name, a path, a PyG ``Data`` or ``(x, edge_index)``.
            device: ``auto``, ``cpu`` or ``cuda``.
            callbacks: Told what happens in training.
            checkpoint: Where the engine writes its state; a function is asked when the parts are known to fit the
                graph, before anything is trained.
            resume: A checkpoint of the same spec and graph to go on from.

        Returns:
            The model itself, with ``labels_``, ``embedding_``, ``metrics_`` and ``history_``.
        """
        from eco_core.engine.collectives import first_of_machine, take_from_rank_0, tensors_of
        from eco_core.engine.devices import make_fabric
        from eco_core.engine.trainer import train
        from eco_core.metrics.evaluate import evaluate_clustering
        from eco_core.model.batching import check_shared, check_trained_on_batches

        fabric = make_fabric(device, self._plan.spec.train.precision)
        check_shared(self._plan.spec.train, fabric.world_size)
        with first_of_machine(fabric.local_rank):
            graph = self.load_graph(data)
        with seeded(self._plan.spec.seed):
            start = time.perf_counter()
            placed = copy.copy(graph).to(fabric.device)
            probe = self._build(placed)
            placed = probe.graph
            self._prepared.hold_for(placed)
            stages = self.stages()
            if stages:
                check_trained_on_batches(fabric.world_size, self._batches is not None, self._plan.part("encoder"))
            embedded = None if stages or self._batches is not None else probe
            del probe  # Its embeddings are not needed while others are trained.
            if callable(checkpoint):
                checkpoint = checkpoint()
            self.history_ = train(
                self,
                placed,
                stages,
                seed=self._plan.spec.seed,
                fabric=fabric,
                callbacks=callbacks,
                checkpoint=checkpoint,
                resume=resume,
            )
            trained = time.perf_counter()
            self._finish(placed, embedded)
            if fabric.world_size > 1:
                results = (self.labels_, self.confidence_, self.embedding_)
                take_from_rank_0([*tensors_of(self), *results], fabric.device)
            self.seconds_ = {"train": trained - start, "cluster": time.perf_counter() - trained}
        self.node_ids_ = getattr(graph, "node_ids", None)
        self.metrics_ = evaluate_clustering(self._plan.registry, graph, self.labels_, self.embedding_)
        return self

    def fit_predict(self, data: Any, **options: Any) -> Tensor:  # type: ignore[override]
        """Fits (see `fit`) and returns the cluster of every node: (num_nodes,), int64."""
        return self.fit(data, **options).labels_

    def load_graph(self, data: Any = None) -> Any:
        """Loads and prepares a graph as the spec's ``data`` says.

        Args:
            data: What `eco_core.load_graph` takes; None: what the spec names. A graph in memory is prepared, too,
                unless this method loaded it.

        Returns:
            A ``torch_geometric.data.Data``.
        """
        from eco_core.data.load import load_graph

        spec = self._plan.spec.data
        if data is None:
            data = spec.name
        elif self._loaded is not None and self._loaded() is data:
            return data
        options: dict[str, Any] = {"undirected": spec.undirected, "normalize_features": spec.normalize_features}
        name = str(data) if isinstance(data, (str, Path)) else "<in memory>"
        own = (spec.model_extra or {}) if name == spec.name else {}
        graph = load_graph(data, spec.root, registry=self._plan.registry, **options, **own)
        if name != spec.name:
            changed = copy.copy(self._plan)
            changed.spec = self._plan.spec.model_copy(update={"data": type(spec)(name=name, root=spec.root, **options)})
            self._plan = changed
        self._loaded = weakref.ref(graph)
        return graph

    def check_graph(self, graph: Any) -> None:
        """Finds what can be known to be wrong with a graph before anything is trained.

        Raises:
            CompositionError: ECO207, if the number of clusters is unknown or larger than that of nodes.
        """
        number_of_clusters(self._plan, graph)

    @torch.no_grad()
    def _finish(self, graph: Any, embedded: Step | None) -> None:
        """Clusters the final embeddings: those of ``embedded``, where nothing was trained since."""
        self.eval()
        step = self.step_of(graph)  # It also prepares the head, which did not exist when ``embedded`` was made.
        if embedded is not None:
            step = embedded
        names = self._head_names(step)  # Once: of many nodes, another view of the embeddings is gigabytes.
        if callable(getattr(self.cluster_head, "fit", None)):
            call(self.cluster_head.fit, names)
        elif not getattr(self.strategy, "trains_head", False) and is_differentiable(self.cluster_head):
            self.initialize_cluster_centers(graph)
        self.labels_ = self._cluster(names, soft=False).cpu()
        self.confidence_ = self._confidence(names).float().cpu()
        self.embedding_ = step.z.detach().float().cpu()

    def save(self, folder: str | Path, force: bool = False) -> Path:
        """Writes the fitted model as a run folder, as `eco compose` does.

        Args:
            folder: Where to; an existing folder with files in it is refused.
            force: Whether an existing run there is replaced.
        """
        from eco_core.results.folder import claim_folder, write_run

        path = claim_folder(Path(folder), force)
        write_run(path, self)
        return path


def _embedded(step: Step) -> Step:
    _ = step.z
    return step


__all__ = ["Composition"]
