"""Putting a spec together from its layers: defaults < recipe < its overrides < spec < flags < ``--set``.

Layers are plain nested dictionaries with the keys of ``spec.yaml``. A layer that names another component than the one
below keeps the parameters that both declare, drops the others and says which.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from eco_core.errors import Problem, SpecError, did_you_mean
from eco_core.inject import parameter_model
from eco_core.registry import Registry
from eco_core.specs import PART_SECTIONS, DataSpec, RunSpec, StageOptions, nested_model, parameter_names
from eco_core.yaml_io import load_yaml

# The defaults are named in full: a stranger's plugin that offers another 'kmeans' must not make them ambiguous.
DEFAULTS: dict[str, Any] = {
    "data": {"name": "digits"},
    "encoder": {"name": "eco-core:identity"},
    "objective": "auto",
    "head": {"name": "eco-core:kmeans"},
    "strategy": {"name": "eco-core:decoupled"},
}

# Preparation that belongs to the method rather than to one data set: kept when another data set is named.
_DATA_KEYS = tuple(DataSpec.model_fields)


def merge(base: Mapping[str, Any], layer: Mapping[str, Any], registry: Registry, notes: list[str]) -> dict[str, Any]:
    """Returns ``base`` with ``layer`` on top.

    Args:
        base: The layers below.
        layer: The layer above; ``None`` values count as absent, except for ``objective: null``.
        registry: Where components are looked up, to know what they declare.
        notes: Gets a sentence for each group of parameters that was dropped.
    """
    merged = dict(copy.copy(base))
    for key, value in layer.items():
        if key in PART_SECTIONS:
            merged[key] = _merge_part(key, merged.get(key), value, registry, notes)
        elif key == "data" and value is not None:
            merged[key] = _merge_data(merged.get(key), value)
        elif value is not None:
            merged[key] = _deep(merged.get(key), value)
    return merged


def _merge_part(section: str, below: Any, above: Any, registry: Registry, notes: list[str]) -> Any:
    if section == "objective" and above in (None, "none"):
        return "none"
    if section == "objective" and above == "auto":
        return "auto"
    above = {"name": above} if not isinstance(above, Mapping) else dict(above)
    if below == "auto":
        below = {"name": "gae"} if "name" not in above else None
    if not isinstance(below, Mapping) or not below:
        return above
    if "name" not in above or above["name"] == below.get("name"):
        return _deep(below, above)
    kept, dropped = {}, []
    declared = _declared(section, above["name"], registry)
    for key, value in below.items():
        if key == "name":
            continue
        if key in declared:
            kept[key] = value
        else:
            dropped.append(key)
    if dropped:
        names = ", ".join(f"{section}.{key}" for key in dropped)
        notes.append(f"{_label(above['name'])} has no {names}: left out.")
    return {**_deep(kept, above)}


def _declared(section: str, name: Any, registry: Registry) -> list[str]:
    try:
        target = registry.find(section, name).load() if isinstance(name, str) else name
        return parameter_names(parameter_model(target)) if isinstance(target, type) else []
    except SpecError:
        return []  # The check reports it, together with everything else.


def _label(name: Any) -> str:
    return name if isinstance(name, str) else getattr(name, "__name__", type(name).__name__)


def _merge_data(below: Any, above: Any) -> Any:
    above = {"name": above} if not isinstance(above, Mapping) else dict(above)
    below = {"name": below} if isinstance(below, str) else dict(below or {})
    if "name" in above and above["name"] != below.get("name"):
        below = {key: value for key, value in below.items() if key in _DATA_KEYS}
    return {**below, **above}


def _deep(below: Any, above: Any) -> Any:
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        # Another optimiser is another component: its predecessor's learning rate is kept, being in every one.
        return {**below, **{key: _deep(below.get(key), value) for key, value in above.items()}}
    return above


def read_recipe(name: str, registry: Registry) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Reads a recipe.

    Returns:
        Its spec, and its overrides by data set.
    """
    entry = registry.find("recipe", name)
    spec = parse_spec(entry.read(), f"recipe {entry.id}")
    return spec, spec.pop("overrides", None) or {}


def parse_spec(text: str, source: str) -> dict[str, Any]:
    """Parses the YAML of a spec.

    Raises:
        SpecError: ECO106, if it is not a mapping.
    """
    spec = load_yaml(text, source)
    if spec is None:
        return {}
    if not isinstance(spec, dict):
        raise SpecError(
            Problem(
                "ECO106",
                f"{source} holds {type(spec).__name__}; a spec is a mapping.",
                "Write keys such as 'encoder: {name: gat}'. 'eco schema' prints all of them.",
            )
        )
    return spec


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
    """Makes a layer that sets the epochs of every stage of the spec's strategy.

    Raises:
        SpecError: ECO103, if the strategy has no stage options.
    """
    section = spec.get("strategy") or DEFAULTS["strategy"]
    name = section["name"] if isinstance(section, Mapping) else section
    target = registry.find("strategy", name).load() if isinstance(name, str) else name
    if isinstance(target, type):
        model = parameter_model(target)
        fields = {field.alias or key: field for key, field in model.model_fields.items()}
        stages = [key for key, field in fields.items() if nested_model(field.annotation) is StageOptions]
        if stages:
            return {"strategy": {stage: {"epochs": epochs} for stage in stages}}
        if "epochs" in fields:
            return {"strategy": {"epochs": epochs}}
    raise SpecError(
        Problem(
            "ECO103",
            f"Strategy {_label(name)!r} has no stage whose epochs could be set.",
            "Leave --epochs out, or annotate a constructor parameter of the strategy with eco_core.StageOptions.",
        )
    )


def assemble(
    registry: Registry,
    notes: list[str],
    *,
    recipe: str | None = None,
    spec: Mapping[str, Any] | None = None,
    flags: Mapping[str, Any] | None = None,
    epochs: int | None = None,
    overrides: Iterable[str] = (),
) -> dict[str, Any]:
    """Joins all layers of a run into one nested dictionary.

    Args:
        registry: Where components are looked up.
        notes: Gets sentences about parameters that were dropped.
        recipe: Name of a recipe.
        spec: What a spec file holds, or the same as a mapping.
        flags: What the command line's flags, or the arguments of `eco_core.compose`, say.
        epochs: Epochs of every stage.
        overrides: ``"key=value"`` strings.

    Raises:
        SpecError: For all overrides that cannot be read, together.
    """
    spec, flags = dict(spec or {}), dict(flags or {})
    sets: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for text in overrides:
        try:
            sets.append(parse_override(text))
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(*problems)
    joined = copy.deepcopy(DEFAULTS)
    if recipe is not None:
        base, by_dataset = read_recipe(recipe, registry)
        joined = merge(joined, base, registry, notes)
        chosen = joined
        for layer in (spec, flags, *sets):
            chosen = {"data": _merge_data(chosen.get("data"), layer["data"]) if layer.get("data") else chosen["data"]}
        joined = merge(joined, by_dataset.get(str(chosen["data"].get("name")), {}), registry, notes)
    for layer in (spec, flags):
        joined = merge(joined, layer, registry, notes)
    if epochs is not None:
        joined = merge(joined, epochs_layer(epochs, joined, registry), registry, notes)
    for layer in sets:
        joined = merge(joined, layer, registry, notes)
    return joined
