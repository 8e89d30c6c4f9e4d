"""Reads recipes: packaged specs, with overrides by data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eco_core.errors import Problem, SpecError
from eco_core.registry.registry import Registry
from eco_core.spec.files import parse_spec
from eco_core.spec.merge import DEFAULTS
from eco_core.spec.models import PART_SECTIONS

DEFAULT_RECIPES = ("eco-nonparametric:ssgc",)
"""The recipes that run if neither a recipe nor a part is named, best first. They use the graph and train nothing."""


def default_recipe(registry: Registry) -> str | None:
    """The qualified name of the first of `DEFAULT_RECIPES` whose parts are installed; None if there is none."""
    for name in DEFAULT_RECIPES:
        try:
            parts = part_names(read_recipe(name, registry)[0])
            for kind, part in parts.items():
                if part not in ("none", "auto"):
                    registry.find(kind, part)
        except SpecError:
            continue
        return name
    return None


def read_recipe(name: str, registry: Registry) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Reads a recipe.

    Returns:
        The recipe's spec, and its overrides by data set.

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
                "Tell its author. A valid example: 'overrides: {cora: {encoder: {heads: 4}}}'.",
            )
        )
    return spec, overrides


def part_names(recipe: Mapping[str, Any]) -> dict[str, str]:
    """The names of a recipe's parts by kind, with defaults for parts that it leaves out; no objective is ``none``."""
    names = {}
    for kind in PART_SECTIONS:
        section, default = recipe.get(kind), DEFAULTS[kind]
        name = section.get("name") if isinstance(section, Mapping) else section
        names[kind] = str(name or ("none" if kind == "objective" else default["name"]))
    return names


def overrides_for(
    data: Mapping[str, Any], by_dataset: Mapping[str, dict[str, Any]], registry: Registry
) -> dict[str, Any]:
    """A recipe's overrides for a data set, which may have its short or its qualified name."""
    name = str(data.get("name"))
    if name in by_dataset:
        return by_dataset[name]
    entries = [entry for entry in registry.find_any(name) if entry.kind == "dataset"]
    return next((by_dataset[entry.name] for entry in entries if entry.name in by_dataset), {})
