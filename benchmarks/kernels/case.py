"""A case of the comparison: a kernel on one input, other ways of computing the same, and the least work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

_TOLERANCE = 1e-3
"""Largest difference of two results, relative to the largest number: they add up in different orders."""


@dataclass(frozen=True)
class Work:
    """The least work of a kernel.

    Attributes:
        num_bytes: Bytes of its inputs and outputs, each read or written once.
        flops: Its floating-point operations; 0 if they are negligible.
    """

    num_bytes: float
    flops: float = 0.0


@dataclass(frozen=True)
class Way:
    """Another way of computing the same.

    Attributes:
        name: Name in the table.
        run: Computes the result; None: it is not run.
        scale: Factor of its time, if it computes only a sample.
        reason: The reason why it is not run.
    """

    name: str
    run: Callable[[], Any] | None
    scale: float = 1.0
    reason: str = ""


class DisagreementError(Exception):
    """Two ways of computing the same have different results."""


def require(holds: Any, otherwise: str) -> None:
    """Raises an error if a condition is false; not an ``assert``, which ``python -O`` leaves out.

    Args:
        holds: The condition, a Boolean or a tensor with one entry.
        otherwise: The message of the error.

    Raises:
        DisagreementError: The condition is false.
    """
    if not holds:
        raise DisagreementError(otherwise)


def require_same(ours: Any, theirs: Any) -> str:
    """Checks that two results, arrays or tuples of them, are the same numbers up to rounding.

    Args:
        ours: ECO's result.
        theirs: The result of another way.

    Returns:
        An empty remark for the table.

    Raises:
        DisagreementError: The results differ.
    """
    ours, theirs = (result if isinstance(result, tuple) else (result,) for result in (ours, theirs))
    for own, other in zip(ours, theirs, strict=True):
        own, other = torch.as_tensor(own), torch.as_tensor(other)
        require(own.shape == other.shape, f"{tuple(own.shape)} is not {tuple(other.shape)}")
        largest, difference = float(other.abs().max()), float((own - other).abs().max())
        require(difference <= _TOLERANCE * largest, f"differs by {difference:.3g} of {largest:.3g}")
    return ""


@dataclass(frozen=True)
class Case:
    """One kernel on one input.

    Attributes:
        name: What it is called in the table.
        eco: Computes it with ECO's kernel.
        others: Other ways.
        work: The least work, or a function that computes it from ECO's result.
        check: Compares ECO's result with another result, raises DisagreementError if they do not agree, and returns a
            remark or an empty text.
    """

    name: str
    eco: Callable[[], Any]
    others: Sequence[Way]
    work: Work | Callable[[Any], Work]
    check: Callable[[Any, Any], str] = field(default=require_same)

    def work_of(self, result: Any) -> Work:
        """Returns the work, given ECO's result."""
        return self.work if isinstance(self.work, Work) else self.work(result)


Function = Callable[..., Any]


def differentiable(
    name: str,
    eco: Function,
    others: Mapping[str, Function | str],
    inputs: Sequence[Tensor],
    upstream: Tensor,
    *,
    constants: float,
    flops: tuple[float, float],
    forward_only: Mapping[str, Function] | None = None,
) -> Iterator[Case]:
    """Makes the two cases of a differentiable kernel: forward alone, and forward with backward.

    Args:
        name: Name of the kernel.
        eco: Maps the inputs to a tensor.
        others: Other ways by name: a function, or the reason why it is not run.
        inputs: The tensors whose gradients are computed.
        upstream: The gradient of the result, of the same shape.
        constants: Bytes of all other inputs.
        flops: Operations of forward, and of backward.
        forward_only: Ways that have no gradient.
    """
    size_of_inputs = sum(tensor.nbytes for tensor in inputs)
    yield Case(
        f"{name}, forward",
        _forward(eco, inputs),
        _ways({**others, **(forward_only or {})}, lambda way: _forward(way, inputs)),
        Work(constants + size_of_inputs + upstream.nbytes, flops[0]),
    )
    yield Case(
        f"{name}, forward + backward",
        _with_gradient(eco, inputs, upstream),
        _ways(others, lambda way: _with_gradient(way, inputs, upstream)),
        Work(constants + 2 * size_of_inputs + 2 * upstream.nbytes, flops[0] + flops[1]),
    )


def _ways(others: Mapping[str, Function | str], wrap: Callable[[Function], Callable[[], Any]]) -> list[Way]:
    return [
        Way(name, None, reason=way) if isinstance(way, str) else Way(name, wrap(way)) for name, way in others.items()
    ]


def _forward(function: Function, inputs: Sequence[Tensor]) -> Callable[[], Any]:
    plain = [tensor.detach() for tensor in inputs]

    def run() -> Any:
        with torch.no_grad():
            return function(*plain)

    return run


def _with_gradient(function: Function, inputs: Sequence[Tensor], upstream: Tensor) -> Callable[[], tuple[Tensor, ...]]:
    leaves = [tensor.detach().requires_grad_() for tensor in inputs]

    def run() -> tuple[Tensor, ...]:
        out = function(*leaves)
        return (out.detach(), *torch.autograd.grad(out, leaves, upstream))

    return run
