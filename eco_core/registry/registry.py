"""The registry: finds components, recipes, data sets and metrics by name.

A qualified name starts with the distribution (``"eco-sbm:sbm"``). The short name (``"sbm"``) is enough if it is unique
in its kind.
"""

from __future__ import annotations

from collections.abc import Iterable

from packaging.utils import canonicalize_name

from eco_core.errors import Problem, SpecError, did_you_mean
from eco_core.registry.discovery import load_plugins
from eco_core.registry.entry import Entry, plural
from eco_core.registry.records import PluginInfo

KINDS = ("encoder", "head", "objective", "strategy", "recipe", "dataset", "metric")
"""The kinds of entries that a plugin can offer, in the order of ``eco list``."""

_STATUS_CODES = {"broken": "ECO501", "incompatible": "ECO502", "blocked": "ECO503"}


def kind_of(word: str) -> str:
    """Returns the kind that a word names in the singular or the plural.

    Args:
        word: A word such as ``"encoder"`` or ``"encoders"``; upper and lower case are the same.

    Returns:
        One of `KINDS`.

    Raises:
        SpecError: ECO101, if the word does not name a kind.
    """
    for kind in KINDS:
        if word.lower() in (kind, plural(kind)):
            return kind
    raise SpecError(
        Problem("ECO101", f"There is no kind of component {word!r}.", did_you_mean(word, map(plural, KINDS)))
    )


class Registry:
    """All components, recipes, data sets and metrics of the installed plugins. A registry never changes.

    Args:
        entries: The entries that names can select.
        plugins: The status of every installed plugin.
        warnings: Sentences about the scan that do not belong to one plugin.

    Raises:
        ValueError: If two entries have the same kind and the same qualified name.
    """

    def __init__(
        self, entries: Iterable[Entry], plugins: Iterable[PluginInfo] = (), warnings: Iterable[str] = ()
    ) -> None:
        self.plugins = tuple(plugins)
        self.warnings = tuple(warnings)
        self._entries = tuple(
            sorted(entries, key=lambda entry: (KINDS.index(entry.kind), entry.name, entry.distribution))
        )
        for entry, following in zip(self._entries, self._entries[1:], strict=False):
            if (entry.kind, entry.id) == (following.kind, following.id):
                raise ValueError(
                    f"Two entries are the {entry.kind} {entry.id!r}; qualified names are unique within a kind."
                )

    @classmethod
    def discover(cls, block: Iterable[str] = ()) -> Registry:
        """Scans for plugins and registers what they offer. Every call scans anew.

        Args:
            block: Names of distributions or entry points that are not loaded. The names in ``ECO_BLOCK_PLUGINS`` are
                not loaded either.

        Returns:
            The registry. Its `plugins` include the plugins that failed, with the reason.
        """
        loaded = load_plugins(block)
        return cls(loaded.entries, loaded.plugins, loaded.warnings)

    def entries(self, kind: str | None = None) -> tuple[Entry, ...]:
        """All entries of a kind (singular or plural), or of all kinds, sorted by name and then by distribution.

        Raises:
            SpecError: ECO101, if there is no such kind.
        """
        if kind is None:
            return self._entries
        wanted = kind_of(kind)
        return tuple(entry for entry in self._entries if entry.kind == wanted)

    def find(self, kind: str, name: str) -> Entry:
        """Finds the entry of a kind by its name.

        Args:
            kind: One of `KINDS`, in the singular or the plural.
            name: A short name, or a qualified name such as ``"eco-sbm:sbm"``.

        Returns:
            The entry.

        Raises:
            SpecError: ECO101 for an unknown name; ECO102 for a short name that several distributions offer; for a
                qualified name whose distribution is not loaded, ECO501 (broken), ECO502 (incompatible) or ECO503
                (blocked).
        """
        kind = kind_of(kind)
        matches = [entry for entry in self.find_any(name) if entry.kind == kind]
        if len(matches) == 1:
            return matches[0]
        if matches:
            offered_by = " and ".join(f"{entry.distribution} {entry.version}" for entry in matches)
            ids = " or ".join(entry.id for entry in matches)
            raise SpecError(
                Problem("ECO102", f"The {kind} {name!r} is offered by {offered_by}.", f"Write the one you mean: {ids}.")
            )
        raise SpecError(self._unknown(kind, name))

    def find_any(self, name: str) -> tuple[Entry, ...]:
        """Returns all entries, of all kinds, with a short or a qualified name; empty if there are none."""
        distribution, _, short = name.rpartition(":")
        normalised = canonicalize_name(distribution)
        return tuple(
            entry
            for entry in self._entries
            if entry.name == short and (not distribution or entry.distribution == normalised)
        )

    def short_name(self, entry: Entry) -> str:
        """The shortest name that selects this entry: its short name if it is unique in its kind, else its id."""
        same = [other for other in self._entries if (other.kind, other.name) == (entry.kind, entry.name)]
        return entry.name if len(same) <= 1 else entry.id

    def _unknown(self, kind: str, name: str) -> Problem:
        """Makes the problem of an unknown name: a misspelt name, another kind, or a plugin that is not loaded."""
        distribution, _, short = name.rpartition(":")
        missing = [plugin for plugin in self.plugins if not plugin.loaded]
        normalised = canonicalize_name(distribution)
        own = [plugin for plugin in self.plugins if distribution and plugin.distribution == normalised]
        if own and not any(plugin.loaded for plugin in own):
            return Problem(
                _STATUS_CODES[own[0].status],
                f"The {kind} {name!r} is not available: plugin {own[0].distribution} {own[0].version} is "
                f"{own[0].status}.",
                f"{own[0].reason}\n'eco plugins --verbose' shows more.".strip(),
            )

        fix = []
        others = dict.fromkeys(entry.kind for entry in self.find_any(name))
        same_name = [entry.id for entry in self.entries(kind) if distribution and entry.name == short]
        if others:
            fix.append(f"{name!r} is {' and '.join(map(_with_article, others))}, not {_with_article(kind)}.")
        elif same_name:
            fix.append("Did you mean " + " or ".join(map(repr, same_name)) + "?")
        else:
            known = (entry.id if distribution else entry.name for entry in self.entries(kind))
            fix.append(did_you_mean(name, known))
        if missing:
            states = ", ".join(dict.fromkeys(f"plugin {plugin.distribution} is {plugin.status}" for plugin in missing))
            fix.append(f"{states[0].upper()}{states[1:]}: see 'eco plugins --verbose'.")
        fix.append(f"'eco list {plural(kind)}' shows all.")
        return Problem("ECO101", f"There is no {kind} {name!r}.", "\n".join(filter(None, fix)))


def _with_article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
