"""Names of a package that are imported on their first use, so that importing the package stays light."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, str], modules: Collection[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Makes the ``__getattr__`` and ``__dir__`` of a package whose public names are imported on first use.

    Plugins use it, too: importing a plugin's package loads torch only when one of its classes is used.

    Args:
        package: The package's ``__name__``.
        homes: Maps each public name to the module that defines it.
        modules: Modules of the package that are imported on first use, such as ``tl``.

    Returns:
        The two functions, to be assigned at the top of the package.

    Example:
        >>> homes = {"GCN": "eco_gnn.gcn"}
        >>> __getattr__, __dir__ = lazy_names("eco_gnn", homes)
    """

    def __getattr__(name: str) -> Any:  # noqa: N807 - the name that Python looks for in a package
        if name in homes:
            value = getattr(importlib.import_module(homes[name]), name)
            setattr(sys.modules[package], name, value)  # The next use finds it without this function.
            return value
        if name in modules:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def __dir__() -> list[str]:  # noqa: N807
        return sorted({*vars(sys.modules[package]), *homes, *modules})

    return __getattr__, __dir__


attach = lazy_names
"""The name that the core's own packages use."""
