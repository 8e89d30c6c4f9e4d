"""The registry: everything that can be named in a spec, by whom it is offered, and how to find it.

Names are qualified by the distribution (``"eco-sbm:sbm"``); the short name alone works while it is unique in its kind.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from eco_core.errors import Problem, SpecError, did_you_mean
from eco_core.registry.discovery import load_plugins
from eco_core.registry.hookspecs import Recipe
from eco_core.registry.records import Item, PluginInfo, describe_error

if TYPE_CHECKING:
    from eco_core.inject.parameters import ParameterModel

KINDS = ("encoder", "head", "objective", "strategy", "recipe", "dataset", "metric")
"""What a plugin can offer, in the order in which it is listed."""

_STATUS_CODES = {"broken": "ECO501", "incompatible": "ECO502", "blocked": "ECO503"}


def plural(kind: str) -> str:
    """The plural of a kind, as ``eco list`` takes it: ``"strategies"``."""
    return kind[:-1] + "ies" if kind.endswith("y") else kind + "s"


def kind_of(word: str) -> str:
    """The kind that a word names in the singular or the plural.

    Args:
        word: Such as ``"encoder"`` or ``"encoders"``; upper and lower case are the same.

    Returns:
        One of `KINDS`.

    Raises:
        SpecError: ECO101 if the word names no kind.
    """
    for kind in KINDS:
        if word.lower() in (kind, plural(kind)):
            return kind
    raise SpecError(
        Problem("ECO101", f"There is no kind of component {word!r}.", did_you_mean(word, map(plural, KINDS)))
    )


@dataclass(frozen=True)
class Entry:
    """One thing that can be named, with its provenance.

    Attributes:
        kind: One of `KINDS`.
        name: Short name.
        distribution: The distribution that offers it, its name normalised (PEP 503).
        version: Version of that distribution.
        item: The record that the plugin gave: a Component, Recipe, Dataset or Metric.
    """

    kind: str
    name: str
    distribution: str
    version: str
    item: Item

    @property
    def id(self) -> str:
        """The qualified name: ``"eco-sbm:sbm"``."""
        return f"{self.distribution}:{self.name}"

    def load(self) -> Any:
        """Imports what the target names.

        Returns:
            The class of a component, the function of a data set or a metric.

        Raises:
            SpecError: ECO110 if the module cannot be imported or has no such attribute.
            TypeError: For a recipe, which is text: see `read`.
        """
        if isinstance(self.item, Recipe):
            raise TypeError(f"{self.kind} {self.id!r} is a packaged text and is not imported: use read().")
        module_name, _, path = self.item.target.partition(":")
        try:
            module = importlib.import_module(module_name)
        except (Exception, SystemExit) as error:
            raise self._failure(self.item.target, error) from error
        try:
            return functools.reduce(getattr, path.split("."), module)
        except Exception as error:
            raise self._failure(self.item.target, error, did_you_mean(path, vars(module), list_all=False)) from error

    @functools.cached_property
    def parameters(self) -> type[ParameterModel]:
        """The model of the parameters of a component, derived from its class once.

        Raises:
            SpecError: ECO110 if it cannot be imported, ECO108 if its parameters cannot be read.
        """
        from eco_core.inject.parameters import parameter_model  # imports pydantic, which listing does not need

        return parameter_model(self.load())

    def read(self) -> str:
        """Reads the packaged YAML of a recipe.

        Returns:
            The text of the file.

        Raises:
            SpecError: ECO110 if the package or the file in it cannot be read.
            TypeError: For anything but a recipe: see `load`.
        """
        if not isinstance(self.item, Recipe):
            raise TypeError(f"{self.kind} {self.id!r} is not a packaged text: use load().")
        from importlib import resources  # slow to import, and only needed here

        package, _, path = self.item.spec.partition(":")
        try:
            file = functools.reduce(
                lambda folder, part: folder.joinpath(part), path.split("/"), resources.files(package)
            )
            return file.read_text(encoding="utf-8")
        except (Exception, SystemExit) as error:
            raise self._failure(self.item.spec, error) from error

    def _failure(self, target: str, error: BaseException, hint: str = "") -> SpecError:
        own = target.partition(":")[0].split(".")[0]
        if isinstance(error, ModuleNotFoundError) and error.name and error.name.split(".")[0] != own:
            hint = f"It needs the module {error.name!r}: install the package that provides it."
        fix = (
            f"Reinstall it (pip install --force-reinstall --no-deps {self.distribution}), tell its author, "
            f"or choose another: eco list {plural(self.kind)}."
        )
        return SpecError(
            Problem(
                "ECO110",
                f"The {self.kind} {self.name!r} of {self.distribution} {self.version} cannot be loaded from "
                f"{target!r}: {describe_error(error)}.",
                f"{hint}\n{fix}".strip(),
            )
        )


class Registry:
    """Everything that the installed plugins offer. It does not change once it is made.

    Args:
        entries: What can be named.
        plugins: What became of every installed plugin.
        warnings: Sentences about the scan that belong to no plugin.

    Raises:
        ValueError: If two entries have the same kind and the same qualified name.
    """

    def __init__(
        self, entries: Iterable[Entry], plugins: Iterable[PluginInfo] = (), warnings: Iterable[str] = ()
    ) -> None:
        self.plugins = tuple(plugins)
        self.warnings = tuple(warnings)
        self._entries = tuple(sorted(entries, key=lambda one: (KINDS.index(one.kind), one.name, one.distribution)))
        for one, other in zip(self._entries, self._entries[1:], strict=False):
            if (one.kind, one.id) == (other.kind, other.id):
                raise ValueError(
                    f"Two entries are the {one.kind} {one.id!r}; qualified names are unique within a kind."
                )

    @classmethod
    def discover(cls, block: Iterable[str] = ()) -> Registry:
        """Scans for plugins and registers what they offer. Every call is a fresh scan.

        Args:
            block: Names of distributions or entry points not to load, besides those in ``ECO_BLOCK_PLUGINS``.

        Returns:
            The registry. Plugins that failed are among its `plugins`, with the reason.
        """
        loaded = load_plugins(block)
        entries = (
            Entry(one.kind, one.item.name, one.distribution, one.version, one.item) for one in loaded.contributions
        )
        return cls(entries, loaded.plugins, loaded.warnings)

    def entries(self, kind: str | None = None) -> tuple[Entry, ...]:
        """All entries of a kind (singular or plural), or of all kinds, sorted by name and then by distribution.

        Raises:
            SpecError: ECO101 if there is no such kind.
        """
        if kind is None:
            return self._entries
        wanted = kind_of(kind)
        return tuple(one for one in self._entries if one.kind == wanted)

    def find(self, kind: str, name: str) -> Entry:
        """The entry that a name in a spec means.

        Args:
            kind: One of `KINDS`, in the singular or the plural.
            name: A short name, or a qualified one: ``"eco-sbm:sbm"``.

        Returns:
            The entry.

        Raises:
            SpecError: ECO101 for an unknown name; ECO102 for a short name that several distributions offer; and for a
                qualified name of a distribution that is not loaded ECO501 (broken), ECO502 (incompatible) or
                ECO503 (blocked).
        """
        kind = kind_of(kind)
        matches = [one for one in self.find_any(name) if one.kind == kind]
        if len(matches) == 1:
            return matches[0]
        if matches:
            offered_by = " and ".join(f"{one.distribution} {one.version}" for one in matches)
            ids = " or ".join(one.id for one in matches)
            raise SpecError(
                Problem("ECO102", f"The {kind} {name!r} is offered by {offered_by}.", f"Write the one you mean: {ids}.")
            )
        raise SpecError(self._unknown(kind, name))

    def find_any(self, name: str) -> tuple[Entry, ...]:
        """All entries, of all kinds, that a short or a qualified name may mean; empty if there are none."""
        distribution, _, short = name.rpartition(":")
        normalised = canonicalize_name(distribution)
        return tuple(
            one for one in self._entries if one.name == short and (not distribution or one.distribution == normalised)
        )

    def short_name(self, entry: Entry) -> str:
        """The shortest name that means this entry: its short name if that is unique in its kind, else its id."""
        same = [one for one in self._entries if one.kind == entry.kind and one.name == entry.name]
        return entry.name if len(same) <= 1 else entry.id

    def _unknown(self, kind: str, name: str) -> Problem:
        """Why a name means nothing: a slip, another kind, a plugin that is not loaded."""
        distribution, _, short = name.rpartition(":")
        missing = [one for one in self.plugins if not one.loaded]
        own = [one for one in self.plugins if distribution and one.distribution == canonicalize_name(distribution)]
        if own and not any(one.loaded for one in own):
            return Problem(
                _STATUS_CODES[own[0].status],
                f"The {kind} {name!r} cannot be had: plugin {own[0].distribution} {own[0].version} is {own[0].status}.",
                f"{own[0].reason}\n'eco plugins --verbose' shows more.".strip(),
            )

        fix = []
        others = dict.fromkeys(one.kind for one in self.find_any(name))
        same_name = [one.id for one in self.entries(kind) if distribution and one.name == short]
        if others:
            fix.append(f"{name!r} is {' and '.join(map(_with_article, others))}, not {_with_article(kind)}.")
        elif same_name:
            fix.append("Did you mean " + " or ".join(map(repr, same_name)) + "?")
        else:
            known = (one.id if distribution else one.name for one in self.entries(kind))
            fix.append(did_you_mean(name, known))
        if missing:
            states = ", ".join(dict.fromkeys(f"plugin {one.distribution} is {one.status}" for one in missing))
            fix.append(f"{states[0].upper()}{states[1:]}: see 'eco plugins --verbose'.")
        fix.append(f"'eco list {plural(kind)}' shows all.")
        return Problem("ECO101", f"There is no {kind} {name!r}.", "\n".join(filter(None, fix)))


def _with_article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
