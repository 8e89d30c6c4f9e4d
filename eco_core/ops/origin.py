"""Remembers of which tensors a value was made, so that a graph's prepared value is not used for another graph."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor


class Origin:
    """Remembers tensors and their state, without keeping them alive.

    Two graphs may have the same number of nodes. They differ in the identity of their tensors, or in the tensors'
    versions, which count changes in place. A tensor without a version (an inference tensor) or with gradients never
    counts as the same.

    Args:
        *tensors: The tensors that a value is made of; None for a missing one.

    Example:
        >>> origin = Origin(edge_index, edge_weight)
        >>> origin.is_of(edge_index, edge_weight), origin.is_of(edge_index.clone(), edge_weight)
        (True, False)
    """

    def __init__(self, *tensors: Tensor | None) -> None:
        self._seen = [_state(tensor) for tensor in tensors]

    def __getstate__(self) -> dict[str, Any]:
        # In a copy, the tensors are copies too, or loaded in another process: no tensor counts as the same.
        return {"_seen": [_FORGOTTEN for _ in self._seen]}

    def is_of(self, *tensors: Tensor | None) -> bool:
        """Whether these are the same tensor objects, in the same order and not changed since."""
        if len(tensors) != len(self._seen):
            return False
        for seen, tensor in zip(self._seen, tensors, strict=True):
            if tensor is None or seen is None:
                if tensor is not None or seen is not None:
                    return False
            elif seen.tensor() is not tensor or seen.version is None or seen.version != tensor._version:
                return False
        return True


class SharedMemory:
    """Remembers the memory of a tensor, and keeps it alive so that no other tensor can get the same memory.

    It is for tensors that torch wraps in a new object at each access, such as the indices of a sparse tensor.

    Args:
        tensor: The tensor.
    """

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        self._version = tensor._version

    def is_of(self, tensor: Tensor) -> bool:
        """Whether a tensor has this memory and shape, and was not changed since."""
        same = tensor.data_ptr() == self._tensor.data_ptr() and tensor.shape == self._tensor.shape
        return same and tensor._version == self._version


class _State(NamedTuple):
    tensor: Callable[[], Tensor | None]
    """A weak reference."""
    version: int | None
    """None: changes of this tensor cannot be detected."""


def _state(tensor: Tensor | None) -> _State | None:
    if tensor is None:
        return None
    follows = not tensor.is_inference() and not tensor.requires_grad
    return _State(weakref.ref(tensor), tensor._version if follows else None)


def _nothing() -> None:
    return None


_FORGOTTEN = _State(_nothing, None)
"""The state of every tensor in a copied `Origin`: it matches no tensor."""


__all__ = ["Origin", "SharedMemory"]
