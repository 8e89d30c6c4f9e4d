"""Checks parts before any part is made: their methods, the names that their calls ask for, and how they fit."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from torch import nn

from eco_core.errors import CompositionError, EcoError, Problem
from eco_core.inject.calls import method_names, missing_names
from eco_core.parts.heads import BaseClusterHead, is_differentiable
from eco_core.parts.step import ENCODED_NAMES, NAMES
from eco_core.parts.traits import traits_of
from eco_core.registry.registry import Registry, plural

if TYPE_CHECKING:
    from eco_core.plan.part import Part

# The methods that are called by name injection, and whether the embedding is among their names.
_CALLS: dict[str, tuple[tuple[str, bool], ...]] = {
    "encoder": (("forward", False), ("on_epoch", True)),
    "objective": (("forward", True), ("embed", True), ("adversary_loss", True), ("on_epoch", True)),
    "head": (("forward", True), ("fit", True), ("cluster", True), ("confidence", True), ("on_epoch", True)),
    "strategy": (),
}
_MUST_HAVE = {"encoder": "forward", "objective": "forward", "head": "cluster", "strategy": "stages"}


def check_parts(chosen: Mapping[str, Part | None], registry: Registry, unknown: Collection[str] = ()) -> list[Problem]:
    """Finds the problems of the parts of a plan.

    Args:
        chosen: The parts by kind; the objective may be None.
        registry: The registry in which fixes look for parts that would fit.
        unknown: The kinds of parts that could not be resolved; whether these parts fit is not checked.

    Returns:
        All problems; an empty list if the parts fit.
    """
    problems: list[Problem] = []
    parts: dict[str, Part | None] = {}
    for kind, part in chosen.items():
        found = [] if part is None else _check_calls(kind, part)
        problems += found
        # For an unusable part, the further checks are skipped: their problems would only follow from the first.
        parts[kind] = None if any(problem.code == "ECO206" for problem in found) else part
    encoder, head, strategy, objective = (parts[kind] for kind in ("encoder", "head", "strategy", "objective"))
    if encoder is not None and encoder.wants("n_features"):
        problems.append(
            Problem(
                "ECO202",
                f"The constructor of {encoder} asks for 'n_features', the width of the encoder's own output, which is "
                "known only afterwards.",
                "Ask for in_channels, n_clusters, num_nodes or seed, or make it a parameter with another name.",
            )
        )
    trains_head = strategy is not None and traits_of(strategy.target).trains_head
    learning = None if encoder is None else learns(encoder)
    if strategy and head and trains_head and not is_differentiable(head.target):
        problems.append(_discrete_head(registry, strategy, head))
    if strategy and head and not trains_head and not _has_clusters_untrained(head):
        problems.append(
            Problem(
                "ECO205",
                f"{strategy} does not train the head, and {head} has neither fit(z) nor "
                "reset_cluster_centers(centers): its clusters would be random.",
                f"Use --strategy {_names_where(registry, 'strategy', lambda cls: traits_of(cls).trains_head)}.",
            )
        )
    if encoder and objective and learning is False:
        problems.append(
            Problem(
                "ECO205",
                f"{objective} trains an encoder, but {encoder} has nothing to train.",
                "Use --objective none, or an encoder that learns: "
                f"{_names_where(registry, 'encoder', lambda cls: traits_of(cls).learns)}.",
            )
        )
    if encoder and objective and not traits_of(encoder.target).reads_graph and traits_of(objective.target).needs_views:
        problems.append(
            Problem(
                "ECO210",
                f"{objective} compares views of the graph, but {encoder} does not look at the graph: its embeddings "
                "are the same for all views.",
                "Use an encoder that reads features or edges, or an objective without views: "
                f"{_names_where(registry, 'objective', lambda cls: not traits_of(cls).needs_views)}.",
            )
        )
    nothing_trains = chosen["objective"] is None and "objective" not in unknown and not trains_head
    if encoder and strategy and learning and nothing_trains:
        problems.append(untrained_encoder(registry, strategy, encoder))
    return problems


def learns(part: Part) -> bool | None:
    """Whether an encoder has parameters to train; None: only the built encoder shows it, or a trait is invalid."""
    try:
        return traits_of(part.target).learns
    except CompositionError:
        return None  # `check_parts` reports the attribute.


def unusable(kind: str, label: str, what: str) -> Problem:
    """Makes the problem that an object is not usable as a part of a kind.

    Args:
        kind: ``encoder``, ``objective``, ``head`` or ``strategy``.
        label: The name of the part.
        what: The predicate of the message, such as ``"has no forward"``.
    """
    needs = {
        "encoder": "a torch.nn.Module whose forward returns embeddings",
        "objective": "a torch.nn.Module whose forward returns a loss",
        "head": "a torch.nn.Module with cluster(z, soft=False), and a loss (forward) or fit(z)",
        "strategy": "an object with stages(model)",
    }[kind]
    return Problem(
        "ECO206", f"{kind} '{label}' {what}; a usable {kind} is {needs}.", "See 'eco list' for usable parts."
    )


def _has_clusters_untrained(head: Part) -> bool:
    return hasattr(head.target, "fit") or hasattr(head.target, "reset_cluster_centers")


def _discrete_head(registry: Registry, strategy: Part, head: Part) -> Problem:
    heads = _names_where(registry, "head", is_differentiable)
    return Problem(
        "ECO201",
        f"{strategy} trains the head, but {head} is discrete: it has no loss.",
        f"Use --strategy decoupled, or a differentiable head: {heads}.",
    )


def untrained_encoder(registry: Registry, strategy: Part, encoder: Part) -> Problem:
    """Makes the problem that an encoder has parameters, but nothing trains them."""
    objectives = ", ".join(registry.short_name(e) for e in registry.entries("objective"))
    found = (
        f"Use --objective with one of: {objectives}." if objectives else "Install one, such as eco-autoencoder's gae."
    )
    return Problem(
        "ECO204",
        f"{strategy} trains the encoder by an objective, and {encoder} learns, but there is no objective.",
        f"{found} Or use --encoder identity, or --strategy joint with a differentiable head.",
    )


def _names_where(registry: Registry, kind: str, accepts: Any) -> str:
    """The names of the installed components that fulfil a condition, without those that cannot be loaded."""
    names = []
    for entry in registry.entries(kind):
        try:
            if accepts(entry.load()):
                names.append(registry.short_name(entry))
        except EcoError:
            continue
    return ", ".join(names) or f"none is installed ('eco list {plural(kind)}')"


def _check_calls(kind: str, part: Part) -> list[Problem]:
    target = part.target
    if kind != "strategy" and not (isinstance(target, nn.Module) or _is_module_class(target)):
        return [unusable(kind, part.label, "is not a torch.nn.Module")]
    if not callable(getattr(target, _MUST_HAVE[kind], None)) or (kind == "head" and not _clusters(target)):
        return [unusable(kind, part.label, f"has no {_MUST_HAVE[kind]}")]
    if kind in ("encoder", "objective") and not is_differentiable(target):
        return [unusable(kind, part.label, "has no forward")]
    if kind == "head" and not is_differentiable(target) and not hasattr(target, "fit"):
        return [unusable(kind, part.label, "has neither a loss nor fit(z)")]
    if kind == "head" and not _accepts_soft(target.cluster):
        return [unusable(kind, part.label, "has a cluster(...) without the parameter 'soft'")]
    try:
        traits_of(target)
    except CompositionError as error:
        return list(error.problems)
    if hasattr(target, "prepare") or (kind == "objective" and hasattr(target, "batches")):
        return []  # The names that prepare and batches return are known only when they run; calls are checked then.
    problems = []
    for method, encoded in _CALLS[kind]:
        if not callable(getattr(target, method, None)):
            continue
        if method == "forward" and not is_differentiable(target):
            continue
        available = (*NAMES, *(ENCODED_NAMES if encoded else ()))
        try:
            required = method_names(target, method).required
        except (TypeError, ValueError):
            continue
        missing = [name for name in required if name not in available]
        if missing:
            problems.append(missing_names(f"{part}, in {method}(...),", missing, available))
    return problems


def _clusters(head: Any) -> bool:
    cls: Any = head if isinstance(head, type) else type(head)
    return cls.cluster is not BaseClusterHead.cluster


def _accepts_soft(cluster: Any) -> bool:
    parameters = inspect.signature(cluster).parameters.values()
    return any(p.name == "soft" or p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)


def _is_module_class(target: Any) -> bool:
    return inspect.isclass(target) and issubclass(target, nn.Module)
