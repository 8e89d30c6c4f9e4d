"""The plan of a composition: a spec with its parts looked up and checked, before any tensor exists."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, cast

import pydantic

from eco_core.errors import CompositionError, EcoError, Problem
from eco_core.inject.parameters import parameter_model
from eco_core.inject.problems import parameter_names, problems_of
from eco_core.plan.checks import check_parts, learns, unusable
from eco_core.plan.part import Part, plain
from eco_core.registry.registry import Registry
from eco_core.spec.assemble import assemble, choose_recipe
from eco_core.spec.components import default_objective
from eco_core.spec.digest import spec_digest
from eco_core.spec.models import IN_MEMORY, PART_SECTIONS, ComponentSpec, DataSpec, RunSpec
from eco_core.spec.python_only import PythonOnly, has_python_only, was_python_only

# The types of values that YAML can hold. If a part's name has another type, it is a class or an instance.
_WRITTEN = (str, int, float, list, dict, datetime.date, type(None))


@dataclass(frozen=True)
class Plan:
    """A checked run: its spec and its parts. A plan never changes: its methods return new plans.

    Attributes:
        spec: The validated spec.
        parts: The parts by section, read-only; the objective may be None.
        registry: Where the names were found.
        notes: Sentences that a user should read.
        objective_by_default: Whether ``auto`` chose the objective. Then the build drops it if the encoder has no
            parameters.
        features_as_stored: Whether a graph on disk keeps its features as they were converted, because nobody named
            the recipe, a part, or how features are normalised. Otherwise another normalisation is refused.
    """

    spec: RunSpec
    parts: Mapping[str, Part | None]
    registry: Registry
    notes: tuple[str, ...] = ()
    objective_by_default: bool = False
    features_as_stored: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", MappingProxyType(dict(self.parts)))
        object.__setattr__(self, "notes", tuple(self.notes))

    def __reduce__(self) -> tuple[Any, ...]:
        # A read-only view of a dictionary cannot be pickled or deep-copied, so pass the dictionary itself.
        values = (getattr(self, field.name) for field in fields(self))
        return Plan, tuple(dict(value) if isinstance(value, MappingProxyType) else value for value in values)

    def part(self, kind: str) -> Part:
        """Returns a part that is not None, such as the encoder."""
        return cast(Part, self.parts[kind])

    @property
    def rerunnable(self) -> bool:
        """Whether the spec alone is enough to run again: YAML can hold all its parts and parameters."""
        parts = [part for part in self.parts.values() if part is not None]
        return all(part.registered and not has_python_only(part.spec()) for part in parts)

    def resolved(self) -> dict[str, Any]:
        """The spec with every default written out, as plain data in the order of ``spec.yaml``."""
        fields = RunSpec.model_fields.items()
        sections = {field.alias or name: getattr(self.spec, name) for name, field in fields}
        parts = {kind: "none" if part is None else part.spec() for kind, part in self.parts.items()}
        return {key: parts[key] if key in parts else plain(section) for key, section in sections.items()}

    def digest(self) -> str:
        """The SHA-256 of the resolved spec without ``data.root``: equal for two plans of the same run."""
        return spec_digest(self.resolved())

    def with_part(self, kind: str, part: Part | None) -> Plan:
        """Returns a plan with another part, and checks it.

        Args:
            kind: ``encoder``, ``objective``, ``head`` or ``strategy``.
            part: The part; None for no objective.

        Raises:
            CompositionError: With every problem that the checks find.
        """
        parts = {**self.parts, kind: part}
        problems = check_parts(parts, self.registry) + check_clusters(self.spec, parts)
        if problems:
            raise CompositionError(*problems)
        return replace(self, parts=parts, objective_by_default=self.objective_by_default and kind != "objective")

    def without_objective(self) -> Plan:
        """Returns a plan without an objective, unchecked: used if the built encoder has no weights."""
        return replace(self, parts={**self.parts, "objective": None})

    def with_data(self, section: DataSpec) -> Plan:
        """Returns a plan for the graph of another ``data`` section."""
        return self.with_spec(data=section)

    def with_spec(self, **changes: Any) -> Plan:
        """Returns a plan with some fields of its spec replaced. The values must be valid; parts are not looked up."""
        return replace(self, spec=self.spec.model_copy(update=changes))


def plan_run(registry: Registry, **layers: Any) -> Plan:
    """Joins the layers of a run (keyword arguments of `eco_core.spec.assemble.assemble`) and checks the joined spec.

    If neither a recipe nor a part is named, `eco_core.spec.assemble.choose_recipe` chooses the recipe.
    """
    notes: list[str] = []
    chosen = None
    if layers.get("recipe") is None:
        named = {key: layers[key] for key in ("spec", "flags", "overrides") if key in layers}
        chosen = choose_recipe(registry, notes, **named)
        layers = {**layers, "recipe": chosen}
    plan = make_plan(assemble(registry, notes, **layers), registry, notes)
    if chosen is None:
        return plan
    own = assemble(registry, [], **{**layers, "recipe": None})
    return replace(plan, features_as_stored="normalize_features" not in own["data"])


def make_plan(layers: Mapping[str, Any], registry: Registry, notes: list[str] | None = None) -> Plan:
    """Validates a spec and checks that its parts fit.

    Args:
        layers: The joined layers (see `eco_core.spec.assemble.assemble`); parts may be classes and instances.
        registry: Where names are looked up.
        notes: Sentences for the user from joining the layers.

    Raises:
        CompositionError: With every problem that was found.
    """
    problems: list[Problem] = []
    by_name = dict(layers)
    given: dict[str, Any] = {}
    for kind in PART_SECTIONS:
        section = by_name.get(kind)
        if isinstance(section, Mapping) and not isinstance(section.get("name", ""), _WRITTEN):
            given[kind] = section["name"]
            by_name[kind] = {**section, "name": PythonOnly.of(section["name"])}
    unknown: set[str] = set()
    try:
        spec = RunSpec.model_validate(by_name)
    except pydantic.ValidationError as error:
        problems += problems_of(error, RunSpec)
        unknown = {str(detail["loc"][0]) for detail in error.errors()}
        spec = _valid_rest(by_name, error)
    parts: dict[str, Part | None] = {}
    for kind in PART_SECTIONS:
        section = getattr(spec, kind)
        wanted = isinstance(section, ComponentSpec) and kind not in unknown
        parts[kind] = _make_part(kind, section, given.get(kind), registry, problems) if wanted else None
        if wanted and parts[kind] is None:
            unknown.add(kind)
    default = _default_objective(parts["encoder"], registry) if spec.objective == "auto" else None
    if default is not None and "objective" not in unknown:
        parts["objective"] = _make_part("objective", default, None, registry, problems)
    problems += check_parts(parts, registry, unknown) + check_clusters(spec, parts)
    problems += _check_data(spec, registry)
    if problems:
        raise CompositionError(*dict.fromkeys(problems))
    return Plan(spec, parts, registry, tuple(notes or ()), objective_by_default=default is not None)


def _valid_rest(by_name: dict[str, Any], error: pydantic.ValidationError) -> RunSpec:
    """Returns the spec without its invalid keys, so that the rest is checked, too."""
    rest = {str(key): value for key, value in by_name.items()}
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
    """Looks a part up and validates its parameters. On a mistake it appends to ``problems`` and returns None."""
    parameters = dict(section.model_extra or {})
    if given is None and was_python_only(section.name):
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
        if entry is not None and (missing := entry.missing_problem):
            problems.append(missing)
            return None
        if entry is not None:
            target, origin = entry.load(), f"{entry.distribution} {entry.version}"
            label = registry.short_name(entry)
        else:
            target, origin = given, "given from Python"
            label = PythonOnly(section.name)
        if not isinstance(target, type):
            if given is None or isinstance(given, str):
                raise CompositionError(unusable(kind, section.name, f"is {type(target).__name__}, not a class"))
            if parameters:
                raise CompositionError(
                    unusable(kind, label, f"is an instance, and was given parameters: {', '.join(parameters)}")
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


def _default_objective(encoder: Part | None, registry: Registry) -> ComponentSpec | None:
    """The objective that ``objective: auto`` chooses; None: no objective."""
    name = default_objective(registry)
    if name is None or encoder is None or learns(encoder) is False:
        return None
    return ComponentSpec(name=name)


def _check_data(spec: RunSpec, registry: Registry) -> list[Problem]:
    from eco_core.data.source import is_path

    if spec.data.name == IN_MEMORY or is_path(spec.data.name):
        return []
    try:
        entry = registry.find("dataset", spec.data.name)
        missing = entry.missing_problem
        if missing:
            return [missing]
        model = parameter_model(entry.load(), provided=("root",))
        model.model_validate(dict(spec.data.model_extra or {}))
    except EcoError as error:
        return list(error.problems)
    except pydantic.ValidationError as error:
        return problems_of(error, model, "data", parameter_names(DataSpec))
    return []


def needs_clusters(parts: Mapping[str, Part | None]) -> list[Part]:
    """The parts of a plan whose constructors ask for the number of clusters."""
    return [part for part in parts.values() if part is not None and part.wants("n_clusters")]


def check_clusters(spec: RunSpec, parts: Mapping[str, Part | None]) -> list[Problem]:
    """Refuses ``clusters: auto`` if a part needs a number, because ECO has no search for the number of clusters yet."""
    wanted = needs_clusters(parts)
    if spec.clusters != "auto" or not wanted:
        return []
    return [
        Problem(
            "ECO207",
            f"clusters is 'auto', but {wanted[0]} needs a number, and ECO cannot search for it yet.",
            "Give a number (--clusters K, clusters=K in Python), or leave clusters out to take the number of classes "
            "that the data set declares.",
        )
    ]
