"""Embeds and clusters a graph with trained parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from eco_core.errors import CompositionError, Problem
from eco_core.inject.calls import call
from eco_core.model.wiring import Wiring
from eco_core.parts.step import Step
from eco_core.parts.traits import traits_of
from eco_core.plan.part import Part
from eco_core.plan.plan import Plan


@dataclass(frozen=True, eq=False)
class Prediction:
    """The clusters and embeddings of a graph's nodes.

    Attributes:
        labels: The cluster of every node: (num_nodes,), int64, on the CPU.
        confidence: The confidence in each node's cluster: (num_nodes,), float32 in [0, 1].
        embedding: The embeddings: (num_nodes, width), float32.
    """

    labels: Tensor
    confidence: Tensor
    embedding: Tensor


def predict(wiring: Wiring, part: Part, step: Step, names: Mapping[str, Any] | None = None) -> Prediction:
    """Clusters the nodes of a step.

    Args:
        wiring: The parts.
        part: The plan's head, for messages.
        step: The step on the graph.
        names: The head's view of the step's names, if the caller has it already: for many nodes, a second normalised
            copy of the embeddings would take gigabytes.
    """
    names = wiring.head_names(step) if names is None else names
    labels = assign(wiring, part, names)
    confidence = confidence_of(wiring, part, names)
    return Prediction(labels.cpu(), confidence.float().cpu(), step.z.detach().float().cpu())


def assign(wiring: Wiring, part: Part, names: Mapping[str, Any], soft: bool = False) -> Tensor:
    """Calls the head's ``cluster`` and checks what it returns.

    Args:
        wiring: The parts.
        part: The plan's head, for messages.
        names: The head's view of the step's names.
        soft: Whether to return the soft assignment instead of labels.

    Returns:
        Labels (num_nodes,), int64; with ``soft`` the soft assignment (num_nodes, n_clusters).

    Raises:
        CompositionError: ECO209, if the head returns another shape.
    """
    head: Any = wiring.head
    out = call(head.cluster, names, soft=soft)
    nodes, dims = names["z"].size(0), 2 if soft else 1
    if not isinstance(out, Tensor) or out.dim() != dims or out.shape[0] != nodes:
        found = f"a tensor of shape {tuple(out.shape)}" if isinstance(out, Tensor) else type(out).__name__
        expected = "(num_nodes, n_clusters)" if soft else "(num_nodes,)"
        raise CompositionError(
            Problem(
                "ECO209",
                f"{part} returned {found} from cluster(z, soft={soft}) for {nodes} nodes; expected shape {expected}.",
                "Return one entry per node.",
            )
        )
    return out if soft else out.long()


def confidence_of(wiring: Wiring, part: Part, names: Mapping[str, Any]) -> Tensor:
    """The confidence in each node's cluster: the head's ``confidence``, else the largest soft assignment."""
    own = getattr(wiring.head, "confidence", None)
    if callable(own):
        return call(own, names)
    return assign(wiring, part, names, soft=True).max(dim=1).values


def check_inductive(plan: Plan, wiring: Wiring) -> None:
    """Checks that encoder and head can handle nodes that they were not fitted on.

    Raises:
        CompositionError: ECO211, if one of them cannot; the message names the part.
    """
    for kind, module in wiring.parts():
        if kind != "objective" and not traits_of(module).inductive:
            raise CompositionError(
                Problem(
                    "ECO211",
                    f"{plan.part(kind)} works only on the nodes that it was fitted on: it predicts no graph.",
                    f"The clusters of the fitted graph are in labels_. For another graph use fit_predict, or another "
                    f"{kind}: 'eco list {kind}s --where inductive'.",
                )
            )


__all__ = ["Prediction", "assign", "check_inductive", "confidence_of", "predict"]
