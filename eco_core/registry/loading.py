"""Loads one plugin: import, hooks, API version, and the records that it offers."""

from __future__ import annotations

import importlib.util
import reprlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import cast

import importlib_metadata
import pluggy
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from eco_core.errors import did_you_mean
from eco_core.registry import hookspecs
from eco_core.registry.entry import Entry
from eco_core.registry.hookspecs import ECO_API_VERSION, TAGS, Component, Dataset, Recipe
from eco_core.registry.records import (
    BLOCK_VARIABLE,
    CORE_DISTRIBUTION,
    HOOKS,
    Item,
    PluginInfo,
    RefusedError,
    describe_error,
)


def way_out(info: PluginInfo) -> str:
    """Returns a sentence on what a user can do about a plugin that fails."""
    return (
        f"Upgrade or reinstall {info.distribution}, tell its author, or leave it out: "
        f"{BLOCK_VARIABLE}={info.distribution}."
    )


def import_plugin(info: PluginInfo, entry_point: importlib_metadata.EntryPoint) -> ModuleType:
    """Imports the module of a plugin.

    Raises:
        RefusedError: If the import fails, or the entry point does not name a module.
    """
    try:
        plugin = entry_point.load()
    except (Exception, SystemExit) as error:
        raise RefusedError(
            "broken", f"Importing {entry_point.value} failed: {describe_error(error)}. {way_out(info)}"
        ) from error
    if not isinstance(plugin, ModuleType):
        raise RefusedError(
            "broken",
            f"The entry point names {entry_point.value}, which is a {type(plugin).__name__}; a plugin is a module: "
            f'write "{info.entry_point} = {info.module}" in its package metadata.',
        )
    return plugin


def register_hooks(manager: pluggy.PluginManager, module: ModuleType, info: PluginInfo) -> None:
    """Registers the hooks of a module and checks that they are hooks of ECO."""
    registered = manager.get_name(module)
    if registered is not None:
        raise RefusedError(
            "broken", f"Its module {info.module} is already loaded as plugin {registered}. Remove one of the two."
        )
    try:
        manager.register(module, name=info.id)
        callers = manager.get_hookcallers(module) or []
    except (Exception, SystemExit) as error:
        raise RefusedError(
            "broken", f"Its hooks cannot be registered: {describe_error(error)}. {way_out(info)}"
        ) from error

    hook_names = {name for name in dir(hookspecs) if manager.parse_hookspec_opts(hookspecs, name) is not None}
    for caller in callers:
        required = [hook for hook in caller.get_hookimpls() if hook.plugin is module and not hook.optionalhook]
        if required and not caller.has_spec():
            raise RefusedError(
                "broken",
                f"{info.module} implements the hook {caller.name!r}, which does not exist. "
                f"{did_you_mean(caller.name, hook_names)}",
            )
    implemented = {caller.name for caller in callers}
    undecorated = sorted(
        name
        for name in hook_names - implemented
        if callable(vars(module).get(name)) and manager.parse_hookspec_opts(module, name) is None
    )
    if undecorated:
        raise RefusedError(
            "broken",
            f"{info.module} defines {', '.join(undecorated)} without the decorator @hookimpl, so it is never called. "
            f"Decorate it: from eco_core import hookimpl.",
        )
    if not implemented:
        raise RefusedError(
            "broken",
            f"{info.module} implements no hook. Define one, such as eco_heads, and decorate it with "
            f"@hookimpl (from eco_core import hookimpl).",
        )


def _call(manager: pluggy.PluginManager, module: ModuleType, hook: str, info: PluginInfo) -> list[object]:
    """Calls the module's own implementation of a hook and returns its results; empty if it has none."""
    if not any(found.plugin is module for found in getattr(manager.hook, hook).get_hookimpls()):
        return []
    try:
        results = list(manager.subset_hook_caller(hook, manager.get_plugins() - {module})())
    except (Exception, SystemExit) as error:
        raise RefusedError("broken", f"Its hook {hook} failed: {describe_error(error)}. {way_out(info)}") from error
    # Pluggy leaves out a result that is None; put it back, so that it is reported.
    return results or [None]


