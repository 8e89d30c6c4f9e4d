"""The registry: qualified and short names, what an unknown name is told, lazy loading."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eco_core.errors import SpecError
from eco_core.registry.hookspecs import Component, Dataset, Metric, Recipe
from eco_core.registry.records import HOOKS, PluginInfo
from eco_core.registry.registry import KINDS, Entry, Registry, kind_of, plural

FIXTURES = Path(__file__).parents[1] / "fixtures" / "plugins"


@pytest.fixture(autouse=True)
def _forget_plugins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
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


def entry(kind: str, name: str, distribution: str = "eco-a", target: str = "a.b:C") -> Entry:
    return Entry(kind, name, distribution, "1.0", Component(name, target))


def small_registry(*plugins: PluginInfo) -> Registry:
    return Registry(
        [
            entry("head", "dec"),
            entry("encoder", "gat", "eco-b"),
            entry("encoder", "gat", "eco-a"),
            entry("encoder", "gcn"),
            entry("strategy", "joint"),
        ],
        plugins,
    )


def problem_of(registry: Registry, kind: str, name: str) -> tuple[str, str]:
    """The code and the text of the problem with a name."""
    with pytest.raises(SpecError) as caught:
        registry.find(kind, name)
    (problem,) = caught.value.problems
    return problem.code, str(problem)


def test_every_kind_has_a_hook_and_a_plural() -> None:
    assert tuple(HOOKS) == KINDS
    assert [f"eco_{plural(kind)}" for kind in KINDS] == [hook for hook, _ in HOOKS.values()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_known_in_the_singular_and_the_plural(kind: str) -> None:
    assert kind_of(kind) == kind_of(plural(kind)) == kind_of(plural(kind).upper()) == kind


def test_an_unknown_kind_is_told_with_a_suggestion() -> None:
    with pytest.raises(SpecError, match=r"ECO101.*'encodres'[\s\S]*Did you mean 'encoders'"):
        kind_of("encodres")


def test_entries_are_sorted_by_name_and_then_by_distribution() -> None:
    registry = small_registry()
    assert [one.id for one in registry.entries("encoders")] == ["eco-a:gat", "eco-b:gat", "eco-a:gcn"]
    assert [one.kind for one in registry.entries()] == ["encoder", "encoder", "encoder", "head", "strategy"]


def test_a_unique_short_name_and_any_qualified_name_are_found() -> None:
    registry = small_registry()
    assert registry.find("encoder", "gcn").id == "eco-a:gcn"
    assert registry.find("encoders", "eco-b:gat").id == "eco-b:gat"
    assert registry.find("encoder", "Eco_B:gat").id == "eco-b:gat"


def test_an_ambiguous_short_name_lists_the_qualified_ones() -> None:
    code, text = problem_of(small_registry(), "encoder", "gat")
    assert code == "ECO102"
    assert "The encoder 'gat' is offered by eco-a 1.0 and eco-b 1.0." in text
    assert "eco-a:gat or eco-b:gat" in text


def test_an_unknown_name_is_told_with_a_suggestion_and_where_to_look() -> None:
    code, text = problem_of(small_registry(), "head", "dex")
    assert code == "ECO101"
    assert "There is no head 'dex'." in text
    assert "Did you mean 'dec'?" in text
    assert "'eco list heads' shows all." in text


@pytest.mark.parametrize("name", ["dec", "eco-a:dec"])
def test_a_name_of_another_kind_says_which_kind_it_is(name: str) -> None:
    code, text = problem_of(small_registry(), "encoder", name)
    assert code == "ECO101"
    assert f"'{name}' is a head, not an encoder." in text


def test_a_qualified_name_of_the_wrong_distribution_names_the_right_one() -> None:
    code, text = problem_of(small_registry(), "encoder", "eco-z:gcn")
    assert code == "ECO101"
    assert "Did you mean 'eco-a:gcn'?" in text


def test_an_unknown_name_mentions_the_plugins_that_are_not_loaded() -> None:
    broken = PluginInfo("eco-foo", "2.0", "foo", "eco_foo.plugin", "broken", "It is torn.")
    blocked = PluginInfo("eco-bar", "3.0", "bar", "eco_bar.plugin", "blocked", "It is blocked.")
    fine = PluginInfo("eco-a", "1.0", "a", "eco_a.plugin", "conflict", "Taken.")
    code, text = problem_of(small_registry(broken, blocked, fine), "head", "sbm")
    assert code == "ECO101"
    assert "Plugin eco-foo is broken, plugin eco-bar is blocked: see 'eco plugins --verbose'." in text
    assert "eco-a is" not in text


@pytest.mark.parametrize(("status", "code"), [("broken", "ECO501"), ("incompatible", "ECO502"), ("blocked", "ECO503")])
def test_a_qualified_name_of_a_plugin_that_is_not_loaded_gives_its_reason(status: str, code: str) -> None:
    plugin = PluginInfo("eco-foo", "2.0", "foo", "eco_foo.plugin", status, "That is the reason.")  # type: ignore[arg-type]
    found, text = problem_of(small_registry(plugin), "head", "eco-foo:sbm")
    assert found == code
    assert f"plugin eco-foo 2.0 is {status}" in text
    assert "That is the reason." in text


def test_a_slip_in_a_distribution_with_one_broken_plugin_of_two_is_an_unknown_name() -> None:
    plugins = (
        PluginInfo("eco-a", "1.0", "a", "eco_a.plugin"),
        PluginInfo("eco-a", "1.0", "b", "eco_a.other", "broken", "Torn."),
    )
    code, text = problem_of(small_registry(*plugins), "encoder", "eco-a:gan")
    assert code == "ECO101"
    assert "'eco-a:gat'" in text
    assert "Plugin eco-a is broken" in text


def test_find_any_finds_all_kinds_and_nothing_for_an_unknown_name() -> None:
    registry = Registry([entry("head", "dmon"), entry("objective", "dmon"), entry("head", "dmon", "eco-b")])
    assert [(one.kind, one.id) for one in registry.find_any("dmon")] == [
        ("head", "eco-a:dmon"),
        ("head", "eco-b:dmon"),
        ("objective", "eco-a:dmon"),
    ]
    assert [one.kind for one in registry.find_any("eco-a:dmon")] == ["head", "objective"]
    assert registry.find_any("nothing") == ()


@given(
    st.lists(
        st.tuples(st.sampled_from(KINDS), st.sampled_from("abc"), st.sampled_from(["eco-x", "eco-y", "eco-z"])),
        unique=True,
    )
)
def test_the_short_name_and_the_id_of_every_entry_find_it(triples: list[tuple[str, str, str]]) -> None:
    registry = Registry([entry(kind, name, distribution) for kind, name, distribution in triples])
    assert len(registry.entries()) == len(triples)
    for one in registry.entries():
        assert registry.find(one.kind, one.id) is one
        assert registry.find(one.kind, registry.short_name(one)) is one
        assert one in registry.find_any(one.name)


def test_two_entries_with_one_id_are_refused() -> None:
    with pytest.raises(ValueError, match="head 'eco-a:dec'"):
        Registry([entry("head", "dec"), entry("head", "dec")])


def test_a_target_is_imported_when_it_is_loaded() -> None:
    dataset = Entry("dataset", "d", "eco-a", "1.0", Dataset("d", "fractions:Fraction.from_float"))
    metric = Entry("metric", "m", "eco-a", "1.0", Metric("m", "math:sqrt"))
    assert dataset.load()(0.5) == 0.5
    assert metric.load()(4.0) == 2.0


def test_a_missing_module_of_the_target_is_told() -> None:
    with pytest.raises(SpecError) as caught:
        entry("head", "dec", target="eco_absent.head:DEC").load()
    (problem,) = caught.value.problems
    assert problem.code == "ECO110"
    for part in ("head 'dec'", "eco-a 1.0", "eco_absent.head:DEC", "ModuleNotFoundError: No module named 'eco_absent'"):
        assert part in problem.message
    assert "eco list heads" in problem.fix
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_missing_attribute_of_the_target_is_told_with_a_suggestion() -> None:
    with pytest.raises(SpecError, match=r"ECO110[\s\S]*AttributeError[\s\S]*Did you mean 'Fraction'"):
        entry("head", "dec", target="fractions:Fractoin").load()


@pytest.mark.parametrize("source", ["raise SystemExit(1)", "import eco_absent_dependency", "1 / 0"])
def test_whatever_the_import_of_a_component_raises_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str
) -> None:
    (tmp_path / "eco_torn_head.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SpecError) as caught:
        entry("head", "torn", target="eco_torn_head:Head").load()
    (problem,) = caught.value.problems
    assert problem.code == "ECO110"
    assert ("install the package that provides it" in problem.fix) == ("dependency" in source)


def test_a_recipe_is_read_and_not_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "eco_texts" / "recipes").mkdir(parents=True)
    (tmp_path / "eco_texts" / "__init__.py").write_text("")
    (tmp_path / "eco_texts" / "recipes" / "r.yaml").write_text("head: {name: 'Läufer'}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    recipe = Entry("recipe", "r", "eco-a", "1.0", Recipe("r", "eco_texts:recipes/r.yaml"))
    assert recipe.read() == "head: {name: 'Läufer'}\n"
    with pytest.raises(TypeError, match="read"):
        recipe.load()
    with pytest.raises(TypeError, match="load"):
        entry("head", "dec").read()


@pytest.mark.parametrize("spec", ["eco_core:recipes/absent.yaml", "eco_absent:recipes/r.yaml"])
def test_a_recipe_without_its_file_is_told(spec: str) -> None:
    recipe = Entry("recipe", "r", "eco-a", "1.0", Recipe("r", spec))
    with pytest.raises(SpecError, match=r"ECO110.*recipe 'r' of eco-a 1\.0"):
        recipe.read()


def test_discover_registers_what_installed_plugins_offer(use: Callable[..., None]) -> None:
    use("good", "broken", "old_api")
    registry = Registry.discover(block=["no-such-plugin"])
    head = registry.find("head", "fixture-head")
    assert (head.id, head.version, head.kind) == ("eco-fixture-good:fixture-head", "1.0", "head")
    assert "eco_fixture_good.head" not in sys.modules
    assert "fixture-head" in registry.find("recipe", "fixture-recipe").read()
    statuses = {one.distribution: one.status for one in registry.plugins}
    assert statuses["eco-fixture-broken"] == "broken"
    assert statuses["eco-fixture-old-api"] == "incompatible"
    assert any("no-such-plugin" in warning for warning in registry.warnings)
    assert "eco-fixture-old-api" in problem_of(registry, "head", "old-head")[1]


def test_a_component_of_a_discovered_plugin_is_loaded_and_works(use: Callable[..., None]) -> None:
    import torch

    use("good")
    head = Registry.discover().find("head", "fixture-head").load()(n_clusters=3, n_features=4)
    z = torch.randn(10, 4)
    assert head(z).ndim == 0
    assert head.cluster(z).shape == (10,)
    assert head.cluster(z, soft=True).sum(-1).allclose(torch.ones(10))


def test_both_sides_of_a_conflict_are_found_by_their_ids(use: Callable[..., None]) -> None:
    use("good", "duplicate")
    registry = Registry.discover()
    code, text = problem_of(registry, "head", "fixture-head")
    assert code == "ECO102"
    assert "eco-fixture-duplicate:fixture-head or eco-fixture-good:fixture-head" in text
    for distribution in ("eco-fixture-good", "eco-fixture-duplicate"):
        found = registry.find("head", f"{distribution}:fixture-head")
        assert registry.short_name(found) == found.id
    assert registry.short_name(registry.find("head", "duplicate-head")) == "duplicate-head"


def test_a_blocked_plugin_offers_nothing(use: Callable[..., None]) -> None:
    use("good")
    registry = Registry.discover(block=["eco-fixture-good"])
    assert problem_of(registry, "head", "eco-fixture-good:fixture-head")[0] == "ECO503"
