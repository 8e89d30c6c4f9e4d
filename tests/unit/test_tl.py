"""`eco.tl.cluster`: results in an AnnData, as scanpy's users expect them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eco_core as eco
from eco_core.errors import EcoError, SpecError
from tests.cells import CELLS, make_cells, with_graph

anndata = pytest.importorskip("anndata")
pd = pytest.importorskip("pandas")

PARTS: dict[str, Any] = {"encoder": "identity", "head": "kmeans"}


def test_results_are_written_and_nothing_is_returned() -> None:
    adata = make_cells()
    assert eco.tl.cluster(adata, clusters=3, **PARTS) is None
    assert isinstance(adata.obs["eco"].dtype, pd.CategoricalDtype)
    assert list(adata.obs["eco"].cat.categories) == ["0", "1", "2"]
    assert adata.obsm["X_eco"].shape == (CELLS, 50)
    assert adata.obs["eco_confidence"].between(0, 1).all()
    assert adata.uns["eco"]["params"]["clusters"] == 3
    assert {"params", "metrics", "versions", "notes", "spec", "seconds"} == set(adata.uns["eco"])


def test_types_of_cells_are_found_without_labels() -> None:
    adata = make_cells()
    eco.tl.cluster(adata, clusters=3, **PARTS)
    assert pd.crosstab(adata.obs["type"], adata.obs["eco"]).gt(0).sum().sum() == 3
    assert "nmi" not in adata.uns["eco"]["metrics"]
    eco.tl.cluster(adata, clusters=3, label_column="type", key_added="known", **PARTS)
    assert adata.uns["known"]["metrics"]["nmi"] == pytest.approx(1)


def test_a_copy_leaves_the_object_as_it_is() -> None:
    adata = make_cells()
    changed = eco.tl.cluster(adata, clusters=3, key_added="mine", copy=True, **PARTS)
    assert "mine" not in adata.obs
    assert "X_mine" not in adata.obsm
    assert list(changed.obs["mine"].cat.categories) == ["0", "1", "2"]
    assert changed.obs_names.equals(adata.obs_names)


def test_clusters_belong_to_the_cells_whatever_their_order() -> None:
    adata = make_cells()
    shuffled = adata[np.random.default_rng(3).permutation(CELLS)].copy()
    for one in (adata, shuffled):
        eco.tl.cluster(one, clusters=3, **PARTS)
    other = shuffled.obs["eco"].reindex(adata.obs_names)
    assert pd.crosstab(adata.obs["eco"], other).gt(0).sum().sum() == 3


def test_the_result_can_be_written_to_a_file_and_read(tmp_path: Path) -> None:
    adata = make_cells()
    eco.tl.cluster(adata, clusters=3, label_column="type", **PARTS)
    adata.write_h5ad(tmp_path / "out.h5ad")
    again = anndata.read_h5ad(tmp_path / "out.h5ad")
    assert again.obs["eco"].equals(adata.obs["eco"])
    assert again.uns["eco"]["metrics"] == adata.uns["eco"]["metrics"]


def test_an_object_backed_by_a_file_gets_the_same_clusters(tmp_path: Path) -> None:
    adata = make_cells()
    adata.write_h5ad(tmp_path / "cells.h5ad")
    backed = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    for one in (adata, backed):
        eco.tl.cluster(one, clusters=3, **PARTS)
    assert (backed.obs["eco"] == adata.obs["eco"]).all()
    assert backed.isbacked
    assert not eco.tl.cluster(backed, clusters=3, copy=True, **PARTS).isbacked


def test_a_view_becomes_an_object_of_its_own() -> None:
    adata = make_cells()
    view = adata[:60]
    with pytest.warns(UserWarning, match="view"):  # anndata's own word for what every scanpy tool does.
        eco.tl.cluster(view, clusters=2, **PARTS)
    assert "eco" not in adata.obs
    assert len(view.obs["eco"]) == 60


def test_the_graph_of_the_object_is_used() -> None:
    adata = with_graph(make_cells())
    eco.tl.cluster(adata, clusters=3, knn_augment=2, **PARTS)
    notes = " ".join(adata.uns["eco"]["notes"])
    assert "obsp['connectivities'], with its weights" in notes
    assert "2 nearest neighbours" in notes


def test_what_is_no_anndata_is_refused() -> None:
    with pytest.raises(SpecError, match="adata is a ndarray"):
        eco.tl.cluster(np.zeros((3, 3)), clusters=2)


def test_mistakes_leave_the_object_unchanged() -> None:
    adata = make_cells()
    with pytest.raises(EcoError):
        eco.tl.cluster(adata, clusters=3, encoder="gatt")
    with pytest.raises(EcoError):
        eco.tl.cluster(adata, clusters=3, representation="nothing", **PARTS)
    assert "eco" not in adata.obs


def test_the_tools_are_imported_on_first_use() -> None:
    code = "import sys, eco_core as eco; assert 'torch' not in sys.modules; eco.tl; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert "tl" in dir(eco)
