"""What does not compute starts at once: neither the package nor a verb imports more than it needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.conftest import process_environment

HEAVY = {"torch", "torch_geometric", "sklearn", "numba", "pandas", "matplotlib", "scipy", "lightning_fabric", "joblib"}


def imported_packages(*words: str) -> set[str]:
    """The top-level packages that ``eco`` imports for these words."""
    return imported_by("-m", "eco_core.cli", *words)


def imported_by(*arguments: str) -> set[str]:
    """The top-level packages that a Python process imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        env=process_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    times = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    assert len(times) > 50, "importtime must have said something"
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in times}


@pytest.mark.parametrize(
    "words",
    [("list",), ("list", "--json"), ("--help",), ("compose", "--help"), ("plugins",), ("data", "list"), ("--version",)],
    ids=" ".join,
)
def test_verbs_that_only_look_import_nothing_heavy(words: tuple[str, ...]) -> None:
    packages = imported_packages(*words)
    assert "eco_core" in packages
    assert not packages & HEAVY


@pytest.mark.parametrize(
    "code",
    [
        "from eco_core import Component, hookimpl, Encoder, Stage, CompositionError",
        "from eco_core.registry import Registry; Registry.discover()",
    ],
)
def test_importing_the_package_imports_nothing_heavy(code: str) -> None:
    packages = imported_by("-c", code)
    assert "eco_core" in packages
    assert not packages & HEAVY


def test_imports_are_seen_by_these_tests() -> None:
    assert "torch" in imported_by("-c", "import eco_core; eco_core.LossOutput")


def test_the_first_epoch_does_not_wait_for_scikit_learn() -> None:
    code = """
import sys
import eco_core as eco

model = eco.compose(encoder="identity", head="kmeans")
model.load_graph()
sys.exit("torch" not in sys.modules or "sklearn" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], env=process_environment(), timeout=60, check=False)
    assert done.returncode == 0
