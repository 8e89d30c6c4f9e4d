"""Loading one plugin: import, hooks, API version, and the records that it offers."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import cast

import importlib_metadata
import pluggy
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from eco_core.errors import did_you_mean
from eco_core.registry import hookspecs
from eco_core.registry.hookspecs import ECO_API_VERSION, Recipe
from eco_core.registry.records import (
    BLOCK_VARIABLE,
    CORE_DISTRIBUTION,
    HOOKS,
    Contribution,
    Item,
    PluginInfo,
    _RefusedError,
    describe_error,
)


def _way_out(info: PluginInfo) -> str:
    return (
        f"Upgrade or reinstall {info.distribution}, tell its author, or leave it out: "
        f"{BLOCK_VARIABLE}={info.distribution}."
    )


def _import(info: PluginInfo, entry_point: importlib_metadata.EntryPoint) -> ModuleType:
    try:
        plugin = entry_point.load()
    except (Exception, SystemExit) as error:
        raise _RefusedError(
            "broken", f"Importing {entry_point.value} failed: {describe_error(error)}. {_way_out(info)}"
        ) from error
    if not isinstance(plugin, ModuleType):
        raise _RefusedError(
            "broken",
            f"The entry point names {entry_point.value}, which is a {type(plugin).__name__}; a plugin is a module: "
            f'write "{info.entry_point} = {info.module}" in its package metadata.',
        )
    return plugin


def _register(manager: pluggy.PluginManager, module: ModuleType, info: PluginInfo) -> None:
    """Registers the hooks of a module and checks that they are hooks of ECO."""
    registered = manager.get_name(module)
    if registered is not None:
        raise _RefusedError(
            "broken", f"Its module {info.module} is already loaded as plugin {registered}. Remove one of the two."
        )
    try:
        manager.register(module, name=info.id)
        callers = manager.get_hookcallers(module) or []
    except (Exception, SystemExit) as error:
        raise _RefusedError(
            "broken", f"Its hooks cannot be registered: {describe_error(error)}. {_way_out(info)}"
        ) from error

    hook_names = {name for name in dir(hookspecs) if manager.parse_hookspec_opts(hookspecs, name) is not None}
    for caller in callers:
        required = [one for one in caller.get_hookimpls() if one.plugin is module and not one.optionalhook]
        if required and not caller.has_spec():
            raise _RefusedError(
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
        raise _RefusedError(
            "broken",
            f"{info.module} defines {', '.join(undecorated)} without the decorator @hookimpl, so it is never called. "
            f"Decorate it: from eco_core import hookimpl.",
        )
    if not implemented:
        raise _RefusedError(
            "broken",
            f"{info.module} implements no hook. Define one, such as eco_heads, and decorate it with "
            f"@hookimpl (from eco_core import hookimpl).",
        )


def _call(manager: pluggy.PluginManager, module: ModuleType, hook: str, info: PluginInfo) -> list[object]:
    """What the module's own implementation of a hook gives; empty if it has none."""
    if not any(one.plugin is module for one in getattr(manager.hook, hook).get_hookimpls()):
        return []
    try:
        results = list(manager.subset_hook_caller(hook, manager.get_plugins() - {module})())
    except (Exception, SystemExit) as error:
        raise _RefusedError("broken", f"Its hook {hook} failed: {describe_error(error)}. {_way_out(info)}") from error
    # Pluggy leaves out a result that is None.
    return results or [None]


def _check_api(manager: pluggy.PluginManager, module: ModuleType, info: PluginInfo) -> None:
    for given in _call(manager, module, "eco_api", info):
        try:
            if not isinstance(given, str):
                raise InvalidSpecifier(f"it is a {type(given).__name__}")
            accepted = SpecifierSet(given)
        except InvalidSpecifier as error:
            raise _RefusedError(
                "broken",
                f"Its hook eco_api gave {_shown(given)}, which is not a range of versions. "
                f"Return a text such as '>=1,<2' (the interface of this core is {ECO_API_VERSION}).",
            ) from error
        if not accepted.contains(ECO_API_VERSION, prereleases=True):
            raise _RefusedError(
                "incompatible",
                f"{info.distribution} {info.version} was written for the plugin interface {given}, and this core has "
                f"{ECO_API_VERSION}. Install a version of {info.distribution} for {ECO_API_VERSION} "
                f"(pip install --upgrade {info.distribution}) or a version of {CORE_DISTRIBUTION} whose interface is "
                f"in {given}.",
            )


