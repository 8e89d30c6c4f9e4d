"""Constructors that check their arguments by their annotations."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field
from torch import nn

import eco_core.transforms
from eco_core.inject import checked, parameter_model
from eco_core.registry.registry import Entry, Registry
from eco_core.transforms import DropEdges

Rate = Annotated[float, Field(gt=0)]


@checked
class Part(nn.Module):
    """A part with ranges of several kinds."""

    def __init__(
        self,
        width: int,
        count: Annotated[int, Field(ge=1)] = 2,
        kind: Literal["a", "b"] | None = None,
        rates: Annotated[Sequence[Rate], Field(min_length=1)] = (0.5,),
        **extra: Any,
    ) -> None:
        super().__init__()
        self.width, self.count, self.kind, self.rates, self.extra = width, count, kind, rates, extra


@checked
@dataclass(frozen=True)
class Options:
    """A frozen data class."""

    share: Annotated[float, Field(ge=0, lt=1)] = 0.0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"count": 0}, r"^count is 0: input should be greater than or equal to 1\.$"),
        ({"count": "many"}, r"^count is 'many': input should be a valid integer"),
        ({"kind": "c"}, r"^kind is 'c': input should be 'a' or 'b'"),
        ({"rates": [1.0, 0.0]}, r"^rates is \[1\.0, 0\.0\]: input should be greater than 0\.$"),
        ({"rates": []}, r"^rates is \[\]: .* at least 1 item"),
    ],
)
def test_a_value_out_of_its_range_is_refused_with_its_name(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Part(3, **wrong)


def test_positional_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="count is -1"):
        Part(3, -1)


def test_other_arguments_pass_as_they_are() -> None:
    part = Part("wide", anything=[1])  # type: ignore[arg-type]
    assert (part.width, part.count, part.extra) == ("wide", 2, {"anything": [1]})


def test_the_integers_of_numpy_become_integers() -> None:
    assert type(Part(3, np.int64(4)).count) is int


def test_a_data_class_is_checked_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="share is nan"):
        Options(float("nan"))
    assert Options(0.5) == Options(share=0.5)


def test_python_reports_arguments_that_are_missing_or_unknown() -> None:
    with pytest.raises(TypeError, match=r"Part\.__init__\(\) missing 1 required positional argument: 'width'"):
        Part()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'probability'"):
        Options(probability=0.1)  # type: ignore[call-arg]


def test_the_signature_stays_as_it_is_written() -> None:
    assert list(inspect.signature(Part).parameters) == ["width", "count", "kind", "rates", "extra"]
    assert list(parameter_model(Part).model_fields) == ["p_width", "p_count", "p_kind", "p_rates"]


def test_checked_objects_can_be_pickled_and_copied() -> None:
    for again in (pickle.loads(pickle.dumps(DropEdges(0.1))), copy.deepcopy(DropEdges(0.1))):
        assert again == DropEdges(0.1)


@given(st.floats(allow_nan=True))
def test_a_direct_call_accepts_what_the_annotation_accepts(share: float) -> None:
    accepted = True
    try:
        Options(share)
    except ValueError:
        accepted = False
    assert accepted == (0 <= share < 1)


def _declares_range(schema: dict[str, Any]) -> bool:
    bounds = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "enum", "minItems"}
    return bool(bounds & schema.keys()) or any(map(_declares_range, schema.get("anyOf", [])))


def _ranges(entry: Entry) -> list[str]:
    properties = entry.parameters.model_json_schema().get("properties", {})
    return [name for name, schema in properties.items() if _declares_range(schema)]


def test_ranges_of_every_component_hold_for_direct_calls() -> None:
    registry = Registry.discover()
    entries = [entry for kind in ("encoder", "head", "objective", "strategy") for entry in registry.entries(kind)]
    ranges = [(entry.load(), name) for entry in entries for name in _ranges(entry)]
    assert len(ranges) > 3  # Those of k-means at least.
    for cls, name in ranges:
        parameters = inspect.signature(cls).parameters.values()
        required = {parameter.name: 4 for parameter in parameters if parameter.default is parameter.empty}
        with pytest.raises(ValueError, match=f"^{name} is <object object"):
            cls(**{**required, name: object()})


@pytest.mark.parametrize("name", ["MaskFeatures", "DropEdges", "AddNoise", "GSSLTransform"])
def test_ranges_of_every_transform_hold(name: str) -> None:
    cls = getattr(eco_core.transforms, name)
    for parameter in ("p", "mode", "std", "p_feat_mask", "p_edge_drop", "noise_std", "feat_mask_mode"):
        if parameter in inspect.signature(cls).parameters:
            with pytest.raises(ValueError, match=f"^{parameter} is -1"):
                cls(**{parameter: -1})
