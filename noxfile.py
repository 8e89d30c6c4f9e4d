"""The sessions that test ECO. ``nox`` alone runs the default one: lint, types and tests."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

import nox
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent
PLUGINS = sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))
CONSTRAINTS = ("-c", str(ROOT / "constraints.txt"))
OPTIONAL = ("infomap", "leidenalg")  # Packages of the plugins' extras; tests that need them are skipped without them.

nox.options.sessions = ["tests"]
nox.options.error_on_missing_interpreters = True


def pytest(session: nox.Session, *arguments: str) -> None:
    """Runs pytest on two processes, each with one thread: the tests' graphs are tiny."""
    environment = {"OMP_NUM_THREADS": "1"}
    session.run("python", "-m", "pytest", "-n", "2", "--dist", "loadscope", *arguments, env=environment)


@nox.session
def tests(session: nox.Session) -> None:
    """Lint, types, and the whole suite with every plugin installed."""
    session.install(*CONSTRAINTS, ".[dev]", *OPTIONAL, *map(str, PLUGINS))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    sources = [str(plugin / "src") for plugin in PLUGINS]
    others = ("benchmarks", "conftest.py", "noxfile.py")
    session.run("mypy", "eco_core", *sources, "examples/eco-example-head/src", "tests", *others)
    # One run for each folder, because test modules are in no package and have equal names in several folders.
    for folder in (*(plugin / "tests" for plugin in PLUGINS), ROOT / "examples" / "eco-example-head" / "tests"):
        session.run("mypy", str(folder))
    pytest(session, "-m", "not quality", *session.posargs)


@nox.session
def core_alone(session: nox.Session) -> None:
    """The core's tests with no plugin installed."""
    session.install(*CONSTRAINTS, ".[dev]")
    pytest(session, "tests", "-m", "not quality and not install", *session.posargs)


@nox.session
def plugins(session: nox.Session) -> None:
    """Each plugin from its wheel, beside the core alone, in one environment."""
    wheels = Path(session.create_tmp()).resolve() / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    session.install(*CONSTRAINTS, ".[dev]")
    for plugin in PLUGINS:
        session.run("python", "-m", "build", "--wheel", "--outdir", str(wheels), str(plugin), silent=True)
        wheel = next(wheels.glob(f"{plugin.name.replace('-', '_')}-*.whl"))
        session.install(*CONSTRAINTS, "--no-deps", "--force-reinstall", str(wheel))
        session.run("eco", "plugins")
        pytest(session, str(plugin / "tests"), "-m", "not quality", *session.posargs)
        session.run("python", "-m", "pip", "uninstall", "--yes", plugin.name, silent=True)


@nox.session
def matrix(session: nox.Session) -> None:
    """Every combination of parts that passes the check trains two epochs."""
    session.install(*CONSTRAINTS, ".[dev]", *OPTIONAL, *map(str, PLUGINS))
    session.run(
        "python", "-m", "pytest", "-n", "2", "tests/matrix", env={"ECO_FULL_MATRIX": "1", "OMP_NUM_THREADS": "1"}
    )


@nox.session(python=["3.10", "3.13"])
def pythons(session: nox.Session) -> None:
    """Everything that needs no torch, on the oldest supported Python and on the newest that the packages support.

    Covered: the syntax of every module, the light verbs of the command line, and loading all plugins. Not covered: the
    tests, and anything that trains, since torch's wheels for other Pythons can be gigabytes. `mypy` checks all code for
    the oldest supported Python.
    """
    session.install(*CONSTRAINTS, *_LIGHT)
    session.install("--no-deps", ".", *map(str, PLUGINS))
    session.run("python", "-m", "compileall", "-q", "eco_core", *(str(plugin / "src") for plugin in PLUGINS))
    for words in (
        ("--version",),
        ("list",),
        ("list", "heads", "--where", "finds_k"),
        ("plugins",),
        ("explain", "ECO201"),
    ):
        session.run("eco", *words, silent=True)


