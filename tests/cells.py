"""Small AnnData objects for tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

CELLS, GENES = 90, 60


def make_cells(dense: bool = False, places: bool = False) -> Any:
    """Three types of cells, each with 20 genes of its own, as raw counts."""
    import anndata
    import pandas as pd

    random = np.random.default_rng(0)
    kinds = np.repeat(np.arange(3), CELLS // 3)
    rate = np.full((CELLS, GENES), 0.2)
    for kind in range(3):
        rate[np.ix_(kinds == kind, np.arange(GENES) // 20 == kind)] = 3.0
    counts = random.poisson(rate).astype(np.float32)
    obs = pd.DataFrame(
        {"type": pd.Categorical(np.array(["a", "b", "c"])[kinds]), "depth": counts.sum(1), "batch": "one"},
        index=[f"cell{i}" for i in range(CELLS)],
    )
    adata = anndata.AnnData(
        counts if dense else sp.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(GENES)])
    )
    if places:
        adata.obsm["spatial"] = np.stack([kinds * 10.0, np.arange(CELLS)], axis=1) + random.normal(size=(CELLS, 2))
    return adata


def with_graph(adata: Any, key: str = "connectivities") -> Any:
    """Adds a ring of all cells to ``obsp``, with weights."""
    ring = sp.csr_matrix((np.linspace(0.1, 1, CELLS), (np.arange(CELLS), (np.arange(CELLS) + 1) % CELLS)))
    adata.obsp[key] = ring + ring.T
    return adata
