"""Plugins as real distributions on disk: every status, and that a bad plugin hurts nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from eco_core.registry.discovery import LoadedPlugins, load_plugins
from eco_core.registry.hookspecs import ECO_API_VERSION
from eco_core.registry.records import PluginInfo

FIXTURES = Path(__file__).parents[1] / "fixtures" / "plugins"
ALL_FIXTURES = ("good", "broken", "duplicate", "old_api", "hook_raises", "unknown_hook", "wrong_type")

Install = Callable[..., Path]

HEADER = """
from eco_core.registry.hookspecs import Component, Dataset, Metric, Recipe, hookimpl
"""


@pytest.fixture(autouse=True)
def _forget_plugins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Plugin modules are imported anew in every test, and no variable of the developer's shell blocks them."""
    monkeypatch.delenv("ECO_BLOCK_PLUGINS", raising=False)
    yield
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        if Path(file).is_relative_to(FIXTURES) or Path(file).is_relative_to(tmp_path):
            del sys.modules[name]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Installs distributions of the fixtures folder."""

    def use(*folders: str) -> None:
        for folder in reversed(folders):
            monkeypatch.syspath_prepend(FIXTURES / folder)

    return use


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Install:
    """Writes a distribution with one module for each plugin and installs it, in front of what is there."""

    def install(
        name: str, modules: Mapping[str, str], *, version: str = "1.0", site: str = "", entry_points: str = ""
    ) -> Path:
        folder = tmp_path / (site or name)
        info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        lines = entry_points or "[eco.plugins]\n" + "".join(f"{module} = {module}\n" for module in modules)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(lines)
        for module, source in modules.items():
            (folder / f"{module}.py").write_text(HEADER + textwrap.dedent(source))
        monkeypatch.syspath_prepend(folder)
        return folder

    return install


def info_of(loaded: LoadedPlugins, name: str) -> PluginInfo:
    """The one plugin of a distribution, or the one with that id."""
    (info,) = [one for one in loaded.plugins if name in (one.distribution, one.id)]
    return info


def offered_by(loaded: LoadedPlugins, distribution: str) -> set[tuple[str, str]]:
    return {(one.kind, one.name) for one in loaded.entries if one.distribution == distribution}


def broken_by(install: Install, source: str) -> PluginInfo:
    """The status of a plugin with this source, which must be broken and must offer nothing."""
    install("eco-odd", {"eco_odd": source})
    loaded = load_plugins()
    info = info_of(loaded, "eco-odd")
    assert info.status == "broken", info
    assert info.components == ()
    assert offered_by(loaded, "eco-odd") == set()
    return info


def test_a_good_plugin_is_ok_and_offers_its_components(use: Callable[..., None]) -> None:
    use("good")
    loaded = load_plugins()
    info = info_of(loaded, "eco-fixture-good")
    assert (info.status, info.reason, info.traceback) == ("ok", "", "")
    assert (info.version, info.entry_point, info.module) == ("1.0", "fixture-good", "eco_fixture_good.plugin")
    assert info.id == "eco-fixture-good:fixture-good"
    assert info.components == ("head fixture-head", "recipe fixture-recipe")
    assert offered_by(loaded, "eco-fixture-good") == {("head", "fixture-head"), ("recipe", "fixture-recipe")}
    assert loaded.warnings == ()


def test_a_plugin_that_cannot_be_imported_is_broken_with_its_traceback(use: Callable[..., None]) -> None:
    use("broken")
    info = info_of(load_plugins(), "eco-fixture-broken")
    assert info.status == "broken"
    assert "ModuleNotFoundError: No module named 'eco_fixture_package_that_is_not_installed'" in info.reason
    assert "ECO_BLOCK_PLUGINS=eco-fixture-broken" in info.reason
    assert "Traceback (most recent call last)" in info.traceback
    assert "eco_fixture_broken" in info.traceback


def test_a_plugin_for_another_interface_is_incompatible(use: Callable[..., None]) -> None:
    use("old_api")
    loaded = load_plugins()
    info = info_of(loaded, "eco-fixture-old-api")
    assert info.status == "incompatible"
    assert ">=0,<1" in info.reason
    assert ECO_API_VERSION in info.reason
    assert "pip install --upgrade eco-fixture-old-api" in info.reason
    assert offered_by(loaded, "eco-fixture-old-api") == set()


def test_a_hook_that_raises_breaks_its_whole_plugin(use: Callable[..., None]) -> None:
    use("hook_raises")
    loaded = load_plugins()
    info = info_of(loaded, "eco-fixture-hook-raises")
    assert info.status == "broken"
    assert "eco_heads failed: RuntimeError: the licence server does not answer" in info.reason
    assert "the licence server" in info.traceback
    assert offered_by(loaded, "eco-fixture-hook-raises") == set()


def test_a_misspelt_hook_is_broken_with_a_suggestion(use: Callable[..., None]) -> None:
    use("unknown_hook")
    info = info_of(load_plugins(), "eco-fixture-unknown-hook")
    assert info.status == "broken"
    assert "'eco_encoder', which does not exist" in info.reason
    assert "Did you mean 'eco_encoders'" in info.reason


def test_a_hook_that_gives_the_wrong_record_is_broken(use: Callable[..., None]) -> None:
    use("wrong_type")
    info = info_of(load_plugins(), "eco-fixture-wrong-type")
    assert info.status == "broken"
    assert "eco_heads returned 'dec' (str)" in info.reason
    assert "Component" in info.reason


def test_a_name_of_two_distributions_is_a_conflict_of_both_and_both_stay(use: Callable[..., None]) -> None:
    use("good", "duplicate")
    loaded = load_plugins()
    for distribution in ("eco-fixture-good", "eco-fixture-duplicate"):
        info = info_of(loaded, distribution)
        assert info.status == "conflict"
        assert "eco-fixture-good 1.0" in info.reason
        assert "eco-fixture-duplicate 1.0" in info.reason
        assert "eco-fixture-good:fixture-head" in info.reason
        assert "eco-fixture-duplicate:fixture-head" in info.reason
        assert "head fixture-head" in info.components
        assert ("head", "fixture-head") in offered_by(loaded, distribution)


def test_the_same_name_in_two_kinds_is_no_conflict(use: Callable[..., None], install: Install) -> None:
    use("good")
    install("eco-other", {"eco_other": "@hookimpl\ndef eco_encoders(): return [Component('fixture-head', 'a:B')]"})
    loaded = load_plugins()
    assert info_of(loaded, "eco-other").status == "ok"
    assert info_of(loaded, "eco-fixture-good").status == "ok"


def test_a_stranger_who_takes_a_name_of_the_core_has_the_conflict_alone(install: Install) -> None:
    source = "@hookimpl\ndef eco_heads(): yield Component('some-head', 'a.b:C')"
    install("eco-core", {"eco_pretended_core": source}, version="9.9")
    install("eco-aaa", {"eco_aaa": source})
    loaded = load_plugins()
    assert loaded.plugins[0].distribution == "eco-core"
    assert (loaded.plugins[0].status, loaded.plugins[0].reason) == ("ok", "")
    stranger = info_of(loaded, "eco-aaa")
    assert stranger.status == "conflict"
    assert "eco-core 9.9" in stranger.reason
    assert "eco-aaa:some-head" in stranger.reason


def test_bad_plugins_hurt_nobody_else(use: Callable[..., None]) -> None:
    use("broken", "old_api", "hook_raises", "unknown_hook", "wrong_type", "good")
    loaded = load_plugins()
    states = {one.distribution: one.status for one in loaded.plugins if one.distribution.startswith("eco-fixture")}
    assert states == {
        "eco-fixture-broken": "broken",
        "eco-fixture-good": "ok",
        "eco-fixture-hook-raises": "broken",
        "eco-fixture-old-api": "incompatible",
        "eco-fixture-unknown-hook": "broken",
        "eco-fixture-wrong-type": "broken",
    }
    assert offered_by(loaded, "eco-fixture-good") == {("head", "fixture-head"), ("recipe", "fixture-recipe")}
    others = {one.distribution for one in loaded.entries if one.distribution.startswith("eco-fixture")}
    assert others == {"eco-fixture-good"}


@pytest.mark.parametrize("word", ["eco-fixture-broken", "Eco_Fixture.Broken", "fixture-broken", "x, fixture_broken"])
def test_a_blocked_plugin_is_never_imported(use: Callable[..., None], word: str) -> None:
    use("broken")
    info = info_of(load_plugins(block=[word]), "eco-fixture-broken")
    assert info.status == "blocked"
    assert "--block" in info.reason
    assert info.traceback == ""
    assert not any(name.startswith("eco_fixture_broken") for name in sys.modules)


def test_plugins_are_blocked_by_the_environment(use: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    use("good", "broken", "duplicate")
    monkeypatch.setenv("ECO_BLOCK_PLUGINS", "eco-fixture-broken, fixture-duplicate,")
    loaded = load_plugins()
    assert info_of(loaded, "eco-fixture-broken").status == "blocked"
    assert "ECO_BLOCK_PLUGINS" in info_of(loaded, "eco-fixture-duplicate").reason
    # With the other side blocked there is no conflict.
    assert info_of(loaded, "eco-fixture-good").status == "ok"
    assert loaded.warnings == ()


def test_a_blocked_name_that_matches_nothing_is_warned_about(
    use: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    use("good")
    monkeypatch.setenv("ECO_BLOCK_PLUGINS", "eco-fixture-god")
    loaded = load_plugins(block="zzzz-zzzz")
    assert info_of(loaded, "eco-fixture-good").status == "ok"
    assert len(loaded.warnings) == 2
    assert "--block names 'zzzz-zzzz'" in loaded.warnings[0]
    assert "ECO_BLOCK_PLUGINS names 'eco-fixture-god'" in loaded.warnings[1]
    assert "Did you mean 'eco-fixture-good'" in loaded.warnings[1]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def (", "SyntaxError"),
        ("raise RecursionError('deep')", "RecursionError: deep"),
        ("class E(Exception):\n    def __str__(self): raise ValueError\nraise E()", "E: <exception str() failed>"),
    ],
)
def test_whatever_an_import_raises_is_a_status(install: Install, source: str, found: str) -> None:
    assert found in broken_by(install, source).reason


def test_an_interrupt_during_an_import_stops_the_program(install: Install) -> None:
    install("eco-odd", {"eco_odd": "raise KeyboardInterrupt"})
    with pytest.raises(KeyboardInterrupt):
        load_plugins()


@pytest.mark.parametrize("given", ["'1 or so'", "1", "None"])
def test_an_api_range_that_is_none_is_broken(install: Install, given: str) -> None:
    reason = broken_by(install, f"@hookimpl\ndef eco_api(): return {given}").reason
    assert "eco_api" in reason
    assert given in reason
    assert ">=1,<2" in reason


def test_a_plugin_without_an_api_range_is_taken(install: Install) -> None:
    install("eco-plain", {"eco_plain": "@hookimpl\ndef eco_metrics(): return [Metric('m', 'a:b')]"})
    info = info_of(load_plugins(), "eco-plain")
    assert (info.status, info.components) == ("ok", ("metric m",))


def test_a_hook_without_its_decorator_is_broken(install: Install) -> None:
    source = "@hookimpl\ndef eco_api(): return '>=1'\ndef eco_heads(): return []"
    reason = broken_by(install, source).reason
    assert "eco_heads without the decorator @hookimpl" in reason


def test_a_plugin_without_hooks_is_broken(install: Install) -> None:
    assert "implements no hook" in broken_by(install, "").reason


def test_a_hook_that_asks_for_an_argument_is_broken(install: Install) -> None:
    reason = broken_by(install, "@hookimpl\ndef eco_heads(clusters): return []").reason
    assert "cannot be registered" in reason
    assert "clusters" in reason


def test_an_unknown_hook_that_is_marked_optional_is_taken(install: Install) -> None:
    source = "@hookimpl(optionalhook=True)\ndef eco_of_a_later_core(): return []\n@hookimpl\ndef eco_heads(): return []"
    install("eco-early", {"eco_early": source})
    assert info_of(load_plugins(), "eco-early").status == "ok"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("return Component('a', 'b:C')", "Component(name='a'"),
        ("return None", "None (NoneType)"),
        ("return 'dec'", "'d' (str)"),
        ("return [Recipe('a', 'b:c.yaml')]", "(Recipe)"),
        ("raise SystemExit('no')", "SystemExit: no"),
        ("yield type('Odd', (), {'__repr__': lambda self: 1 / 0})()", "(Odd)"),
        ("yield 'long' * 10_000", "'longlong"),
        ("yield type('Odd', (Component,), {'__getattribute__': lambda *_: 1 / 0})('a', 'b:C')", "ZeroDivisionError"),
    ],
)
def test_a_hook_with_a_wrong_answer_is_broken_and_says_what_was_found(install: Install, body: str, found: str) -> None:
    reason = broken_by(install, f"@hookimpl\ndef eco_heads(): {body}").reason
    assert found in reason
    assert len(reason) < 500


@pytest.mark.parametrize("target", ["a.b", "a.b:", ":C", "a/b:C", "a.b:C D", "a..b:C", "a.b:C:D", ""])
def test_a_malformed_target_is_broken(install: Install, target: str) -> None:
    source = f"@hookimpl\ndef eco_heads(): yield Component('some-head', {target!r})"
    reason = broken_by(install, source).reason
    assert "some-head" in reason
    assert repr(target) in reason
    assert "package.module:Name" in reason


@pytest.mark.parametrize("spec", ["a.b", "a:/etc/x.yaml", "a:../x.yaml", "a:", "a b:x.yaml"])
def test_a_malformed_recipe_path_is_broken(install: Install, spec: str) -> None:
    reason = broken_by(install, f"@hookimpl\ndef eco_recipes(): yield Recipe('r', {spec!r})").reason
    assert repr(spec) in reason
    assert "package:recipes/name.yaml" in reason


@pytest.mark.parametrize("name", ["", "a b", "eco-x:a", 3])
def test_a_name_that_cannot_be_written_in_a_spec_is_broken(install: Install, name: object) -> None:
    reason = broken_by(install, f"@hookimpl\ndef eco_heads(): yield Component({name!r}, 'a:B')").reason
    assert f"offers the name {name!r}" in reason


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        (("finds_K",), "the tag 'finds_K', which no head has"),
        (("learns",), "the tag 'learns', which no head has"),
        ("soft", "the tags 'soft'; expected a tuple"),
        ((1,), "expected a tuple of texts"),
    ],
)
def test_unknown_tags_make_a_plugin_broken(install: Install, tags: object, found: str) -> None:
    source = f"@hookimpl\ndef eco_heads(): yield Component('h', 'a:B', tags={tags!r})"
    assert found in broken_by(install, source).reason


def test_a_name_twice_in_one_plugin_is_broken(install: Install) -> None:
    source = "@hookimpl\ndef eco_heads(): return [Component('h', 'a:B'), Component('h', 'a:C')]"
    assert "the head 'h' twice" in broken_by(install, source).reason


def test_a_name_twice_in_one_distribution_breaks_the_later_plugin(install: Install) -> None:
    source = "@hookimpl\ndef eco_heads(): return [Component('h', 'a:B')]"
    install("eco-two", {"eco_two_a": source, "eco_two_b": source})
    loaded = load_plugins()
    assert info_of(loaded, "eco-two:eco_two_a").status == "ok"
    second = info_of(loaded, "eco-two:eco_two_b")
    assert second.status == "broken"
    assert "eco-two:eco_two_a" in second.reason
    assert [one.plugin for one in loaded.entries if one.distribution == "eco-two"] == ["eco-two:eco_two_a"]


def test_one_module_under_two_names_is_loaded_once(install: Install) -> None:
    source = "@hookimpl\ndef eco_heads(): return [Component('h', 'a:B')]"
    install("eco-two", {"eco_two": source}, entry_points="[eco.plugins]\nfirst = eco_two\nsecond = eco_two\n")
    loaded = load_plugins()
    assert info_of(loaded, "eco-two:first").status == "ok"
    assert info_of(loaded, "eco-two:second").status == "broken"
    assert "already loaded as plugin eco-two:first" in info_of(loaded, "eco-two:second").reason


def test_two_entry_points_of_one_name_load_the_first(use: Callable[..., None], install: Install) -> None:
    use("good")
    source = "@hookimpl\ndef eco_heads(): return [Component({!r}, 'a:B')]"
    modules = {"eco_two_a": source.format("fixture-head"), "eco_two_b": source.format("b")}
    install("eco-two", modules, entry_points="[eco.plugins]\nsame = eco_two_a\nsame = eco_two_b\n")
    states = {one.module: one.status for one in load_plugins().plugins if one.distribution == "eco-two"}
    assert states == {"eco_two_a": "conflict", "eco_two_b": "broken"}


@pytest.mark.parametrize("value", ["eco_odd:Component", "eco-odd", "eco_odd:absent"])
def test_an_entry_point_that_names_no_module_is_broken(install: Install, value: str) -> None:
    install("eco-odd", {"eco_odd": ""}, entry_points=f"[eco.plugins]\nodd = {value}\n")
    info = info_of(load_plugins(), "eco-odd")
    assert info.status == "broken"
    assert value in info.reason


def test_of_a_distribution_that_is_on_the_path_twice_the_first_counts(install: Install) -> None:
    source = "@hookimpl\ndef eco_heads(): return [Component({!r}, 'a:B')]"
    install("eco-twice", {"eco_twice_old": source.format("old")}, version="1.0", site="behind")
    install("Eco_Twice", {"eco_twice_new": source.format("new")}, version="2.0", site="before")
    loaded = load_plugins()
    info = info_of(loaded, "eco-twice")
    assert (info.version, info.components, info.status) == ("2.0", ("head new",), "ok")


def test_a_first_distribution_without_plugins_hides_a_later_one_with(install: Install) -> None:
    install("eco-twice", {"eco_twice": "@hookimpl\ndef eco_heads(): return []"}, site="behind")
    install("eco-twice", {}, version="2.0", site="before", entry_points="[console_scripts]\nx = y:z\n")
    assert "eco-twice" not in {one.distribution for one in load_plugins().plugins}


@pytest.mark.parametrize("file", ["entry_points.txt", "METADATA"])
def test_unreadable_metadata_is_warned_about_and_hurts_nobody(
    use: Callable[..., None], install: Install, file: str
) -> None:
    use("good")
    folder = install("eco-torn", {"eco_torn": ""})
    metadata = folder / "eco_torn-1.0.dist-info" / file
    metadata.write_bytes(b"\xff\xfe\x00")
    loaded = load_plugins()
    assert info_of(loaded, "eco-fixture-good").status == "ok"
    (warning,) = loaded.warnings
    assert "eco_torn" in warning
    assert "Reinstall it" in warning


def test_what_plugins_print_does_not_reach_stdout(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("eco-loud", {"eco_loud": "print('hello')\n@hookimpl\ndef eco_heads():\n    print('heads')\n    return []"})
    assert info_of(load_plugins(), "eco-loud").status == "ok"
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "hello\nheads\n"


def test_every_scan_is_fresh(use: Callable[..., None]) -> None:
    before = {one.distribution for one in load_plugins().plugins}
    use("good")
    after = {one.distribution for one in load_plugins().plugins}
    assert after - before == {"eco-fixture-good"}


def test_discovery_in_a_new_process_imports_nothing_heavy() -> None:
    code = """
        import sys
        from eco_core.registry.discovery import LoadedPlugins, load_plugins
        from eco_core.registry.registry import Registry
        states = {one.distribution: one.status for one in load_plugins().plugins}
        assert Registry.discover().find("head", "eco-fixture-good:fixture-head")
        heavy = {"torch", "sklearn", "numba", "pandas", "scipy", "rich", "pydantic", "eco_fixture_good.head"}
        print(sorted(heavy & set(sys.modules)), states["eco-fixture-good"], states["eco-fixture-broken"])
    """
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join([root, *(str(FIXTURES / folder) for folder in ALL_FIXTURES)])
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout == "[] conflict broken\n", run.stderr


def test_the_fixtures_are_whole_distributions() -> None:
    for folder in ALL_FIXTURES:
        (info,) = (FIXTURES / folder).glob("*-1.0.dist-info")
        recorded = {line.split(",")[0] for line in (info / "RECORD").read_text().splitlines()}
        on_disk = {
            path.relative_to(FIXTURES / folder).as_posix()
            for path in (FIXTURES / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert recorded == on_disk


NEEDS = """
@hookimpl
def eco_heads():
    yield Component("needy", "eco_odd:Head", requires=("eco_module_that_is_not_there",), extra="needs")
    yield Component("content", "eco_odd:Head", requires=("numpy",), extra="needs")

