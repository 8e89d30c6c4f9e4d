"""Bases for parts and for models written by hand, and the one loss type."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from eco_core.inject.calls import call
from eco_core.parts.loss import LossOutput, mean_loss
from eco_core.parts.step import Step

_T = TypeVar("_T")


def _overrides(model: nn.Module, method: str, base: type) -> bool:
    return getattr(type(model), method, None) is not getattr(base, method, None)


class BaseModel(nn.Module):
    """Base of all models. Nothing is abstract: a model defines what it has."""

    def embed(self, *args: Any, **kwargs: Any) -> Tensor:
        """Returns node embeddings of shape (num_nodes, width); by default what the model's call returns."""
        return self(*args, **kwargs)

    def infer_full(self, data: Any) -> Tensor:
        """Runs the model on a whole graph, without gradients, in evaluation mode.

        Args:
            data: A ``torch_geometric.data.Data``.

        Returns:
            Embeddings of shape (num_nodes, width).
        """
        return self._infer(data, self._embedding)

    def infer_batch(self, loader: Iterable[Any], verbose: bool = False) -> Tensor:
        """Runs the model on mini-batches and joins the rows of their seed nodes.

        Args:
            loader: Yields graphs whose first ``batch_size`` nodes are the seeds (PyG's loaders do).
            verbose: Whether to print the number of batches done.

        Returns:
            What `infer_full` returns, one row per seed in the loader's order.
        """
        rows = []
        for number, batch in enumerate(loader, start=1):
            out = self.infer_full(batch)
            rows.append(out[: getattr(batch, "batch_size", None) or out.shape[0]])
            if verbose:
                print(f"inferred {number} batches")
        return torch.cat(rows)

    def step_of(self, data: Any, epoch: int = 0) -> Step:
        """Returns the names that this model's calls may ask for on a graph."""
        return Step(data, epoch)

    def _embedding(self, step: Step) -> Tensor:
        return call(self.embed if _overrides(self, "embed", BaseModel) else self, step)

    @torch.no_grad()
    def _infer(self, data: Any, function: Callable[[Step], _T]) -> _T:
        training = self.training
        self.eval()
        try:
            return function(self.step_of(data))
        finally:
            self.train(training)


