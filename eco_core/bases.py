"""Bases for parts and for models written by hand, and the one loss type."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from eco_core.errors import CompositionError, Problem
from eco_core.inject import call
from eco_core.step import Step

_T = TypeVar("_T")


class LossOutput:
    """A loss and the parts that it is made of.

    Args:
        total: Scalar tensor that is differentiated.
        components: Named parts (scalar tensors or numbers), for the history.
        **parts: More parts, by name.

    Example:
        >>> out = LossOutput(total=torch.tensor(1.5), components={"ali": 0.8}, nei=0.7)
        >>> f"{out:.2f}", out.nei
        ('1.50', 0.7)
    """

    def __init__(
        self, total: Tensor, components: Mapping[str, Tensor | float] | None = None, **parts: Tensor | float
    ) -> None:
        self.total = total
        self.components: dict[str, Tensor | float] = {**(components or {}), **parts}

    @classmethod
    def weighted(cls, **terms: tuple[float, Tensor]) -> LossOutput:
        """Sums ``weight * term``; the components are the unweighted terms.

        Args:
            **terms: For each part its name, and a pair of weight and scalar tensor.
        """
        total = torch.stack([weight * term for weight, term in terms.values()]).sum()
        return cls(total, {name: term for name, (_, term) in terms.items()})

    @classmethod
    def of(cls, value: Any, source: str = "the loss") -> LossOutput:
        """Makes a `LossOutput` of anything that a loss may return.

        Args:
            value: A `LossOutput`, a scalar tensor, a tuple of scalars (summed) or a mapping of named scalars (summed,
                unless one of them is named ``total``).
            source: Whose loss this is, for the error message.

        Raises:
            CompositionError: ECO209, for anything else.
        """
        if isinstance(value, LossOutput):
            return value
        if isinstance(value, Tensor) and value.numel() == 1:
            return cls(value.reshape(()))
        if isinstance(value, tuple) and value and all(_is_scalar(part) for part in value):
            return cls(torch.stack([part.reshape(()) for part in value]).sum(), dict(_numbered(value)))
        if isinstance(value, Mapping) and value and all(_is_scalar(part) for part in value.values()):
            parts = {str(name): part.reshape(()) for name, part in value.items()}
            total = parts.pop("total", None)
            return cls(torch.stack(list(parts.values())).sum() if total is None else total, parts)
        found = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"{type(value).__name__}"
        raise CompositionError(
            Problem(
                "ECO209",
                f"{source} returned {found}; a loss is a scalar tensor, a tuple or mapping of scalar tensors, or a "
                "LossOutput.",
                "Reduce it with .mean() or .sum(), or return LossOutput(total=..., name=part, ...).",
            )
        )

    def plus(self, other: LossOutput, weight: float = 1.0) -> LossOutput:
        """Returns ``self + weight * other`` with the components of both."""
        return LossOutput(self.total + weight * other.total, {**self.components, **other.components})

    def named(self, name: str) -> LossOutput:
        """Returns this loss as one named part: its own parts keep their names, prefixed where there are several."""
        parts = {f"{name}.{part}": value for part, value in self.components.items()}
        return LossOutput(self.total, {name: self.total, **parts})

    def detach(self) -> LossOutput:
        """Returns the same figures without their graph; they stay on their device."""
        parts = {k: v.detach() if isinstance(v, Tensor) else v for k, v in self.components.items()}
        return LossOutput(self.total.detach(), parts)

    def log_string(self, prefix: str = "") -> str:
        """Returns ``"<prefix>Loss: 1.5000, ALI: 0.8000"``."""
        parts = [f"Loss: {float(self):.4f}"]
        parts += [f"{name.upper()}: {_figure(value):.4f}" for name, value in self.components.items()]
        return prefix + ", ".join(parts)

    def __getattr__(self, name: str) -> Any:
        parts = self.__dict__.get("components", {})
        if name in parts:
            return parts[name]
        raise AttributeError(f"This loss has no part {name!r}; it has: {', '.join(parts) or 'none'}.")

    def __float__(self) -> float:
        return _figure(self.total)

    def __format__(self, spec: str) -> str:
        return format(float(self), spec)

    def __repr__(self) -> str:
        return f"LossOutput({self.log_string()})"


def _figure(value: Tensor | float) -> float:
    # Detached: torch warns where a tensor that is being differentiated becomes a number.
    return float(value.detach() if isinstance(value, Tensor) else value)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, Tensor) and value.numel() == 1


def _numbered(parts: tuple[Tensor, ...]) -> Iterable[tuple[str, Tensor]]:
    return ((f"part{i}", part.reshape(())) for i, part in enumerate(parts, start=1))


class BaseClusterHead(nn.Module):
    """Base of cluster heads.

    A differentiable head overrides `forward` (its loss) and `cluster`; a discrete head defines ``fit(z)`` and
    `cluster`. See `eco_core.protocols.ClusterHead` for the optional methods.
    """

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the clustering loss. Only differentiable heads override it."""
        raise TypeError(
            f"{type(self).__name__} is a discrete cluster head: it has no loss. Call fit(z) and cluster(z), or use a "
            "differentiable head."
        )

    def cluster(self, z: Tensor, soft: bool = False) -> Tensor:
        """Returns the clusters of the embeddings.

        Args:
            z: Embeddings of shape (num_nodes, n_features).
            soft: Whether to return probabilities instead of labels.

        Returns:
            Labels of shape (num_nodes,), dtype int64; or with ``soft`` probabilities (num_nodes, n_clusters).
        """
        raise TypeError(f"{type(self).__name__} does not define cluster(z, soft=False); every cluster head must.")


