"""Records of a scan for plugins: the hooks, and what became of each plugin."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Literal

from eco_core.registry.hookspecs import Component, Dataset, Metric, Recipe

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
"""The hook that offers each kind, and the record that the hook returns."""


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


class RefusedError(Exception):
    """A plugin is not loaded; carries the status and the reason."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def describe_error(error: BaseException) -> str:
    """The type and the message of an exception in one line without a full stop, even if its ``__str__`` fails."""
    text = str(traceback.TracebackException.from_exception(error, limit=0)).strip().rstrip(".")
    return " ".join(f"{type(error).__name__}: {text}".splitlines()) if text else type(error).__name__
