"""Putting a spec together from its layers: defaults < recipe < its overrides < spec < flags < ``--set``.

Layers are plain nested dictionaries with the keys of ``spec.yaml``. A layer that names another component than the one
below keeps the parameters that both declare, drops the others and says which.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from eco_core.errors import SpecError
from eco_core.inject.parameters import ParameterModel, parameter_model
from eco_core.inject.problems import parameter_names
from eco_core.registry.registry import Registry
from eco_core.spec.models import PART_SECTIONS, DataSpec

# The defaults are named in full: a stranger's plugin that offers another 'kmeans' must not make them ambiguous.
DEFAULTS: dict[str, Any] = {
    "data": {"name": "digits"},
    "encoder": {"name": "eco-core:identity"},
    "objective": "auto",
    "head": {"name": "eco-core:kmeans"},
    "strategy": {"name": "eco-core:decoupled"},
}

# Keys of `data:` that survive when another data set is chosen; all others are parameters of the data set.
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
        # `optimizer: sgd` over `{name: adam, lr: 0.01}` keeps lr: all optimisers have one.
        return {**below, **{key: _deep(below.get(key), value) for key, value in above.items()}}
    return above
