"""Checking a composition: names, parameters and capabilities, all problems at once, before any tensor exists."""

from __future__ import annotations

import datetime
import inspect
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pydantic
import pydantic_core
from torch import nn

from eco_core.bases import BaseClusterHead, is_differentiable
from eco_core.errors import CompositionError, EcoError, Problem
from eco_core.inject import ParameterModel, method_names, missing_names, parameter_model
from eco_core.layers import assemble, default_objective
from eco_core.registry import Registry, plural
from eco_core.specs import PART_SECTIONS, ComponentSpec, RunSpec, problems_of
from eco_core.step import ENCODED_NAMES, NAMES

# The methods that are called by name injection, and whether the embedding is among their names.
_CALLS: dict[str, tuple[tuple[str, bool], ...]] = {
    "encoder": (("forward", False), ("on_epoch", True)),
    "objective": (("forward", True), ("embed", True), ("adversary_loss", True), ("on_epoch", True)),
    "head": (("forward", True), ("fit", True), ("cluster", True), ("confidence", True), ("on_epoch", True)),
    "strategy": (),
}
_WRITTEN = (str, int, float, list, dict, datetime.date, type(None))
_MUST_HAVE = {"encoder": "forward", "objective": "forward", "head": "cluster", "strategy": "stages"}


@dataclass
class Part:
    """One part of a plan: a registered component, a class, or an instance.

    Attributes:
        kind: ``encoder``, ``objective``, ``head`` or ``strategy``.
        label: Its name in specs and messages.
        origin: Where it is from: distribution and version, or the class.
        target: The class it is made from, or the instance itself.
        parameters: The validated constructor parameters; None for instances.
        registered: Whether a spec can name it.
    """

    kind: str
    label: str
    origin: str
    target: Any
    parameters: ParameterModel | None = None
    registered: bool = True

    @property
    def is_instance(self) -> bool:
        """Whether the part was given as an instance, which is trained in place."""
        return self.parameters is None

    def __str__(self) -> str:
        return f"{self.kind} '{self.label}' ({self.origin})"

    def wants(self, name: str) -> bool:
        """Whether the constructor, or one nested in its parameters, asks for a provided name."""
        return not self.is_instance and name in _provided_names(self.parameters)

    def build(self, names: Mapping[str, Any]) -> Any:
        """Makes the part, or returns the instance.

        Raises:
            CompositionError: ECO109, if the constructor refuses its parameters.
        """
        if self.parameters is None:
            return self.target
        try:
            return self.parameters.construct_target(names)
        except EcoError:
            raise
        except Exception as error:
            raise CompositionError(
                Problem(
                    "ECO109",
                    f"{self} refused its parameters: {type(error).__name__}: {error}",
                    f"'eco show {self.label}' shows what it takes." if self.registered else "",
                )
            ) from error

    def spec(self) -> dict[str, Any]:
        """The section of a spec that names this part with all its parameters, as plain data."""
        if self.parameters is None:
            return {"name": self.label}
        return {"name": self.label, **plain(self.parameters)}


def _provided_names(value: Any) -> set[str]:
    if isinstance(value, ParameterModel):
        return set(value.provided).union(*(_provided_names(item) for item in value.values().values()), ())
    if isinstance(value, (list, tuple)):
        return set().union(*(_provided_names(item) for item in value), ())
    return set()


def plain(value: Any) -> Any:
    """Parameters as plain data for a spec; what only Python can hold becomes its class's name in angle brackets."""
    if isinstance(value, ParameterModel):
        items = {key: plain(item) for key, item in value.values().items()}
        # A default that only Python can write is written by leaving it out.
        return {key: item for key, item in items.items() if key in value.given() or not _texts(item)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return pydantic_core.to_jsonable_python(value, by_alias=True, fallback=_class_of)


@dataclass
class Plan:
    """A checked run: its spec, and what its names stand for.

    Attributes:
        spec: The validated spec.
        parts: By section; the objective may be None.
        registry: Where the names were found.
        notes: What a user should be told.
        objective_by_default: Whether the objective was chosen by ``auto``: it is dropped if the encoder turns out to
            have no parameters.
    """

    spec: RunSpec
    parts: dict[str, Part | None]
    registry: Registry
    notes: list[str] = field(default_factory=list)
    objective_by_default: bool = False

    def part(self, kind: str) -> Part:
        """Returns a part that every plan has."""
        part = self.parts[kind]
        assert part is not None
        return part

    @property
    def rerunnable(self) -> bool:
        """Whether the spec names everything: no part, and no parameter, that only Python can give."""
        parts = [part for part in self.parts.values() if part is not None]
        return all(part.registered and "<" not in str(_texts(part.spec())) for part in parts)

    def resolved(self) -> dict[str, Any]:
        """The spec with every default written out, as plain data in the order of ``spec.yaml``."""
        fields = RunSpec.model_fields.items()
        sections = {field.alias or name: getattr(self.spec, name) for name, field in fields}
        parts = {kind: "none" if part is None else part.spec() for kind, part in self.parts.items()}
        return {key: parts[key] if key in parts else plain(section) for key, section in sections.items()}


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) and value.startswith("<") else []


