"""Plugins: which are installed, which load, what each offers and why some do not.

A plugin is a module named by an entry point of the group ``eco.plugins``. Each one is loaded alone and guarded, so that
a plugin that fails becomes a status with a reason and takes neither the command line nor another plugin down. Loading
imports the plugins' own light modules only; the components they offer are imported when they are used.
"""

from __future__ import annotations

import contextlib
import os
import reprlib
import sys
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Literal, cast

import importlib_metadata
import pluggy
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from eco_core import hookspecs
from eco_core.errors import did_you_mean
from eco_core.hookspecs import ECO_API_VERSION, ENTRY_POINT_GROUP, Component, Dataset, Metric, Recipe

CORE_DISTRIBUTION = "eco-core"

BLOCK_VARIABLE = "ECO_BLOCK_PLUGINS"
"""Environment variable with the names of plugins that are not to be loaded, separated by commas."""

HOOKS: dict[str, tuple[str, type]] = {
    "encoder": ("eco_encoders", Component),
    "head": ("eco_heads", Component),
    "objective": ("eco_objectives", Component),
    "strategy": ("eco_strategies", Component),
    "recipe": ("eco_recipes", Recipe),
    "dataset": ("eco_datasets", Dataset),
    "metric": ("eco_metrics", Metric),
}
"""For every kind of contribution: the hook that offers it and the record that the hook gives."""

Status = Literal["ok", "blocked", "incompatible", "broken", "conflict"]
Item = Component | Recipe | Dataset | Metric


@dataclass(frozen=True)
class PluginInfo:
    """What became of one plugin.

    Attributes:
        distribution: The distribution it comes from, its name normalised (PEP 503), such as ``"eco-sbm"``.
        version: Version of the distribution.
        entry_point: Name of its entry point.
        module: The module that the entry point names.
        status: ``"ok"``; ``"conflict"`` (loaded, but a short name of it is taken by another distribution too); or one
            of those that are not loaded: ``"blocked"``, ``"incompatible"``, ``"broken"``.
        reason: Why it is not ``"ok"`` and what to do about it, in sentences.
        traceback: Of the exception that broke it, empty if there is none.
        components: What it offers, as kind and name: ``("encoder gat", "recipe daegc")``.
    """

    distribution: str
    version: str
    entry_point: str
    module: str
    status: Status = "ok"
    reason: str = ""
    traceback: str = ""
    components: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Distribution and entry point: ``"eco-sbm:sbm"``."""
        return f"{self.distribution}:{self.entry_point}"

    @property
    def loaded(self) -> bool:
        """Whether what it offers can be used."""
        return self.status in ("ok", "conflict")


@dataclass(frozen=True)
class Contribution:
    """One thing that a loaded plugin offers.

    Attributes:
        kind: A key of `HOOKS`.
        plugin: `PluginInfo.id` of the plugin.
        distribution: Normalised name of its distribution.
        version: Version of its distribution.
        item: The record that the hook gave.
    """

    kind: str
    plugin: str
    distribution: str
    version: str
    item: Item


@dataclass(frozen=True)
class LoadedPlugins:
    """Everything that one scan for plugins found.

    Attributes:
        plugins: All installed plugins, the core's first, then by distribution and entry point.
        contributions: What those that loaded offer.
        warnings: Sentences about things that belong to no plugin, such as a blocked name that matches nothing.
    """

    plugins: tuple[PluginInfo, ...]
    contributions: tuple[Contribution, ...]
    warnings: tuple[str, ...] = ()


class _RefusedError(Exception):
    """A plugin is not loaded; carries the status and the reason."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def load_plugins(block: Iterable[str] = ()) -> LoadedPlugins:
    """Scans ``sys.path`` for plugins and loads each of them alone.

    Every call is a fresh scan. What plugins print while they load goes to stderr: stdout is for results.

    Args:
        block: Names of distributions or entry points that are not to be imported, besides those in the environment
            variable ``ECO_BLOCK_PLUGINS``. A word may hold several names, separated by commas.

    Returns:
        The plugins with their statuses, and what they offer. No plugin's failure raises.
    """
    found, warnings = _discover()
    blocked = _blocked_words(block)
    warnings += _unmatched_words(blocked, [info for info, _ in found])

    manager = pluggy.PluginManager("eco")
    manager.add_hookspecs(hookspecs)
    plugins: list[PluginInfo] = []
    contributions: list[Contribution] = []
    for info, entry_point in found:
        by = [(word, source) for word, source in blocked.items() if word in _names(info)]
        if by:
            word, source = by[0]
            reason = f"It is blocked by {source} and was not imported. To use it, take {word!r} out of {source}."
            plugins.append(replace(info, status="blocked", reason=reason))
            continue
        try:
            with contextlib.redirect_stdout(sys.stderr):
                module = _import(info, entry_point)
                _register(manager, module, info)
                _check_api(manager, module, info)
                offered = _collect(manager, module, info, contributions)
        except _RefusedError as refusal:
            trace = "".join(traceback.format_exception(refusal.__cause__)) if refusal.__cause__ else ""
            plugins.append(replace(info, status=refusal.status, reason=refusal.reason, traceback=trace))
            continue
        except Exception as error:  # such as a record whose attributes raise
            reason = f"Loading it failed: {describe_error(error)}. {_way_out(info)}"
            plugins.append(replace(info, status="broken", reason=reason, traceback=traceback.format_exc()))
            continue
        plugins.append(replace(info, components=tuple(f"{one.kind} {one.item.name}" for one in offered)))
        contributions += offered

    return LoadedPlugins(_mark_conflicts(plugins, contributions), tuple(contributions), tuple(warnings))