class TrainableModel(BaseModel):
    """Base of models with a loss. Subclasses define ``loss``, which names what it needs (``data``, or ``x``, ...)."""

    def loss(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the training loss: a scalar tensor, a tuple or mapping of them, or a `LossOutput`."""
        raise TypeError(f"{type(self).__name__} defines no loss; a trainable model needs loss(self, data).")

    def steps(self, graph: Any, epoch: int, modules: Iterable[nn.Module]) -> Iterable[Step]:
        """Yields the steps of an epoch: one, on the whole graph, unless a part brings batches of its own.

        Args:
            graph: The whole graph.
            epoch: Number of the epoch within its stage, from 0.
            modules: The modules that are being trained.
        """
        yield self.step_of(graph, epoch)

    def begin_epoch(self, step: Step, modules: Iterable[nn.Module]) -> None:
        """Called at the start of each epoch; compositions tell it to their parts.

        Args:
            step: The names of the epoch's (first) step.
            modules: The modules that are being trained.
        """

    def end_stage(self, graph: Any) -> None:
        """Called at the end of each stage, with the weights that it leaves; compositions complete them here.

        Args:
            graph: The whole graph.
        """

    def loss_batch(self, batch: Any, **kwargs: Any) -> Any:
        """Returns the loss of one mini-batch; by default `loss` on it."""
        return call(self.loss, self.step_of(batch), **kwargs)

    def train_full(
        self, data: Any, optimizer: torch.optim.Optimizer, epoch: int, verbose: bool = False, **loss_kwargs: Any
    ) -> LossOutput:
        """Trains one epoch on a whole graph: one step of the optimiser.

        Args:
            data: A ``torch_geometric.data.Data``.
            optimizer: Moves the parameters.
            epoch: Number of the epoch, for the log and for losses that ask for it.
            verbose: Whether to print the loss.
            **loss_kwargs: Passed on to `loss`.

        Returns:
            The loss before the step, detached. It formats as its total.
        """
        self.train()
        step = self.step_of(data, epoch)
        self.begin_epoch(step, (self,))
        return self._descend(lambda: call(self.loss, step, **loss_kwargs), optimizer, epoch if verbose else None)

    def train_batch(
        self,
        loader: Iterable[Any],
        optimizer: torch.optim.Optimizer,
        epoch: int,
        verbose: bool = False,
        **loss_kwargs: Any,
    ) -> LossOutput:
        """Trains one epoch on mini-batches: one step of the optimiser for each.

        Args:
            loader: Yields graphs.
            optimizer: Moves the parameters.
            epoch: Number of the epoch.
            verbose: Whether to print the mean loss.
            **loss_kwargs: Passed on to `loss_batch`.

        Returns:
            The mean loss over the batches, detached.
        """
        losses = []
        for batch in loader:
            losses.append(self._descend(functools.partial(self.loss_batch, batch, **loss_kwargs), optimizer, None))
        if not losses:
            raise ValueError("The loader yielded no batch; training an epoch needs at least one.")
        mean = mean_loss(losses)
        if verbose:
            print(mean.log_string(f"Epoch {epoch:03d}: "))
        return mean

    def _descend(self, loss: Callable[[], Any], optimizer: torch.optim.Optimizer, log_epoch: int | None) -> LossOutput:
        self.train()
        optimizer.zero_grad()
        out = LossOutput.of(loss(), f"The loss of {type(self).__name__}")
        out.total.backward()
        optimizer.step()
        if log_epoch is not None:
            print(out.log_string(f"Epoch {log_epoch:03d}: "))
        return out.detach()

    def fit(self, data: Any, epochs: int = 200, optimizer: Any = None, **options: Any) -> TrainableModel:
        """Trains the model through the engine, in one stage of full-batch epochs.

        Args:
            data: What `eco_core.load_graph` takes.
            epochs: How many epochs.
            optimizer: An `eco_core.OptimizerSpec` or a function from parameters to an optimiser; default Adam.
            **options: Passed on to `eco_core.engine.trainer`: ``seed``, ``device``, ``stop``, ...

        Returns:
            The model itself; ``history_`` holds the losses.
        """
        from eco_core.data.load import load_graph
        from eco_core.engine.trainer import train
        from eco_core.parts.stages import OptimizerSpec, Stage, Update

        stop = options.pop("stop", None)
        update = Update(self.loss, (self,), optimizer or OptimizerSpec())
        stage = Stage("train", (update,), epochs, stop=stop)
        self.history_ = train(self, load_graph(data), [stage], **options)
        return self


class ClusteringModel(TrainableModel):
    """Base of models that give clusters: they define ``predict(data)``, or their call returns labels."""

    def infer_full(self, data: Any) -> Tensor:
        """Returns the cluster of every node: shape (num_nodes,), dtype int64."""
        predict = getattr(self, "predict", None)
        return self._infer(data, lambda step: call(predict or self, step))

    def fit_predict(self, data: Any, epochs: int = 200, **options: Any) -> Tensor:
        """Trains the model through the engine (see `fit`) and returns the cluster of every node."""
        from eco_core.data.load import load_graph

        graph = load_graph(data)
        return self.fit(graph, epochs=epochs, **options).infer_full(graph)

    def initialize_cluster_centers(
        self, data: Any, train_idx: Tensor | None = None, method: str = "kmeans", seed: int | None = None
    ) -> None:
        """Places the centres of ``self.cluster_head`` by k-means on the current embeddings.

        Args:
            data: A ``torch_geometric.data.Data``.
            train_idx: Only these nodes are used; default all.
            method: ``"kmeans"``, the only one.
            seed: Seed of k-means.
        """
        if method != "kmeans":
            raise ValueError(f"method is {method!r}; cluster centres are initialised by 'kmeans' only.")
        from eco_core.model.centers import place_centers

        z = self._infer(data, self._embedding)
        place_centers(self.cluster_head, z if train_idx is None else z[train_idx], seed)  # type: ignore[arg-type]
