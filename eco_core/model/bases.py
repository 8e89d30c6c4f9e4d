"""Base classes of models that users write themselves, without parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from eco_core.engine.callbacks import FitInfo, fit_events, notify
from eco_core.engine.devices import make_fabric
from eco_core.engine.history import History
from eco_core.inject.calls import call
from eco_core.model.arrays import as_array
from eco_core.model.base_model import BaseModel, overrides
from eco_core.model.centers import check_method, place_centers
from eco_core.model.epochs import EpochTraining, HandUpdate
from eco_core.model.session import WholeGraphSession
from eco_core.parts.stages import OptimizerSpec, Stage, Update


class TrainableModel(EpochTraining):
    """Base of models with a loss. Subclasses define ``loss``; its parameters name its inputs (``data``, ``x``, ...)."""

    def loss(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the training loss: a scalar tensor, a tuple or mapping of scalar tensors, or a `LossOutput`."""
        raise TypeError(f"{type(self).__name__} defines no loss; a trainable model needs loss(self, data).")

    def loss_batch(self, batch: Any, **kwargs: Any) -> Any:
        """Returns the loss of one mini-batch; by default calls `loss` on the mini-batch."""
        return call(self.loss, self.step_of(batch), **kwargs)

    def _hand_updates(self, loss_kwargs: Mapping[str, Any], batched: bool) -> list[HandUpdate]:
        if batched and overrides(self, "loss_batch", TrainableModel):
            return [HandUpdate(lambda step: self.loss_batch(step.graph, **loss_kwargs))]
        return [HandUpdate(lambda step: call(self.loss, step, **loss_kwargs))]

    def fit(self, data: Any, epochs: int = 200, optimizer: Any = None, **options: Any) -> TrainableModel:
        """Trains the model through the engine, in one stage of full-batch epochs.

        Args:
            data: A source that `eco_core.load_graph` takes.
            epochs: Number of epochs.
            optimizer: An `eco_core.OptimizerSpec`, or a function that makes an optimiser from parameters; default Adam.
            **options: ``stop`` (an `eco_core.EarlyStopping`), and the options of the engine's ``train``: ``seed``,
                ``device``, ``callbacks``, ``checkpoint``, ``resume``, ...

        Returns:
            The model itself; ``history_`` holds the losses.
        """
        from eco_core.data.load import load_graph
        from eco_core.engine.trainer import train

        stop = options.pop("stop", None)
        fabric = options.pop("fabric", None) or make_fabric(options.pop("device", "auto"))
        update = Update(self.loss, (self,), optimizer or OptimizerSpec())
        stage = Stage("train", (update,), epochs, stop=stop)
        callbacks = options.get("callbacks", ()) if fabric.is_global_zero else ()
        info = FitInfo(self, fabric.device, fabric.world_size, options.get("seed", 0))
        session = WholeGraphSession(self, load_graph(data))
        with fit_events(callbacks, info):
            self.history_ = History()  # It keeps the epochs so far if the training fails or is interrupted.
            train(session, [stage], fabric=fabric, history=self.history_, **options)
            notify(callbacks, "on_fit_end", None)
        return self


class ClusteringModel(TrainableModel):
    """Base of models that return clusters. Subclasses define ``predict(data)``, or their ``forward`` returns labels."""

    def infer_full(self, data: Any) -> Tensor:
        """Returns the cluster of every node: shape (num_nodes,), dtype int64."""
        predict = getattr(self, "predict", None)
        return self._infer(data, lambda step: call(predict or self, step))

    def fit_predict(self, data: Any, epochs: int = 200, **options: Any) -> NDArray[np.int64]:
        """Trains the model through the engine (see `fit`) and returns the cluster of every node.

        Returns:
            A NumPy array of shape (num_nodes,), int64; `infer_full` returns a tensor.
        """
        from eco_core.data.load import load_graph

        graph = load_graph(data)
        return as_array(self.fit(graph, epochs=epochs, **options).infer_full(graph))

    def initialize_cluster_centers(
        self, data: Any, train_idx: Tensor | None = None, method: str = "kmeans", seed: int | None = None
    ) -> None:
        """Places the centres of ``self.cluster_head`` by k-means on the current embeddings.

        Args:
            data: A ``torch_geometric.data.Data``.
            train_idx: Only these nodes are used; default all nodes.
            method: ``"kmeans"``, the only method.
            seed: Seed of k-means.

        Raises:
            ValueError: If the method is not ``"kmeans"``.
        """
        check_method(method)
        z = self._infer(data, self._embedding)
        place_centers(self.cluster_head, z if train_idx is None else z[train_idx], seed)  # type: ignore[arg-type]


__all__ = ["BaseModel", "ClusteringModel", "TrainableModel"]
