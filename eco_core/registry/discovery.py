"""Plugins: which are installed, which load, what each offers and why some do not.

A plugin is a module named by an entry point of the group ``eco.plugins``. Each one is loaded alone and guarded, so that
a plugin that fails becomes a status with a reason and takes neither the command line nor another plugin down. Loading
imports the plugins' own light modules only; the components they offer are imported when they are used.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, replace

import importlib_metadata
import pluggy
from packaging.utils import canonicalize_name

from eco_core.errors import did_you_mean
from eco_core.registry import hookspecs
from eco_core.registry.entry import Entry
from eco_core.registry.hookspecs import ENTRY_POINT_GROUP
from eco_core.registry.loading import check_api, collect_offers, import_plugin, mark_conflicts, register_hooks, way_out
from eco_core.registry.records import (
    BLOCK_VARIABLE,
    CORE_DISTRIBUTION,
    PluginInfo,
    RefusedError,
    describe_error,
)


@dataclass(frozen=True)
class LoadedPlugins:
    """Everything that one scan for plugins found.

    Attributes:
        plugins: All installed plugins, the core's first, then by distribution and entry point.
        entries: The components, recipes, data sets and metrics of the plugins that loaded.
        warnings: Sentences that concern no single plugin, such as a blocked name that matches nothing.
    """

    plugins: tuple[PluginInfo, ...]
    entries: tuple[Entry, ...]
    warnings: tuple[str, ...] = ()


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
    entries: list[Entry] = []
    for info, entry_point in found:
        by = [(word, source) for word, source in blocked.items() if word in _names(info)]
        if by:
            word, source = by[0]
            reason = f"It is blocked by {source} and was not imported. To use it, take {word!r} out of {source}."
            plugins.append(replace(info, status="blocked", reason=reason))
            continue
        try:
            with contextlib.redirect_stdout(sys.stderr):
                module = import_plugin(info, entry_point)
                register_hooks(manager, module, info)
                check_api(manager, module, info)
                offered = collect_offers(manager, module, info, entries)
        except RefusedError as refusal:
            trace = "".join(traceback.format_exception(refusal.__cause__)) if refusal.__cause__ else ""
            plugins.append(replace(info, status=refusal.status, reason=refusal.reason, traceback=trace))
            continue
        except Exception as error:  # such as a record whose attributes raise
            reason = f"Loading it failed: {describe_error(error)}. {way_out(info)}"
            plugins.append(replace(info, status="broken", reason=reason, traceback=traceback.format_exc()))
            continue
        plugins.append(replace(info, components=tuple(f"{entry.kind} {entry.name}" for entry in offered)))
        entries += offered

    return LoadedPlugins(mark_conflicts(plugins, entries), tuple(entries), tuple(warnings))


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