def plan_run(registry: Registry, **layers: Any) -> Plan:
    """Joins the layers of a run (the keyword arguments of `eco_core.layers.assemble`) and checks the result."""
    notes: list[str] = []
    return make_plan(assemble(registry, notes, **layers), registry, notes)


def make_plan(layers: Mapping[str, Any], registry: Registry, notes: list[str] | None = None) -> Plan:
    """Validates a spec and checks that its parts fit.

    Args:
        layers: The joined layers (see `eco_core.layers.assemble`); parts may be classes and instances.
        registry: Where names are looked up.
        notes: Sentences for the user so far.

    Raises:
        CompositionError: With every problem that was found.
    """
    problems: list[Problem] = []
    plain = dict(layers)
    given: dict[str, Any] = {}
    for kind in PART_SECTIONS:
        section = plain.get(kind)
        # Anything that YAML can hold is a name, or a mistake that validation reports; anything else is a part.
        if isinstance(section, Mapping) and not isinstance(section.get("name", ""), _WRITTEN):
            given[kind] = section["name"]
            plain[kind] = {**section, "name": _class_of(section["name"])}
    unknown: set[str] = set()
    try:
        spec = RunSpec.model_validate(plain)
    except pydantic.ValidationError as error:
        problems += problems_of(error, RunSpec)
        unknown = {str(detail["loc"][0]) for detail in error.errors()}
        spec = _valid_rest(plain, error)
    parts: dict[str, Part | None] = {}
    for kind in PART_SECTIONS:
        section = getattr(spec, kind)
        wanted = isinstance(section, ComponentSpec) and kind not in unknown
        parts[kind] = _make_part(kind, section, given.get(kind), registry, problems) if wanted else None
        if wanted and parts[kind] is None:
            unknown.add(kind)
    plan = Plan(spec, parts, registry, list(notes or []))
    if spec.objective == "auto" and "objective" not in unknown:
        _choose_objective(plan, problems)
    problems += check_parts(plan, unknown)
    problems += _check_data(spec, registry)
    if problems:
        raise CompositionError(*dict.fromkeys(problems))
    return plan


def _class_of(value: Any) -> str:
    cls = value if isinstance(value, type) else type(value)
    return f"<{cls.__module__}.{cls.__qualname__}>"


def _valid_rest(plain: dict[str, Any], error: pydantic.ValidationError) -> RunSpec:
    """The spec without what is invalid in it, so that the rest is checked, too."""
    rest = {str(key): value for key, value in plain.items()}
    for section, *keys in (map(str, detail["loc"]) for detail in error.errors()):
        value = rest.get(section)
        if section == "data" and keys and isinstance(value, Mapping):
            rest[section] = {key: item for key, item in value.items() if str(key) != keys[0]}
        else:
            rest.pop(section, None)
    return RunSpec.model_validate(rest)


