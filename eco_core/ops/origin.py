"""Which tensors something was made of: for what is computed once for a graph and must not be used for another."""

from __future__ import annotations

import weakref
from typing import NamedTuple

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


class _State(NamedTuple):
    tensor: weakref.ref[Tensor]
    version: int | None
    """None: changes of this tensor cannot be followed."""


def _state(tensor: Tensor | None) -> _State | None:
    if tensor is None:
        return None
    follows = not tensor.is_inference() and not tensor.requires_grad
    return _State(weakref.ref(tensor), tensor._version if follows else None)


__all__ = ["Origin"]
