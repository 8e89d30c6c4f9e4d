"""ECO: the component ecosystem for attributed graph clustering.

The public names are imported on first use, so that ``import eco_core`` alone loads neither torch nor PyG::

    import eco_core as eco

    model = eco.compose(encoder="gat", head="dec", strategy="joint", clusters=10)
    labels = model.fit_predict("digits")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eco_core.bases import BaseClusterHead, BaseModel, ClusteringModel, LossOutput, TrainableModel
    from eco_core.composition import compose
    from eco_core.data.load import load_graph
    from eco_core.errors import CompositionError
    from eco_core.hookspecs import Component, Dataset, Metric, Recipe, hookimpl
    from eco_core.metrics.labels import label_metrics
    from eco_core.metrics.structure import structure_metrics
    from eco_core.protocols import ClusterHead, EarlyStopping, Encoder, Objective, Stage, Strategy, Update
    from eco_core.runs import load, run
    from eco_core.specs import OptimizerSpec, StageOptions

__version__ = "0.1.0"

_HOME = {
    "BaseClusterHead": "eco_core.bases",
    "BaseModel": "eco_core.bases",
    "ClusterHead": "eco_core.protocols",
    "ClusteringModel": "eco_core.bases",
    "Component": "eco_core.hookspecs",
    "CompositionError": "eco_core.errors",
    "Dataset": "eco_core.hookspecs",
    "EarlyStopping": "eco_core.protocols",
    "Encoder": "eco_core.protocols",
    "LossOutput": "eco_core.bases",
    "Metric": "eco_core.hookspecs",
    "Objective": "eco_core.protocols",
    "OptimizerSpec": "eco_core.specs",
    "Recipe": "eco_core.hookspecs",
    "Stage": "eco_core.protocols",
    "StageOptions": "eco_core.specs",
    "Strategy": "eco_core.protocols",
    "TrainableModel": "eco_core.bases",
    "Update": "eco_core.protocols",
    "compose": "eco_core.composition",
    "hookimpl": "eco_core.hookspecs",
    "label_metrics": "eco_core.metrics.labels",
    "load": "eco_core.runs",
    "load_graph": "eco_core.data.load",
    "run": "eco_core.runs",
    "structure_metrics": "eco_core.metrics.structure",
}

__all__ = [
    "BaseClusterHead",
    "BaseModel",
    "ClusterHead",
    "ClusteringModel",
    "Component",
    "CompositionError",
    "Dataset",
    "EarlyStopping",
    "Encoder",
    "LossOutput",
    "Metric",
    "Objective",
    "OptimizerSpec",
    "Recipe",
    "Stage",
    "StageOptions",
    "Strategy",
    "TrainableModel",
    "Update",
    "compose",
    "hookimpl",
    "label_metrics",
    "load",
    "load_graph",
    "run",
    "structure_metrics",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'eco_core' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
