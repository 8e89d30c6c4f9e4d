"""The command line as a user has it: called in a folder of its own, its streams and exit code in hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from eco_core.cli import main

FIXTURES = Path(__file__).parents[1] / "fixtures" / "plugins"


@dataclass(frozen=True)
class Result:
    """What one call of the command line left.

    Attributes:
        code: The exit code.
        out: What it wrote on stdout.
        err: What it wrote on stderr.
    """

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document that stdout is."""
        return json.loads(self.out)


Eco = Callable[..., Result]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of the developer's shell counts, and the plugins of one test are not those of the next."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ECO_BLOCK_PLUGINS", raising=False)
    monkeypatch.setenv("ECO_DATA_ROOT", str(tmp_path / "no-data"))
    yield
    for name, module in list(sys.modules.items()):
        if Path(getattr(module, "__file__", None) or "").is_relative_to(FIXTURES):
            del sys.modules[name]


@pytest.fixture
def eco(capsys: pytest.CaptureFixture[str]) -> Eco:
    """Runs ``eco`` in this process."""

    def run(*words: str | Path) -> Result:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Installs plugins of the fixtures folder for this process."""

    def install(*folders: str) -> None:
        for folder in reversed(folders):
            monkeypatch.syspath_prepend(FIXTURES / folder)

    return install


@pytest.fixture
def eco_process() -> Eco:
    """Runs ``eco`` in a process of its own, with plugins of the fixtures folder on ``PYTHONPATH``."""

    def run(*words: str | Path, plugins: tuple[str, ...] = (), **environment: str) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "eco_core.cli", *map(str, words)],
            env=process_environment(plugins, **environment),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return run


def process_environment(plugins: tuple[str, ...] = (), **more: str) -> dict[str, str]:
    """The environment of a process that finds this core and plugins of the fixtures folder."""
    root = Path(__file__).parents[2]
    places = [*(FIXTURES / plugin for plugin in plugins), root, os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, map(str, places))), **more}


@pytest.fixture
def popen() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts ``eco`` with the good fixture plugin, in the background; it is ended with the test."""
    running = []

    def start(*words: str | Path, **options: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "eco_core.cli", *map(str, words)],
            env=process_environment(("good",)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
