"""What a reader sees on a terminal: formulas as plain text, and tables that fit its width."""

from __future__ import annotations

import inspect
import os
import re

import pytest

from eco_core.cli import output
from eco_core.cli.formulas import plain_formula, without_tex
from eco_core.cli.output import print_table
from eco_core.errors import EcoError
from eco_core.registry.registry import Registry
from tests.cli.conftest import Eco


@pytest.mark.parametrize(
    ("tex", "plain"),
    [
        (r"S = \hat D^{-1/2} \hat A \hat D^{-1/2}", "S = D̂^(-1/2) Â D̂^(-1/2)"),
        (r"\frac{1}{N} \sum_i \alpha_i", "1/N Σ_i α_i"),
        (r"w_c - \gamma \frac{v_c^2}{W}", "w_c - γ v_c^2/W"),
        (r"\sum_{ij} A_{ij}", "Σ_ij A_ij"),
        (r"\frac{z_i - \mu}{\sigma \sqrt N}", "(z_i - μ)/(σ sqrt(N))"),
        (r"\lVert \tilde Z \rVert_F^2", "‖ Z̃ ‖_F^2"),
        (r"\text{modularity: } x", "modularity: x"),
        (r"\bar{AB}", "bar(AB)"),
    ],
)
def test_formulas_are_plain_text(tex: str, plain: str) -> None:
    import unicodedata

    assert unicodedata.normalize("NFC", plain_formula(tex)) == unicodedata.normalize("NFC", plain)


def test_a_terminal_without_the_symbols_gets_their_names() -> None:
    text = without_tex(r"Here :math:`\gamma \in \hat A` is.", "ascii")
    assert text == "Here gamma in hat(A) is."


def test_blocks_of_formulas_are_indented_lines() -> None:
    text = without_tex("Maximises\n\n.. math::\n    a + \\beta\n    - c\n\nfor all.")
    assert text == "Maximises\n\n    a + β\n    - c\n\nfor all."


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_no_installed_component_shows_tex(encoding: str) -> None:
    shown = 0
    for entry in Registry.discover().entries():
        if entry.kind in ("recipe", "dataset"):
            continue
        try:
            text = without_tex(inspect.cleandoc(entry.load().__doc__ or ""), encoding)
        except EcoError:
            continue
        assert ":math:" not in text, entry.id
        assert not re.search(r"\\[a-zA-Z]|math::", text), entry.id
        shown += 1
    assert shown


def test_show_prints_no_tex(eco: Eco) -> None:
    result = eco("show", "modularity")
    assert result.code == 0
    assert ":math:" not in result.out


ROWS = [("encoder", "gat", "eco-gnn", "Graph attention with several heads and a skip connection in each layer, for 80")]


def test_a_table_fits_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(output.sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(output.shutil, "get_terminal_size", lambda: os.terminal_size((60, 24)))
    print_table(ROWS, ("kind", "name", "plugin", "summary"))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 60
    assert len(lines) > 2
    start = lines[0].index("summary")
    assert all(not line[: start - 1].strip() for line in lines[2:])  # The rest of a summary stands below its start.
    assert " ".join(line[start:].strip() for line in lines[1:]) == ROWS[0][3]


def test_piped_tables_have_one_line_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(ROWS, ("kind", "name", "plugin", "summary"))
    assert len(capsys.readouterr().out.splitlines()) == 2
