"""Records of a scan for plugins: the hooks, and the status of each plugin."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Literal

from eco_core.registry.hookspecs import Component, Dataset, Metric, Recipe

CORE_DISTRIBUTION = "eco-core"

BLOCK_VARIABLE = "ECO_BLOCK_PLUGINS"
"""The environment variable that lists the plugins that are not loaded, separated by commas."""


HOOKS: dict[str, tuple[str, type]] = {
    "encoder": ("eco_encoders", Component),
    "head": ("eco_heads", Component),
    "objective": ("eco_objectives", Component),
    "strategy": ("eco_strategies", Component),
    "recipe": ("eco_recipes", Recipe),
    "dataset": ("eco_datasets", Dataset),
    "metric": ("eco_metrics", Metric),
}
"""For each kind, the hook that offers it, and the type of the hook's records."""


Status = Literal["ok", "blocked", "incompatible", "broken", "conflict"]


Item = Component | Recipe | Dataset | Metric


@dataclass(frozen=True)
class PluginInfo:
    """The status of one plugin, and what it offers.

    Attributes:
        distribution: The normalised name (PEP 503) of its distribution, such as ``"eco-sbm"``.
        version: Version of the distribution.
        entry_point: Name of its entry point.
        module: The module that the entry point names.
        status: ``"ok"``; ``"conflict"`` (loaded, but another distribution offers one of its short names, too); or, for
            a plugin that is not loaded, ``"blocked"``, ``"incompatible"`` or ``"broken"``.
        reason: Why the status is not ``"ok"``, and what to do about it, in sentences.
        traceback: The traceback of the exception that broke it; empty if there is none.
        components: The kinds and names of what it offers: ``("encoder gat", "recipe daegc")``.
        missing: A sentence for each component that cannot be used before something else is installed, with the command.
    """

    distribution: str
    version: str
    entry_point: str
    module: str
    status: Status = "ok"
    reason: str = ""
    traceback: str = ""
    components: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Distribution and entry point: ``"eco-sbm:sbm"``."""
        return f"{self.distribution}:{self.entry_point}"

    @property
    def loaded(self) -> bool:
        """Whether its components can be used."""
        return self.status in ("ok", "conflict")


class RefusedError(Exception):
    """A plugin is not loaded. The exception carries the status and the reason."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def describe_error(error: BaseException) -> str:
    """The type and the message of an exception in one line without a full stop, even if its ``__str__`` raises."""
    text = str(traceback.TracebackException.from_exception(error, limit=0)).strip().rstrip(".")
    return " ".join(f"{type(error).__name__}: {text}".splitlines()) if text else type(error).__name__
