"""The first compilation on a machine is said, once; loading compiled kernels is not."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eco_core.model.composition import Composition
from eco_core.ops.compile_notice import COMPILING, compilation_starts, compile_notices
from eco_core.ops.compiled import compiled
from eco_core.runs.run import run


def _doubled(values: Any) -> None:
    for place in range(values.shape[0]):
        values[place] *= 2


_doubled.__module__ = "eco_core.ops._test_kernels"


def test_compiling_says_so_once_and_a_compiled_kernel_says_nothing() -> None:
    kernel = compiled(_doubled)
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
