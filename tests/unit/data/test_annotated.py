"""Graphs of AnnData objects and of .h5ad files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch

import eco_core as eco
from eco_core.data.annotated.representation import read_cell_encoding
from eco_core.errors import DataError, EcoError, SpecError
from tests.cells import CELLS, GENES, make_cells, with_graph

anndata = pytest.importorskip("anndata")
pd = pytest.importorskip("pandas")

STARMAP = Path(__file__).resolve().parents[4] / "shared" / "data" / "strangers" / "starmap_BY3_1k.h5ad"


def notes_of(graph: Any) -> str:
    return "\n".join(graph.notes)


# --------------------------------------------------------------------------------------------------- representation


@pytest.mark.parametrize("dense", [True, False])
def test_counts_are_scaled_and_logged_and_said(dense: bool) -> None:
    adata = make_cells(dense)
    graph = eco.load_graph(adata, n_pcs=0, graph="knn")
    counts = np.asarray(adata.X.todense() if sp.issparse(adata.X) else adata.X)
    sums = counts.sum(1, keepdims=True)
    expected = np.log1p(counts / sums * np.median(sums))
    assert np.allclose(graph.x.to_dense().numpy(), expected, atol=1e-5)
    assert graph.x.is_sparse == (not dense)
    assert "raw counts, scaled to the median total" in notes_of(graph)
    assert graph.feature_names == list(adata.var_names)


def test_values_that_are_no_counts_are_taken_as_they_are() -> None:
    adata = make_cells(dense=True)
    adata.X = adata.X * 0.37
    graph = eco.load_graph(adata, n_pcs=0)
    assert np.allclose(graph.x.numpy(), adata.X)
    assert "as they are" in notes_of(graph)


@pytest.mark.parametrize("centred", [False, True])
def test_only_values_without_a_sign_are_divided_by_row_sums(centred: bool, tmp_path: Path) -> None:
    adata = make_cells(dense=True)
    adata.X = adata.X * 0.37 - (1.0 if centred else 0.0)
    graph = eco.load_graph(adata, n_pcs=0, normalize_features="row")
    assert ("divided by row sums" in notes_of(graph)) != centred
    graph.encoding.save(tmp_path)
    read = read_cell_encoding(tmp_path)
    assert read is not None
    assert read.signed == graph.encoding.signed == centred


def test_wide_matrices_become_principal_components() -> None:
    from sklearn.decomposition import PCA

    adata = make_cells()
    graph = eco.load_graph(adata, n_pcs=5)
    logged = eco.load_graph(adata, n_pcs=0).x.to_dense().numpy()
    expected = PCA(5, svd_solver="full").fit_transform(logged)
    found = graph.x.numpy()
    assert np.allclose(np.abs((found * expected).sum(0)), (expected**2).sum(0), rtol=1e-3)
    assert "reduced to 5 principal components" in notes_of(graph)


def test_sparse_and_dense_counts_give_the_same_features() -> None:
    one, other = eco.load_graph(make_cells(dense=True), n_pcs=4), eco.load_graph(make_cells(), n_pcs=4)
    assert torch.allclose(one.x, other.x, atol=1e-4)


def test_a_layer_or_a_key_of_obsm_can_be_named() -> None:
    adata = make_cells()
    adata.layers["raw"] = adata.X.copy()
    adata.X = adata.X * 0.5
    adata.obsm["X_own"] = np.random.default_rng(1).normal(size=(CELLS, 4))
    assert torch.allclose(eco.load_graph(adata, representation="raw").x, eco.load_graph(make_cells()).x, atol=1e-5)
    own = eco.load_graph(adata, representation="X_own")
    assert np.allclose(own.x.numpy(), adata.obsm["X_own"], atol=1e-6)
    assert own.feature_names == ["X_own_1", "X_own_2", "X_own_3", "X_own_4"]


def test_scanpy_s_principal_components_are_taken_where_they_are() -> None:
    adata = make_cells()
    adata.obsm["X_pca"] = np.random.default_rng(1).normal(size=(CELLS, 4))
    assert eco.load_graph(adata).x.shape == (CELLS, 4)
    assert eco.load_graph(adata, representation="X").x.shape == (CELLS, 50)


def test_variable_genes_are_those_of_scanpy() -> None:
    scanpy = pytest.importorskip("scanpy")
    adata = make_cells()
    graph = eco.load_graph(adata, n_top_genes=15, n_pcs=0)
    scanpy.pp.normalize_total(adata, target_sum=float(np.median(np.asarray(adata.X.sum(1)))))
    scanpy.pp.log1p(adata)
    scanpy.pp.highly_variable_genes(adata, n_top_genes=15, flavor="seurat")
    chosen = list(adata.var_names[adata.var["highly_variable"]])
    assert len(set(chosen) & set(graph.feature_names)) >= 14  # The one at the edge may tie.


def test_genes_that_are_marked_as_variable_are_used() -> None:
    adata = make_cells()
    adata.var["highly_variable"] = np.arange(GENES) < 12
    assert eco.load_graph(adata, n_pcs=0).x.shape[1] == 12
    assert eco.load_graph(adata, n_pcs=0, n_top_genes=0).x.shape[1] == GENES


def test_an_object_without_x_uses_its_only_other_matrix() -> None:
    adata = anndata.AnnData(obs=pd.DataFrame(index=[f"c{i}" for i in range(CELLS)]))
    with pytest.raises(DataError, match="neither X, nor layers, nor obsm"):
        eco.load_graph(adata)
    adata.obsm["scvi"] = np.random.default_rng(0).normal(size=(CELLS, 3))
    assert eco.load_graph(adata).x.shape == (CELLS, 3)


def test_a_representation_that_is_not_there_is_refused() -> None:
    adata = make_cells()
    adata.layers["counts"] = adata.X
    with pytest.raises(SpecError, match=r"representation is 'count'(.|\n)*Did you mean 'counts'"):
        eco.load_graph(adata, representation="count")


def test_a_parameter_that_is_not_there_is_refused() -> None:
    with pytest.raises(SpecError, match=r"ECO103(.|\n)*n_top_genes"):
        eco.load_graph(make_cells(), top_genes=3)
    with pytest.raises(SpecError, match=r"data\.n_pcs is -1"):
        eco.load_graph(make_cells(), n_pcs=-1)


def test_values_that_are_not_finite_are_refused() -> None:
    adata = make_cells(dense=True)
    adata.X[4, 2] = np.nan
    with pytest.raises(DataError, match="1 value that are NaN or infinite; the first is in cell 4"):
        eco.load_graph(adata)


def test_variable_genes_of_scaled_values_are_refused() -> None:
    adata = make_cells(dense=True)
    adata.X = adata.X - 1.5
    with pytest.raises(DataError, match="scaled already"):
        eco.load_graph(adata, n_top_genes=5)


def test_cells_without_counts_stay_zero_and_are_said() -> None:
    adata = make_cells(dense=True)
    adata.X[0] = 0
    graph = eco.load_graph(adata, n_pcs=0)
    assert float(graph.x[0].abs().sum()) == 0
    assert "1 cell without counts" in notes_of(graph)


# ------------------------------------------------------------------------------------------------------------- edges


def test_the_neighbour_graph_of_scanpy_is_used_with_its_weights() -> None:
    graph = eco.load_graph(with_graph(make_cells()))
    assert graph.num_edges == 2 * CELLS
    assert graph.edge_weight.max() == pytest.approx(1)
    assert "obsp['connectivities'], with its weights" in notes_of(graph)


def test_another_graph_can_be_named_and_distances_are_no_weights() -> None:
    adata = with_graph(with_graph(make_cells(places=True)), "spatial_distances")
    assert eco.load_graph(adata, graph="spatial_distances").get("edge_weight") is None
    assert "other graphs that the data have: spatial" in notes_of(eco.load_graph(adata))
    assert "4 nearest neighbours" in notes_of(eco.load_graph(adata, graph="spatial", knn=4))
    assert eco.load_graph(adata, graph="knn").get("pos") is None


def test_places_join_cells_where_there_is_no_graph() -> None:
    adata = make_cells(places=True)
    graph = eco.load_graph(adata, knn=3)
    assert "obsm['spatial']" in notes_of(graph)
    from sklearn.neighbors import kneighbors_graph

    expected = kneighbors_graph(adata.obsm["spatial"], 3)
    assert graph.num_edges == ((expected + expected.T) > 0).sum()


def test_a_radius_joins_cells_within_it() -> None:
    adata = make_cells(places=True)
    graph = eco.load_graph(adata, radius=4.0)
    lengths = (graph.pos[graph.edge_index[0]] - graph.pos[graph.edge_index[1]]).norm(dim=1)
    assert float(lengths.max()) <= 4.0
    assert "all nodes within 4" in notes_of(graph)


def test_columns_of_obs_may_hold_the_places() -> None:
    adata = make_cells()
    adata.obs["x"], adata.obs["y"] = np.arange(CELLS, dtype=float), 0.0
    graph = eco.load_graph(adata, knn=1)
    assert {abs(a - b) for a, b in graph.edge_index.T.tolist()} == {1}
    assert "obs columns 'x' and 'y'" in notes_of(graph)


def test_without_graph_and_places_neighbours_are_found_in_the_features() -> None:
    graph = eco.load_graph(make_cells(), knn=5)
    source, target = graph.edge_index // (CELLS // 3)
    assert float((source == target).float().mean()) > 0.9
    assert "5 nearest neighbours (Euclidean distance, exact) in the features" in notes_of(graph)


def test_a_graph_that_is_not_there_is_refused() -> None:
    with pytest.raises(SpecError, match="no coordinates"):
        eco.load_graph(make_cells(), graph="spatial")
    with pytest.raises(SpecError, match="Did you mean 'connectivities'"):
        eco.load_graph(with_graph(make_cells()), graph="connectivity")


# ---------------------------------------------------------------------------------------------------------- the rest


def test_names_of_cells_become_ids_and_repeated_ones_are_told_apart() -> None:
    adata = make_cells()
    assert eco.load_graph(adata).node_ids[:2] == ["cell0", "cell1"]
    adata.obs_names = ["same", "same", "same-1", *adata.obs_names[3:]]
    graph = eco.load_graph(adata)
    assert len(set(graph.node_ids)) == CELLS
    assert graph.node_ids[2] == "same-1"
    assert "numbers were appended" in notes_of(graph)


def test_classes_are_read_only_where_a_column_is_named() -> None:
    adata = make_cells()
    assert eco.load_graph(adata).get("y") is None
    graph = eco.load_graph(adata, label_column="type")
    assert graph.y.tolist() == [0] * 30 + [1] * 30 + [2] * 30
    assert graph.n_classes == 3
    adata.obs["type"] = adata.obs["type"].where(np.arange(CELLS) > 0)
    assert int(eco.load_graph(adata, label_column="type").y[0]) == -1
    with pytest.raises(SpecError, match="Did you mean 'type'"):
        eco.load_graph(adata, label_column="typ")


def test_the_user_s_columns_and_the_genes_explain_the_clusters() -> None:
    graph = eco.load_graph(make_cells(), label_column="type")
    kinds = {entry["column"]: entry["kind"] for entry in graph.columns}
    assert (kinds["type"], kinds["depth"], kinds["batch"], kinds["g0"]) == ("label", "numeric", "constant", "numeric")
    assert list(graph.node_table.columns) == [entry["column"] for entry in graph.columns]
    assert len(graph.node_table) == CELLS
    assert all(set(entry) == {"column", "kind", "action", "features", "missing"} for entry in graph.columns)


def test_new_cells_are_prepared_as_the_first_ones() -> None:
    adata = make_cells()
    first = eco.load_graph(adata, n_pcs=6, n_top_genes=30)
    some = adata[10:40, ::-1].copy()  # The genes in another order.
    again = eco.load_graph(some, preparation=first.encoding)
    assert torch.allclose(again.x, first.x[10:40], atol=1e-4)
    with pytest.raises(DataError, match=r"lacks .* genes of the 30"):
        eco.load_graph(adata[:, :20].copy(), preparation=first.encoding)


def test_the_preparation_is_saved_without_a_pickle_and_read_again(tmp_path: Path) -> None:
    adata = make_cells()
    first = eco.load_graph(adata, n_pcs=6).encoding
    first.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["preparation.json", "preparation.npz"]
    again = read_cell_encoding(tmp_path)
    assert again is not None
    assert np.array_equal(again.encode(adata), first.encode(adata))
    assert again.features == first.features
    (tmp_path / "preparation.json").write_text('{"format": 1, "columns": []}')
    assert read_cell_encoding(tmp_path) is None


def test_the_object_is_not_modified() -> None:
    adata = make_cells(places=True)
    before = adata.copy()
    eco.load_graph(adata, n_top_genes=20, label_column="type")
    assert (adata.X != before.X).nnz == 0
    assert adata.obs.equals(before.obs)


def test_an_object_without_cells_is_refused() -> None:
    with pytest.raises(DataError, match="no observations"):
        eco.load_graph(make_cells()[:0].copy())


# ------------------------------------------------------------------------------------------------------------- files


def test_a_file_gives_the_same_graph_as_the_object(tmp_path: Path) -> None:
    adata = make_cells(places=True)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    graph, expected = eco.load_graph(tmp_path / "cells.h5ad", n_pcs=7), eco.load_graph(adata, n_pcs=7)
    assert torch.equal(graph.edge_index, expected.edge_index)
    assert torch.equal(graph.x, expected.x)
    assert graph.name == "cells"


def test_an_object_backed_by_a_file_gives_the_same_graph(tmp_path: Path) -> None:
    for dense in (True, False):
        adata = make_cells(dense)
        path = tmp_path / f"{dense}.h5ad"
        adata.write_h5ad(path)
        backed = anndata.read_h5ad(path, backed="r")
        assert torch.allclose(eco.load_graph(backed).x, eco.load_graph(adata).x, atol=1e-5)


def test_parameters_of_a_file_are_set_in_the_spec(tmp_path: Path) -> None:
    make_cells().write_h5ad(tmp_path / "cells.h5ad")
    overrides = ["data.n_pcs=4", "data.graph=knn", "graph.knn=6", "data.label_column=type"]
    model = eco.compose({"data": str(tmp_path / "cells.h5ad")}, clusters=3, overrides=overrides)
    graph = model.load_graph()
    assert graph.x.shape == (CELLS, 4)
    assert "6 nearest neighbours" in notes_of(graph)
    assert graph.n_classes == 3


@pytest.mark.parametrize("content", [b"", b"no HDF5", b"\x89HDF\r\n\x1a\n" + b"\0" * 90])
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cells.h5ad").write_bytes(content)
    with pytest.raises(DataError, match=r"ECO302.*Cannot read .*cells.h5ad"):
        eco.load_graph(tmp_path / "cells.h5ad")


def test_a_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cells.h5ad"
    make_cells().write_h5ad(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match="ECO302"):
        eco.load_graph(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EcoError, match="ECO301"):
        eco.load_graph(tmp_path / "cells.h5ad")


def test_without_anndata_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cells.h5ad").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "anndata", None)
    with pytest.raises(DataError, match=r"pip install 'eco-core\[bio\]'"):
        eco.load_graph(tmp_path / "cells.h5ad")


@pytest.mark.skipif(not STARMAP.is_file(), reason="the STARmap file is not here")
def test_an_old_file_loads_by_its_path_alone() -> None:
    graph = eco.load_graph(STARMAP)
    assert (graph.num_nodes, graph.encoding.width, len(graph.encoding.genes)) == (1549, 50, 1020)
    assert "written by an old version of anndata" in graph.notes[0]
    assert "obs columns 'x' and 'y'" in notes_of(graph)