def describe_error(error: BaseException) -> str:
    """The type and the message of an exception in one line without a full stop, even if its ``__str__`` fails."""
    text = str(traceback.TracebackException.from_exception(error, limit=0)).strip().rstrip(".")
    return " ".join(f"{type(error).__name__}: {text}".splitlines()) if text else type(error).__name__


# ---------------------------------------------------------------------------------------------------- what is installed


def _discover() -> tuple[list[tuple[PluginInfo, importlib_metadata.EntryPoint]], list[str]]:
    """All plugins on ``sys.path``, and warnings about distributions that cannot be read."""
    names: dict[str, str] = {}  # normalised: as it is spelled
    warnings: list[str] = []
    for distribution in importlib_metadata.distributions():
        try:
            # Only the few distributions with plugins are parsed: the metadata of the others is the slow part of a scan.
            if ENTRY_POINT_GROUP not in (distribution.read_text("entry_points.txt") or ""):
                continue
            if distribution.entry_points.select(group=ENTRY_POINT_GROUP):
                names.setdefault(canonicalize_name(distribution.name), distribution.name)
        except Exception as error:
            # Its name may be what cannot be read; the folder tells which one it is.
            warnings.append(_unreadable(str(getattr(distribution, "_path", distribution)), error))

    found = []
    for normalised, name in names.items():
        try:
            # A name can be on the path twice, with other entry points or none: the first one is what Python imports.
            first = importlib_metadata.distribution(name)
            version = first.version
            entry_points = list(first.entry_points.select(group=ENTRY_POINT_GROUP))
        except Exception as error:
            warnings.append(_unreadable(name, error))
            continue
        for entry_point in entry_points:
            module = entry_point.value.partition(":")[0].strip()
            found.append((PluginInfo(normalised, version, entry_point.name, module), entry_point))
    found.sort(key=lambda pair: (pair[0].distribution != CORE_DISTRIBUTION, pair[0].id))
    return found, warnings


def _unreadable(distribution: str, error: Exception) -> str:
    return (
        f"The metadata of the installed distribution {distribution} cannot be read ({describe_error(error)}); "
        f"plugins that it may hold are left out. Reinstall it."
    )


# ------------------------------------------------------------------------------------------------------------- blocking


def _blocked_words(block: Iterable[str]) -> dict[str, str]:
    """Normalised blocked names, each with where it was written."""
    words: dict[str, str] = {}
    arguments = [block] if isinstance(block, str) else block
    for source, texts in (("--block", arguments), (BLOCK_VARIABLE, [os.environ.get(BLOCK_VARIABLE, "")])):
        for text in texts:
            for word in text.split(","):
                if word.strip():
                    words.setdefault(canonicalize_name(word.strip()), source)
    return words


def _names(info: PluginInfo) -> tuple[str, str]:
    return info.distribution, canonicalize_name(info.entry_point)


def _unmatched_words(blocked: dict[str, str], infos: list[PluginInfo]) -> list[str]:
    known = {name for info in infos for name in _names(info)}
    return [
        f"{source} names {word!r}, but no plugin of that name is installed. {did_you_mean(word, known)}".rstrip()
        for word, source in blocked.items()
        if word not in known
    ]


# -------------------------------------------------------------------------------------------------- loading of a plugin


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


# ------------------------------------------------------------------------------------------------------------ conflicts


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
