"""Composes a model from names, classes, instances or a spec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from eco_core.model.composition import Composition
from eco_core.plan.plan import plan_run
from eco_core.registry.registry import Registry


def compose(
    spec: Mapping[str, Any] | str | Path | None = None,
    *,
    recipe: str | None = None,
    encoder: Any = None,
    head: Any = None,
    strategy: Any = None,
    objective: Any = "auto",
    n_clusters: int | str | None = None,
    clusters: int | str | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    normalize_embeddings: bool | None = None,
    train: Mapping[str, Any] | None = None,
    data: Any = None,
    in_channels: int | None = None,
    overrides: Iterable[str] = (),
    registry: Registry | None = None,
) -> Composition:
    """Composes a clustering model from parts and checks that they fit.

    Parts are names, classes, instances, or mappings ``{"name": name or class, parameter: value}``. If neither a recipe
    nor a part is named, the recipe ``ssgc`` runs if it is installed: it uses the graph and trains nothing.

    Args:
        spec: A spec as a mapping, or the path of a ``spec.yaml``; the other arguments override it.
        recipe: Name of a recipe to start from.
        encoder: Turns the graph into embeddings; default ``identity`` if another part is named.
        head: Turns embeddings into clusters; default ``kmeans``.
        strategy: ``decoupled`` (default) or ``joint``.
        objective: The loss that trains the encoder. ``auto`` chooses one; None means no objective.
        n_clusters: Number of clusters; default the number of classes that the data set declares.
        clusters: The same as ``n_clusters``, under its name in a spec; give only one of the two.
        epochs: Number of epochs of every stage.
        seed: The training seed; it seeds all random numbers of training.
        normalize_embeddings: Whether embeddings are L2-normalised for discrete heads and for k-means initialisation.
        train: ``batch``, ``batch_size``, ``fan_out`` and ``precision``.
        data: A graph: a name, a path, PyG ``Data`` or ``(x, edge_index)``. If given, the parts are built at once.
        in_channels: A feature width. If given, the parts are built at once.
        overrides: Texts such as ``"head.alpha=2.0"``, as for ``--set``.
        registry: Where names are looked up; default all installed plugins.

    Returns:
        A `Composition`; call ``fit_predict(data)``.

    Raises:
        CompositionError: With all problems of the composition.
        TypeError: If both ``n_clusters`` and ``clusters`` are given.
    """
    from eco_core.spec.files import read_spec

    if n_clusters is not None and clusters is not None:
        raise TypeError(f"n_clusters={n_clusters!r} and clusters={clusters!r} mean the same; give one of them.")

    registry = registry or Registry.discover()
    flags: dict[str, Any] = {
        "encoder": encoder,
        "head": head,
        "strategy": strategy,
        "clusters": clusters if n_clusters is None else n_clusters,
        "seed": seed,
        "normalize_embeddings": normalize_embeddings,
        "train": train,
        "data": str(data) if isinstance(data, (str, Path)) else None,
    }
    flags = {key: value for key, value in flags.items() if value is not None}
    if not (isinstance(objective, str) and objective == "auto"):
        flags["objective"] = objective
    plan = plan_run(registry, recipe=recipe, spec=read_spec(spec), flags=flags, epochs=epochs, overrides=overrides)
    model = Composition(plan)
    if data is not None:
        model.build(model.load_graph(data))
    elif in_channels is not None:
        model.build(in_channels=in_channels)
    return model
