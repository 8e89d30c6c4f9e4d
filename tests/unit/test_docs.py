"""The words around the code: every snippet of the README and the docs runs, and what they list is what there is.

A page is read from top to bottom: its Python blocks share one namespace, all its blocks share one folder, and the
commands that start with ``eco`` run in this process. An HTML comment on the line before a block says what is special:

``<!-- file: NAME -->``           the block is a file: it is written to the page's folder
``<!-- from: PATH -->``           the block is an excerpt of a file of this repository; it is compared, then run
``<!-- output -->``               the block is what the block before printed; ``...`` stands for anything
``<!-- mistake -->``              the commands end with exit code 2
``<!-- not run: REASON -->``      only for installations, downloads, parts of files and what starts several processes;
                                  ``eco compose`` commands in it are still checked
"""

from __future__ import annotations

import contextlib
import doctest
import functools
import io
import re
import shlex
import sys
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

import eco_core
from eco_core.cli import main
from eco_core.cli.app import app
from eco_core.data.datasets.catalogue import DATASETS
from eco_core.errors import CODES
from eco_core.inject.parameters import PROVIDED
from eco_core.inject.problems import parameter_names
from eco_core.metrics.catalogue import METRICS
from eco_core.parts.stages import OptimizerSpec, StageOptions
from eco_core.parts.step import ENCODED_NAMES, NAMES
from eco_core.plan.plan import plan_run
from eco_core.registry import hookspecs
from eco_core.registry.records import Status
from eco_core.registry.registry import KINDS, Registry
from eco_core.results.folder import CHECKPOINT, EXPLAINED_FILES, RUN_FILES
from eco_core.spec.files import parse_spec
from eco_core.spec.models import DataSpec, RunSpec, TrainSpec
from tests.first_party import FIRST_PARTY

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXAMPLE = ROOT / "examples" / "eco-example-head"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
PLUGIN_PAGES = sorted([*ROOT.glob("plugins/*/README.md"), *ROOT.glob("examples/*/README.md")])
# These name no part of a plugin, so they are executed with the core alone as well.
CORE_ALONE = {"api.md", "benchmark.md", "data.md", "errors.md", "index.md", "metrics.md"}
EXAMPLE_PAGES = {DOCS / "plugins.md", EXAMPLE / "README.md"}

INSTALL_AND_RUN = (
    "pip install -c constraints.txt . ./plugins/* && eco compose --encoder gat --head dec --strategy joint"
)
INSTALL_AND_TEST = "pip install nox && nox"


# -------------------------------------------------------------------------------------------------- reading of a page


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        line: Number of its first line, after the fence.
        language: What the fence says.
        text: What is in it.
        marks: The comments before it, by their first word.
    """

    line: int
    language: str
    text: str
    marks: dict[str, str]

    @property
    def commands(self) -> list[str]:
        """Its shell commands: continued lines joined, prompts, comments and empty lines left out."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line.removeprefix("$ ").strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    lines = page.read_text(encoding="utf-8").splitlines()
    blocks, start, marks = [], None, dict[str, str]()
    for number, line in enumerate(lines):
        if start is not None:
            if line == "```":
                text = "\n".join(lines[start:number]) + "\n"
                blocks.append(Block(start + 1, lines[start - 1].removeprefix("```"), text, marks))
                start, marks = None, {}
        elif line.startswith("```"):
            start = number + 1
        elif comment := re.fullmatch(r"<!-- ([\w ]+?)(?:: (.*?))? -->", line):
            marks[comment[1]] = comment[2] or ""
        else:
            marks = {}
    assert start is None, f"{page.name}: the block at line {start} has no end."
    return blocks


