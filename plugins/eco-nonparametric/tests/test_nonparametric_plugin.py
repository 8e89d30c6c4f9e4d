"""What eco-nonparametric registers, and its commands for those who lack an optional library."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from eco_core.cli import main

HEADS = {"snem", "spectral", "leiden", "infomap"}


@pytest.mark.parametrize(("recipe", "library"), [("leiden", "leidenalg"), ("infomap", "infomap")])
def test_missing_library_is_one_message_that_says_what_to_install(
    recipe: str, library: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    out = tmp_path / "run"
    code = main(["compose", "--recipe", recipe, "--out", str(out), "--quiet"])
    printed = capsys.readouterr()
    assert code == 2
    assert f"pip install 'eco-nonparametric[{recipe}]'" in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""
    assert not out.exists()


@pytest.mark.parametrize("name", sorted(HEADS))
def test_show_tells_each_head_s_paper(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", f"eco-nonparametric:{name}"]) == 0
    assert "arXiv" in capsys.readouterr().out