def check_api(manager: pluggy.PluginManager, module: ModuleType, info: PluginInfo) -> None:
    """Refuses a plugin that was written for another version of the plugin interface.

    Raises:
        RefusedError: If the plugin's range of versions is invalid, or does not contain this core's version.
    """
    for given in _call(manager, module, "eco_api", info):
        try:
            if not isinstance(given, str):
                raise InvalidSpecifier(f"it is a {type(given).__name__}")
            accepted = SpecifierSet(given)
        except InvalidSpecifier as error:
            raise RefusedError(
                "broken",
                f"Its hook eco_api returned {_shown(given)}, which is not a range of versions. "
                f"Return a text such as '>=1,<2' (the interface of this core is {ECO_API_VERSION}).",
            ) from error
        if not accepted.contains(ECO_API_VERSION, prereleases=True):
            raise RefusedError(
                "incompatible",
                f"{info.distribution} {info.version} was written for the plugin interface {given}, and this core has "
                f"{ECO_API_VERSION}. Install a version of {info.distribution} for {ECO_API_VERSION} "
                f"(pip install --upgrade {info.distribution}) or a version of {CORE_DISTRIBUTION} whose interface is "
                f"in {given}.",
            )


def collect_offers(
    manager: pluggy.PluginManager, module: ModuleType, info: PluginInfo, earlier: list[Entry]
) -> list[Entry]:
    """Calls the hooks of a plugin, checks the returned records, and makes entries of them."""
    taken = {(entry.kind, entry.name): entry.plugin for entry in earlier if entry.distribution == info.distribution}
    offered: list[Entry] = []
    for kind, (hook, expected) in HOOKS.items():
        for result in _call(manager, module, hook, info):
            for item in _records(hook, expected, result, info):
                _check_item(hook, item)
                if isinstance(item, Recipe):
                    _check_packaged(hook, item)
                if isinstance(item, Component):
                    _check_tags(hook, kind, item)
                if isinstance(item, (Component, Dataset)):
                    _check_requires(hook, item)
                key = (kind, item.name)
                if key in taken:
                    where = "twice" if taken[key] == info.id else f"that its other plugin {taken[key]} offers already"
                    raise RefusedError(
                        "broken",
                        f"Its hook {hook} offers the {kind} {item.name!r} {where}. "
                        f"Names are unique within a distribution and a kind: rename one.",
                    )
                taken[key] = info.id
                offered.append(Entry(kind, item.name, info.distribution, info.version, item, info.id))
    return offered


def _records(hook: str, expected: type, result: object, info: PluginInfo) -> Iterator[Item]:
    """Yields the records of one hook. Hooks are often generators, so their code runs, and may fail, here."""
    wanted = f"expected an iterable of {expected.__name__} records: yield {expected.__name__}(...) or return a list"
    if not isinstance(result, Iterable):
        raise RefusedError("broken", f"Its hook {hook} returned {_shown(result)} ({type(result).__name__}); {wanted}.")
    try:
        items = list(result)
    except (Exception, SystemExit) as error:
        raise RefusedError("broken", f"Its hook {hook} failed: {describe_error(error)}. {way_out(info)}") from error
    for item in items:
        if not isinstance(item, expected):
            raise RefusedError("broken", f"Its hook {hook} returned {_shown(item)} ({type(item).__name__}); {wanted}.")
        yield cast(Item, item)


def _check_item(hook: str, item: Item) -> None:
    """Refuses invalid names and targets: names must be usable in a spec, targets must have an importable form."""
    name: object = item.name
    if not isinstance(name, str) or not name or ":" in name or any(character.isspace() for character in name):
        raise RefusedError(
            "broken",
            f"Its hook {hook} offers the name {name!r}; expected a text without spaces and colons, such as 'gat'.",
        )
    target: object = item.spec if isinstance(item, Recipe) else item.target
    module, _, attribute = target.partition(":") if isinstance(target, str) else ("", "", "")
    if isinstance(item, Recipe):
        field, example = "spec", "package:recipes/name.yaml"
        parts = attribute.split("/")
        valid = _is_dotted(module) and all(part not in ("", ".", "..") for part in parts)
    else:
        field, example = "target", "package.module:Name"
        valid = _is_dotted(module) and _is_dotted(attribute)
    if not valid:
        raise RefusedError(
            "broken",
            f"Its hook {hook} gives {name!r} the {field} {target!r}; expected a text of the form {example!r}.",
        )


