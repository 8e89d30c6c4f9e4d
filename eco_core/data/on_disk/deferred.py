"""Tensors with a known shape, whose entries are built by the first operation that needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

_WITHOUT_ENTRIES = {
    *(Tensor.size, Tensor.dim, Tensor.ndimension, Tensor.numel, Tensor.nelement, Tensor.element_size, Tensor.__len__),
    *(Tensor.is_floating_point, Tensor.is_complex, torch.is_floating_point, torch.is_complex, torch.numel),
    *(Tensor.is_inference, torch.is_inference),
    # They return self if device and dtype already match; otherwise `__torch_dispatch__` builds the tensor.
    *(Tensor.to, Tensor.cpu),
}
_PROPERTIES_OF_ENTRIES = {Tensor.T, Tensor.mT, Tensor.H, Tensor.mH, Tensor.data, Tensor.real, Tensor.imag}


class DeferredTensor(Tensor):
    """A tensor on the CPU that is built once, by the first operation that needs its entries.

    Reading its shape, dtype or device does not build it, so that graphs can hold, copy and pass it on.

    Args:
        shape: The shape of the tensor.
        dtype: The dtype of the tensor.
        build: Makes the tensor.
        rows: Returns the rows at an index of the first dimension without building the whole tensor; optional.
    """

    _build: Callable[[], Tensor]
    _rows: Callable[[Any], Tensor] | None
    _built: Tensor | None

    @staticmethod
    def __new__(
        cls: type[DeferredTensor],
        shape: Sequence[int],
        dtype: torch.dtype,
        build: Callable[[], Tensor],
        rows: Callable[[Any], Tensor] | None = None,
    ) -> DeferredTensor:
        """Makes a tensor without entries."""
        out = Tensor._make_wrapper_subclass(cls, torch.Size(shape), dtype=dtype, device=torch.device("cpu"))
        out._build, out._rows, out._built = build, rows, None
        return out

    @property
    def is_built(self) -> bool:
        """Whether the entries have been built."""
        return self._built is not None

    def built(self) -> Tensor:
        """Returns the tensor with its entries, and builds it first if necessary."""
        if self._built is None:
            self._built = self._build()
        return self._built

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"DeferredTensor(shape={tuple(self.shape)}, dtype={self.dtype}, is_built={self.is_built})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self.built().clone()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.built().__reduce_ex__(protocol)

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Runs an operation, without building the entries if it does not need them."""
        kwargs = kwargs or {}
        getter = getattr(func, "__name__", "") == "__get__"
        if func in _WITHOUT_ENTRIES or (getter and func.__self__ not in _PROPERTIES_OF_ENTRIES):
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **kwargs)
        selected = _selected_rows(func, args, kwargs)
        return func(*_entries(args), **_entries(kwargs)) if selected is None else selected

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Runs an operation of torch's core, such as a copy to another device, on the entries."""
        return func(*_entries(args), **_entries(kwargs or {}))


def _entries(values: Any) -> Any:
    return tree_map(lambda value: value.built() if isinstance(value, DeferredTensor) else value, values)


def _selected_rows(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor | None:
    """Returns the rows if the operation only selects rows, else None."""
    tensor = args[0] if args else None
    if not isinstance(tensor, DeferredTensor) or tensor._rows is None or tensor.is_built:
        return None
    if func is Tensor.__getitem__ and isinstance(args[1], (Tensor, slice, int)):
        return tensor._rows(args[1])
    # Compare the name, not the function: PyG replaces torch.index_select by a wrapper.
    if getattr(func, "__name__", "") == "index_select" and len(args) == 3 and args[1] == 0:
        return tensor._rows(args[2]) if kwargs.get("out") is None else None
    return None


__all__ = ["DeferredTensor"]
