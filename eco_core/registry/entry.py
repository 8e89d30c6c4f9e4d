"""An entry of the registry: a component, recipe, data set or metric that a plugin offers, and how it is imported."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eco_core.errors import Problem, SpecError, did_you_mean
from eco_core.registry.hookspecs import Component, Dataset, Recipe
from eco_core.registry.records import Item, describe_error

if TYPE_CHECKING:
    from eco_core.inject.parameters import ParameterModel


def plural(kind: str) -> str:
    """Returns the plural of a kind, which ``eco list`` takes, such as ``"strategies"``."""
    return kind[:-1] + "ies" if kind.endswith("y") else kind + "s"


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # The parent package is missing, or the module is half loaded.
        return False


@dataclass(frozen=True)
class Entry:
    """A component, recipe, data set or metric that a name can select, and the plugin that offers it.

    Attributes:
        kind: One of `KINDS`.
        name: Short name.
        distribution: The normalised name (PEP 503) of the distribution that offers it.
        version: Version of that distribution.
        item: The record that the plugin's hook returned: a Component, Recipe, Dataset or Metric.
        plugin: `PluginInfo.id` of the plugin; empty if no plugin offers it.
    """

    kind: str
    name: str
    distribution: str
    version: str
    item: Item
    plugin: str = ""

    @property
    def id(self) -> str:
        """The qualified name: ``"eco-sbm:sbm"``."""
        return f"{self.distribution}:{self.name}"

    def load(self) -> Any:
        """Imports the class or function that the target names.

        Returns:
            The class of a component, the function of a data set or a metric.

        Raises:
            SpecError: ECO110, if the module cannot be imported or has no such attribute.
            TypeError: For a recipe, which is a text file: use `read`.
        """
        if isinstance(self.item, Recipe):
            raise TypeError(f"{self.kind} {self.id!r} is a packaged text file, which cannot be imported: use read().")
        module_name, _, path = self.item.target.partition(":")
        try:
            module = importlib.import_module(module_name)
        except (Exception, SystemExit) as error:
            raise self._failure(self.item.target, error) from error
        try:
            return functools.reduce(getattr, path.split("."), module)
        except Exception as error:
            raise self._failure(self.item.target, error, did_you_mean(path, vars(module), list_all=False)) from error

    @property
    def missing(self) -> tuple[str, ...]:
        """The modules that a component or a data set needs (its ``requires``) and that are not installed."""
        required = self.item.requires if isinstance(self.item, (Component, Dataset)) else ()
        return tuple(module for module in required if not _is_installed(module))

    @property
    def install_command(self) -> str:
        """The command that installs what is `missing`; empty if nothing is."""
        if not self.missing or not isinstance(self.item, (Component, Dataset)):
            return ""
        wanted = f"'{self.distribution}[{self.item.extra}]'" if self.item.extra else " ".join(self.missing)
        return f"pip install {wanted}"

    @property
    def missing_problem(self) -> Problem | None:
        """The problem of an entry whose modules are `missing`, with the command that installs them; else None."""
        if not self.missing:
            return None
        kind = "data set" if self.kind == "dataset" else self.kind
        return Problem(
            "ECO110",
            f"The {kind} '{self.name}' of {self.distribution} {self.version} needs {' and '.join(self.missing)}, which "
            f"{'is' if len(self.missing) == 1 else 'are'} not installed.",
            self.install_command,
        )

    @property
    def parameters(self) -> type[ParameterModel]:
        """The model of a component's parameters; it is derived from the class once in a process.

        Raises:
            SpecError: ECO110, if the class cannot be imported; ECO108, if its parameters cannot be read.
        """
        from eco_core.inject.parameters import parameter_model  # Imports pydantic, which listing does not need.

        return parameter_model(self.load())

    def read(self) -> str:
        """Reads the packaged YAML of a recipe.

        Returns:
            The text of the file.

        Raises:
            SpecError: ECO110, if the package or the file in it cannot be read.
            TypeError: For all other kinds: use `load`.
        """
        if not isinstance(self.item, Recipe):
            raise TypeError(f"{self.kind} {self.id!r} is not a packaged text file: use load().")
        from importlib import resources  # Slow to import, and needed only here.

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
