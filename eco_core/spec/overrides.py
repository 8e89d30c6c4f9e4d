"""Turns the command line's ``--set`` and ``--epochs`` into layers of a spec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pydantic

from eco_core.errors import Problem, SpecError, did_you_mean
from eco_core.inject.problems import nested_model, parameter_names, problems_of
from eco_core.parts.stages import StageOptions
from eco_core.registry.registry import Registry
from eco_core.spec.components import parameters_of
from eco_core.spec.merge import part_label
from eco_core.spec.models import DataSpec, GraphSpec, RunSpec
from eco_core.spec.yaml_io import load_yaml


def parse_override(text: str) -> dict[str, Any]:
    """Parses one ``--set`` override such as ``"head.alpha=2.0"`` into a layer.

    Raises:
        SpecError: ECO107, if it is not ``KEY=VALUE``; ECO103, if a spec has no such key.
    """
    key, separator, value = text.partition("=")
    path = key.strip().split(".")
    if not separator or not all(path):
        raise SpecError(
            Problem("ECO107", f"--set {text!r} is not KEY=VALUE.", "Write for example --set head.alpha=2.0.")
        )
    sections = parameter_names(RunSpec)
    if path[0] not in sections:
        raise SpecError(
            Problem("ECO103", f"--set {text}: a spec has no key '{path[0]}'.", did_you_mean(path[0], sections))
        )
    layer: Any = load_yaml(value, f"--set {text}")
    for part in reversed(path):
        layer = {part: layer}
    return layer


def data_parameters(overrides: Iterable[str]) -> dict[str, Any]:
    """Parses overrides of the ``data`` section, such as ``"data.k=5"``; the prefix ``data.`` may be left out.

    Raises:
        SpecError: ECO107, if an override cannot be read.
    """
    found: dict[str, Any] = {}
    for override in overrides:
        if override.startswith("graph."):
            continue  # The section of its own: see `graph_section`.
        key = override if override.startswith("data.") else f"data.{override}"
        found.update(parse_override(key)["data"])
    return found


def data_section(name: str, root: str | None, overrides: Iterable[str]) -> DataSpec:
    """Makes a ``data`` section from a name, a folder of data sets and overrides.

    Raises:
        SpecError: If an override cannot be read, or a value has the wrong type.
    """
    section = {"name": name, "root": root, **data_parameters(overrides)}
    try:
        return DataSpec.model_validate(section)
    except pydantic.ValidationError as error:
        raise SpecError(*problems_of(error, DataSpec, "data")) from error


def graph_section(overrides: Iterable[str]) -> GraphSpec:
    """Makes a ``graph`` section from the overrides whose keys start with ``graph.``; others have no effect.

    Raises:
        SpecError: If an override cannot be read, or a value has the wrong type.
    """
    section: dict[str, Any] = {}
    for override in overrides:
        if override.startswith("graph."):
            section.update(parse_override(override)["graph"])
    try:
        return GraphSpec.model_validate(section)
    except pydantic.ValidationError as error:
        raise SpecError(*problems_of(error, GraphSpec, "graph")) from error


def epochs_layer(epochs: int, spec: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    """Makes a layer that names the spec's strategy and sets the number of epochs of each of its stages.

    The layer is empty if there is no such strategy; the check of the plan reports it later.

    Raises:
        SpecError: ECO103, if the strategy has no stage options.
    """
    name = spec["strategy"]["name"]
    try:
        model = parameters_of("strategy", name, registry)
    except SpecError:
        return {}
    if model is not None:
        fields = {field.alias or key: field for key, field in model.model_fields.items()}
        stages = [key for key, field in fields.items() if nested_model(field.annotation) is StageOptions]
        if stages:
            return {"strategy": {"name": name, **{stage: {"epochs": epochs} for stage in stages}}}
        if "epochs" in fields:
            return {"strategy": {"name": name, "epochs": epochs}}
    raise SpecError(
        Problem(
            "ECO103",
            f"Strategy {part_label(name)!r} has no stage whose number of epochs can be set.",
            "Leave --epochs out, or annotate a constructor parameter of the strategy with eco_core.StageOptions.",
        )
    )