def _make_part(
    kind: str, section: ComponentSpec, given: Any, registry: Registry, problems: list[Problem]
) -> Part | None:
    """Looks a part up and validates its parameters; on a mistake notes the problems and returns None."""
    parameters = dict(section.model_extra or {})
    if given is None and section.name.startswith("<"):
        problems.append(
            Problem(
                "ECO101",
                f"{kind} {section.name} was given from Python; a spec cannot name it.",
                f"Load the run with eco.load(folder, {kind}=...), or register the class in a plugin.",
            )
        )
        return None
    try:
        entry = registry.find(kind, section.name) if given is None else None
        if entry is not None:
            target, origin = entry.load(), f"{entry.distribution} {entry.version}"
            label = registry.short_name(entry)
        else:
            target, origin = given, "given from Python"
            label = section.name
        if not isinstance(target, type):
            if given is None or isinstance(given, str):
                raise CompositionError(_invalid(kind, section.name, f"is {type(target).__name__}, not a class"))
            if parameters:
                raise CompositionError(
                    _invalid(kind, label, f"is an instance, and was given parameters: {', '.join(parameters)}")
                )
            return Part(kind, label, origin, target, registered=False)
        model = parameter_model(target) if entry is None else entry.parameters
    except EcoError as error:
        problems += error.problems
        return None
    try:
        values = model.model_validate(parameters)
    except pydantic.ValidationError as error:
        problems += [_with_show(p, kind, label, given is None) for p in problems_of(error, model, kind)]
        return None
    return Part(kind, label, origin, target, values, registered=given is None)


def _with_show(problem: Problem, kind: str, label: str, registered: bool) -> Problem:
    message = problem.message.replace(f"{kind} has no", f"{kind} '{label}' has no", 1)
    show = f" 'eco show {label}' lists its parameters." if registered else ""
    return Problem(problem.code, message, problem.fix + show)


def _invalid(kind: str, label: str, what: str) -> Problem:
    needs = {
        "encoder": "a torch.nn.Module whose forward returns embeddings",
        "objective": "a torch.nn.Module whose forward returns a loss",
        "head": "a torch.nn.Module with cluster(z, soft=False), and a loss (forward) or fit(z)",
        "strategy": "an object with stages(model)",
    }[kind]
    return Problem(
        "ECO206", f"{kind} '{label}' {what}; a usable {kind} is {needs}.", "See 'eco list' for usable parts."
    )


def _learns(part: Part) -> bool | None:
    """Whether an encoder has something to train; None: only known when it is built."""
    if part.is_instance and isinstance(part.target, nn.Module):
        return any(parameter.requires_grad for parameter in part.target.parameters())
    declared = getattr(part.target, "learns", None)
    return None if declared is None else bool(declared)


def _sees_no_views(encoder: Part) -> bool:
    return getattr(encoder.target, "reads_graph", True) is False


def _needs_views(objective: Part) -> bool:
    return getattr(objective.target, "needs_views", False) is True


def _choose_objective(plan: Plan, problems: list[Problem]) -> None:
    """Resolves ``objective: auto``."""
    encoder, name = plan.parts["encoder"], default_objective(plan.registry)
    if name is None or encoder is None or _learns(encoder) is False:
        return
    plan.objective_by_default = True
    plan.parts["objective"] = _make_part("objective", ComponentSpec(name=name), None, plan.registry, problems)


def check_parts(plan: Plan, unknown: Collection[str] = ()) -> list[Problem]:
    """Finds what does not fit among the parts of a plan.

    Args:
        plan: What to check.
        unknown: The parts that could not be resolved: nothing is said about how they fit.
    """
    problems: list[Problem] = []
    parts: dict[str, Part | None] = {}
    for kind, part in plan.parts.items():
        found = [] if part is None else _check_calls(kind, part)
        problems += found
        # What is no head at all is not told to be a discrete one.
        parts[kind] = None if any(problem.code == "ECO206" for problem in found) else part
    encoder, head, strategy, objective = (parts[kind] for kind in ("encoder", "head", "strategy", "objective"))
    if encoder is not None and encoder.wants("n_features"):
        problems.append(
            Problem(
                "ECO202",
                f"{encoder} asks for 'n_features' when it is made; that is the encoder's own width, known afterwards.",
                "Ask for in_channels, n_clusters, num_nodes or seed, or make it a parameter with another name.",
            )
        )
    trains_head = strategy is not None and bool(getattr(strategy.target, "trains_head", False))
    learns = None if encoder is None else _learns(encoder)
    if strategy and head and trains_head and not is_differentiable(head.target):
        problems.append(_discrete_head(plan, strategy, head))
    if strategy and head and not trains_head and not _has_clusters_untrained(head):
        problems.append(
            Problem(
                "ECO205",
                f"{strategy} does not train the head, and {head} has neither fit(z) nor "
                "reset_cluster_centers(centers): its clusters would be random.",
                f"Use --strategy {_names_where(plan, 'strategy', lambda cls: getattr(cls, 'trains_head', False))}.",
            )
        )
    if encoder and objective and learns is False:
        problems.append(
            Problem(
                "ECO205",
                f"{objective} trains an encoder, but {encoder} has nothing to train.",
                "Use --objective none, or an encoder that learns: "
                f"{_names_where(plan, 'encoder', lambda cls: getattr(cls, 'learns', False))}.",
            )
        )
    if encoder and objective and _sees_no_views(encoder) and _needs_views(objective):
        problems.append(
            Problem(
                "ECO210",
                f"{objective} compares views of the graph, but {encoder} does not look at the graph: all views are the "
                "same to it.",
                "Use an encoder that reads features or edges, or an objective without views: "
                f"{_names_where(plan, 'objective', lambda cls: not getattr(cls, 'needs_views', False))}.",
            )
        )
    nothing_trains = plan.parts["objective"] is None and "objective" not in unknown and not trains_head
    if encoder and strategy and learns and nothing_trains:
        problems.append(untrained_encoder(plan, strategy, encoder))
    return problems


