"""What joining specs must know of components, looked up in a registry."""

from __future__ import annotations

from typing import Any

from eco_core.errors import SpecError
from eco_core.inject.parameters import ParameterModel, parameter_model
from eco_core.inject.problems import parameter_names
from eco_core.registry.registry import Registry
from eco_core.spec.merge import Components


def components_of(registry: Registry) -> Components:
    """What `eco_core.spec.merge.merge` must know of the components of a registry.

    A part that cannot be found declares nothing: the check of the plan reports it, together with everything else.
    """

    def declared(kind: str, part: Any) -> tuple[str, ...]:
        try:
            model = parameters_of(kind, part, registry)
        except SpecError:
            return ()
        return () if model is None else tuple(parameter_names(model))

    def same(kind: str, one: Any, other: Any) -> bool:
        if not isinstance(one, str) or not isinstance(other, str):
            return one is other
        try:
            return one == other or registry.find(kind, one) == registry.find(kind, other)
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
    """The qualified name of the objective that ``auto`` chooses; None where there is none.

    That is eco-autoencoder's gae, else the only one of that name: a stranger's plugin must not make ambiguous what the
    user left to us.
    """
    found = [entry for entry in registry.entries("objective") if entry.name == "gae"]
    ours = [entry for entry in found if entry.distribution == "eco-autoencoder"]
    chosen = ours or (found if len(found) == 1 else [])
    return chosen[0].id if chosen else None
