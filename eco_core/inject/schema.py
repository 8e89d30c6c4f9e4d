"""The JSON Schema of parameter models."""

from __future__ import annotations

from typing import Any, ClassVar

import pydantic
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue


class _PythonTypesSchema(GenerateJsonSchema):
    """JSON Schema in which values that only Python can hold (callables, instances) are left open."""

    ignored_warning_kinds: ClassVar[set[Any]] = {"skipped-choice", "non-serializable-default"}  # type: ignore[misc]

    def callable_schema(self, schema: Any) -> JsonSchemaValue:
        return {"description": "a Python callable"}

    def is_instance_schema(self, schema: Any) -> JsonSchemaValue:
        return {"description": f"an instance of {schema['cls'].__name__}"}


def json_schema(model: type[pydantic.BaseModel], prefix: str = "") -> dict[str, Any]:
    """Returns the JSON Schema of a parameter model; parameters that only Python can give are left open.

    Args:
        model: A model that `parameter_model` returned.
        prefix: Prefix of the names of nested models (in ``$defs``); it keeps the models of several components apart.
    """
    schema = model.model_json_schema(
        by_alias=True, schema_generator=_PythonTypesSchema, ref_template=f"#/$defs/{prefix}{{model}}"
    )
    if "$defs" in schema:
        schema["$defs"] = {f"{prefix}{name}": definition for name, definition in schema["$defs"].items()}
    return schema
