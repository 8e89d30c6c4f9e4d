"""The composed model: a module, and its public face. What it does is in the modules beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from eco_core.engine.callbacks import Notified
from eco_core.errors import CompositionError, Problem
from eco_core.inject.calls import call
from eco_core.model import losses
from eco_core.model.centers import check_method, place_centers
from eco_core.model.composed_epochs import ComposedEpochs
from eco_core.model.fit import fit_composition, fit_info
from eco_core.model.fitted import FittedResults
from eco_core.model.inference import assign, check_inductive
from eco_core.model.wiring import evaluating
from eco_core.parts.loss import LossOutput
from eco_core.parts.step import ExtendedNames, Step, num_seeds
from eco_core.plan.checks import check_parts
from eco_core.plan.part import Part
from eco_core.plan.plan import Plan

_T = TypeVar("_T")


class Composition(ComposedEpochs, FittedResults):
    """An encoder, a cluster head, a strategy and an objective, as one module.

    Made by `eco_core.compose`. Parts given by name or class are made when the graph is known (`build`, or `fit`), and
    made anew from the seed at every `fit`; parts given as instances are trained in place. Assigning ``encoder``,
    ``objective``, ``cluster_head`` or ``strategy`` swaps the part.

    Attributes:
        clustering_: What the last `fit` found, as one value; the following read it.
        labels_: The cluster of every node: (num_nodes,), int64.
        confidence_: How sure each is: (num_nodes,), float32 in [0, 1].
        embedding_: (num_nodes, width), float32.
        metrics_: Figures of the clustering, as fractions.
        history_: One row per epoch.
        seconds_: Wall-clock seconds of training and clustering.
        node_ids_: The user's own ids of the nodes; None: they are numbered.
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
                self._prepared.make_for_batches(whole, [("encoder", self.encoder)])
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
            fix = "Its forward gets what it names: x (num_nodes, in_channels), edge_index (2, num_edges), ..."
            if hasattr(graph, "n_id") and callable(getattr(self.encoder, "prepare", None)):
                fix += "\nIn mini-batches it gets the values that prepare made of the whole graph: index them by n_id."
            raise CompositionError(
                Problem("ECO209", f"{part} failed on the graph: {type(error).__name__}: {error}", fix)
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
            self._prepared.make_for_batches(graph, self._parts())
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
        return losses.objective_loss(self._wiring, self.plan, self.step_of(step))

    def head_loss(self, step: Any) -> LossOutput:
        """The loss of the cluster head, named after it in the history.

        Args:
            step: A `Step`, or a graph.
        """
        return losses.head_loss(self._wiring, self.plan, self.step_of(step))

    def adversary_loss(self, step: Any) -> LossOutput:
        """The loss of the objective's adversary.

        Args:
            step: A `Step`, or a graph.
        """
        return losses.adversary_loss(self._wiring, self.step_of(step))

    def stages(self) -> tuple[Stage, ...]:
        """The stages of the strategy for this model."""
        return tuple(self.strategy.stages(self))

    def loss(self, step: Any, stage: str | None = None) -> LossOutput:
        """The loss of a stage's main update; by default the last stage's.

        Args:
            step: A `Step`, or a graph.
            stage: Name of the stage.
        """
        return LossOutput.of(call(self._stage(stage).updates[0].loss, self.step_of(step)))

    def _stage(self, name: str | None) -> Stage:
        stages = {candidate.name: candidate for candidate in self.stages()}
        if not stages:
            raise CompositionError(
                Problem("ECO205", "This composition trains nothing: it has no stage.", "Call fit_predict(data).")
            )
        if name is not None and name not in stages:
            raise ValueError(f"There is no stage {name!r}; the strategy has: {', '.join(stages)}.")
        return list(stages.values())[-1] if name is None else stages[name]

    def forward(self, data: Any) -> Tensor:
        """Returns the cluster of every node of a graph: (num_nodes,), int64."""
        return self._assigned(self.step_of(data))

    def embed(self, data: Any, edge_index: Tensor | None = None, edge_weight: Tensor | None = None) -> Tensor:
        """Returns the embeddings (num_nodes, width) of a graph, or of features and edges.

        Args:
            data: A `Step`, what `fit` takes, or features (num_nodes, in_channels).
            edge_index: (2, num_edges), where ``data`` is features.
            edge_weight: (num_edges,), where ``data`` is features.
        """
        if edge_index is not None:
            from torch_geometric.data import Data

            data = Data(x=data, edge_index=edge_index, edge_weight=edge_weight)
        return self.step_of(data).z

    def infer_full(self, data: Any) -> Tensor:
        """Returns the cluster of every node of a graph without training: (num_nodes,), int64."""
        return self._infer(data, self._assigned)

    def predict(self, data: Any) -> Tensor:
        """Returns the clusters of the nodes of any graph, with the parts as they were trained.

        Args:
            data: What `fit` takes; it is prepared as the training graph was.

        Returns:
            Labels of shape (num_nodes,), int64, on the CPU.

        Raises:
            CompositionError: ECO211, if a part knows the nodes that it was fitted on and no others.
        """
        check_inductive(self.plan, self._wiring)
        return self.infer_full(data).cpu()

    def predict_proba(self, data: Any) -> Tensor:
        """Returns the soft assignment of the nodes of any graph, with the parts as they were trained.

        Args:
            data: What `fit` takes; it is prepared as the training graph was.

        Returns:
            Probabilities of shape (num_nodes, n_clusters), on the CPU; rows sum to 1.

        Raises:
            CompositionError: ECO211, if a part knows the nodes that it was fitted on and no others.
        """
        check_inductive(self.plan, self._wiring)
        return self._infer(data, lambda step: self._assigned(step, soft=True)).cpu()

    def cluster(self, data: Any = None, soft: bool = False) -> Tensor:
        """Returns clusters: labels (num_nodes,), or with ``soft`` assignments (num_nodes, n_clusters).

        Args:
            data: What `fit` takes; None: the graph of the last `fit`.
            soft: Whether probabilities are wanted.
        """
        if data is not None:
            return self._infer(data, lambda step: self._assigned(step, soft))
        if not soft:
            return self.labels_
        z = self.embedding_.to(next((p.device for p in self.parameters()), self.embedding_.device))
        head: Any = self.cluster_head
        return call(head.cluster, {"z": self._wiring.head_view(z)}, soft=True).detach().cpu()

    def _assigned(self, step: Step, soft: bool = False) -> Tensor:
        return assign(self._wiring, self.plan.part("head"), self._wiring.head_names(step), soft)

    def _infer(self, data: Any, function: Callable[[Step], _T]) -> _T:
        with evaluating(self):
            graph = self._graph(data)
            return function(self._wiring.step(graph, parts=self._wiring.called_for_embeddings()))

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

        Raises:
            ValueError: The method is another.
        """
        check_method(method)
        z = self._infer(data, lambda step: step.z)
        chosen = z if train_idx is None else z[train_idx]
        kmeans_seed = self.plan.spec.seed if seed is None else seed
        place_centers(self.cluster_head, chosen, kmeans_seed, self.n_clusters, self._wiring.normalized(chosen))

    def fit(
        self,
        data: Any,
        *,
        device: str = "auto",
        callbacks: Sequence[Notified] = (),
        checkpoint: Path | None = None,
        resume: Path | None = None,
        verbose: bool | None = None,
    ) -> Composition:
        """Trains and clusters a graph. In a process that was launched with others, all of them do so together.

        Args:
            data: A name, a path, a PyG ``Data`` or ``(x, edge_index)``.
            device: ``auto``, ``cpu`` or ``cuda``.
            callbacks: Objects with some of the methods of `eco_core.Callback`.
            checkpoint: Where the engine writes its state every 50 epochs of a stage.
            resume: A checkpoint of the same spec, seed and graph to go on from.
            verbose: Whether progress is shown on stderr; None: on a terminal and in a notebook.

        Returns:
            The model itself, with ``labels_``, ``embedding_``, ``metrics_`` and ``history_``.

        Raises:
            EcoError: The data or the checkpoint cannot be used, or the parts do not fit the graph.
            TrainingError: Training failed, for example with a loss that is not finite.
        """
        self._clustering = fit_composition(
            self, data, device=device, callbacks=callbacks, checkpoint=checkpoint, resume=resume, verbose=verbose
        )
        return self

    def fit_predict(self, data: Any, **options: Any) -> Tensor:
        """Fits (see `fit`) and returns the cluster of every node: (num_nodes,), int64."""
        return self.fit(data, **options).labels_

    def save(self, folder: str | Path, force: bool = False) -> Path:
        """Writes the fitted model as a run folder, as `eco compose` does.

        Args:
            folder: Where to; an existing folder with files in it is refused.
            force: Whether an existing run there is replaced.
        """
        from eco_core.results.folder import claim_folder, write_run

        clustering = self.clustering_
        path = claim_folder(Path(folder), force)
        write_run(path, fit_info(self, torch.device("cpu")), clustering)
        return path


__all__ = ["Composition"]