_LIGHT = (
    "hatchling>=1.26",
    "importlib-metadata>=8.0",
    "packaging>=24.2",
    "platformdirs>=4.0",
    "pluggy>=1.5",
    "pydantic>=2.9",
    "PyYAML>=6.0",
    "rich>=13.0",
    "typer>=0.20",
)


@nox.session(python="3.11")
def lowest(session: nox.Session) -> None:
    """The suite with the lowest versions that the packages and their extras allow, except torch.

    It runs on Python 3.11, since some of these versions have no wheel for a later one. A dependency that no package of
    ours names has no lowest version here: pip takes the newest that fits.
    """
    lowest_versions = Path(session.create_tmp()).resolve() / "lowest.txt"
    lowest_versions.write_text(_lowest_versions(), encoding="utf-8")
    session.install("-c", str(lowest_versions), ".[dev]", *OPTIONAL, *map(str, PLUGINS))
    pytest(session, "tests", "plugins", "-m", "not quality and not install", *session.posargs)


def _lowest_versions() -> str:
    """Pins ``name>=version`` of the core, the plugins and all their extras; torch stays as in the constraints."""
    highest: dict[str, Version] = {}  # Of the lower bounds, where packages give several for one name.
    for folder in (ROOT, *PLUGINS):
        project = nox.project.load_toml(folder / "pyproject.toml")["project"]
        extras = project.get("optional-dependencies", {}).values()
        for requirement in map(Requirement, itertools.chain(project["dependencies"], *extras)):
            name = canonicalize_name(requirement.name)
            bounds = [Version(bound.version) for bound in requirement.specifier if bound.operator == ">="]
            if bounds and not name.startswith("eco-") and name != "torch":
                highest[name] = max(bounds + ([highest[name]] if name in highest else []))
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    torch = [line for line in constraints if line.startswith("torch==")]
    return "\n".join([*(f"{name}=={version}" for name, version in sorted(highest.items())), *torch]) + "\n"


@nox.session
def docs(session: nox.Session) -> None:
    """Every snippet of the README and the docs, executed."""
    session.install(*CONSTRAINTS, ".[dev]", *map(str, PLUGINS))
    pytest(session, "tests/unit/test_docs.py", *session.posargs)


@nox.session
def quality(session: nox.Session) -> None:
    """Slow runs on real graphs: the figures that a release promises."""
    session.install(*CONSTRAINTS, ".[dev]", *map(str, PLUGINS))
    session.run("python", "-m", "pytest", "-m", "quality", "tests", "plugins", "-s", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """ECO and PyAGC side by side, and the kernels; takes hours. If it is stopped, starting it again resumes it.

    Arguments go to the comparison, for example ``-- --data cora --recipes dgi,gae``.
    """
    session.install(*CONSTRAINTS, ".", "pyagc>=1.1,<1.2", *map(str, PLUGINS))
    results = ROOT / "benchmarks" / "results"
    data_root = os.environ.get("ECO_TEST_DATA", str(ROOT.parent / "shared" / "data"))
    compare = ["python", "-m", "benchmarks.side_by_side.compare", "--out", str(results / "side_by_side.jsonl")]
    compare += ["--data-root", data_root, "--threads", "1", "--memory-limit", "16", "--pairs", "3"]
    session.run(*compare, "--data", "all", "--epochs", "physics=3,arxiv=3", *session.posargs)
    large = ["python", "-m", "benchmarks.scale", "--out", str(results / "scale.jsonl")]
    work = Path(session.create_tmp()).resolve()
    session.run(*large, "--size", "products", "--work", str(work / "products"), "--memory-limit", "20")
    few = ["--steps", "arrays,convert,sampling,gcn", "--memory-limit", "12"]
    session.run(*large, "--size", "large", "--work", str(work / "large"), *few)
    session.run("python", "-m", "benchmarks.kernels", "--threads", "1", "--out", str(results / "kernels.md"))
    session.run("python", "-m", "benchmarks.results")
