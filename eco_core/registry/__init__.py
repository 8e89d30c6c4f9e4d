"""Finds the installed plugins and their components, and looks up the names in specs.

The names of this package are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eco_core import _lazy

if TYPE_CHECKING:
    from eco_core.registry.registry import KINDS, Entry, Registry, kind_of, plural

_HOMES = {
    "Entry": "eco_core.registry.registry",
    "KINDS": "eco_core.registry.registry",
    "Registry": "eco_core.registry.registry",
    "kind_of": "eco_core.registry.registry",
    "plural": "eco_core.registry.registry",
}

__all__ = [
    "KINDS",
    "Entry",
    "Registry",
    "kind_of",
    "plural",
]

__getattr__, __dir__ = _lazy.attach(__name__, _HOMES)
