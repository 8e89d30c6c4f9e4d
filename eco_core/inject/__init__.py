"""Reads signatures: the names that a call wants, and the parameters of a constructor.

The names of this package are imported on first use: only the parameter models import pydantic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eco_core import _lazy

if TYPE_CHECKING:
    from eco_core.inject.calls import (
        FILLED_OPTIONAL,
        Wanted,
        call,
        call_names,
        describe,
        method_names,
        missing_names,
    )
    from eco_core.inject.parameters import PROVIDED, ParameterModel, parameter_model
    from eco_core.inject.problems import nested_model, parameter_names, problems_of
    from eco_core.inject.ranges import checked
    from eco_core.inject.schema import json_schema

_HOMES = {
    "FILLED_OPTIONAL": "eco_core.inject.calls",
    "PROVIDED": "eco_core.inject.parameters",
    "ParameterModel": "eco_core.inject.parameters",
    "Wanted": "eco_core.inject.calls",
    "call": "eco_core.inject.calls",
    "call_names": "eco_core.inject.calls",
    "checked": "eco_core.inject.ranges",
    "describe": "eco_core.inject.calls",
    "json_schema": "eco_core.inject.schema",
    "method_names": "eco_core.inject.calls",
    "missing_names": "eco_core.inject.calls",
    "nested_model": "eco_core.inject.problems",
    "parameter_model": "eco_core.inject.parameters",
    "parameter_names": "eco_core.inject.problems",
    "problems_of": "eco_core.inject.problems",
}

__all__ = [
    "FILLED_OPTIONAL",
    "PROVIDED",
    "ParameterModel",
    "Wanted",
    "call",
    "call_names",
    "checked",
    "describe",
    "json_schema",
    "method_names",
    "missing_names",
    "nested_model",
    "parameter_model",
    "parameter_names",
    "problems_of",
]

__getattr__, __dir__ = _lazy.attach(__name__, _HOMES)
