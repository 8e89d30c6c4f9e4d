"""The graph that a data section names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eco_core.data.load import load_graph
from eco_core.registry.registry import Registry
from eco_core.spec.models import DataSpec


def load_planned(section: DataSpec, registry: Registry, source: Any = None) -> tuple[Any, DataSpec]:
    """Loads and prepares a graph as a data section says."""
    options: dict[str, Any] = {"undirected": section.undirected, "normalize_features": section.normalize_features}
    data = section.name if source is None else source
    name = str(data) if isinstance(data, (str, Path)) else "<in memory>"
    own = (section.model_extra or {}) if name == section.name else {}
    graph = load_graph(data, section.root, registry=registry, **options, **own)
    return graph, section if name == section.name else DataSpec(name=name, root=section.root, **options)
