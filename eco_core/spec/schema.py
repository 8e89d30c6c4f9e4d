"""The JSON Schema of ``spec.yaml``, with the parameters of every installed component."""

from __future__ import annotations

from typing import Any

from eco_core.errors import EcoError
from eco_core.registry.registry import Registry


def spec_schema(registry: Registry) -> dict[str, Any]:
    """Returns the JSON Schema of a spec, with the parameters of all components in a registry.

    Parameters of components that cannot be loaded are left out.
    """
    from eco_core.inject.schema import json_schema
    from eco_core.spec.models import PART_SECTIONS, RunSpec

    document = RunSpec.model_json_schema(by_alias=True)
    definitions = document.setdefault("$defs", {})
    for kind in PART_SECTIONS:
        options: list[dict[str, Any]] = []
        for entry in registry.entries(kind):
            try:
                component = json_schema(entry.parameters, f"{kind}.{entry.id}.")
            except EcoError:
                continue
            definitions.update(component.pop("$defs", {}))
            names = sorted({registry.short_name(entry), entry.id})
            component["properties"] = {"name": {"enum": names}, **component.get("properties", {})}
            component["required"] = ["name", *component.get("required", [])]
            component["title"] = entry.id
            definitions[f"{kind}.{entry.id}"] = component
            options.append({"$ref": f"#/$defs/{kind}.{entry.id}"})
        names = sorted({name for e in registry.entries(kind) for name in (registry.short_name(e), e.id)})
        options.append({"enum": [*names, *(["auto", "none", None] if kind == "objective" else [])]})
        document["properties"][kind] = {"anyOf": options}
    document["properties"]["data"] = {"anyOf": [{"$ref": "#/$defs/DataSpec"}, {"type": "string"}]}
    return document
