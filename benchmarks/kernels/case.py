"""What is compared: a kernel's case, the other ways of computing the same, and the work that there is at least."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

_TOLERANCE = 1e-3
"""Largest difference of two results, as a share of the largest number: they add up in different orders."""


@dataclass(frozen=True)
class Work:
    """What a kernel has to do at least.

    Attributes:
        num_bytes: Of its inputs and outputs, each read or written once.
        flops: Its floating-point operations; 0 where there is nothing to speak of.
    """

    num_bytes: float
    flops: float = 0.0


@dataclass(frozen=True)
class Way:
    """Another way of computing the same.

    Attributes:
        name: What it is called in the table.
        run: Computes it; None where it is not run.
        scale: Its time is multiplied by this, where it computes but a sample.
        reason: Why it is not run.
    """

    name: str
    run: Callable[[], Any] | None
    scale: float = 1.0
    reason: str = ""


class DisagreementError(Exception):
    """Two ways of computing the same have other results."""


def require(holds: Any, otherwise: str) -> None:
    """Checks what must hold of results; not an ``assert``, which ``python -O`` leaves out.

    Args:
        holds: What must be true, a number or a tensor with one entry.
        otherwise: What is the matter if it is not.

    Raises:
        DisagreementError: It is not true.
    """
    if not holds:
        raise DisagreementError(otherwise)


def require_same(ours: Any, theirs: Any) -> str:
    """Checks that two results, arrays or tuples of them, are the same numbers up to rounding.

    Args:
        ours: ECO's result.
        theirs: That of another way.

    Returns:
        A remark for the table: none.

    Raises:
        DisagreementError: They are not.
    """
    ours, theirs = (result if isinstance(result, tuple) else (result,) for result in (ours, theirs))
    for one, other in zip(ours, theirs, strict=True):
        one, other = torch.as_tensor(one), torch.as_tensor(other)
        require(one.shape == other.shape, f"{tuple(one.shape)} is not {tuple(other.shape)}")
        largest, difference = float(other.abs().max()), float((one - other).abs().max())
        require(difference <= _TOLERANCE * largest, f"differs by {difference:.3g} of {largest:.3g}")
    return ""


@dataclass(frozen=True)
class Case:
    """One kernel on one input.

    Attributes:
        name: What it is called in the table.
        eco: Computes it with ECO's kernel.
        others: Other ways.
        work: What has to be done at least; a function gets ECO's result.
        check: Compares ECO's result with another one, raises DisagreementError where they do not agree, and returns
            a remark or an empty text.
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
        name: What the kernel is called.
        eco: Maps the inputs to a tensor.
        others: Other ways of doing so by their names; or the reason why one is not run.
        inputs: What gradients are computed of.
        upstream: The gradient of the result, of its shape.
        constants: Bytes of what else is read.
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
