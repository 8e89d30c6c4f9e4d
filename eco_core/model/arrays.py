"""Tensors as the NumPy arrays that users get."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def as_array(values: Tensor) -> NDArray[Any]:
    """Returns a tensor as a NumPy array; on the CPU without a copy, if it is dense.

    Args:
        values: Of any shape; a sparse tensor becomes a dense array.
    """
    dense = values if values.layout == torch.strided else values.to_dense()
    return dense.detach().cpu().numpy()


__all__ = ["as_array"]