def _check_packaged(hook: str, recipe: Recipe) -> None:
    """Refuses a recipe whose file is not in the installed package: build backends leave data files out easily."""
    package, _, path = recipe.spec.partition(":")
    try:
        found = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        found = None
    places = [] if found is None else [Path(place) for place in found.submodule_search_locations or ()]
    if found is not None and not all(place.is_dir() for place in places):
        return  # A package in an archive: reading the recipe reports what is wrong.
    if not any((place / path).is_file() for place in places):
        raise RefusedError(
            "broken",
            f"Its hook {hook} offers the recipe {recipe.name!r}, but package {package} is installed without {path}: "
            f"include data files in the package, with setuptools: [tool.setuptools.package-data] {package} = "
            f'["{path}"]; then build and install it again.',
        )


def _check_tags(hook: str, kind: str, component: Component) -> None:
    tags: object = component.tags
    if not isinstance(tags, tuple) or not all(isinstance(tag, str) for tag in tags):
        raise RefusedError(
            "broken",
            f"Its hook {hook} gives {component.name!r} the tags {_shown(tags)}; expected a tuple of texts, such as "
            f"('minibatch',).",
        )
    unknown = [tag for tag in component.tags if tag not in TAGS[kind]]
    if unknown:
        raise RefusedError(
            "broken",
            f"Its hook {hook} gives {component.name!r} the tag {unknown[0]!r}, which no {kind} has; expected some of "
            f"{', '.join(TAGS[kind])}.",
        )


def _check_requires(hook: str, item: Component | Dataset) -> None:
    requires, extra = item.requires, item.extra
    names: object = requires
    if isinstance(names, tuple) and all(isinstance(name, str) and _is_dotted(name) for name in names):
        if isinstance(extra, str):
            return
        names = extra
    raise RefusedError(
        "broken",
        f"Its hook {hook} gives {item.name!r} requires or extra as {_shown(names)}; expected requires as a tuple "
        "of names of modules, such as ('leidenalg',), and extra as a text, such as 'leiden'.",
    )


def missing_sentences(entries: Iterable[Entry]) -> tuple[str, ...]:
    """A sentence for each part that needs modules that are not installed, with the command that installs them."""
    return tuple(
        f"{entry.kind} {entry.name} needs {' and '.join(entry.missing)}: {entry.install_command}"
        for entry in entries
        if isinstance(entry.item, Component) and entry.missing  # Of data sets, 'eco data list' says it.
    )


def _shown(value: object) -> str:
    """The repr of a plugin's object, cut to one readable line, even if its ``__repr__`` raises."""
    short = reprlib.Repr()
    short.maxother = short.maxstring = 120
    return short.repr(value)


def _is_dotted(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def mark_conflicts(plugins: list[PluginInfo], entries: list[Entry]) -> tuple[PluginInfo, ...]:
    """Sets the status ``"conflict"`` for plugins with a short name that another distribution also offers.

    The core keeps its status ``"ok"``, because another package caused the conflict.
    """
    by_name: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        by_name.setdefault((entry.kind, entry.name), []).append(entry)
    reasons: dict[str, list[str]] = {}
    for (kind, name), offers in by_name.items():
        if len(offers) < 2:
            continue
        offered_by = " and ".join(f"{entry.distribution} {entry.version}" for entry in offers)
        ids = " or ".join(entry.id for entry in offers)
        for entry in offers:
            if entry.distribution != CORE_DISTRIBUTION:
                reasons.setdefault(entry.plugin, []).append(
                    f"The {kind} {name!r} is offered by {offered_by}: write {ids} instead of the short name, "
                    f"or block one of them."
                )
    return tuple(
        replace(info, status="conflict", reason=" ".join(reasons[info.id]))
        if info.loaded and info.id in reasons
        else info
        for info in plugins
    )
