"""The suite of a benchmark: its pydantic models, and how a suite file becomes a checked list of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from eco_core.benchmark.reference import Figure, Reference, read_reference
from eco_core.data.source import is_path
from eco_core.errors import EcoError, Problem, SpecError
from eco_core.inject.problems import problems_of
from eco_core.jobs.cell import Cell, file_name
from eco_core.registry.registry import Registry
from eco_core.spec.models import PART_SECTIONS, DataSpec
from eco_core.spec.yaml_io import load_yaml

METRICS = ("nmi", "ari", "acc", "f1", "modularity", "conductance", "cut_fraction")
"""The metrics of a table if the suite names none."""

Seed = Annotated[int, Field(ge=0, lt=2**32)]
_Part = str | dict[str, Any]


class SuiteData(DataSpec):
    """A data set of a suite: the keys of a spec's section ``data``, and a label.

    Attributes:
        label: The name of the data set in tables and folders; default its name, for a path the file's name without the
            suffix.
    """

    label: str | None = None

    def title(self) -> str:
        """The label, or its default."""
        return self.label or (Path(self.name).stem if is_path(self.name) else self.name)


class SuiteRun(BaseModel):
    """A method of a suite: the layers of ``eco compose``, in the same order of precedence.

    Attributes:
        name: The name of the method in tables and folders; default the recipe's name.
        recipe: A recipe to start from.
        spec: Keys of a ``spec.yaml``; they override the recipe.
        encoder: The encoder. Like ``objective``, ``head`` and ``strategy``, it overrides ``spec``.
        objective: The objective, or ``none``.
        head: The cluster head.
        strategy: The strategy.
        epochs: Number of epochs of every stage.
        set: ``KEY=VALUE`` strings; they override all other keys.
    """

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    recipe: str | None = None
    spec: dict[str, Any] = {}
    encoder: _Part | None = None
    objective: _Part | None = None
    head: _Part | None = None
    strategy: _Part | None = None
    epochs: int | None = Field(default=None, ge=0)
    set: list[str] = []

    @pydantic.model_validator(mode="after")
    def _has_a_name(self) -> SuiteRun:
        if not (self.name or self.recipe):
            raise ValueError("it needs a 'recipe' or, for a composition of your own, a 'name'")
        return self

    def title(self) -> str:
        """The name, or its default."""
        return self.name or self.recipe or ""

    def layers(self) -> dict[str, Any]:
        """The keyword arguments of `eco_core.plan.plan.plan_run`, without data."""
        flags = {kind: getattr(self, kind) for kind in PART_SECTIONS if getattr(self, kind) is not None}
        return {
            "recipe": self.recipe,
            "spec": self.spec,
            "flags": flags,
            "epochs": self.epochs,
            "overrides": tuple(self.set),
        }


class Suite(BaseModel):
    """A benchmark: recipes x data sets x training seeds, and the metrics of its table.

    Attributes:
        name: The name of the suite.
        seeds: A list of training seeds, or their number: 5 means 0 to 4.
        data: Data sets: names, paths (looked for beside the suite's file first), or mappings as in a spec.
        runs: Methods: names of recipes, or mappings.
        metrics: The columns of the table.
        reference: Published figures to show beside the measured ones, as fractions: metric -> run -> data set ->
            mean or [mean, standard deviation]; or a CSV file with the columns ``method,data,metric,mean`` and,
            optionally, ``std``, beside the suite's file.
        timeout: Seconds after which a cell is stopped.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    version: Literal[1] = Field(default=1, alias="schema")
    name: str = Field(min_length=1)
    seeds: Annotated[int, Field(ge=1)] | Annotated[list[Seed], Field(min_length=1)] = 5
    data: Annotated[list[str | SuiteData], Field(min_length=1)]
    runs: Annotated[list[str | SuiteRun], Field(min_length=1)]
    metrics: Annotated[list[str], Field(min_length=1)] = list(METRICS)
    reference: dict[str, dict[str, dict[str, Figure]]] | str | None = None
    timeout: float | None = Field(default=None, gt=0)

    @pydantic.field_validator("seeds", mode="before")
    @classmethod
    def _not_a_truth_value(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("it must be a number of seeds, such as 5, or a list of seeds, such as [0, 1]")
        return value

    @pydantic.field_validator("seeds", "metrics")
    @classmethod
    def _each_once(cls, value: Any) -> Any:
        if isinstance(value, list) and (twice := [item for item in value if value.count(item) > 1]):
            raise ValueError(f"{twice[0]!r} is listed twice; each is listed once")
        return value


@dataclass(frozen=True)
class SuitePlan:
    """A checked suite.

    Attributes:
        suite: The suite as the user wrote it.
        cells: All cells, ordered by data set, then by run, then by seed.
        metrics: The columns of the table.
        reference: Published mean and, where known, standard deviation by (run, data set, metric).
        notes: Sentences that a user should read.
    """

    suite: Suite
    cells: tuple[Cell, ...]
    metrics: tuple[str, ...]
    reference: Reference = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_suite(source: Mapping[str, Any] | Suite | str | Path) -> tuple[Suite, Path]:
    """Reads and validates a suite.

    Args:
        source: A YAML file, or its content as a mapping.

    Returns:
        The suite, and the folder that its paths are relative to.

    Raises:
        SpecError: ECO106, if the file cannot be read; ECO103 to ECO105 for all mistakes in it together.
    """
    if isinstance(source, Suite):
        return source, Path()
    if isinstance(source, Mapping):
        content, folder = dict(source), Path()
    else:
        path = Path(source)
        folder = path.parent
        try:
            content = load_yaml(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not a text file"
            raise SpecError(
                Problem("ECO106", f"Suite {path} cannot be read: {reason}.", "Give the path of a YAML file.")
            ) from error
        if not isinstance(content, dict):
            raise SpecError(
                Problem(
                    "ECO106",
                    f"Suite {path} holds {type(content).__name__}; a suite is a mapping.",
                    "Write at least 'name: mine', 'data: [digits]' and 'runs: [kmeans]'.",
                )
            )
    try:
        return Suite.model_validate(content), folder
    except pydantic.ValidationError as error:
        raise SpecError(*(_in_suite(problem) for problem in problems_of(error, Suite))) from error


def _in_suite(problem: Problem) -> Problem:
    """Rewords a problem of a spec for a suite: its fix must not name flags of ``eco compose``."""
    message = problem.message.replace("the spec has no parameter", "The suite has no key", 1)
    fix = {"ECO104": "Change it in the suite.", "ECO105": "Give it in the suite."}.get(problem.code, problem.fix)
    return Problem(problem.code, message, fix)


def plan_suite(
    source: Mapping[str, Any] | Suite | str | Path,
    *,
    seeds: int | Sequence[int] | None = None,
    data_root: str | Path | None = None,
    registry: Registry | None = None,
) -> SuitePlan:
    """Checks every composition of a suite and lists its cells. No tensor is made and no data set is read.

    Args:
        source: A YAML file, its content as a mapping, or a `Suite`.
        seeds: Replaces the suite's training seeds.
        data_root: Folder of downloaded data sets.
        registry: Where names are looked up; default all installed plugins.

    Returns:
        The checked suite with its cells.

    Raises:
        SpecError: With every problem that was found: unknown names, wrong values, parts that do not fit.
    """
    suite, folder = read_suite(source)
    if seeds is not None:
        content = suite.model_dump(by_alias=True, exclude_unset=True)
        suite, _ = read_suite({**content, "seeds": seeds if isinstance(seeds, int) else list(seeds)})
    registry = registry or Registry.discover()
    runs = [SuiteRun(recipe=run) if isinstance(run, str) else run for run in suite.runs]
    data = [SuiteData(name=entry) if isinstance(entry, str) else entry for entry in suite.data]
    problems = [*_labels_twice("runs", runs), *_labels_twice("data", data)]
    for kind, names in (("metric", suite.metrics), ("recipe", [run.recipe for run in runs])):
        problems += [problem for name in names if name is not None for problem in _unknown(kind, name, registry)]
    sections, bad = _data_sections(data, folder, data_root, registry)
    problems += bad
    specs, notes, misfits = _plan_runs(runs, sections, registry)
    problems += misfits
    reference: Reference = {}
    try:
        labels = [run.title() for run in runs], [entry.title() for entry in data]
        reference = read_reference(suite.reference, folder, *labels, suite.metrics)
    except EcoError as error:
        problems += error.problems
    if problems:
        raise SpecError(*dict.fromkeys(problems))
    chosen = list(range(suite.seeds)) if isinstance(suite.seeds, int) else suite.seeds
    cells = (
        Cell(run, dataset, seed, {**spec, "seed": seed}) for (run, dataset), spec in specs.items() for seed in chosen
    )
    return SuitePlan(suite, tuple(cells), tuple(suite.metrics), reference, tuple(dict.fromkeys(notes)))


def _labels_twice(key: str, entries: Sequence[SuiteRun | SuiteData]) -> list[Problem]:
    """Finds labels that would share a folder: equal labels, or labels that become equal as folder names."""
    names = [file_name(entry.title()).lower() for entry in entries]
    doubled = dict.fromkeys(entry.title() for entry, name in zip(entries, names, strict=True) if names.count(name) > 1)
    fix = f"Give each a '{'name' if key == 'runs' else 'label'}' of its own."
    if not doubled:
        return []
    labels = " and ".join(map(repr, doubled))
    return [Problem("ECO104", f"{key}: {labels} {'is listed twice' if len(doubled) == 1 else 'share a folder'}.", fix)]


def _unknown(kind: str, name: str, registry: Registry) -> Sequence[Problem]:
    try:
        registry.find(kind, name)
    except SpecError as error:
        return error.problems
    return ()


def _data_sections(
    entries: Sequence[SuiteData], folder: Path, root: str | Path | None, registry: Registry
) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
    """Returns the section ``data`` of each spec by label, with absolute paths, and problems for unknown data sets."""
    sections: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    for entry in entries:
        section = entry.model_dump(exclude_unset=True, exclude={"label"})
        if root is not None:
            section["root"] = str(Path(root).expanduser().absolute())
        if is_path(entry.name) or (folder / entry.name).exists():
            from eco_core.data.readers.formats import reader_for

            path = Path(entry.name).expanduser()
            path = folder / path if (folder / path).exists() else path
            section["name"] = str(path.absolute())
            try:
                reader_for(path.absolute())  # Raises if the path is missing or no reader fits it.
            except EcoError as error:
                problems += error.problems
                continue
        elif found := _unknown("dataset", entry.name, registry):
            problems += found
            continue
        sections[entry.title()] = section
    return sections, problems


def _plan_runs(
    runs: Sequence[SuiteRun], sections: Mapping[str, dict[str, Any]], registry: Registry
) -> tuple[dict[tuple[str, str], dict[str, Any]], list[str], list[Problem]]:
    """Returns the resolved specs by (run, data set), the notes and the problems."""
    from eco_core.plan.plan import plan_run

    specs: dict[tuple[str, str], dict[str, Any]] = {}
    notes: list[str] = []
    found: dict[Problem, dict[str, None]] = {}
    for label, section in sections.items():
        for run in runs:
            if run.recipe is not None and _unknown("recipe", run.recipe, registry):
                continue  # plan_suite has reported the unknown recipe already.
            layers = run.layers()
            layers["flags"] = {**layers["flags"], "data": section}
            try:
                plan = plan_run(registry, **layers)
            except EcoError as error:
                for problem in error.problems:
                    found.setdefault(problem, {})[run.title()] = None
                continue
            notes += [f"{run.title()}: {note}" for note in plan.notes]
            spec = plan.resolved()
            if plan.objective_by_default:
                spec["objective"] = "auto"  # Only the built encoder shows whether the default objective is kept.
            specs[run.title(), label] = spec
    problems = [
        Problem(problem.code, f"In {' and '.join(map(repr, labels))}: {problem.message}", problem.fix)
        for problem, labels in found.items()
    ]
    return specs, notes, problems
