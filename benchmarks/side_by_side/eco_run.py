"""One run of ECO, through its Python API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.side_by_side.outcome import Outcome, StageTimes

if TYPE_CHECKING:
    from torch_geometric.data import Data

    from eco_core.model.composition import Composition


def run(model: Composition, graph: Data, full_epochs: dict[str, int]) -> Outcome:
    """Trains and clusters.

    Args:
        model: From `benchmarks.side_by_side.specs.compose`.
        graph: From the model's own ``load_graph``, without labels. (Another graph would be prepared once more.)
        full_epochs: Epochs of each stage in the whole recipe.
    """
    model.fit(graph, device="cpu")
    stages = [
        StageTimes(name, count, [row["seconds"] for row in model.history_.stage(name)])
        for name, count in full_epochs.items()
    ]
    return Outcome(model.clustering_.labels, model.seconds_["train"], model.seconds_["cluster"], stages)
