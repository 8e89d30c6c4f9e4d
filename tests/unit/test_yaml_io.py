"""YAML as people mean it: numbers, duplicates, safety, and round trips."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from eco_core.errors import SpecError
from eco_core.spec.yaml_io import dump_yaml, load_yaml


def refused(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        load_yaml(text, "spec.yaml")
    (problem,) = caught.value.problems
    assert problem.code == "ECO106"
    assert problem.message.startswith("spec.yaml ")
    return problem.message


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1e-3", 0.001),
        ("5E4", 50000.0),
        ("+1e+2", 100.0),
        (".5", 0.5),
        ("-.5e-1", -0.05),
        ("1.", 1.0),
        ("1_000", 1000),
        ("1_000.5", 1000.5),
        ("1.0e-05", 0.00001),
        ("0", 0),
        ("-7", -7),
        (".inf", math.inf),
        ("-.INF", -math.inf),
    ],
)
def test_numbers_are_numbers(text: str, number: float) -> None:
    value = load_yaml(f"lr: {text}", "spec.yaml")["lr"]
    assert value == number
    assert type(value) is type(number)
    assert load_yaml(text, "--set") == number


@pytest.mark.parametrize("text", ["gat", "1e", "e-3", "1e-3x", "._", "'1e-3'", "1.2.3", "none", "auto", "-"])
def test_text_stays_text(text: str) -> None:
    assert isinstance(load_yaml(f"[{text}]", "spec.yaml")[0], str)


def test_not_a_number_is_a_float() -> None:
    assert math.isnan(load_yaml(".nan", "spec.yaml"))


@pytest.mark.parametrize("text", ["a: 1\na: 2", "x: {b: 1, c: 2, b: 1}", "[{a: 1, 'a': 1}]", "1: a\n1: b"])
def test_a_key_given_twice_is_refused_with_its_place(text: str) -> None:
    message = refused(text)
    assert "given twice" in message
    assert "line" in message
    assert "column" in message


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['true']",
        "a: !!python/name:os.system",
        "a: !!python/tuple [1]",
        "a: !unknown 1",
    ],
)
def test_tags_that_name_python_objects_are_refused(text: str) -> None:
    assert "tag" in refused(text)


@pytest.mark.parametrize(
    "text", ["a: b: c", "[1, 2", "{[1]: 2}", "{{a: 1}: 2}", "a: *nothing", "--- 1\n--- 2", "a: \x00"]
)
def test_what_is_no_yaml_is_refused(text: str) -> None:
    assert "not valid YAML" in refused(text)


def test_a_mapping_can_be_merged_into_another() -> None:
    text = "base: &base {lr: 1e-3, epochs: 5}\nlong: {<<: *base, epochs: 50}"
    assert load_yaml(text, "spec.yaml")["long"] == {"lr": 0.001, "epochs": 50}


def test_an_empty_text_is_none() -> None:
    assert load_yaml("", "spec.yaml") is None
    assert load_yaml("# only a comment", "spec.yaml") is None


def test_keys_are_written_in_their_order_and_tuples_as_lists() -> None:
    assert dump_yaml({"b": (1, 2), "a": 1e-05}) == "b:\n- 1\n- 2\na: 1.0e-05\n"


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)


def same(one: Any, other: Any) -> bool:
    """Whether two documents are equal, types included: 1 is not 1.0 and not True."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@given(documents)
@example({"lr": 1e-05, "name": "1e-3", "big": 1e16, "tiny": 5e-324, "breaks": "\x85\u2028\u2029\r\n", "<<": "="})
def test_what_is_written_is_read_back(document: Any) -> None:
    assert same(load_yaml(dump_yaml(document), "spec.yaml"), document)


@given(st.floats(allow_nan=False))
def test_other_readers_see_the_same_numbers(number: float) -> None:
    assert yaml.safe_load(dump_yaml([number])) == [number]


def test_not_a_number_is_written_and_read_back() -> None:
    assert math.isnan(load_yaml(dump_yaml([math.nan]), "spec.yaml")[0])
