"""The composed model: the public class. The other modules of this package implement its methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eco_core.engine.callbacks import Notified
from eco_core.errors import CompositionError, EcoError, Problem
from eco_core.inject.calls import call
from eco_core.model import losses
from eco_core.model.arrays import as_array
from eco_core.model.centers import check_method, place_centers
from eco_core.model.composed_epochs import ComposedEpochs
from eco_core.model.fit import fit_composition, fit_info
from eco_core.model.fitted import FittedResults
from eco_core.model.inference import assign, check_inductive
from eco_core.model.not_built import NotBuiltError
from eco_core.model.wiring import evaluating
from eco_core.ops.sample import is_mini_batch
from eco_core.parts.loss import LossOutput
from eco_core.parts.stages import Stage
from eco_core.parts.step import Step

_T = TypeVar("_T")


class Composition(ComposedEpochs, FittedResults):
    """An encoder, a cluster head, a strategy and an objective, as one module.

    `eco_core.compose` makes it. Parts that are given by name or class are made when the graph is known (`build`, or
    `fit`), and made anew from the seed at every `fit`. Parts that are given as instances are trained in place. Assign
    ``encoder``, ``objective``, ``cluster_head`` or ``strategy`` to swap a part.

    Attributes:
        clustering_: The result of the last `fit` as one value, with tensors: ``clustering_.labels``, ``.confidence``
            and ``.embedding``. The following attributes read it.
        labels_: The cluster of every node: a NumPy array (num_nodes,), int64.
        confidence_: The confidence in each node's cluster: a NumPy array (num_nodes,), float32 in [0, 1].
        embedding_: The embeddings: a NumPy array (num_nodes, width), float32.
        metrics_: Metrics of the clustering; shares are fractions.
        history_: The history of the training, with one row per epoch; after a fit that failed, the rows until then.
        seconds_: Wall-clock seconds of training and clustering.
        node_ids_: The user's own ids of the nodes; None if nodes are numbered from 0.
        notes_: Sentences that a user should read.
    """

    def objective_loss(self, step: Any) -> LossOutput:
        """The loss of the objective; its column in the history has the objective's name.

        Args:
            step: A `Step`, or a graph.
        """
        return losses.objective_loss(self._wiring, self.plan, self.step_of(step))

    def head_loss(self, step: Any) -> LossOutput:
        """The loss of the cluster head; its column in the history has the head's name.

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
            data: A `Step`, a graph as for `fit`, or features (num_nodes, in_channels).
            edge_index: The edges (2, num_edges), if ``data`` is features.
            edge_weight: Weights (num_edges,), if ``data`` is features.
        """
        if edge_index is not None:
            from torch_geometric.data import Data

            data = Data(x=data, edge_index=edge_index, edge_weight=edge_weight)
        return self.step_of(data).z

    def infer_full(self, data: Any) -> Tensor:
        """Returns the cluster of every node of a graph without training: (num_nodes,), int64."""
        return self._infer(data, self._assigned)

    def predict(self, data: Any) -> NDArray[np.int64]:
        """Returns the clusters of the nodes of any graph, with the trained parts.

        Args:
            data: A graph as for `fit`; it is prepared like the training graph.

        Returns:
            Labels of shape (num_nodes,), int64, as a NumPy array. `infer_full` returns a tensor.

        Raises:
            CompositionError: ECO211, if a part works only on the nodes that it was fitted on.
        """
        check_inductive(self.plan, self._wiring)
        return as_array(self.infer_full(data))

    def predict_proba(self, data: Any) -> NDArray[Any]:
        """Returns the soft assignment of the nodes of any graph, with the trained parts.

        Args:
            data: A graph as for `fit`; it is prepared like the training graph.

        Returns:
            Probabilities of shape (num_nodes, n_clusters) as a NumPy array; rows sum to 1. `cluster` returns a tensor.

        Raises:
            CompositionError: ECO211, if a part works only on the nodes that it was fitted on.
        """
        check_inductive(self.plan, self._wiring)
        return as_array(self._infer(data, lambda step: self._assigned(step, soft=True)))

    def cluster(self, data: Any = None, soft: bool = False) -> Tensor:
        """Returns clusters as a tensor: labels, or with ``soft`` the soft assignment (num_nodes, n_clusters).

        Args:
            data: A graph as for `fit`; None: the graph of the last `fit`.
            soft: Whether to return probabilities instead of labels.
        """
        if data is not None:
            return self._infer(data, lambda step: self._assigned(step, soft))
        if not soft:
            return self.clustering_.labels
        z = self.clustering_.embedding
        z = z.to(next((p.device for p in self.parameters()), z.device))
        head: Any = self.cluster_head
        return call(head.cluster, {"z": self._wiring.head_view(z)}, soft=True).detach().cpu()

    def _assigned(self, step: Step, soft: bool = False) -> Tensor:
        part = self.plan.part("head")
        try:
            return assign(self._wiring, part, self._wiring.head_names(step), soft)
        except RuntimeError as error:
            if isinstance(error, EcoError) or self._clustering is not None or not _is_discrete(self.cluster_head):
                raise
            raise NotBuiltError(
                Problem(
                    "ECO208",
                    f"{part} is not fitted: {str(error).rstrip('.')}.",
                    "Call fit(data); after a training loop of your own, model.cluster_head.fit(model.embed(data)).",
                )
            ) from error

    def _infer(self, data: Any, function: Callable[[Step], _T]) -> _T:
        with evaluating(self):
            graph = self._graph(data)
            # Another number of nodes: certainly not the fitted graph, on which every part may be called.
            if graph.num_nodes != self._require("the model").facts.num_nodes and not is_mini_batch(graph):
                check_inductive(self.plan, self._wiring)
            return function(self._wiring.step(graph, parts=self._wiring.called_for_embeddings()))

    def initialize_cluster_centers(
        self, data: Any, train_idx: Tensor | None = None, method: str = "kmeans", seed: int | None = None
    ) -> None:
        """Places the head's centres at the means of the clusters that k-means finds in the current embeddings.

        With ``normalize_embeddings``, k-means clusters the normalised embeddings. The centres are still means of the
        embeddings themselves, because a differentiable head works on embeddings that are not normalised.

        Args:
            data: A graph.
            train_idx: Only these nodes are used; default all nodes.
            method: ``"kmeans"``, the only method.
            seed: Seed of k-means; default the spec's seed.

        Raises:
            ValueError: If the method is not ``"kmeans"``.
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
        checkpoint: str | Path | None = None,
        resume: str | Path | None = None,
        verbose: bool | None = None,
        **unknown: Any,
    ) -> Composition:
        """Trains and clusters a graph. Processes that were launched together must all call it, and train together.

        Args:
            data: A name, a path, a PyG ``Data`` or ``(x, edge_index)``.
            device: ``auto``, ``cpu`` or ``cuda``.
            callbacks: Objects with some of the methods of `eco_core.Callback`. They may raise `eco_core.StopTraining`.
            checkpoint: The file that the engine writes its state to every 50 epochs of a stage.
            resume: A checkpoint of the same spec, seed and graph, from which training continues.
            verbose: Whether progress is shown on stderr: as a bar on a terminal and in a notebook, else as a line for
                each stage. None: a bar if one can be shown, else nothing.
            **unknown: Nothing else is taken: parameters of data, such as ``dangling``, belong to `eco_core.load_graph`.

        Returns:
            The model itself, with ``labels_``, ``embedding_``, ``metrics_`` and ``history_``. Mistakes that are found
            before training leave the results of an earlier fit as they are.

        Raises:
            EcoError: If the data or the checkpoint cannot be used, or the parts do not fit the graph.
            TrainingError: If training fails, for example because a loss is not finite. ``history_`` keeps the epochs
                until then, also after Ctrl-C.
            TypeError: For any other argument.
        """
        if unknown:
            name = next(iter(unknown))
            raise TypeError(
                f"fit has no argument {name!r}. Parameters of the data belong to loading: "
                f"fit(eco.load_graph(data, {name}={unknown[name]!r}))."
            )
        fit_composition(
            self, data, device=device, callbacks=callbacks, checkpoint=checkpoint, resume=resume, verbose=verbose
        )
        return self

    def fit_predict(self, data: Any, **options: Any) -> NDArray[np.int64]:
        """Fits (see `fit`) and returns the cluster of every node: a NumPy array (num_nodes,), int64."""
        return self.fit(data, **options).labels_

    def save(self, folder: str | Path, force: bool = False) -> Path:
        """Writes the fitted model as a run folder, as `eco compose` does.

        Args:
            folder: The folder to write; an existing folder with files in it is refused.
            force: Whether an existing run in the folder is replaced.

        Returns:
            The folder.
        """
        from eco_core.results.folder import claim_folder, write_run

        clustering = self.clustering_
        path = claim_folder(Path(folder).expanduser(), force)
        write_run(path, fit_info(self, torch.device("cpu")), clustering)
        return path


def _is_discrete(head: Any) -> bool:
    return callable(getattr(head, "fit", None))


__all__ = ["Composition"]
