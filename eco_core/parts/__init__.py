"""The interface between the core and the authors of parts: protocols, stages, losses, bases of heads, and traits.

The names of this package are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eco_core import _lazy

if TYPE_CHECKING:
    from eco_core.inject.ranges import checked
    from eco_core.parts.heads import BaseClusterHead, buffers_of_any_size, is_differentiable
    from eco_core.parts.linear_head import LinearClusterHead
    from eco_core.parts.loss import LossOutput, mean_loss
    from eco_core.parts.protocols import ClusterHead, Encoder, Objective, Strategy
    from eco_core.parts.stages import EarlyStopping, OptimizerSpec, Stage, StageOptions, Update
    from eco_core.parts.step import Step
    from eco_core.parts.traits import Traits, traits_of

_HOMES = {
    "BaseClusterHead": "eco_core.parts.heads",
    "ClusterHead": "eco_core.parts.protocols",
    "EarlyStopping": "eco_core.parts.stages",
    "Encoder": "eco_core.parts.protocols",
    "LinearClusterHead": "eco_core.parts.linear_head",
    "LossOutput": "eco_core.parts.loss",
    "Objective": "eco_core.parts.protocols",
    "OptimizerSpec": "eco_core.parts.stages",
    "Stage": "eco_core.parts.stages",
    "StageOptions": "eco_core.parts.stages",
    "Step": "eco_core.parts.step",
    "Strategy": "eco_core.parts.protocols",
    "Traits": "eco_core.parts.traits",
    "Update": "eco_core.parts.stages",
    "checked": "eco_core.inject.ranges",
    "is_differentiable": "eco_core.parts.heads",
    "mean_loss": "eco_core.parts.loss",
    "buffers_of_any_size": "eco_core.parts.heads",
    "traits_of": "eco_core.parts.traits",
}

__all__ = [
    "BaseClusterHead",
    "ClusterHead",
    "EarlyStopping",
    "Encoder",
    "LinearClusterHead",
    "LossOutput",
    "Objective",
    "OptimizerSpec",
    "Stage",
    "StageOptions",
    "Step",
    "Strategy",
    "Traits",
    "Update",
    "buffers_of_any_size",
    "checked",
    "is_differentiable",
    "mean_loss",
    "traits_of",
]

__getattr__, __dir__ = _lazy.attach(__name__, _HOMES)
