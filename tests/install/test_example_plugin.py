"""A stranger's plugin: built to a wheel, installed into a fresh environment, composed by name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "eco-example-head"


def run(*command: object, **options) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, env=environment, timeout=300, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment of its own, in which the wheel of the example is installed."""
    folder = tmp_path_factory.mktemp("fresh")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "dist", EXAMPLE)
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / "bin" / "python"
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").stdout.strip()
    # What the example depends on (eco-core, torch ...) is borrowed from the environment of this test.
    (Path(site) / "borrowed.pth").write_text(f"import site; site.addsitedir({sysconfig.get_paths()['purelib']!r})\n")
    wheel = next((folder / "dist").glob("*.whl"))
    run(python, "-m", "pip", "install", "--no-index", "--no-deps", wheel)
    return python


@pytest.mark.install
def test_the_example_is_listed_with_its_provenance(python: Path, tmp_path: Path):
    listed = json.loads(run(python, "-m", "eco_core.cli", "list", "heads", "--json", cwd=tmp_path).stdout)
    assert {"eco-example-head:graph-aware"} <= {entry["id"] for entry in listed}
    plugins = json.loads(run(python, "-m", "eco_core.cli", "plugins", "--json", cwd=tmp_path).stdout)
    assert {"eco-example-head": "ok"}.items() <= {p["distribution"]: p["status"] for p in plugins}.items()


@pytest.mark.install
def test_the_example_is_composed_by_name_through_the_command_line(python: Path, tmp_path: Path):
    command = ("compose", "--head", "graph-aware", "--strategy", "joint", "--data", "karate", "--epochs", "20")
    options = ("--set", "head.alpha=0.5", "--out", "run", "--json")
    document = json.loads(run(python, "-m", "eco_core.cli", *command, *options, cwd=tmp_path).stdout)
    assert document["spec"]["head"] == {"name": "graph-aware", "alpha": 0.5}
    assert document["metrics"]["n_clusters"] <= 4
    rows = (tmp_path / "run" / "assignments.csv").read_text().splitlines()
    assert len(rows) == 1 + 34
    again = run(python, "-m", "eco_core.cli", "compose", "run/spec.yaml", "--out", "again", cwd=tmp_path)
    assert "run folder: again" in again.stdout
    assert (tmp_path / "again" / "assignments.csv").read_text().splitlines() == rows
