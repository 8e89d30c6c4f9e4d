"""The losses of a composition's parts, named like the columns of the history."""

from __future__ import annotations

from typing import Any

from eco_core.inject.calls import call
from eco_core.model.wiring import Wiring
from eco_core.parts.loss import LossOutput
from eco_core.parts.step import Step
from eco_core.plan.plan import Plan


def objective_loss(wiring: Wiring, plan: Plan, step: Step) -> LossOutput:
    """The loss of the objective on a step, under the objective's name."""
    objective: Any = wiring.objective
    value = call(objective, wiring.names("objective", step))
    return LossOutput.of(value, str(plan.part("objective"))).named(column(plan, "objective"))


def head_loss(wiring: Wiring, plan: Plan, step: Step) -> LossOutput:
    """The loss of the cluster head on a step, under the head's name."""
    head: Any = wiring.head
    value = call(head, wiring.head_names(step))
    return LossOutput.of(value, str(plan.part("head"))).named(column(plan, "head"))


def adversary_loss(wiring: Wiring, step: Step) -> LossOutput:
    """The loss of the objective's adversary on a step."""
    objective: Any = wiring.objective
    return LossOutput.of(call(objective.adversary_loss, wiring.names("objective", step)), "adversary_loss")


def column(plan: Plan, kind: str) -> str:
    """The column of a part in the history: its short name, plus its kind if objective and head share the name."""
    names = {k: part.short_name for k in ("objective", "head") if (part := plan.parts[k]) is not None}
    return names[kind] if len(set(names.values())) == len(names) else f"{names[kind]}_{kind}"
