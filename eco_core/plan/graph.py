"""The graph that the data section of a spec names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch_geometric.data import Data

from eco_core.data.load import load_graph
from eco_core.registry.registry import Registry
from eco_core.spec.models import IN_MEMORY, DataSpec


def load_planned(section: DataSpec, registry: Registry, source: Any = None) -> tuple[Data, DataSpec]:
    """Loads and prepares a graph as a data section says.

    Args:
        section: The section: a name with its parameters, and how graphs are prepared.
        registry: Where names are looked up.
        source: Another graph than the section names, prepared in the same way: what `eco_core.load_graph` takes. It has
            no parameters, unless it is the section's own name.

    Returns:
        The graph, and the section that names it; the name of a graph that was given from Python is `IN_MEMORY`.

    Raises:
        DataError: If there is no such graph, or it is invalid.
    """
    if source is None:
        source = section.name
    name = str(source) if isinstance(source, (str, Path)) else IN_MEMORY
    if name != section.name:
        preparation = {key: getattr(section, key) for key in DataSpec.model_fields}
        section = DataSpec.model_validate({**preparation, "name": name})
    graph = load_graph(
        source,
        section.root,
        undirected=section.undirected,
        normalize_features=section.normalize_features,
        registry=registry,
        **(section.model_extra or {}),
    )
    return graph, section