def take_saved_shapes(module: nn.Module, *names: str) -> None:
    """Lets a fresh module load buffers whose size is known only when it is fitted.

    Call it in the constructor. Sizes that are 0 then are unknown: ``load_state_dict`` takes them from what is loaded,
    also where the module is a part of a larger one. Other sizes have to agree, as always.

    Args:
        module: Has the buffers.
        *names: Their names.
    """
    unknown = {name: [size == 0 for size in getattr(module, name).shape] for name in names}
    module.register_load_state_dict_pre_hook(functools.partial(_take_saved_shapes, unknown))


def _take_saved_shapes(
    unknown: Mapping[str, list[bool]], module: nn.Module, state_dict: Mapping[str, Any], prefix: str, *_unused: Any
) -> None:
    for name, is_unknown in unknown.items():
        saved, own = state_dict.get(f"{prefix}{name}"), getattr(module, name)
        if not isinstance(saved, Tensor) or saved.dim() != own.dim():
            continue
        if all(free or there == here for free, there, here in zip(is_unknown, saved.shape, own.shape, strict=True)):
            setattr(module, name, own.new_empty(saved.shape))


def is_differentiable(head: Any) -> bool:
    """Tells whether a cluster head, or a class of heads, has a loss of its own (a ``forward``)."""
    forward = getattr(head if isinstance(head, type) else type(head), "forward", None)
    return forward is not None and forward not in (BaseClusterHead.forward, nn.Module.forward)


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
            **options: Passed on to `eco_core.engine.train`: ``seed``, ``device``, ``stop``, ...

        Returns:
            The model itself; ``history_`` holds the losses.
        """
        from eco_core.data.load import load_graph
        from eco_core.engine.train import train
        from eco_core.protocols import Stage, Update
        from eco_core.specs import OptimizerSpec

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
        from eco_core.centers import place_centers

        z = self._infer(data, self._embedding)
        place_centers(self.cluster_head, z if train_idx is None else z[train_idx], seed)  # type: ignore[arg-type]


def mean_loss(losses: list[LossOutput]) -> LossOutput:
    """Averages the losses of the steps of an epoch, part by part; parts stay on their device."""
    if len(losses) == 1:
        return losses[0]
    names = dict.fromkeys(name for loss in losses for name in loss.components)

    def mean(values: list[Any]) -> Tensor:
        return torch.stack([torch.as_tensor(value) for value in values]).mean()

    parts = {name: mean([loss.components[name] for loss in losses if name in loss.components]) for name in names}
    return LossOutput(mean([loss.total for loss in losses]), parts)
