"""ECO: the component ecosystem for attributed graph clustering.

The public names are imported on first use, so that ``import eco_core`` alone loads neither torch nor PyG::

    import eco_core as eco

    model = eco.compose(encoder="gat", head="dec", strategy="joint", clusters=10)
    labels = model.fit_predict("digits")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eco_core._lazy import lazy_names

if TYPE_CHECKING:
    from eco_core import tl as tl
    from eco_core.data.load import load_graph
    from eco_core.engine.callbacks import Callback, StopTraining
    from eco_core.errors import CompositionError
    from eco_core.metrics.labels import label_metrics
    from eco_core.metrics.structure import structure_metrics
    from eco_core.model.base_model import BaseModel
    from eco_core.model.bases import ClusteringModel, TrainableModel
    from eco_core.model.compose import compose
    from eco_core.model.composition import Composition
    from eco_core.ops.sample import BatchRows, SampledEdges
    from eco_core.parts.heads import BaseClusterHead
    from eco_core.parts.linear_head import LinearClusterHead
    from eco_core.parts.loss import LossOutput
    from eco_core.parts.protocols import ClusterHead, Encoder, Objective, Strategy
    from eco_core.parts.stages import EarlyStopping, OptimizerSpec, Stage, StageOptions, Update
    from eco_core.registry.hookspecs import Component, Dataset, Metric, Recipe, hookimpl
    from eco_core.runs.load import load
    from eco_core.runs.run import run

__version__ = "0.1.0"

_HOMES = {
    "BaseClusterHead": "eco_core.parts.heads",
    "BaseModel": "eco_core.model.base_model",
    "BatchRows": "eco_core.ops.sample",
    "Callback": "eco_core.engine.callbacks",
    "ClusterHead": "eco_core.parts.protocols",
    "ClusteringModel": "eco_core.model.bases",
    "Component": "eco_core.registry.hookspecs",
    "Composition": "eco_core.model.composition",
    "CompositionError": "eco_core.errors",
    "Dataset": "eco_core.registry.hookspecs",
    "EarlyStopping": "eco_core.parts.stages",
    "Encoder": "eco_core.parts.protocols",
    "LinearClusterHead": "eco_core.parts.linear_head",
    "LossOutput": "eco_core.parts.loss",
    "Metric": "eco_core.registry.hookspecs",
    "Objective": "eco_core.parts.protocols",
    "OptimizerSpec": "eco_core.parts.stages",
    "Recipe": "eco_core.registry.hookspecs",
    "SampledEdges": "eco_core.ops.sample",
    "Stage": "eco_core.parts.stages",
    "StageOptions": "eco_core.parts.stages",
    "StopTraining": "eco_core.engine.callbacks",
    "Strategy": "eco_core.parts.protocols",
    "TrainableModel": "eco_core.model.bases",
    "Update": "eco_core.parts.stages",
    "compose": "eco_core.model.compose",
    "hookimpl": "eco_core.registry.hookspecs",
    "label_metrics": "eco_core.metrics.labels",
    "load": "eco_core.runs.load",
    "load_graph": "eco_core.data.load",
    "run": "eco_core.runs.run",
    "structure_metrics": "eco_core.metrics.structure",
}

__all__ = [
    "BaseClusterHead",
    "BaseModel",
    "BatchRows",
    "Callback",
    "ClusterHead",
    "ClusteringModel",
    "Component",
    "Composition",
    "CompositionError",
    "Dataset",
    "EarlyStopping",
    "Encoder",
    "LinearClusterHead",
    "LossOutput",
    "Metric",
    "Objective",
    "OptimizerSpec",
    "Recipe",
    "SampledEdges",
    "Stage",
    "StageOptions",
    "StopTraining",
    "Strategy",
    "TrainableModel",
    "Update",
    "compose",
    "hookimpl",
    "label_metrics",
    "lazy_names",
    "load",
    "load_graph",
    "run",
    "structure_metrics",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES, modules=("tl",))
