"""What does not compute starts at once: no verb imports more than it needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.conftest import process_environment

HEAVY = {"torch", "torch_geometric", "sklearn", "numba", "pandas", "matplotlib", "scipy", "lightning_fabric", "joblib"}


def imported_packages(*words: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "eco_core.cli", *words],
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


def test_importing_the_package_imports_no_torch() -> None:
    code = "import sys, eco_core; from eco_core import hookimpl, Component; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=process_environment(), timeout=60, check=False)
    assert done.returncode == 0


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
