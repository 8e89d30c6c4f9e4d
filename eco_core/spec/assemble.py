"""Joins the layers of a run: defaults < recipe < its overrides < spec < flags < ``--set``; later layers win."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from eco_core.errors import Problem, SpecError
from eco_core.registry.registry import Registry
from eco_core.spec.components import components_of
from eco_core.spec.merge import DEFAULTS, merge, merge_data
from eco_core.spec.overrides import epochs_layer, parse_override
from eco_core.spec.recipes import overrides_for, read_recipe


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
