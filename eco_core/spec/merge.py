"""Puts one layer of a spec on top of others: plain dictionaries in, a plain dictionary out; nothing is looked up.

Layers are nested dictionaries with the keys of ``spec.yaml``. If a layer names another component than the layers below,
the parameters that both components declare are kept. The others are dropped, and a note names them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from eco_core.errors import Problem, SpecError
from eco_core.spec.models import PART_SECTIONS, DataSpec

# The defaults have qualified names: another plugin that also offers a 'kmeans' must not make them ambiguous.
DEFAULTS: dict[str, Any] = {
    "data": {"name": "digits"},
    "encoder": {"name": "eco-core:identity"},
    "objective": "auto",
    "head": {"name": "eco-core:kmeans"},
    "strategy": {"name": "eco-core:decoupled"},
}

# Keys of 'data:' that stay when a layer names another data set; all others are parameters of the data set.
_DATA_KEYS = tuple(DataSpec.model_fields)


@dataclass(frozen=True)
class Components:
    """The facts about components that `merge` needs.

    Attributes:
        declared: Returns the parameter names of a part, from its kind and its name, class or instance.
        same: Returns whether two parts of a kind are the same component.
        default_objective: The objective that ``auto`` chooses.
    """

    declared: Callable[[str, Any], tuple[str, ...]]
    same: Callable[[str, Any, Any], bool]
    default_objective: str = "gae"


def merge(
    base: Mapping[str, Any], layer: Mapping[str, Any], components: Components
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Puts a layer on top of other layers; the arguments are not modified.

    Args:
        base: The joined layers below.
        layer: The layer above; ``None`` values count as absent, except for ``objective: null``.
        components: The facts about components.

    Returns:
        The joined layers, and a sentence for each group of parameters that was dropped.
    """
    merged, notes = dict(base), []
    for key, value in layer.items():
        note = None
        if key in PART_SECTIONS and (value is not None or key == "objective"):
            merged[key], note = _merge_part(key, merged.get(key), value, components)
        elif key == "data" and value is not None:
            merged[key], note = merge_data(merged.get(key), value)
        elif value is not None:
            merged[key] = _deep(merged.get(key), value)
        if note is not None:
            notes.append(note)
    return merged, tuple(notes)


def _merge_part(kind: str, below: Any, above: Any, components: Components) -> tuple[Any, str | None]:
    above = {"name": above} if not isinstance(above, Mapping) else dict(above)
    if kind == "objective" and "name" in above:
        if above["name"] is None:
            return "none", None
        if isinstance(above["name"], str) and above["name"] in ("auto", "none"):
            return above["name"], None
    if isinstance(below, str) and below == "auto":
        below = {"name": components.default_objective} if "name" not in above else None
    if not isinstance(below, Mapping) or not below:
        return above, None
    if "name" not in above or components.same(kind, above["name"], below.get("name")):
        return _deep(below, above), None
    declared = components.declared(kind, above["name"])
    parameters = {key: value for key, value in below.items() if key != "name"}
    kept = {key: value for key, value in parameters.items() if key in declared}
    dropped = ", ".join(f"{kind}.{key}" for key in parameters if key not in declared)
    note = f"{part_label(above['name'])} has no {dropped}: left out." if dropped else None
    return _deep(kept, above), note


def merge_data(below: Any, above: Any) -> tuple[dict[str, Any], str | None]:
    """Puts a ``data`` section, or the name of a data set, on top of another.

    Returns:
        The joined section; and a sentence that names the dropped parameters of the data set below, or None.

    Raises:
        SpecError: ECO104, if the name is an object such as a data frame.
    """
    above = {"name": above} if not isinstance(above, Mapping) else dict(above)
    below = {"name": below} if isinstance(below, str) else dict(below or {})
    note = None
    if hasattr(above.get("name"), "__len__") and not isinstance(above["name"], str):
        raise SpecError(
            Problem(
                "ECO104",
                f"data.name is an object in memory, a {type(above['name']).__name__}; expected a data set's name or a "
                "path.",
                "Give the graph to a composition: eco.compose(...).fit(graph).save(folder).",
            )
        )
    if "name" in above and above["name"] != below.get("name"):
        dropped = ", ".join(f"data.{key}" for key in below if key not in _DATA_KEYS and key not in above)
        note = f"{dropped}: left out, because data set {below.get('name')} was replaced." if dropped else None
        below = {key: value for key, value in below.items() if key in _DATA_KEYS}
    return {**below, **above}, note


def part_label(part: Any) -> str:
    """The name of a part that was given by name, by class or as an instance."""
    return part if isinstance(part, str) else getattr(part, "__name__", type(part).__name__)


def _deep(below: Any, above: Any) -> Any:
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        # 'optimizer: sgd' over {name: adam, lr: 0.01} keeps lr: all optimisers have a learning rate.
        return {**below, **{key: _deep(below.get(key), value) for key, value in above.items()}}
    return above
