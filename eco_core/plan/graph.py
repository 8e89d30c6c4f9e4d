"""Loads the graph that the data section of a spec names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch_geometric.data import Data

from eco_core.data.load import load_graph
from eco_core.data.on_disk.graph import MANIFEST, OnDiskGraph, is_on_disk, read_manifest
from eco_core.data.source import is_path
from eco_core.errors import DataError, Problem
from eco_core.registry.registry import Registry
from eco_core.spec.models import IN_MEMORY, DataSpec, GraphSpec


def load_planned(
    section: DataSpec,
    registry: Registry,
    source: Any = None,
    preparation: Any = None,
    *,
    neighbors: GraphSpec | None = None,
    features_as_stored: bool = False,
) -> tuple[Data, DataSpec]:
    """Loads and prepares a graph according to a data section.

    Args:
        section: The section: the name of a data set with its parameters, and how graphs are prepared.
        registry: Where names are looked up.
        source: Another graph, as for `eco_core.load_graph`, which is prepared in the same way; None: the graph that the
            section names. The section's parameters are used only for the graph that it names.
        preparation: The encoding of another graph, by which the features are made in the same way.
        neighbors: The spec's section ``graph``: how edges are made or added.
        features_as_stored: Whether a graph on disk keeps its features as they were converted, whatever the section
            says.

    Returns:
        The graph, and the section that names it; the name of a graph that was given from Python is `IN_MEMORY`.

    Raises:
        DataError: If there is no such graph, or it is invalid; ECO301, if it was in memory and is not given again.
    """
    if source is None:
        source = section.name
        if source == IN_MEMORY:
            raise DataError(
                Problem(
                    "ECO301",
                    "The run was fitted on a graph in memory, which is not kept in its folder.",
                    "Give the graph again: data= in Python, --data on the command line.",
                )
            )
    name = str(source) if isinstance(source, (str, Path)) else IN_MEMORY
    if name != section.name:
        own = {key: getattr(section, key) for key in DataSpec.model_fields}
        section = DataSpec.model_validate({**own, "name": name})
    if features_as_stored and (stored := _stored_normalization(source)) is not None:
        section = section.model_copy(update={"normalize_features": stored})
    graph = load_graph(
        source,
        section.root,
        undirected=section.undirected,
        normalize_features=section.normalize_features,
        duplicates=section.duplicates,
        registry=registry,
        preparation=preparation,
        **(neighbors or GraphSpec()).model_dump(),
        **(section.model_extra or {}),
    )
    return graph, section


def _stored_normalization(source: Any) -> Any:
    """How the features of a graph on disk were normalised when it was converted; None for all other graphs."""
    if isinstance(source, OnDiskGraph) and source.is_as_stored:
        return source.manifest["normalize_features"]
    if isinstance(source, (str, Path)) and is_path(source):
        path = Path(source).expanduser()
        if is_on_disk(path) and (path / MANIFEST).is_file():
            return read_manifest(path)["normalize_features"]
    return None