@hookimpl
def eco_datasets():
    yield Dataset("far", "eco_odd:far", requires=("eco_module_that_is_not_there",), extra="far")
"""


def test_a_component_whose_modules_are_missing_is_shown_with_the_command_that_installs_them(install: Install) -> None:
    install("eco-odd", {"eco_odd": NEEDS})
    loaded = load_plugins()
    info = info_of(loaded, "eco-odd")
    assert info.status == "ok"
    command = "pip install 'eco-odd[needs]'"
    assert info.missing == (f"head needy needs eco_module_that_is_not_there: {command}",)
    needy, content = (next(one for one in loaded.entries if one.name == name) for name in ("needy", "content"))
    assert (needy.missing, needy.install_command) == (("eco_module_that_is_not_there",), command)
    assert (content.missing, content.install_command) == ((), "")
    far = next(one for one in loaded.entries if one.name == "far")
    assert far.install_command == "pip install 'eco-odd[far]'"  # 'eco data list' shows it, 'eco plugins' does not.


@pytest.mark.parametrize("fields", ["requires='numpy'", "requires=('not a module',)", "extra=3"])
def test_requirements_of_a_wrong_form_break_a_plugin(install: Install, fields: str) -> None:
    reason = broken_by(
        install,
        f"@hookimpl\ndef eco_heads(): yield Component('h', 'eco_odd:Head', requires=(), {fields})"
        if fields.startswith("extra")
        else f"@hookimpl\ndef eco_heads(): yield Component('h', 'eco_odd:Head', {fields})",
    ).reason
    assert "'leidenalg'" in reason


def test_requirements_of_a_data_set_are_checked_in_the_same_way(install: Install) -> None:
    source = "@hookimpl\ndef eco_datasets(): yield Dataset('far', 'eco_odd:far', requires='ogb')"
    assert "'far' requires or extra as 'ogb'" in broken_by(install, source).reason


@pytest.mark.parametrize("there", [True, False])
def test_a_plugin_whose_recipe_file_was_not_packaged_is_broken(install: Install, there: bool) -> None:
    source = "@hookimpl\ndef eco_recipes(): yield Recipe('method', 'eco_texts:recipes/method.yaml')"
    folder = install("eco-odd", {"eco_odd": source})
    (folder / "eco_texts" / "recipes").mkdir(parents=True)
    (folder / "eco_texts" / "__init__.py").touch()
    if there:
        (folder / "eco_texts" / "recipes" / "method.yaml").write_text("encoder: identity\n")
    info = info_of(load_plugins(), "eco-odd")
    assert info.status == ("ok" if there else "broken")
    if not there:
        assert "recipes/method.yaml" in info.reason
        assert "package-data" in info.reason
