"""Putting a spec together from its layers: defaults < recipe < its overrides < spec < flags < ``--set``.

Layers are plain nested dictionaries with the keys of ``spec.yaml``. A layer that names another component than the one
below keeps the parameters that both declare, drops the others and says which.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from eco_core.errors import Problem, SpecError, did_you_mean
from eco_core.inject import ParameterModel, parameter_model
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
        if key in PART_SECTIONS and (value is not None or key == "objective"):
            merged[key] = _merge_part(key, merged.get(key), value, registry, notes)
        elif key == "data" and value is not None:
            merged[key] = _merge_data(merged.get(key), value, notes)
        elif value is not None:
            merged[key] = _deep(merged.get(key), value)
    return merged


def _merge_part(section: str, below: Any, above: Any, registry: Registry, notes: list[str]) -> Any:
    above = {"name": above} if not isinstance(above, Mapping) else dict(above)
    if section == "objective" and "name" in above:
        if above["name"] is None:
            return "none"
        if isinstance(above["name"], str) and above["name"] in ("auto", "none"):
            return above["name"]
    if isinstance(below, str) and below == "auto":
        below = {"name": default_objective(registry) or "gae"} if "name" not in above else None
    if not isinstance(below, Mapping) or not below:
        return above
    if "name" not in above or _is_same(section, above["name"], below.get("name"), registry):
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


def default_objective(registry: Registry) -> str | None:
    """The qualified name of the objective that ``auto`` chooses; None where there is none.

    That is eco-autoencoder's gae, else the only one of that name: a stranger's plugin must not make ambiguous what the
    user left to us.
    """
    found = [entry for entry in registry.entries("objective") if entry.name == "gae"]
    ours = [entry for entry in found if entry.distribution == "eco-autoencoder"]
    chosen = ours or (found if len(found) == 1 else [])
    return chosen[0].id if chosen else None


def _is_same(section: str, name: Any, other: Any, registry: Registry) -> bool:
    if not isinstance(name, str) or not isinstance(other, str):
        return name is other
    try:
        return name == other or registry.find(section, name) == registry.find(section, other)
    except SpecError:
        return False


def _declared(section: str, name: Any, registry: Registry) -> list[str]:
    try:
        model = _parameters(section, name, registry)
        return [] if model is None else parameter_names(model)
    except SpecError:
        return []  # The check reports it, together with everything else.


def _parameters(section: str, part: Any, registry: Registry) -> type[ParameterModel] | None:
    """The parameters of a part given by name or class; None for an instance."""
    if isinstance(part, str):
        return registry.find(section, part).parameters
    return parameter_model(part) if isinstance(part, type) else None


def _label(name: Any) -> str:
    return name if isinstance(name, str) else getattr(name, "__name__", type(name).__name__)


def _merge_data(below: Any, above: Any, notes: list[str]) -> dict[str, Any]:
    above = {"name": above} if not isinstance(above, Mapping) else dict(above)
    below = {"name": below} if isinstance(below, str) else dict(below or {})
    if "name" in above and above["name"] != below.get("name"):
        dropped = [f"data.{key}" for key in below if key not in _DATA_KEYS and key not in above]
        if dropped:
            notes.append(f"{', '.join(dropped)}: left out, being of data set {below.get('name')}.")
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

    Raises:
        SpecError: If there is no such recipe, or its file is not a recipe (ECO106).
    """
    entry = registry.find("recipe", name)
    spec = parse_spec(entry.read(), f"recipe {entry.id}")
    overrides = spec.pop("overrides", None) or {}
    if not isinstance(overrides, dict) or not all(isinstance(layer, dict) for layer in overrides.values()):
        raise SpecError(
            Problem(
                "ECO106",
                f"The overrides of recipe {entry.id} are not a mapping from data sets to keys of a spec.",
                "Tell its author: 'overrides: {cora: {encoder: {heads: 4}}}' would be one.",
            )
        )
    return spec, overrides


def part_names(recipe: Mapping[str, Any]) -> dict[str, str]:
    """The names of a recipe's parts by kind: those that it gives, and the defaults; an objective may be ``none``."""
    names = {}
    for kind in PART_SECTIONS:
        section, default = recipe.get(kind), DEFAULTS[kind]
        name = section.get("name") if isinstance(section, Mapping) else section
        names[kind] = str(name or ("none" if kind == "objective" else default["name"]))
    return names


def _overrides_for(
    data: Mapping[str, Any], by_dataset: Mapping[str, dict[str, Any]], registry: Registry
) -> dict[str, Any]:
    """A recipe's overrides for a data set, whether it is named in full or in short."""
    name = str(data.get("name"))
    if name in by_dataset:
        return by_dataset[name]
    entries = [entry for entry in registry.find_any(name) if entry.kind == "dataset"]
    return next((by_dataset[entry.name] for entry in entries if entry.name in by_dataset), {})


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
        chosen = joined["data"]
        for layer in (spec, flags, *sets):
            chosen = _merge_data(chosen, layer.get("data") or {}, [])
        joined = merge(joined, _overrides_for(chosen, by_dataset, registry), registry, notes)
    for layer in (spec, flags):
        joined = merge(joined, layer, registry, notes)
    if epochs is not None:
        # The stages are those of the strategy that --set may yet choose.
        final = joined
        for layer in sets:
            final = merge(final, layer, registry, [])
        joined = merge(joined, epochs_layer(epochs, final, registry), registry, notes)
    for layer in sets:
        joined = merge(joined, layer, registry, notes)
    return joined
