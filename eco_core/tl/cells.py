"""Clusters the cells of an AnnData, and writes the result where scanpy's users look for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from eco_core.errors import Problem, SpecError

DEFAULT_RECIPE = "ssgc"


def cluster(
    adata: Any,
    *,
    recipe: str | None = None,
    clusters: int | str | None = None,
    key_added: str = "eco",
    representation: str | None = None,
    graph: str | None = None,
    n_top_genes: int | None = None,
    n_pcs: int = 50,
    knn: int | None = None,
    metric: str = "auto",
    radius: float | None = None,
    knn_augment: int = 0,
    label_column: str | None = None,
    seed: int = 0,
    epochs: int | None = None,
    device: str = "auto",
    verbose: bool | None = None,
    copy: bool = False,
    registry: Any = None,
    **parts: Any,
) -> Any:
    """Clusters the cells (observations) of an AnnData.

    It writes, besides changing nothing else:

    - ``adata.obs[key_added]``: the cluster of each cell, a categorical of the texts "0", "1", ...;
    - ``adata.obs[key_added + "_confidence"]``: the confidence in it, from 0 to 1;
    - ``adata.obsm["X_" + key_added]``: the embedding, float32;
    - ``adata.uns[key_added]``: a dictionary of parameters, metrics, notes, versions and seconds.

    Args:
        adata: The AnnData; its ``X`` may be sparse or backed by a file.
        recipe: Name of a recipe (``eco list recipes``). Without it, and without parts, ``ssgc`` is used.
        clusters: Number of clusters; some recipes, such as ``leiden``, find it.
        key_added: Where the results are written.
        representation: What the features are made of: ``X``, a layer, or a key of ``obsm``; see
            `eco_core.data.annotated.graph.graph_of_anndata`, also for the next three.
        graph: The edges: a key of ``obsp``, ``"spatial"`` or ``"knn"``.
        n_top_genes: Number of variable genes that are used.
        n_pcs: The most principal components; 0: the genes themselves.
        knn: Neighbours of a cell, where the graph is made here; default 10.
        metric: Distance of the features, if neighbours are found in them.
        radius: Instead of ``knn``, for example in the unit of the coordinates.
        knn_augment: Neighbours in the features that are added to the graph.
        label_column: A column of ``obs`` with known classes, for metrics alone.
        seed: The training seed.
        epochs: Epochs of every stage.
        device: ``auto``, ``cpu`` or ``cuda``.
        verbose: Whether progress is shown; None: a bar where one can be shown.
        copy: Whether a changed copy is returned; the AnnData then stays as it is.
        registry: Where names are looked up; default all installed plugins.
        **parts: More arguments of `eco_core.compose`, such as ``encoder``, ``head`` or ``overrides``.

    Returns:
        None, or with ``copy`` the changed copy.

    Raises:
        EcoError: If the AnnData cannot be used, or the parts do not fit.

    Example:
        >>> eco.tl.cluster(adata, recipe="ssgc", clusters=7, graph="spatial")  # doctest: +SKIP
        >>> adata.obs["eco"].value_counts()  # doctest: +SKIP
    """
    from eco_core.data.load import load_graph
    from eco_core.model.compose import compose

    _check(adata, key_added)
    named = any(parts.get(name) is not None for name in ("spec", "encoder", "head", "strategy"))
    if recipe is None and not named:
        recipe = DEFAULT_RECIPE
    model = compose(recipe=recipe, clusters=clusters, seed=seed, epochs=epochs, registry=registry, **parts)
    section = model.plan_for(None).spec.data
    cells = load_graph(
        adata,
        undirected=section.undirected,
        registry=registry,
        representation=representation,
        graph=graph,
        n_top_genes=n_top_genes,
        n_pcs=n_pcs,
        knn=knn,
        metric=metric,
        radius=radius,
        knn_augment=knn_augment,
        label_column=label_column,
    )
    model.fit(cells, device=device, verbose=verbose)
    target = _copy_of(adata) if copy else adata
    parameters = {
        "recipe": recipe,
        "clusters": clusters,
        "representation": representation,
        "graph": graph,
        "n_top_genes": n_top_genes,
        "n_pcs": n_pcs,
        "knn": knn,
        "metric": metric,
        "radius": radius,
        "knn_augment": knn_augment,
        "label_column": label_column,
        "seed": seed,
        "epochs": epochs,
    }
    notes = dict.fromkeys([*cells.notes, *model.clustering_.notes])
    _write(target, key_added, model.clustering_, parameters, model.spec, tuple(notes))
    return target if copy else None


def _write(
    adata: Any,
    key: str,
    clustering: Any,
    parameters: Mapping[str, Any],
    spec: Mapping[str, Any],
    notes: tuple[str, ...],
) -> None:
    """Writes the results, in types that ``.h5ad`` files can hold."""
    import pandas as pd

    from eco_core.spec.yaml_io import dump_yaml

    labels = clustering.labels.numpy()
    names = [str(number) for number in np.unique(labels)]
    texts = pd.Categorical(labels.astype(str), categories=names)
    adata.obs[key] = pd.Series(texts, index=adata.obs_names)
    confidence = clustering.confidence.numpy().astype(np.float32)
    adata.obs[f"{key}_confidence"] = pd.Series(confidence, index=adata.obs_names)
    adata.obsm[f"X_{key}"] = clustering.embedding.numpy().astype(np.float32)
    adata.uns[key] = {
        "params": {name: value for name, value in parameters.items() if value is not None},
        "metrics": {name: float(value) for name, value in clustering.metrics.items()},
        "seconds": {name: float(value) for name, value in clustering.seconds.items()},
        "notes": np.array(notes, dtype=object),
        "spec": dump_yaml(dict(spec)),
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    from importlib_metadata import PackageNotFoundError, version

    found = {}
    for name in ("eco-core", "anndata", "torch", "torch-geometric", "scikit-learn", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _check(adata: Any, key_added: str) -> None:
    from eco_core.data.annotated.recognition import is_anndata

    if not is_anndata(adata):
        raise SpecError(
            Problem(
                "ECO104",
                f"adata is a {type(adata).__name__}; expected an anndata.AnnData.",
                "Read one with anndata.read_h5ad(path); for other graphs use eco.compose(...).fit(graph).",
            )
        )
    if not isinstance(key_added, str) or not key_added:
        raise SpecError(Problem("ECO104", f"key_added is {key_added!r}; expected a text.", 'Give key_added="eco".'))
    if adata.is_view and adata.isbacked:
        raise SpecError(
            Problem(
                "ECO104",
                "The AnnData is a view of one that is backed by a file; results cannot be written to it.",
                "Take it into memory first: adata = adata.to_memory().",
            )
        )


def _copy_of(adata: Any) -> Any:
    """A copy in memory; one that is backed by a file cannot be copied otherwise."""
    return adata.to_memory() if adata.isbacked else adata.copy()


__all__ = ["DEFAULT_RECIPE", "cluster"]