def _collect(
    manager: pluggy.PluginManager, module: ModuleType, info: PluginInfo, earlier: list[Contribution]
) -> list[Contribution]:
    """Everything that a plugin offers, checked."""
    taken = {(one.kind, one.item.name): one.plugin for one in earlier if one.distribution == info.distribution}
    offered: list[Contribution] = []
    for kind, (hook, expected) in HOOKS.items():
        for result in _call(manager, module, hook, info):
            for item in _records(hook, expected, result, info):
                _check_item(hook, item)
                key = (kind, item.name)
                if key in taken:
                    where = "twice" if taken[key] == info.id else f"that its other plugin {taken[key]} offers already"
                    raise _RefusedError(
                        "broken",
                        f"Its hook {hook} offers the {kind} {item.name!r} {where}. "
                        f"Names are unique within a distribution and a kind: rename one.",
                    )
                taken[key] = info.id
                offered.append(Contribution(kind, info.id, info.distribution, info.version, item))
    return offered


def _records(hook: str, expected: type, result: object, info: PluginInfo) -> Iterator[Item]:
    """The records of one hook; hooks are often generators, so their code runs, and fails, here."""
    wanted = f"expected an iterable of {expected.__name__} records: yield {expected.__name__}(...) or return a list"
    if not isinstance(result, Iterable):
        raise _RefusedError("broken", f"Its hook {hook} gave {_shown(result)} ({type(result).__name__}); {wanted}.")
    try:
        items = list(result)
    except (Exception, SystemExit) as error:
        raise _RefusedError("broken", f"Its hook {hook} failed: {describe_error(error)}. {_way_out(info)}") from error
    for item in items:
        if not isinstance(item, expected):
            raise _RefusedError("broken", f"Its hook {hook} gave {_shown(item)} ({type(item).__name__}); {wanted}.")
        yield cast(Item, item)


def _check_item(hook: str, item: Item) -> None:
    """Refuses names that cannot be written in a spec, and targets that cannot be imported."""
    name: object = item.name
    if not isinstance(name, str) or not name or ":" in name or any(character.isspace() for character in name):
        raise _RefusedError(
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
        raise _RefusedError(
            "broken",
            f"Its hook {hook} gives {name!r} the {field} {target!r}; expected a text of the form {example!r}.",
        )


def _shown(value: object) -> str:
    """The repr of whatever a plugin gave, cut to one readable line, even if its ``__repr__`` fails."""
    short = reprlib.Repr()
    short.maxother = short.maxstring = 120
    return short.repr(value)


def _is_dotted(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _mark_conflicts(plugins: list[PluginInfo], contributions: list[Contribution]) -> tuple[PluginInfo, ...]:
    """Gives the status ``"conflict"`` to plugins whose short names another distribution offers too.

    The core keeps its status: what a stranger's package is called is not the core's fault.
    """
    by_name: dict[tuple[str, str], list[Contribution]] = {}
    for one in contributions:
        by_name.setdefault((one.kind, one.item.name), []).append(one)
    reasons: dict[str, list[str]] = {}
    for (kind, name), offers in by_name.items():
        if len(offers) < 2:
            continue
        offered_by = " and ".join(f"{one.distribution} {one.version}" for one in offers)
        ids = " or ".join(f"{one.distribution}:{name}" for one in offers)
        for one in offers:
            if one.distribution != CORE_DISTRIBUTION:
                reasons.setdefault(one.plugin, []).append(
                    f"The {kind} {name!r} is offered by {offered_by}: write {ids} instead of the short name, "
                    f"or block one of them."
                )
    return tuple(
        replace(info, status="conflict", reason=" ".join(reasons[info.id]))
        if info.loaded and info.id in reasons
        else info
        for info in plugins
    )
