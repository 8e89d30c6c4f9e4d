"""Which tensors something was made of: for what is computed once for a graph and must not be used for another."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor


class Origin:
    """Remembers tensors, and in which state they were. It keeps none of them alive.

    A number of nodes does not tell a graph from another of the same size; the identity of its tensors does, together
    with their versions, which count changes in place. Tensors that do not tell whether they were changed (inference
    tensors), and those that gradients flow to, are never taken for the same.

    Args:
        *tensors: What something is made of; None for what there is not.

    Example:
        >>> origin = Origin(edge_index, edge_weight)
        >>> origin.is_of(edge_index, edge_weight), origin.is_of(edge_index.clone(), edge_weight)
        (True, False)
    """

    def __init__(self, *tensors: Tensor | None) -> None:
        self._seen = [_state(tensor) for tensor in tensors]

    def __getstate__(self) -> dict[str, Any]:
        # A copy is about tensors that are copied too, or loaded in another process: it takes none for the same.
        return {"_seen": [_FORGOTTEN for _ in self._seen]}

    def is_of(self, *tensors: Tensor | None) -> bool:
        """Whether these are the very tensors, in the same order, which nobody has changed since."""
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
    """Remembers the memory of a tensor, and keeps it alive so that no other tensor can take its place.

    For tensors that torch wraps anew at each access, such as the indices of a sparse tensor: their identity says
    nothing.

    Args:
        tensor: The tensor.
    """

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        self._version = tensor._version

    def is_of(self, tensor: Tensor) -> bool:
        """Whether a tensor has this memory and shape, and nobody has changed it since."""
        same = tensor.data_ptr() == self._tensor.data_ptr() and tensor.shape == self._tensor.shape
        return same and tensor._version == self._version


class _State(NamedTuple):
    tensor: Callable[[], Tensor | None]
    """A weak reference."""
    version: int | None
    """None: changes of this tensor cannot be followed."""


def _state(tensor: Tensor | None) -> _State | None:
    if tensor is None:
        return None
    follows = not tensor.is_inference() and not tensor.requires_grad
    return _State(weakref.ref(tensor), tensor._version if follows else None)


def _nothing() -> None:
    return None


_FORGOTTEN = _State(_nothing, None)
"""The state of a tensor in a copied `Origin`: no tensor has it."""


__all__ = ["Origin", "SharedMemory"]
