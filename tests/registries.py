"""Registries for tests: what the core registers, and what a test adds to it."""

from __future__ import annotations

from eco_core.registry.hookspecs import Component
from eco_core.registry.registry import Entry, Registry


def component(kind: str, cls: type | str, name: str = "", distribution: str = "eco-test", summary: str = "") -> Entry:
    """An entry for a class, or for a target; its name is by default the class's in lower case."""
    target = cls if isinstance(cls, str) else f"{cls.__module__}:{cls.__qualname__}"
    return Entry(kind, name or target.rpartition(":")[2].lower(), distribution, "1.0", Component(name, target, summary))


def core_and(*entries: Entry) -> Registry:
    """What eco-core registers, whatever else is installed, and some entries more."""
    core = [entry for entry in Registry.discover().entries() if entry.distribution == "eco-core"]
    return Registry([*core, *entries])
