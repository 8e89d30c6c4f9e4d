"""Layers made of command-line options: ``--set`` and ``--epochs``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eco_core.errors import Problem, SpecError, did_you_mean
from eco_core.inject.problems import nested_model, parameter_names
from eco_core.parts.stages import StageOptions
from eco_core.registry.registry import Registry
from eco_core.spec.merge import _label, _parameters
from eco_core.spec.models import RunSpec
from eco_core.spec.yaml_io import load_yaml


def parse_override(text: str) -> dict[str, Any]:
    """Parses one ``--set`` override such as ``"head.alpha=2.0"`` into a layer.

    Raises:
        SpecError: ECO107, if it is not ``KEY=VALUE`` or its first key is none of a spec's.
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


def epochs_layer(epochs: int, spec: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    """Makes a layer that names the spec's strategy and sets the epochs of each of its stages.

    It is empty where the strategy cannot be had; the check reports that, together with everything else.

    Raises:
        SpecError: ECO103, if the strategy has no stage options.
    """
    name = spec["strategy"]["name"]
    try:
        model = _parameters("strategy", name, registry)
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
            f"Strategy {_label(name)!r} has no stage whose epochs could be set.",
            "Leave --epochs out, or annotate a constructor parameter of the strategy with eco_core.StageOptions.",
        )
    )
