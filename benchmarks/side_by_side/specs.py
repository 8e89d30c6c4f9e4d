"""The resolved spec of a recipe on a graph: the only source of all hyper-parameters, for both libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.side_by_side.graphs import data_spec

if TYPE_CHECKING:
    from eco_core.model.composition import Composition

RECIPES = (
    "ssgc",
    "nafs",
    "sagsc",
    "ms2cag",
    "gae",
    "dgi",
    "ccassg",
    "gbt",
    "s3gc",
    "ns4gc",
    "magi",
    "daegc",
    "dinknet",
    "mincut",
    "dmon",
    "neuromap",
)


def stage_names(spec: dict[str, Any]) -> list[str]:
    """Returns the names of the stages that are trained, in order; empty if nothing is trained.

    Args:
        spec: A resolved spec.
    """
    without_objective = spec["objective"] == "none"
    if spec["strategy"]["name"] == "decoupled":
        return [] if without_objective else ["train"]
    return ["joint"] if without_objective else ["pretrain", "joint"]


def full_epochs(spec: dict[str, Any]) -> dict[str, int]:
    """Returns the epochs of each stage that is trained.

    Args:
        spec: A resolved spec.
    """
    return {stage: spec["strategy"][stage]["epochs"] for stage in stage_names(spec)}


def compose(
    recipe: str,
    data: str,
    *,
    root: str | None = None,
    seed: int = 0,
    epochs: int | None = None,
    early_stopping: bool = False,
) -> tuple[Composition, dict[str, int]]:
    """Composes a recipe for a graph, with the recipe's own values for that graph where it has some.

    Args:
        recipe: One of `RECIPES`.
        data: Name of the graph.
        root: Folder of downloaded data sets.
        seed: Seed of all random numbers in training.
        epochs: Largest number in each stage; None: the recipe's epochs.
        early_stopping: Whether to keep the recipe's patience; otherwise all epochs are run.

    Returns:
        The model, and the epochs of each stage in the whole recipe.
    """
    import eco_core as eco

    spec = {"data": data_spec(data, root)}
    whole = full_epochs(eco.compose(spec, recipe=recipe, seed=seed).spec)
    changes = []
    for stage, count in whole.items():
        if epochs is not None:
            changes.append(f"strategy.{stage}.epochs={min(epochs, count)}")
        if not early_stopping:
            changes.append(f"strategy.{stage}.patience=null")
    return eco.compose(spec, recipe=recipe, seed=seed, overrides=changes), whole
