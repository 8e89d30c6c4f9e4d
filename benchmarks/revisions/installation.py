"""An installation of ECO, named by its Python: its versions, commands in it, and a long-lived worker."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_WORKER = Path(__file__).with_name("worker.py")
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
_DESCRIBE = """
import json, platform
from importlib.metadata import PackageNotFoundError, version
import eco_core
versions = {"python": platform.python_version()}
for name in ("torch", "torch-geometric", "scikit-learn", "numpy", "scipy", "numba"):
    try:
        versions[name] = version(name)
    except PackageNotFoundError:
        versions[name] = "not installed"
print(json.dumps({"location": eco_core.__path__[0], "versions": versions}))
"""


class InstallationError(Exception):
    """A command in an installation failed."""


@dataclass(frozen=True)
class Done:
    """A finished command.

    Attributes:
        out: Its standard output.
        cpu_seconds: User and system time of the process and of its child processes.
    """

    out: str
    cpu_seconds: float


@dataclass(frozen=True)
class Installation:
    """ECO as installed for one Python.

    Attributes:
        side: ``before`` or ``after``.
        python: The interpreter.
    """

    side: str
    python: str

    def command(self, *words: str) -> list[str]:
        """Returns a command of its Python, which sees neither the current folder nor ``PYTHONPATH``.

        Either could put the same ECO before both installations.

        Args:
            *words: Arguments of the interpreter.
        """
        # Links are not resolved: the Python of a virtual environment is a link.
        return [str(Path(self.python).expanduser().absolute()), "-I", *words]

    def run(self, *words: str) -> Done:
        """Runs a command with one thread, in an empty folder. No other child process may end at the same time.

        Args:
            *words: Arguments of the interpreter.

        Raises:
            InstallationError: The command failed.
        """
        start = _children_seconds()
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                self.command(*words), cwd=folder, env=environment(), capture_output=True, text=True, check=False
            )
        if done.returncode:
            said = (done.stderr or done.stdout).strip()[-800:]
            raise InstallationError(f"{self.side}: {' '.join(words)[:200]}: exit code {done.returncode}: {said}")
        return Done(done.stdout, _children_seconds() - start)

    def eco(self, *words: str) -> Done:
        """Runs ``eco``.

        Args:
            *words: Arguments of ``eco``.

        Raises:
            InstallationError: The command failed.
        """
        return self.run("-m", "eco_core.cli", *words)

    def recipes(self) -> list[str]:
        """Returns the names of the installed recipes.

        Raises:
            InstallationError: ``eco list`` failed.
        """
        return [recipe["name"] for recipe in json.loads(self.eco("list", "recipes", "--json").out)]

    def describe(self) -> dict[str, Any]:
        """Returns the interpreter, the revision of ECO, and the versions of the packages that decide its figures.

        Raises:
            InstallationError: This Python has no ECO.
        """
        found = json.loads(self.run("-c", _DESCRIBE).out)
        return {"python": self.python, "revision": _revision(found["location"]), "versions": found["versions"]}


class Worker:
    """A process of an installation that answers requests one by one.

    Args:
        installation: The installation whose Python runs the process.
        log: File for the output of the process.
    """

    def __init__(self, installation: Installation, log: Path) -> None:
        self.side = installation.side
        self._log: IO[str] = log.open("a", encoding="utf-8")
        self._process = subprocess.Popen(
            installation.command(str(_WORKER)),
            cwd=log.resolve().parent,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    @property
    def is_alive(self) -> bool:
        """Whether the process can answer another request."""
        return self._process.poll() is None

    def ask(self, task: str, **values: Any) -> dict[str, Any]:
        """Sends a request and waits for the answer.

        Args:
            task: ``run`` or ``compose``.
            **values: Arguments of the task.

        Returns:
            ``status`` is ``ok`` or ``failed``; a failure has a ``message``.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"task": task, **values}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if line:
            return json.loads(line)
        return {"status": "failed", "message": f"the process ended with code {self._process.wait()}"}

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._log.close()


def environment() -> dict[str, str]:
    """Returns the variables of a process with one thread."""
    return {**os.environ, **_ONE_THREAD}


def introduction(descriptions: Sequence[dict[str, Any]]) -> str:
    """Returns the heading: the two installations, and the packages that are not the same on both sides.

    Args:
        descriptions: `Installation.describe` of before and after.
    """
    before, after = descriptions
    lines = [
        f"{side}: revision {found['revision']}, {found['python']}"
        for side, found in (("Before", before), ("After", after))
    ]
    others = [
        f"{name} {version} / {after['versions'][name]}"
        for name, version in before["versions"].items()
        if version != after["versions"][name]
    ]
    lines += [f"Packages that are not the same: {', '.join(others)}"] if others else []
    return "\n".join(f"- {line}" for line in lines)


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _revision(folder: str) -> str:
    words = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
