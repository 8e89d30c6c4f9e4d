"""Compares recipes with scanpy's Leiden on cells with places.

Run ``python benchmarks/spatial_cells.py CELLS.h5ad META.csv``; it needs scanpy, which is no dependency of ECO.

The figures of docs/anndata.md come from this script. All methods get the same neighbours in space. Annotations are
read after everything was clustered; cells without one are clustered, too, but not compared.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp

RECIPES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("ssgc", {}),
    ("nafs", {}),
    ("sgc", {}),
    ("sagsc", {}),
    ("s2cag", {}),
    ("gae", {}),
    ("dmon", {}),
    ("mincut", {}),
    ("ns4gc", {}),
)


def main() -> None:
    """Clusters with every recipe and with Leiden, and prints a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("cells", help="an .h5ad file with places")
    arguments.add_argument("meta", help="a CSV whose first column names cells")
    arguments.add_argument("--column", default="smoothed_manual")
    arguments.add_argument("--clusters", type=int, default=7)
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--recipes", nargs="*")
    given = arguments.parse_args()
    warnings.simplefilter("ignore")
    import anndata

    import eco_core as eco

    adata = anndata.read_h5ad(given.cells)
    graph = eco.load_graph(adata)  # The same neighbours as `eco.tl.cluster` makes.
    source, target = graph.edge_index.numpy()
    adata.obsp["spatial_connectivities"] = sp.csr_matrix(
        (np.ones(len(source)), (source, target)), shape=(adata.n_obs, adata.n_obs)
    )
    found: dict[str, list[Any]] = {}
    seconds: dict[str, float] = {}
    for name, options in RECIPES:
        if given.recipes is not None and name not in given.recipes:
            continue
        begin = time.perf_counter()
        for seed in range(given.seeds):
            eco.tl.cluster(adata, recipe=name, clusters=given.clusters, graph="spatial", seed=seed, **options)
            found.setdefault(f"`{name}`", []).append(adata.obs["eco"].to_numpy())
        seconds[f"`{name}`"] = (time.perf_counter() - begin) / given.seeds
    for name, resolution in leiden_resolutions(adata, given.clusters):
        begin = time.perf_counter()
        found[name] = [leiden(adata, resolution, seed) for seed in range(given.seeds)]
        seconds[name] = (time.perf_counter() - begin) / given.seeds
    print_table(adata, found, seconds, given)


def leiden(adata: Any, resolution: float, seed: int) -> Any:
    """Leiden as scanpy runs it, on the neighbours in space."""
    import scanpy

    scanpy.tl.leiden(
        adata,
        resolution=resolution,
        random_state=seed,
        adjacency=adata.obsp["spatial_connectivities"],
        key_added="leiden",
        flavor="igraph",
        n_iterations=2,
        directed=False,
    )
    return adata.obs["leiden"].to_numpy()


def leiden_resolutions(adata: Any, clusters: int) -> list[tuple[str, float]]:
    """The default resolution, and one that gives the wanted number of clusters with seed 0."""
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        count = len(set(leiden(adata, middle, 0)))
        if count == clusters:
            return [("Leiden, resolution 1", 1.0), (f"Leiden, resolution {middle:.3g}", middle)]
        low, high = (middle, high) if count < clusters else (low, middle)
    return [("Leiden, resolution 1", 1.0)]


def print_table(adata: Any, found: dict[str, list[Any]], seconds: dict[str, float], given: Any) -> None:
    """Reads the annotations, and prints mean and standard deviation over the seeds."""
    import pandas as pd
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    meta = pd.read_csv(given.meta, index_col=0)
    classes = pd.Series(meta[given.column].to_numpy(), index=meta.index.astype(str)).reindex(adata.obs_names)
    known = classes.notna().to_numpy()
    print(f"{known.sum():,} annotated cells, {classes.nunique()} classes, {given.seeds} seeds")
    print("| method | clusters | NMI | ARI | seconds |\n|---|---|---|---|---|")
    for name, runs in found.items():
        nmi = [normalized_mutual_info_score(classes[known], run[known]) for run in runs]
        ari = [adjusted_rand_score(classes[known], run[known]) for run in runs]
        count = np.mean([len(set(run)) for run in runs])
        figures = " | ".join(f"{np.mean(values):.3f} ± {np.std(values):.3f}" for values in (nmi, ari))
        print(f"| {name} | {count:.1f} | {figures} | {seconds[name]:.1f} |")


if __name__ == "__main__":
    main()
