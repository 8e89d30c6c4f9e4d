"""The traits of parts, that is, what a part can do. This is the only module that reads them.

A part declares most traits as class attributes (``supports_sparse_x = True``); an instance may have its own value, such
as ``num_layers``. The other traits are derived from the names that the constructor and the calls of the class ask for.
A declared attribute overrides a derived trait. `Traits` lists every attribute with its meaning and its default.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from eco_core.errors import CompositionError, Problem
from eco_core.inject.calls import method_names
from eco_core.parts.heads import is_differentiable


@dataclass(frozen=True)
class Traits:
    """What a part can do. Each field is the class attribute of the same name; this table is for authors of parts.

    Attributes:
        learns: Encoder: it has parameters to train. None: not declared; then only an instance shows it, by its
            parameters.
        reads_graph: Encoder: its embeddings depend on features or edges. False: on neither, so that all views of a
            graph have the same embeddings.
        supports_sparse_x: Encoder, objective: the features ``x`` may be a sparse COO tensor.
        needs_views: Objective: it compares embeddings of changed copies of the graph, and is useless if these equal the
            embeddings of the graph itself. None: not declared; taken as False, but for estimates of memory as True.
        trains_head: Strategy: its stages train the head, which must be differentiable.
        prepared_for_batches: Encoder, objective, head: mini-batches use the values that ``prepare`` returns for the
            whole graph. False: they do not, and in mini-batch training ``prepare`` is not called.
        num_layers: Encoder: hops that sampled neighbourhoods must have. None: unknown; 2 hops are sampled.
        update_interval: Part with ``on_epoch``: number of epochs from one call of it to the next. None means 1.
        inductive: Encoder, head: it can embed or assign nodes that it was not fitted on. The embeddings of all graphs
            then have the same axes, which singular vectors do not. Not declared: False if the constructor asks for
            ``num_nodes``, since such parts hold a row for each training node; else True.
        finds_k: Head: it finds the number of clusters. Not declared: True if its constructor does not ask for
            ``n_clusters``.
        uses_weights: Edge weights change its result, at least with some values of its parameters. Not declared: True if
            one of its calls names ``edge_weight``.
        directed: The direction of edges changes its result. False: a directed graph is taken as undirected, or edges
            are not read.
        minibatch: Encoder, objective, head: it can be trained on mini-batches. Not declared: True, except for discrete
            heads and encoders with ``learns = False``, which are not trained.
        soft: Head: ``cluster(z, soft=True)`` returns probabilities, not just one-hot rows.
        hierarchy: Head: it finds clusters within clusters.
        deterministic: On a CPU, the same seed and the same input give the same result.
        feature_dims: Encoder: numbers of dimensions that the features may have; 2 is (num_nodes, in_channels).
    """

    learns: bool | None = None
    reads_graph: bool = True
    supports_sparse_x: bool = False
    needs_views: bool | None = None
    trains_head: bool = False
    prepared_for_batches: bool = True
    num_layers: int | None = None
    update_interval: int = 1
    inductive: bool = True
    finds_k: bool = False
    uses_weights: bool = False
    directed: bool = False
    minibatch: bool = False
    soft: bool = False
    hierarchy: bool = False
    deterministic: bool = True
    feature_dims: tuple[int, ...] = (2,)


def traits_of(part: Any) -> Traits:
    """Returns what a part can do.

    Reading traits is fast enough for every epoch. Attributes are read anew each time, so that changed values are seen.

    Args:
        part: An encoder, an objective, a cluster head or a strategy, as a class or an instance.

    Raises:
        CompositionError: ECO206, with a problem for each declared attribute whose value has a wrong type.
    """
    declared: dict[str, Any] = {}
    problems: list[Problem] = []
    cls = part if isinstance(part, type) else type(part)
    for name, check in _CHECKS.items():
        value = _value(part, cls, name)
        if value is None or hasattr(value, "__get__"):
            continue  # Not declared. A property of a class has no value yet; a method only happens to have this name.
        if check.accepts(value):
            declared[name] = value
        else:
            problems.append(_wrong_type(cls, name, value, check.expected))
    if problems:
        raise CompositionError(*problems)
    derived = dict(_derived(cls))
    if declared.get("learns") is False:
        derived["minibatch"] = False
    if isinstance(part, nn.Module):
        declared["learns"] = any(parameter.requires_grad for parameter in part.parameters())
    return Traits(**{**derived, **declared})


def reads_sparse(part: Any) -> bool:
    """Whether a part, given as a class or an instance, reads features that are a sparse COO tensor."""
    return traits_of(part).supports_sparse_x


def prepares_for_batches(part: Any) -> bool:
    """Whether mini-batches use the values that a part's ``prepare`` returns for the whole graph."""
    return traits_of(part).prepared_for_batches


@dataclass(frozen=True)
class _Check:
    accepts: Callable[[Any], bool]
    expected: str


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_dims(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and all(_is_count(item, 1) for item in value)


_FLAG = _Check(lambda value: isinstance(value, bool), "True or False")
_OTHERS = {
    "num_layers": _Check(lambda value: _is_count(value, 0), "a whole number, 0 or more, or None"),
    "update_interval": _Check(lambda value: _is_count(value, 1), "a whole number, 1 or more"),
    "feature_dims": _Check(_is_dims, "a tuple of whole numbers, such as (2,)"),
}
_CHECKS = {field.name: _OTHERS.get(field.name, _FLAG) for field in dataclasses.fields(Traits)}

_CALLS = ("forward", "prepare", "fit", "cluster", "confidence", "embed", "batches", "adversary_loss", "on_epoch")
"""The methods that get the arguments that they name."""


def _value(part: Any, cls: type, name: str) -> Any:
    """Reads an attribute. ``getattr`` is avoided for absent ones: a module searches its submodules, which is slow."""
    if part is cls:
        return getattr(cls, name, None)
    own = getattr(part, "__dict__", {})
    if name in own:
        return own[name]
    return getattr(part, name, None) if hasattr(cls, name) else None


def _wrong_type(cls: type, name: str, value: Any, expected: str) -> Problem:
    return Problem(
        "ECO206",
        f"{cls.__qualname__}.{name} is {value!r}; expected {expected}.",
        f"Mend the attribute '{name}' of the class, or leave it out.",
    )


@functools.lru_cache(maxsize=512)
def _derived(cls: type) -> tuple[tuple[str, bool], ...]:
    """Derives traits from the signatures of a class. If a signature cannot be read, the defaults are taken."""
    constructor = _parameters(cls)
    is_head = callable(getattr(cls, "cluster", None))
    return (
        ("inductive", "num_nodes" not in constructor),
        ("finds_k", is_head and constructor is not _UNREADABLE and "n_clusters" not in constructor),
        ("uses_weights", any("edge_weight" in _names_of_call(cls, method) for method in _CALLS)),
        ("minibatch", is_differentiable(cls)),
    )


_UNREADABLE: frozenset[str] = frozenset({"<unreadable>"})


def _parameters(cls: type) -> frozenset[str]:
    try:
        return frozenset(inspect.signature(cls).parameters)
    except (TypeError, ValueError):
        return _UNREADABLE


def _names_of_call(cls: type, method: str) -> tuple[str, ...]:
    if not callable(getattr(cls, method, None)):
        return ()
    try:
        names = method_names(cls, method)
    except (TypeError, ValueError):
        return ()
    return (*names.required, *names.optional)


__all__ = ["Traits", "prepares_for_batches", "reads_sparse", "traits_of"]