def prose(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def names_in(page: str, *, table_only: bool = False) -> set[str]:
    """What a page sets in `code`; of tables only the first column."""
    lines = page.splitlines()
    cells = [line.split("|")[1] for line in lines if line.startswith("|")] if table_only else lines
    return {name for cell in cells for name in re.findall(r"`([^`\s]+)`", cell)}


# ----------------------------------------------------------------------------------------------- running of a page


class Reader:
    """Does what a reader of a page would do, block after block.

    Args:
        page: The page.
        name: Under which its Python blocks are a module.
    """

    def __init__(self, page: Path, name: str) -> None:
        self.page = page
        # A module, not a bare namespace: annotations of classes are looked up in their module.
        self.module = types.ModuleType(name)
        self.printed = ""

    def read(self, block: Block) -> None:
        """Does what one block says."""
        where = f"{self.page.name}, line {block.line}"
        if "from" in block.marks:
            source = (ROOT / block.marks["from"]).read_text(encoding="utf-8")
            assert block.text in source, f"{where} is not in {block.marks['from']}."
        if "file" in block.marks:
            path = Path(block.marks["file"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        if "output" in block.marks:
            flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            matches = doctest.OutputChecker().check_output(block.text, self.printed, flags)
            assert matches, f"{where}: the block before printed\n{self.printed}"
        elif "not run" in block.marks:
            self._check_without_running(block, where)
        elif block.language == "python":
            self._run_python(block)
        elif block.language in ("bash", "console"):
            self._run_commands(block, where)
        elif block.language == "yaml":
            self._check_spec(block, where)
        else:
            assert block.language in ("text", "toml", "csv"), f"{where}: nothing is known about {block.language!r}."

    def _run_python(self, block: Block) -> None:
        # Empty lines before it, so that a traceback shows the line of the page.
        code = compile("\n" * (block.line - 1) + block.text, str(self.page), "exec", dont_inherit=True)
        with self._recording():
            exec(code, self.module.__dict__)

    def _run_commands(self, block: Block, where: str) -> None:
        expected = 2 if "mistake" in block.marks else 0
        commands = block.commands
        assert all(command.startswith("eco ") for command in commands), f"{where}: only eco commands are run."
        with self._recording():
            codes = [main(shlex.split(command, comments=True)[1:]) for command in commands]
        assert codes == [expected] * len(commands), f"{where}: {commands} ended with {codes}\n{self.printed}"

    def _check_without_running(self, block: Block, where: str) -> None:
        reason = block.marks["not run"]
        reasons = ("installation", "download", "several processes", "a part of a file")
        assert reason in reasons, f"{where}: {reason!r} is no reason to leave a block out."
        if reason == "installation":
            assert "pip install" in block.text, where
        elif reason == "several processes":
            assert re.search(r"--devices \d|^torchrun |^srun ", block.text, re.M), where
        elif reason == "a part of a file":
            assert block.language == "toml", where
        else:
            downloaded = {dataset.name for dataset in DATASETS} - {"digits", "karate", "sbm"} | {"starmap_BY3_1k.h5ad"}
            assert downloaded & set(re.split(r'[\s"]+', block.text)), f"{where} downloads nothing."
        for command in re.findall(r"\beco compose .*", "\n".join(block.commands)):
            with self._recording():
                code = main([*shlex.split(command, comments=True)[1:], "--dry-run"])
            assert code == 0, f"{where}: {command}\n{self.printed}"

    def _check_spec(self, block: Block, where: str) -> None:
        spec = parse_spec(block.text, where)
        overrides = spec.pop("overrides", {})
        for layer in ({}, *overrides.values()):
            plan_run(Registry.discover(), spec=spec, overrides=[], flags=layer)

    @contextlib.contextmanager
    def _recording(self) -> Iterator[None]:
        stream = io.StringIO()
        with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
            try:
                yield
            finally:
                self.printed = stream.getvalue()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory; nothing of the developer's shell counts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ECO_BLOCK_PLUGINS", raising=False)
    monkeypatch.setenv("ECO_DATA_ROOT", str(tmp_path / "no-data"))
    return tmp_path


@pytest.fixture
def example_plugin(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installs the example plugin for this process, as its pyproject.toml says."""
    text = (EXAMPLE / "pyproject.toml").read_text(encoding="utf-8")
    site = tmp_path_factory.mktemp("site")
    info = site / "eco_example_head-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: eco-example-head\nVersion: 0.1.0\n", encoding="utf-8")
    entry_points = re.search(r'^\[project\.entry-points\."(eco\.plugins)"\]\n(\S+) = "(\S+)"$', text, re.M)
    assert entry_points is not None
    (info / "entry_points.txt").write_text("[{}]\n{} = {}\n".format(*entry_points.groups()), encoding="utf-8")
    monkeypatch.syspath_prepend(site)  # Its modules are on the path of every test (see pyproject.toml).


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_snippet_runs(page: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if page.name not in CORE_ALONE:
        for plugin in FIRST_PARTY:
            pytest.importorskip(plugin)
    if page in EXAMPLE_PAGES:
        request.getfixturevalue("example_plugin")
    reader = Reader(page, f"page_{page.stem.replace('-', '_')}")
    monkeypatch.setitem(sys.modules, reader.module.__name__, reader.module)
    for block in blocks_of(page):
        reader.read(block)


@pytest.mark.usefixtures("folder", "example_plugin")
@pytest.mark.parametrize("page", PLUGIN_PAGES, ids=lambda page: page.parent.name)
def test_every_command_of_a_plugin_s_readme_is_valid(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for plugin in FIRST_PARTY:
        pytest.importorskip(plugin)
    commands = [c for block in blocks_of(page) for c in block.commands if c.startswith("eco ")]
    assert commands
    for command in commands:
        words = shlex.split(command, comments=True)[1:]
        assert main([*words, "--dry-run"] if words[0] == "compose" else words) == 0, command
    assert capsys.readouterr().out


# --------------------------------------------------------------------------------------------- what the pages say


def test_the_first_screen_of_the_readme_has_the_two_commands() -> None:
    first_screen = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:25]
    assert INSTALL_AND_RUN in first_screen
    assert INSTALL_AND_TEST in first_screen


@pytest.mark.parametrize("kind", ["encoder", "head", "objective", "strategy", "recipe"])
def test_the_readme_lists_exactly_the_parts_that_are_installed(kind: str) -> None:
    for plugin in FIRST_PARTY:
        pytest.importorskip(plugin)
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    (row,) = [row for row in page.splitlines() if row.startswith(f"| {kind} |")]
    ours = {"eco-core", *(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml"))}
    installed = {entry.name for entry in Registry.discover().entries(kind) if entry.distribution in ours}
    assert set(re.findall(r"`([\w-]+)`", row)) == installed


def test_every_hook_is_explained() -> None:
    hooks = {name for name, value in vars(hookspecs).items() if hasattr(value, "eco_spec")}
    assert hooks == {name for name in names_in(prose("plugins.md"), table_only=True) if name.startswith("eco_")}
    assert set(typing.get_args(Status)) <= names_in(prose("plugins.md"), table_only=True)
    assert hookspecs.ECO_API_VERSION in prose("plugins.md")
    assert hookspecs.ENTRY_POINT_GROUP in prose("plugins.md")


def test_the_page_of_errors_is_the_table_of_codes() -> None:
    rows = re.findall(r"^\| `(ECO\d{3})` \| (.+?) \| (.+?) \| (.+?) \|$", prose("errors.md"), re.M)
    without_links = [[re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", cell).replace("`", "") for cell in row] for row in rows]
    assert without_links == [[code, known.title, known.cause, known.fix] for code, known in CODES.items()]


def test_every_error_code_in_the_code_is_in_the_table_and_the_other_way_round() -> None:
    sources = [path for path in (ROOT / "eco_core").rglob("*.py") if path.name != "errors.py"]
    sources += (ROOT / "plugins").glob("*/src/**/*.py")
    used = {code for path in sources for code in re.findall(r"\"(ECO\d{3})", path.read_text(encoding="utf-8"))}
    assert used == set(CODES)


def test_every_public_name_is_explained() -> None:
    assert set(eco_core.__all__) <= names_in(prose("api.md"), table_only=True)


def test_every_name_that_can_be_asked_for_is_explained() -> None:
    assert {*PROVIDED, *NAMES, *ENCODED_NAMES} <= names_in(prose("concepts.md"), table_only=True)


@pytest.mark.parametrize("model", [RunSpec, DataSpec, TrainSpec, StageOptions, OptimizerSpec])
def test_every_key_of_a_spec_is_explained(model: type) -> None:
    assert set(parameter_names(model)) <= names_in(prose("concepts.md"), table_only=True)


def test_every_metric_data_set_and_run_file_is_explained() -> None:
    assert {metric.name for metric in METRICS} == names_in(prose("metrics.md"), table_only=True)
    assert {dataset.name for dataset in DATASETS} <= names_in(prose("data.md"), table_only=True)
    assert {*RUN_FILES, *EXPLAINED_FILES, CHECKPOINT} <= names_in(prose("run-folder.md"), table_only=True)


def command_line_of(verb: str) -> Any:
    command: Any = typer.main.get_command(app)
    return functools.reduce(lambda group, word: group.commands[word], verb.split(), command)


def test_every_verb_and_every_flag_of_compose_is_explained() -> None:
    page = prose("getting-started.md")
    for verb in command_line_of("").commands:
        assert re.search(rf"`eco {verb}\b", page), verb
    flags = {option for p in command_line_of("compose").params for option in p.opts if option.startswith("--")}
    assert {flag for flag in flags if f"`{flag}" not in page} == set()
    assert all(kind in page for kind in KINDS)


def test_pages_mention_no_verb_that_does_not_exist() -> None:
    verbs = set(command_line_of("").commands)
    for page in [*PAGES, *PLUGIN_PAGES]:
        mentioned = re.findall(r"(?:`|^\$? ?)eco ([a-z]+)\b", page.read_text(encoding="utf-8"), re.M)
        assert set(mentioned) <= verbs, page


def anchors_of(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, *PLUGIN_PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors_of(linked), f"{page.name}: {target}"


def test_every_page_of_the_docs_is_reached_from_the_index() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)", prose("index.md")))
    assert linked == {page.name for page in DOCS.glob("*.md")} - {"index.md"}
    assert "docs/index.md" in (ROOT / "README.md").read_text(encoding="utf-8")
