"""The first compilation on a machine is said, once; loading compiled kernels is not."""

from __future__ import annotations

import importlib.util
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eco_core.model.composition import Composition
from eco_core.ops.compile_notice import COMPILING, compilation_starts, compile_notices
from eco_core.ops.compiled import compiled
from eco_core.runs.run import run

KERNEL = """
def doubled(values):
    for place in range(values.shape[0]):
        values[place] *= 2
"""


@pytest.fixture
def doubled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that no earlier run has compiled: numba keeps what it compiled beside the file."""
    path = tmp_path / "kernels.py"
    path.write_text(KERNEL)
    spec = importlib.util.spec_from_file_location("eco_core.ops._made_kernels", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module.doubled


def test_compiling_says_so_once_and_a_compiled_kernel_says_nothing(doubled: Any) -> None:
    kernel = compiled(doubled)
    heard: list[str] = []
    with compile_notices(heard.append):
        kernel(np.ones(3))
        kernel(np.ones(3, dtype=np.float32))
    assert heard == [COMPILING]
    with compile_notices(heard.append):
        kernel(np.ones(3))
    assert heard == [COMPILING]


def test_nobody_is_told_after_the_context_ended() -> None:
    heard: list[str] = []
    with compile_notices(heard.append):
        pass
    compilation_starts()
    assert heard == []


def test_a_run_shows_and_keeps_what_it_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = {"encoder": "eco-core:identity", "data": "karate", "clusters": 2, "report": False}
    load = Composition.load_graph

    def compiling_load(model: Composition, *arguments: Any, **options: Any) -> Any:
        compilation_starts()
        return load(model, *arguments, **options)

    class CompilingCallback:
        def on_stage_start(self, *_: Any) -> None:
            compilation_starts()

        def on_fit_end(self, *_: Any) -> None:
            compilation_starts()

    terminal = io.StringIO()
    late = run(spec, out=tmp_path / "late", stream=terminal, callbacks=[CompilingCallback()])  # type: ignore[list-item]
    assert terminal.getvalue().count(COMPILING) == 1
    assert (late.folder / "log.txt").read_text().count(COMPILING) == 1

    monkeypatch.setattr(Composition, "load_graph", compiling_load)
    terminal = io.StringIO()
    early = run(spec, out=tmp_path / "early", stream=terminal)
    assert terminal.getvalue().count(COMPILING) == 1
    assert (early.folder / "log.txt").read_text().count(COMPILING) == 1
