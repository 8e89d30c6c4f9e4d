"""Looks up the facts about components that merging specs needs, in a registry."""

from __future__ import annotations

from typing import Any

from eco_core.errors import SpecError
from eco_core.inject.parameters import ParameterModel, parameter_model
from eco_core.inject.problems import parameter_names
from eco_core.registry.registry import Registry
from eco_core.spec.merge import Components


def components_of(registry: Registry) -> Components:
    """Returns the facts that `eco_core.spec.merge.merge` needs about the components of a registry.

    A part that cannot be found has no declared parameters here; the check of the plan reports it later.
    """

    def declared(kind: str, part: Any) -> tuple[str, ...]:
        try:
            model = parameters_of(kind, part, registry)
        except SpecError:
            return ()
        return () if model is None else tuple(parameter_names(model))

    def same(kind: str, above: Any, below: Any) -> bool:
        if not isinstance(above, str) or not isinstance(below, str):
            return above is below
        try:
            return above == below or registry.find(kind, above) == registry.find(kind, below)
        except SpecError:
            return False

    return Components(declared, same, default_objective(registry) or "gae")


def parameters_of(kind: str, part: Any, registry: Registry) -> type[ParameterModel] | None:
    """The parameters of a part given by name or class; None for an instance.

    Raises:
        SpecError: If no component has the name.
    """
    if isinstance(part, str):
        return registry.find(kind, part).parameters
    return parameter_model(part) if isinstance(part, type) else None


def default_objective(registry: Registry) -> str | None:
    """The qualified name of the objective that ``auto`` chooses; None if there is none.

    It is the gae of eco-autoencoder; without that plugin, the only objective called gae. So another plugin that also
    offers a gae does not make ``auto`` ambiguous.
    """
    found = [entry for entry in registry.entries("objective") if entry.name == "gae"]
    ours = [entry for entry in found if entry.distribution == "eco-autoencoder"]
    chosen = ours or (found if len(found) == 1 else [])
    return chosen[0].id if chosen else None
