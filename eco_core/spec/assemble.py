"""Joins the layers of a run: defaults < recipe < its overrides < spec < flags < ``--set``; later layers win."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from eco_core.errors import Problem, SpecError
from eco_core.registry.registry import Registry
from eco_core.spec.components import components_of
from eco_core.spec.merge import DEFAULTS, merge, merge_data
from eco_core.spec.models import PART_SECTIONS
from eco_core.spec.overrides import epochs_layer, parse_override
from eco_core.spec.recipes import DEFAULT_RECIPES, default_recipe, overrides_for, read_recipe

_DEFAULT_NOTE = (
    "No recipe and no part was named: the recipe {} runs, which uses the graph and trains nothing; choose another with "
    "--recipe NAME (recipe=NAME in Python; 'eco list recipes' shows all)."
)
_FALLBACK_NOTE = (
    "No recipe and no part was named, and the recipe {} is not installed: k-means clusters the features alone, without "
    "the graph; install {}, or name parts with --encoder and --head."
)


def choose_recipe(
    registry: Registry,
    notes: list[str],
    *,
    spec: Mapping[str, Any] | None = None,
    flags: Mapping[str, Any] | None = None,
    overrides: Iterable[str] = (),
) -> str | None:
    """The recipe of a run that names no recipe: the default recipe, unless a layer names a part.

    The default parts alone, identity and k-means, would ignore the graph.

    Args:
        registry: Where recipes are looked up.
        notes: A list; a sentence about the choice is appended to it.
        spec: The content of a spec file.
        flags: Keys of a spec.
        overrides: ``"key=value"`` strings.

    Returns:
        The name of a recipe; None if a part is named, or no default recipe is installed.

    Raises:
        SpecError: With a problem for each override that cannot be read.
    """
    layers = (spec or {}, flags or {}, *_parse_overrides(overrides))
    if any(_is_named(kind, layer[kind]) for layer in layers for kind in PART_SECTIONS if kind in layer):
        return None
    recipe = default_recipe(registry)
    if recipe is None:
        distribution, _, name = DEFAULT_RECIPES[0].partition(":")
        notes.append(_FALLBACK_NOTE.format(name, distribution))
    else:
        notes.append(_DEFAULT_NOTE.format(recipe.rpartition(":")[2]))
    return recipe


def _is_named(kind: str, section: Any) -> bool:
    """Whether a section of a layer names a part; parameters alone, such as ``head.n_init``, name none."""
    if isinstance(section, Mapping):
        return "name" in section and _is_named(kind, section["name"])
    if kind == "objective":
        return not (isinstance(section, str) and section == "auto")  # None asks for no objective.
    return section is not None


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
        notes: A list; sentences about dropped parameters are appended to it.
        recipe: Name of a recipe.
        spec: The content of a spec file.
        flags: Keys of a spec, from the command line's flags or from the arguments of `eco_core.compose`.
        epochs: Epochs of every stage.
        overrides: ``"key=value"`` strings.

    Raises:
        SpecError: With a problem for each override that cannot be read.
    """
    spec, flags = dict(spec or {}), dict(flags or {})
    sets = _parse_overrides(overrides)
    components = components_of(registry)

    def put_on(base: Mapping[str, Any], *layers: Mapping[str, Any]) -> dict[str, Any]:
        joined = dict(base)
        for layer in layers:
            joined, dropped = merge(joined, layer, components)
            notes.extend(dropped)
        return joined

    joined = copy.deepcopy(DEFAULTS)
    if recipe is not None:
        base, by_dataset = read_recipe(recipe, registry)
        joined = put_on(joined, base)
        chosen = joined["data"]
        for layer in (spec, flags, *sets):
            chosen, _ = merge_data(chosen, layer.get("data") or {})
        joined = put_on(joined, overrides_for(chosen, by_dataset, registry))
    joined = put_on(joined, spec, flags)
    if epochs is not None:
        # --set may choose another strategy, whose stages get the epochs.
        final = joined
        for layer in sets:
            final, _ = merge(final, layer, components)
        joined = put_on(joined, epochs_layer(epochs, final, registry))
    return put_on(joined, *sets)


def _parse_overrides(overrides: Iterable[str]) -> list[dict[str, Any]]:
    layers: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for text in overrides:
        try:
            layers.append(parse_override(text))
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(*problems)
    return layers
