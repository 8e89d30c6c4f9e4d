"""Loads the graph that the data section of a spec names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch_geometric.data import Data

from eco_core.data.load import load_graph
from eco_core.data.tables.encoding import TableEncoding
from eco_core.registry.registry import Registry
from eco_core.spec.models import IN_MEMORY, DataSpec, GraphSpec


def load_planned(
    section: DataSpec,
    registry: Registry,
    source: Any = None,
    preparation: TableEncoding | None = None,
    *,
    neighbors: GraphSpec | None = None,
) -> tuple[Data, DataSpec]:
    """Loads and prepares a graph according to a data section.

    Args:
        section: The section: the name of a data set with its parameters, and how graphs are prepared.
        registry: Where names are looked up.
        source: Another graph, as for `eco_core.load_graph`, which is prepared in the same way; None: the graph that the
            section names. The section's parameters are used only for the graph that it names.
        preparation: How the columns of a table become features, as an earlier table was encoded.
        neighbors: The spec's section ``graph``: how edges are made or added.

    Returns:
        The graph, and the section that names it; the name of a graph that was given from Python is `IN_MEMORY`.

    Raises:
        DataError: If there is no such graph, or it is invalid.
    """
    if source is None:
        source = section.name
    name = str(source) if isinstance(source, (str, Path)) else IN_MEMORY
    if name != section.name:
        own = {key: getattr(section, key) for key in DataSpec.model_fields}
        section = DataSpec.model_validate({**own, "name": name})
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
