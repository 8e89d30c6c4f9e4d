"""The hooks that a plugin may implement, and the small records that they return.

A plugin is a module named by an entry point of the group ``eco.plugins``. It does not import torch: it names components
by *targets* (``"package.module:attribute"``), which are imported when they are used. Example::

    from eco_core import Component, hookimpl

    @hookimpl
    def eco_heads():
        yield Component("sbm", "eco_sbm.head:SBMClusterHead", summary="Stochastic block model likelihood")

    @hookimpl
    def eco_api():
        return ">=1,<2"
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pluggy

ECO_API_VERSION = "1.0"
"""The version of this core's plugin interface: protocols, hooks and injected names."""

ENTRY_POINT_GROUP = "eco.plugins"

hookspec = pluggy.HookspecMarker("eco")
hookimpl = pluggy.HookimplMarker("eco")


TAGS: dict[str, tuple[str, ...]] = {
    "encoder": (
        "learns",
        "reads_graph",
        "supports_sparse_x",
        "inductive",
        "uses_weights",
        "directed",
        "minibatch",
        "deterministic",
    ),
    "head": ("finds_k", "soft", "hierarchy", "inductive", "uses_weights", "directed", "minibatch", "deterministic"),
    "objective": ("supports_sparse_x", "needs_views", "uses_weights", "directed", "minibatch", "deterministic"),
    "strategy": ("trains_head", "deterministic"),
}
"""The tags that a component of each kind may have: names of traits (see `eco_core.parts.traits.Traits`)."""


@dataclass(frozen=True)
class Component:
    """A part that can be composed: an encoder, a cluster head, an objective or a strategy.

    Attributes:
        name: Short name, unique within the distribution and the kind, such as ``"gat"``.
        target: The class, ``"package.module:Class"``; it is imported on first use.
        summary: One line for ``eco list``.
        paper: The paper that describes it; may be empty.
        tags: The names of its traits that are true (see `TAGS`), for ``eco list --where``. A component without tags is
            listed, but ``--where`` never finds it.
        requires: Modules that it needs and that an extra of its distribution installs, such as ``("leidenalg",)``.
            Where one is missing, lists show it and a plan that names the component is refused.
        extra: The extra of its distribution that installs them.
    """

    name: str
    target: str
    summary: str = ""
    paper: str = ""
    tags: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    extra: str = ""


@dataclass(frozen=True)
class Recipe:
    """A published method as data: four parts and their parameters.

    Attributes:
        name: Short name, such as ``"daegc"``.
        spec: A packaged YAML file, ``"package:path/inside/the/package.yaml"``. It holds the keys of a ``spec.yaml``
            and, optionally, ``overrides``: a mapping from data set names to keys that replace the file's keys for this
            data set.
        summary: One line for ``eco list``.
        paper: The paper that describes the method.
    """

    name: str
    spec: str
    summary: str = ""
    paper: str = ""


@dataclass(frozen=True)
class Dataset:
    """A graph that can be named with ``--data``.

    Attributes:
        name: Short name, such as ``"cora"``.
        target: ``"package.module:function"``. The function returns a ``torch_geometric.data.Data``. If it has a
            parameter ``root``, it gets the folder of ``--data-root``. A user may set its other parameters
            (``--set data.NAME=VALUE``).
        summary: One line for ``eco list``.
        size: Nodes, edges and features, in words.
        licence: Licence or origin of the data.
        classes: The published number of classes, which is the default number of clusters.
        requires: Modules that its function needs and that an extra of the distribution installs, such as ``("ogb",)``.
            Where one is missing, lists show it, and the data set is refused before anything is loaded.
        extra: The extra of the distribution that installs them.
    """

    name: str
    target: str
    summary: str = ""
    size: str = ""
    licence: str = ""
    classes: int | None = None
    requires: tuple[str, ...] = ()
    extra: str = ""


@dataclass(frozen=True)
class Metric:
    """A figure computed from a finished clustering.

    Attributes:
        name: The key of the metric in ``metrics.json``.
        target: ``"package.module:function"``. The function gets the arguments that its parameters name: ``y`` and
            ``pred`` (both ``(num_nodes,)`` integers; a function with ``y`` gets only the labelled nodes, and is left
            out if there are none), ``edge_index``, ``edge_weight``, ``x``, ``z``, ``graph``. It returns a float.
        summary: One line for ``eco list``.
        paper: The paper that defines it.
    """

    name: str
    target: str
    summary: str = ""
    paper: str = ""


@hookspec
def eco_encoders() -> Iterable[Component]:  # type: ignore[empty-body]
    """Encoders: modules that turn a graph into node embeddings."""


@hookspec
def eco_heads() -> Iterable[Component]:  # type: ignore[empty-body]
    """Cluster heads: modules that turn embeddings into clusters."""


@hookspec
def eco_objectives() -> Iterable[Component]:  # type: ignore[empty-body]
    """Objectives: self-supervised losses that train an encoder."""


@hookspec
def eco_strategies() -> Iterable[Component]:  # type: ignore[empty-body]
    """Strategies: sequences of stages that train the parts."""


@hookspec
def eco_recipes() -> Iterable[Recipe]:  # type: ignore[empty-body]
    """Recipes: published methods as packaged specs."""


@hookspec
def eco_datasets() -> Iterable[Dataset]:  # type: ignore[empty-body]
    """Data sets that can be loaded by name."""


@hookspec
def eco_metrics() -> Iterable[Metric]:  # type: ignore[empty-body]
    """Metrics that are computed after every run."""


@hookspec
def eco_api() -> str:  # type: ignore[empty-body]
    """The range of `ECO_API_VERSION` that the plugin was written for, such as ``">=1,<2"``."""
