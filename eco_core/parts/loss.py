"""`LossOutput`, the type of all losses inside the core."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from eco_core.errors import CompositionError, Problem


class LossOutput:
    """A loss and its named parts.

    Args:
        total: The scalar tensor that is differentiated.
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
            **terms: For each part, a pair of weight and scalar tensor under the part's name.
        """
        total = torch.stack([weight * term for weight, term in terms.values()]).sum()
        return cls(total, {name: term for name, (_, term) in terms.items()})

    @classmethod
    def of(cls, value: Any, source: str = "the loss") -> LossOutput:
        """Makes a `LossOutput` from any value that a loss function may return.

        Args:
            value: A `LossOutput`, a scalar tensor, a tuple of scalars (summed) or a mapping of named scalars (summed,
                unless one of them is named ``total``).
            source: The origin of the loss, for the error message.

        Raises:
            CompositionError: ECO209, if the value is none of these.
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
        """Returns this loss as one part called ``name``; the names of its own parts get the prefix ``name.``."""
        parts = {f"{name}.{part}": value for part, value in self.components.items()}
        return LossOutput(self.total, {name: self.total, **parts})

    def detach(self) -> LossOutput:
        """Returns the same loss, detached from autograd; tensors stay on their device."""
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
    # Detach first: torch warns when a tensor that requires gradients is converted to a number.
    return float(value.detach() if isinstance(value, Tensor) else value)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, Tensor) and value.numel() == 1


def _numbered(parts: tuple[Tensor, ...]) -> Iterable[tuple[str, Tensor]]:
    return ((f"part{i}", part.reshape(())) for i, part in enumerate(parts, start=1))


def mean_loss(losses: list[LossOutput]) -> LossOutput:
    """Averages the losses of the steps of an epoch, part by part; parts stay on their device."""
    if len(losses) == 1:
        return losses[0]
    names = dict.fromkeys(name for loss in losses for name in loss.components)

    def mean(values: list[Any]) -> Tensor:
        return torch.stack([torch.as_tensor(value) for value in values]).mean()

    parts = {name: mean([loss.components[name] for loss in losses if name in loss.components]) for name in names}
    return LossOutput(mean([loss.total for loss in losses]), parts)


def joined_loss(parts: Sequence[tuple[str, LossOutput]]) -> LossOutput:
    """Joins the losses of alternating updates into one row of the history.

    Args:
        parts: Name and loss of each update. The total and the components of the first update keep their names. The
            losses of the other updates become components under the update's name.
    """
    first = parts[0][1]
    components = dict(first.components)
    for position, (name, loss) in enumerate(parts[1:], start=2):
        components.update(loss.named(name or f"update{position}").components)
    return LossOutput(first.total, components)
