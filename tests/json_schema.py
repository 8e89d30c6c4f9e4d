"""A checker for the part of JSON Schema that ECO writes: the library for it is no dependency."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list, tuple),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}
KEYWORDS = {
    "$defs", "$ref", "additionalProperties", "anyOf", "const", "default", "description", "enum", "exclusiveMaximum",
    "exclusiveMinimum", "items", "maxItems", "maximum", "minItems", "minimum", "prefixItems", "properties", "required",
    "title", "type",
}  # fmt: skip


def subschemas(schema: Any) -> Iterator[dict[str, Any]]:
    """A schema and all those within it."""
    yield schema
    for key in ("$defs", "properties"):
        for inner in schema.get(key, {}).values():
            yield from subschemas(inner)
    for key in ("anyOf", "prefixItems"):
        for inner in schema.get(key, []):
            yield from subschemas(inner)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from subschemas(schema[key])


def errors_of_schema(document: dict[str, Any]) -> list[str]:
    """What is wrong with a schema itself."""
    found = []
    for schema in subschemas(document):
        found += [f"unknown keyword {key!r}" for key in schema.keys() - KEYWORDS]
        if "type" in schema and schema["type"] not in TYPES:
            found.append(f"unknown type {schema['type']!r}")
        if "$ref" in schema and resolve(document, schema["$ref"]) is None:
            found.append(f"{schema['$ref']} refers to nothing")
        found += [f"{name!r} is required but no property" for name in missing_properties(schema)]
        if any(not isinstance(schema.get(key, []), list) or schema.get(key) == [] for key in ("anyOf", "enum")):
            found.append("an empty choice")
    return found


def missing_properties(schema: dict[str, Any]) -> set[str]:
    """Required names that are no properties."""
    return set(schema.get("required", [])) - set(schema.get("properties", {}))


def resolve(document: dict[str, Any], reference: str) -> dict[str, Any] | None:
    """What a ``$ref`` refers to."""
    head, _, name = reference.partition("#/$defs/")
    return None if head else document.get("$defs", {}).get(name)


def accepts(document: dict[str, Any], value: Any, schema: dict[str, Any] | None = None) -> bool:
    """Whether a value is valid by a schema of a document."""
    schema = document if schema is None else schema
    if "$ref" in schema:
        return accepts(document, value, resolve(document, schema["$ref"]) or {"enum": []})
    if "anyOf" in schema:
        return any(accepts(document, value, option) for option in schema["anyOf"])
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "const" in schema and value != schema["const"]:
        return False
    if "type" in schema:
        right_type = isinstance(value, TYPES[schema["type"]])
        if not right_type or (isinstance(value, bool) and schema["type"] in ("integer", "number")):
            return False
    limits = {
        "minimum": lambda limit: value >= limit,
        "exclusiveMinimum": lambda limit: value > limit,
        "maximum": lambda limit: value <= limit,
        "exclusiveMaximum": lambda limit: value < limit,
    }
    if isinstance(value, (int, float)) and not all(test(schema[key]) for key, test in limits.items() if key in schema):
        return False
    if isinstance(value, list):
        return all(accepts(document, item, schema["items"]) for item in value) if "items" in schema else True
    if not isinstance(value, dict):
        return True
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    if not set(schema.get("required", [])) <= set(value):
        return False
    return all(
        accepts(document, item, properties[key])
        if key in properties
        else others is True or (isinstance(others, dict) and accepts(document, item, others))
        for key, item in value.items()
    )