def _has_clusters_untrained(head: Part) -> bool:
    return hasattr(head.target, "fit") or hasattr(head.target, "reset_cluster_centers")


def _discrete_head(plan: Plan, strategy: Part, head: Part) -> Problem:
    heads = _names_where(plan, "head", is_differentiable)
    return Problem(
        "ECO201",
        f"{strategy} trains the head, but {head} is discrete: it has no loss.",
        f"Use --strategy decoupled, or a differentiable head: {heads}.",
    )


def untrained_encoder(plan: Plan, strategy: Part, encoder: Part) -> Problem:
    """The problem that an encoder learns, but nothing trains it."""
    objectives = ", ".join(plan.registry.short_name(e) for e in plan.registry.entries("objective"))
    found = (
        f"Use --objective with one of: {objectives}." if objectives else "Install one, such as eco-autoencoder's gae."
    )
    return Problem(
        "ECO204",
        f"{strategy} trains the encoder by an objective, and {encoder} learns, but there is no objective.",
        f"{found} Or use --encoder identity, or --strategy joint with a differentiable head.",
    )


def _names_where(plan: Plan, kind: str, accepts: Any) -> str:
    """Names the installed components that a condition holds for; those that cannot be loaded are passed over."""
    names = []
    for entry in plan.registry.entries(kind):
        try:
            if accepts(entry.load()):
                names.append(plan.registry.short_name(entry))
        except EcoError:
            continue
    return ", ".join(names) or f"none is installed ('eco list {plural(kind)}')"


def _check_calls(kind: str, part: Part) -> list[Problem]:
    target = part.target
    if kind != "strategy" and not (isinstance(target, nn.Module) or _is_module_class(target)):
        return [_invalid(kind, part.label, "is not a torch.nn.Module")]
    if not callable(getattr(target, _MUST_HAVE[kind], None)) or (kind == "head" and not _clusters(target)):
        return [_invalid(kind, part.label, f"has no {_MUST_HAVE[kind]}")]
    if kind in ("encoder", "objective") and not is_differentiable(target):
        return [_invalid(kind, part.label, "has no forward")]
    if kind == "head" and not is_differentiable(target) and not hasattr(target, "fit"):
        return [_invalid(kind, part.label, "has neither a loss nor fit(z)")]
    if kind == "head" and not _accepts_soft(target.cluster):
        return [_invalid(kind, part.label, "has a cluster(...) without the parameter 'soft'")]
    if hasattr(target, "prepare") or (kind == "objective" and hasattr(target, "batches")):
        return []  # What prepare and batches give is known when they have run; calls are checked then.
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


def _check_data(spec: RunSpec, registry: Registry) -> list[Problem]:
    from eco_core.data.source import is_path

    if spec.data.name.startswith("<") or is_path(spec.data.name):
        return []
    try:
        loader = registry.find("dataset", spec.data.name).load()
        model = parameter_model(loader, provided=("root",))
        model.model_validate(dict(spec.data.model_extra or {}))
    except EcoError as error:
        return list(error.problems)
    except pydantic.ValidationError as error:
        return problems_of(error, model, "data")
    return []


def needs_clusters(plan: Plan) -> list[Part]:
    """The parts whose constructors ask for the number of clusters."""
    return [part for part in plan.parts.values() if part is not None and part.wants("n_clusters")]
