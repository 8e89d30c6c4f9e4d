"""Scans for installed plugins, loads them, and collects what they offer and why some fail.

A plugin is a module named by an entry point of the group ``eco.plugins``. Each plugin is loaded separately, and its
exceptions are caught: a plugin that fails gets a status with a reason, and affects neither the command line nor other
plugins. Loading imports only the plugins' light modules; components are imported when they are used.
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
from eco_core.registry.loading import (
    check_api,
    collect_offers,
    import_plugin,
    mark_conflicts,
    missing_sentences,
    register_hooks,
    way_out,
)
from eco_core.registry.records import (
    BLOCK_VARIABLE,
    CORE_DISTRIBUTION,
    PluginInfo,
    RefusedError,
    describe_error,
)


@dataclass(frozen=True)
class LoadedPlugins:
    """The result of one scan for plugins.

    Attributes:
        plugins: All installed plugins: first the core's, then the others by distribution and entry point.
        entries: The components, recipes, data sets and metrics of the plugins that loaded.
        warnings: Sentences that do not belong to one plugin, for example on a blocked name that matches no plugin.
    """

    plugins: tuple[PluginInfo, ...]
    entries: tuple[Entry, ...]
    warnings: tuple[str, ...] = ()


def load_plugins(block: Iterable[str] = ()) -> LoadedPlugins:
    """Scans ``sys.path`` for plugins and loads each plugin separately.

    Every call scans anew. Output of plugins while they load goes to stderr: stdout is for results.

    Args:
        block: Names of distributions or entry points that are not imported. The names in the environment variable
            ``ECO_BLOCK_PLUGINS`` are not imported either. A word may hold several names, separated by commas.

    Returns:
        The plugins with their statuses, and what they offer. A plugin that fails does not raise.
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
            reason = f"It is blocked by {source} and was not imported. To use it, remove {word!r} from {source}."
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
        except Exception as error:  # For example, reading an attribute of a record raised.
            reason = f"Loading it failed: {describe_error(error)}. {way_out(info)}"
            plugins.append(replace(info, status="broken", reason=reason, traceback=traceback.format_exc()))
            continue
        names = tuple(f"{entry.kind} {entry.name}" for entry in offered)
        plugins.append(replace(info, components=names, missing=missing_sentences(offered)))
        entries += offered

    return LoadedPlugins(mark_conflicts(plugins, entries), tuple(entries), tuple(warnings))


# ---------------------------------------------------------------------------------------------------- what is installed


def _discover() -> tuple[list[tuple[PluginInfo, importlib_metadata.EntryPoint]], list[str]]:
    """Returns all plugins on ``sys.path``, and warnings about distributions that cannot be read."""
    names: dict[str, str] = {}  # Maps the normalised name of a distribution to its own spelling.
    warnings: list[str] = []
    for distribution in importlib_metadata.distributions():
        try:
            # Parse only the few distributions with plugins: parsing the metadata of all of them would be slow.
            if ENTRY_POINT_GROUP not in (distribution.read_text("entry_points.txt") or ""):
                continue
            if distribution.entry_points.select(group=ENTRY_POINT_GROUP):
                names.setdefault(canonicalize_name(distribution.name), distribution.name)
        except Exception as error:
            # The name itself may be unreadable; the path of the metadata identifies the distribution.
            warnings.append(_unreadable(str(getattr(distribution, "_path", distribution)), error))

    found = []
    for normalised, name in names.items():
        try:
            # A distribution can be on the path twice, with different entry points. Python imports the first one.
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
    """Maps each blocked name (normalised) to its source: ``--block`` or the environment variable."""
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
