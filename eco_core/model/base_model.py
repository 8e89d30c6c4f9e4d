"""The base of all models: embedding and inference."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from eco_core.inject.calls import call
from eco_core.model.wiring import evaluating
from eco_core.parts.step import Step

_T = TypeVar("_T")


def overrides(model: nn.Module, method: str, base: type) -> bool:
    """Whether the class of a model defines a method anew that its base has.

    Args:
        model: The model.
        method: Name of the method.
        base: The base.
    """
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
            What this kind of model gives: embeddings of shape (num_nodes, width), or of a `ClusteringModel` clusters
            of shape (num_nodes,).
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
        return call(self.embed if overrides(self, "embed", BaseModel) else self, step)

    def _infer(self, data: Any, function: Callable[[Step], _T]) -> _T:
        with evaluating(self):
            return function(self.step_of(data))


__all__ = ["BaseModel", "overrides"]
