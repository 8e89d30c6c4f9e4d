"""The page of what the API version covers says what the code has, and nothing is taken away unnoticed."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from types import ModuleType

import pytest

import eco_core
import eco_core.data
import eco_core.parts
from eco_core.inject.parameters import PROVIDED
from eco_core.parts.step import ENCODED_NAMES, NAMES
from eco_core.parts.traits import Traits
from eco_core.registry.records import HOOKS

PAGE = Path(__file__).parents[2] / "docs" / "api-version.md"


def section(title: str) -> str:
    text = PAGE.read_text(encoding="utf-8")
    return re.split(r"^## ", text.partition(f"## {title}\n")[2], flags=re.MULTILINE)[0]


def names_of(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Names of the top level", set(eco_core.__all__)),
        ("Hooks", {hook for hook, _ in HOOKS.values()} | {"eco_api"}),
        ("Names that constructors may ask for", set(PROVIDED)),
        ("Names that calls may ask for", {*NAMES, *ENCODED_NAMES}),
        ("Traits", {field.name for field in dataclasses.fields(Traits)}),
    ],
)
def test_the_page_lists_what_the_code_has(title: str, expected: set[str]) -> None:
    assert names_of(section(title)) == expected


@pytest.mark.parametrize("room", [eco_core.parts, eco_core.data], ids=lambda room: room.__name__)
def test_the_page_lists_the_names_of_the_public_rooms(room: ModuleType) -> None:
    line = section("Names of the public rooms").partition(f"`{room.__name__}`:")[2].partition("\n- ")[0]
    assert names_of(line) == set(room.__all__)
