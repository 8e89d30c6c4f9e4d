"""Describes a component, a recipe, a data set or a metric as plain data, for ``eco show``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from eco_core.errors import EcoError
from eco_core.registry.registry import Entry, Registry


def describe(entry: Entry, registry: Registry) -> dict[str, Any]:
    """Returns the description of an entry as plain data: parameters, paper, and a command that works."""
    document: dict[str, Any] = {
        "name": registry.short_name(entry),
        "kind": entry.kind,
        "id": entry.id,
        "version": entry.version,
        "summary": entry.item.summary,
        "paper": getattr(entry.item, "paper", ""),
    }
    if entry.kind == "recipe":
        from eco_core.spec.recipes import part_names, read_recipe

        spec, overrides = read_recipe(entry.id, registry)
        names = {kind: name for kind, name in part_names(spec).items() if name not in ("none", "auto")}
        installed = {kind: _installed(kind, name, registry) for kind, name in names.items()}
        document["missing"] = [
            names[kind] + (f" ({', '.join(found.missing)})" if found else "")
            for kind, found in installed.items()
            if found is None or found.missing
        ]
        document["install"] = "; ".join(
            found.install_command for found in installed.values() if found and found.missing
        )
        document["parameters"] = [
            row
            for kind, found in installed.items()
            if found
            for row in _parameters_of_part(kind, found, spec.get(kind))
        ]
        document.update(spec=spec, overrides=overrides)
    elif entry.kind == "dataset":
        document.update(size=entry.item.size, licence=entry.item.licence, classes=entry.item.classes)  # type: ignore[union-attr]
        document["missing"], document["install"] = list(entry.missing), entry.install_command
        document["parameters"] = _parameters(entry, ("root",))
    else:
        target = entry.load()
        document["missing"], document["install"] = list(entry.missing), entry.install_command
        document["description"] = inspect.cleandoc(target.__doc__ or "")
        if entry.kind != "metric":
            document["parameters"] = _parameters(entry)
    document["command"] = _command(entry, registry)
    return document


def _parameters(entry: Entry, provided: tuple[str, ...] | None = None) -> list[dict[str, Any]]:
    from eco_core.inject.parameters import parameter_model
    from eco_core.inject.schema import json_schema
    from eco_core.plan.part import plain

    model = entry.parameters if provided is None else parameter_model(entry.load(), provided)
    schema = json_schema(model)
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    return [
        row
        for name, field in fields.items()
        for row in _rows(
            name,
            schema["properties"][name],
            schema.get("$defs", {}),
            field.is_required(),
            None if field.is_required() else plain(field.default),
        )
    ]


def _rows(
    name: str, schema: dict[str, Any], definitions: dict[str, Any], required: bool, default: Any
) -> list[dict[str, Any]]:
    """Returns the row of a parameter; a section with defaults has one row for each key, as ``--set`` names them."""
    section = definitions.get(schema.get("$ref", "").rpartition("/")[2], {}).get("properties")
    if section and isinstance(default, dict):
        rows = [_rows(f"{name}.{key}", of, definitions, False, default.get(key)) for key, of in section.items()]
        return [row for group in rows for row in group]
    return [
        {
            "name": name,
            "type": _type_text(schema, definitions),
            "required": required,
            "default": default,
            "range": _range_text(schema),
        }
    ]


def _installed(kind: str, name: str, registry: Registry) -> Entry | None:
    try:
        return registry.find(kind, name)
    except EcoError:
        return None


def _parameters_of_part(kind: str, entry: Entry, section: Any) -> list[dict[str, Any]]:
    """The parameters of a recipe's part as ``--set`` names them, with the recipe's values as defaults."""
    rows = []
    for parameter in _parameters(entry):
        given = _at(section, parameter["name"].split("."))
        default = {} if given is None else {"required": False, "default": given}
        rows.append({**parameter, **default, "name": f"{kind}.{parameter['name']}"})
    return rows


def _at(section: Any, path: list[str]) -> Any:
    for key in path:
        section = section.get(key) if isinstance(section, dict) else None
    return section


def _type_text(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type_text(option, definitions) for option in schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {_type_text(schema.get('items', {}), definitions)}"
    return str(schema.get("type") or schema.get("description") or "any")


def _range_text(schema: dict[str, Any]) -> str:
    words = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    ranges = [
        f"{sign} {option[key]:g}"
        for option in schema.get("anyOf", [schema])
        for key, sign in words.items()
        if key in option
    ]
    return ", ".join(ranges)


def _command(entry: Entry, registry: Registry) -> str:
    name = registry.short_name(entry)
    if entry.kind == "metric":
        return "eco compose --json"
    if entry.kind == "dataset":
        return f"eco compose --data {name}"
    if entry.kind == "head":
        from eco_core.parts.heads import is_differentiable

        return f"eco compose --head {name}" + (" --strategy joint" if is_differentiable(entry.load()) else "")
    if entry.kind == "objective":
        learning = _published_with(entry, registry) or _first(registry, "encoder", _learns)
        encoder = f" --encoder {learning}" if learning else ""
        return f"eco compose --objective {name}{encoder}"
    if entry.kind == "strategy" and _trains_head(entry.load()):
        from eco_core.parts.heads import is_differentiable

        head = _first(registry, "head", is_differentiable)
        return f"eco compose --strategy {name}" + (f" --head {head}" if head else "")
    return f"eco compose --{entry.kind} {name}"


def _learns(cls: Any) -> bool:
    from eco_core.parts.traits import traits_of

    return bool(traits_of(cls).learns)


def _trains_head(cls: Any) -> bool:
    from eco_core.parts.traits import traits_of

    return traits_of(cls).trains_head


def _published_with(objective: Entry, registry: Registry) -> str | None:
    """The encoder that the first recipe with this objective trains by it, if the encoder is installed."""
    from eco_core.spec.recipes import part_names, read_recipe

    for recipe in registry.entries("recipe"):
        try:
            names = part_names(read_recipe(recipe.id, registry)[0])
            if registry.find("objective", names["objective"]) is objective:
                return registry.short_name(registry.find("encoder", names["encoder"]))
        except EcoError:
            continue  # The recipe has no objective, is broken, or its parts are not installed.
    return None


def _first(registry: Registry, kind: str, accepts: Callable[[Any], Any]) -> str | None:
    """The first component that fulfils a condition, without those that cannot be loaded; None if there is none."""
    for entry in registry.entries(kind):
        try:
            if accepts(entry.load()):
                return registry.short_name(entry)
        except EcoError:
            continue
    return None
