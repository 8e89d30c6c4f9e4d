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
    """Returns whether the class of a model overrides a method of a base class.

    Args:
        model: The model.
        method: Name of the method.
        base: The base class.
    """
    return getattr(type(model), method, None) is not getattr(base, method, None)


class BaseModel(nn.Module):
    """Base of all models. No method is abstract: a model defines only the methods that it needs."""

    def embed(self, *args: Any, **kwargs: Any) -> Tensor:
        """Returns node embeddings of shape (num_nodes, width); by default the result of calling the model."""
        return self(*args, **kwargs)

    def infer_full(self, data: Any) -> Tensor:
        """Runs the model on a whole graph, without gradients, in evaluation mode.

        Args:
            data: A ``torch_geometric.data.Data``.

        Returns:
            Embeddings of shape (num_nodes, width); for a `ClusteringModel`, clusters of shape (num_nodes,).
        """
        return self._infer(data, self._embedding)

    def infer_batch(self, loader: Iterable[Any], verbose: bool = False) -> Tensor:
        """Runs the model on mini-batches and joins the rows of their seed nodes.

        Args:
            loader: Yields mini-batches whose first ``batch_size`` nodes are the seed nodes, as PyG's loaders do.
            verbose: Whether to print the number of finished mini-batches.

        Returns:
            The rows of `infer_full` for the seed nodes, in the loader's order.
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
