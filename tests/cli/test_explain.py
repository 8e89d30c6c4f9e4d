"""``eco explain``: what an error code means."""

from __future__ import annotations

import pytest

from eco_core.errors import CODES
from tests.cli.conftest import Eco


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_explained(eco: Eco, code: str) -> None:
    result = eco("explain", code)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"{code}: {CODES[code].title}\n")
    assert CODES[code].fix in result.out


def test_each_cause_has_its_line(eco: Eco) -> None:
    lines = eco("explain", "eco209").out.splitlines()
    assert lines[0] == "ECO209: bad output of a part"
    assert "  - a loss that is not a scalar" in lines
    assert sum(line.startswith("  - ") for line in lines) == 6


def test_json_is_one_document(eco: Eco) -> None:
    document = eco("explain", "ECO401", "--json").document
    assert list(document) == ["code", "title", "cause", "fix"]
    assert document["code"] == "ECO401"


@pytest.mark.parametrize(("word", "suggested"), [("ECO290", "'ECO209'"), ("209", "'ECO209'"), ("no", "Known here")])
def test_an_unknown_code_is_a_mistake_with_suggestions(eco: Eco, word: str, suggested: str) -> None:
    result = eco("explain", word)
    assert result.code == 2
    assert result.err.startswith(f"ECO101  There is no error code {word!r}.")
    assert suggested in result.err
