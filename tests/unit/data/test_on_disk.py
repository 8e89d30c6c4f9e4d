"""A graph on disk is the graph in memory, read where it lies: nothing is built that is not asked for."""

from __future__ import annotations

import copy
import json
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.loader import LinkNeighborLoader, NodeLoader
from torch_geometric.sampler import NodeSamplerInput

from eco_core.data import (
    NeighborLoader,
    OnDiskGraph,
    graph_info,
    load_graph,
    open_graph,
    reader_for,
    save_npz,
    save_on_disk,
)
from eco_core.data.on_disk.deferred import DeferredTensor
from eco_core.data.on_disk.graph import MANIFEST
from eco_core.data.sampling.neighbors import NeighborSampler
from eco_core.errors import DataError, SpecError
from eco_core.ops.origin import Origin
from eco_core.ops.random_walks import neighbors_of, random_walks

NODES = 40


def in_memory(seed: int = 0, weighted: bool = True) -> Data:
    """Directed edges, sorted by target as on disk, with loops and isolated nodes (the last five)."""
    generator = torch.Generator().manual_seed(seed)
    edges = torch.randint(NODES - 5, (2, 300), generator=generator)
    edges = edges[:, torch.argsort(edges[1] * NODES + edges[0])].unique_consecutive(dim=1)
    return Data(
        x=torch.randn(NODES, 3, generator=generator),
        edge_index=edges,
        edge_weight=torch.rand(edges.shape[1], generator=generator) if weighted else None,
        y=torch.randint(-1, 3, (NODES,), generator=generator),
        node_ids=[f"nöde {i}" for i in range(NODES)],
        n_classes=3,
    )


@pytest.fixture
def memory() -> Data:
    return load_graph(in_memory(), undirected=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_on_disk(in_memory(), tmp_path / "graph", undirected=False)


@pytest.fixture
def disk(folder: Path) -> OnDiskGraph:
    return open_graph(folder)


@pytest.mark.parametrize("undirected", [True, False])
def test_walks_read_the_edges_of_an_undirected_graph_where_they_lie(tmp_path: Path, undirected: bool) -> None:
    save_on_disk(in_memory(weighted=False), tmp_path / "graph", undirected=undirected)
    disk = open_graph(tmp_path / "graph")
    found = neighbors_of(disk.edge_index, NODES)
    assert disk.edge_index.is_built is not undirected
    expected = neighbors_of(disk.edge_index.clone(), NODES)
    assert torch.equal(found.rowptr, expected.rowptr)
    assert torch.equal(found.col.long(), expected.col)
    starts = torch.arange(NODES).repeat(3)
    assert torch.equal(random_walks(found, starts, 5, seed=1), random_walks(expected, starts, 5, seed=1))
    damaged = disk.edge_index.incoming._replace(col=found.col + NODES, symmetric=True)
    with pytest.raises(DataError, match="names node"):
        neighbors_of(damaged, NODES)


def test_it_has_what_other_graphs_have(folder: Path, memory: Data) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        disk = open_graph(folder)
    for graph in (disk, copy.copy(disk), load_graph(disk, undirected=False), copy.copy(disk).to("cpu")):
        assert (graph.num_nodes, graph.num_edges, graph.num_features) == (NODES, memory.num_edges, 3)
        assert not graph.edge_index.is_built
        assert torch.equal(graph.x, memory.x)
        assert torch.equal(graph.y, memory.y)
        assert torch.equal(graph.edge_weight, memory.edge_weight)
        assert graph.node_ids == memory.node_ids
        assert (graph.node_ids[-1], len(graph.node_ids)) == ("nöde 39", NODES)
        assert (graph.n_classes, graph.name) == (3, "graph")
        assert [note for note in graph.notes if "isolated" in note] == ["5 isolated nodes"]
        assert graph.x.data_ptr() == disk.x.data_ptr()
    assert "edge_index=[2, " in repr(disk)
    assert not disk.edge_index.is_built
    assert torch.equal(disk.edge_index, memory.edge_index)
    assert disk.edge_index.is_built


def test_the_edges_are_a_tensor_as_any_other_once_they_are_used(disk: OnDiskGraph, memory: Data) -> None:
    edges = disk.edge_index
    assert (edges.shape, edges.dtype, edges.device.type, len(edges)) == (memory.edge_index.shape, torch.int64, "cpu", 2)
    assert not edges.is_built
    assert type(edges[0]) is Tensor
    assert np.array_equal(edges.numpy(), memory.edge_index.numpy())
    assert torch.equal(torch.cat([edges, edges], dim=1)[:, : edges.size(1)], memory.edge_index)
    assert torch.equal(edges.to(torch.float32), memory.edge_index.float())
    assert torch.equal(edges.flip(0).T, memory.edge_index.flip(0).T)
    for copied in (edges.clone(), copy.deepcopy(edges), pickle.loads(pickle.dumps(edges))):
        assert torch.equal(copied, memory.edge_index)
    assert int(edges.max()) == int(memory.edge_index.max())


def test_nothing_in_the_file_changes_when_a_tensor_does(disk: OnDiskGraph, folder: Path, memory: Data) -> None:
    disk.x.zero_()
    assert torch.equal(open_graph(folder, verify=True).x, memory.x)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("fan_out", [[3, 2], [-1], [2, -1]])
def test_batches_are_those_of_the_graph_in_memory(
    disk: OnDiskGraph, memory: Data, weighted: bool, replace: bool, fan_out: list[int]
) -> None:
    options: dict[str, Any] = {"num_neighbors": fan_out, "batch_size": 7, "replace": replace, "seed": 3}
    options["weight_attr"] = "edge_weight" if weighted else None
    pairs = zip(NeighborLoader(disk, **options), NeighborLoader(memory, **options), strict=True)
    for one, other in pairs:
        for key in ("x", "y", "edge_index", "edge_weight", "n_id", "e_id", "input_id"):
            assert torch.equal(one[key], other[key]), key
        assert (one.batch_size, one.num_nodes) == (other.batch_size, other.n_id.numel())
        assert one.incoming is None
    assert not disk.edge_index.is_built


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_batches_are_the_same_whether_numbers_of_nodes_are_short_or_long(
    disk: OnDiskGraph, memory: Data, dtype: torch.dtype
) -> None:
    assert disk.incoming is not None
    assert disk.incoming.col.dtype is torch.int32
    incoming = disk.incoming._replace(col=disk.incoming.col.to(dtype))
    seeds = NodeSamplerInput(None, torch.arange(10))
    samplers = [
        NeighborSampler(edges, NODES, [4, 4], edge_weight=memory.edge_weight) for edges in (incoming, memory.edge_index)
    ]
    one, other = (sampler.sample_from_nodes(seeds) for sampler in samplers)
    assert torch.equal(one.node, other.node)
    assert torch.equal(one.row, other.row)


@pytest.mark.parametrize("stores", [lambda graph: graph, lambda graph: (graph, graph)], ids=["data", "stores"])
def test_pyg_s_loader_reads_the_rows_of_a_batch(
    disk: OnDiskGraph, memory: Data, stores: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert disk.incoming is not None
    sampler = NeighborSampler(disk.incoming, NODES, [3])
    for batch in NodeLoader(stores(disk), sampler, input_nodes=torch.arange(NODES), batch_size=8):
        assert torch.equal(batch.x, memory.x[batch.n_id])
        assert torch.equal(batch.y, memory.y[batch.n_id])
        ends = memory.edge_index[:, batch.e_id]
        assert torch.equal(batch.n_id[batch.edge_index], ends)
    assert not disk.edge_index.is_built


def test_it_is_a_graph_store_and_a_feature_store(disk: OnDiskGraph, memory: Data) -> None:
    row, colptr, permutation = disk.csc()
    assert permutation is None
    assert disk.incoming is not None
    assert row.data_ptr() == disk.incoming.col.data_ptr()
    assert colptr.data_ptr() == disk.incoming.rowptr.data_ptr()
    rows = disk.get_tensor(attr_name="x", index=torch.tensor([4, 2]))
    assert torch.equal(rows, memory.x[[4, 2]])
    assert disk.get_tensor_size(attr_name="x") == (NODES, 3)
    assert not disk.edge_index.is_built
    row, col, _ = disk.coo()
    assert torch.equal(torch.stack([row.long(), col]), memory.edge_index)


def test_a_link_loader_takes_it(disk: OnDiskGraph) -> None:
    assert disk.incoming is not None
    loader = LinkNeighborLoader(
        disk, [3], edge_label_index=disk.edge_index[:, :6], neighbor_sampler=NeighborSampler(disk.incoming, NODES, [3])
    )
    assert all(batch.x.shape[0] == batch.num_nodes for batch in loader)


def test_float16_stays_on_disk_and_becomes_float32_by_rows(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float16)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "edges.npy", np.array([[0, 1], [1, 2], [5, 5]]))
    disk = open_graph(save_on_disk(tmp_path / "edges.npy", tmp_path / "graph", features=tmp_path / "x.npy"))
    assert np.load(tmp_path / "graph" / "x.npy").dtype == np.float16
    expected = torch.from_numpy(x).float()
    for batch in NeighborLoader(disk, [-1], batch_size=2):
        assert torch.equal(batch.x, expected[batch.n_id])
    assert torch.equal(disk.x[1:3], expected[1:3])
    assert torch.equal(disk.x.index_select(0, torch.tensor([5])), expected[5:])
    assert not disk.x.is_built
    assert torch.equal(disk.x @ torch.eye(3), expected)


def test_an_array_that_is_too_large_for_a_private_map_is_mapped_for_reading(
    folder: Path, memory: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, modes = np.load, []

    def refused(path: Path, mmap_mode: Literal["c", "r"], **options: Any) -> Any:
        modes.append(mmap_mode)
        if mmap_mode == "c":
            raise OSError(12, "Cannot allocate memory")
        return load(path, mmap_mode=mmap_mode, **options)

    monkeypatch.setattr(np, "load", refused)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(open_graph(folder).x, memory.x)
    assert modes[:2] == ["c", "r"]


# ------------------------------------------------------------------------------------------------ load_graph and info


def test_a_graph_is_prepared_at_its_conversion_or_not_at_all(folder: Path, tmp_path: Path, memory: Data) -> None:
    with pytest.raises(SpecError, match=r"(?s)ECO104.*directed.*data\.undirected=false.*--directed") as caught:
        load_graph(folder, normalize_features="row")
    assert "--normalize-features row" in str(caught.value)
    both = save_on_disk(in_memory(), tmp_path / "both", normalize_features="row")
    for graph in (both, open_graph(both)):
        prepared = load_graph(graph, normalize_features="row")
        assert not prepared.edge_index.is_built
        assert torch.allclose(prepared.x.abs().sum(1), torch.ones(NODES))
        assert "features divided by row sums" in prepared.notes


def test_a_graph_whose_parts_were_replaced_is_checked_as_any_other(disk: OnDiskGraph) -> None:
    disk.edge_index = torch.tensor([[0], [NODES]])
    assert disk.incoming is None
    disk.edge_weight = None
    with pytest.raises(DataError, match="out of range"):
        load_graph(disk)
    disk.edge_index = torch.tensor([[0], [1]])
    assert load_graph(disk).edge_index.tolist() == [[0, 1], [1, 0]]
    assert graph_info(disk)["edges"] == 1


def test_it_can_be_written_as_an_archive(disk: OnDiskGraph, memory: Data, tmp_path: Path) -> None:
    again = load_graph(save_npz(disk, tmp_path / "again"), undirected=False)
    assert torch.equal(again.edge_index, memory.edge_index)
    assert again.node_ids == memory.node_ids


def test_ids_that_are_integers_are_kept_as_such(tmp_path: Path) -> None:
    graph = in_memory()
    graph.node_ids = [str(7 - 3 * i) for i in range(NODES)]
    folder = save_on_disk(graph, tmp_path / "graph", undirected=False)
    assert np.load(folder / "node_ids.npy").dtype == np.int64
    assert open_graph(folder).node_ids == graph.node_ids


# ---------------------------------------------------------------------------------------------------------- damage


def change(folder: Path, **changes: Any) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, **changes}))


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing file": (lambda f: (f / "col.npy").unlink(), r"col\.npy.*missing"),
    "torn file": (lambda f: (f / "x.npy").write_bytes((f / "x.npy").read_bytes()[:-8]), r"x\.npy"),
    "no array": (lambda f: (f / "y.npy").write_bytes(b"nonsense"), r"y\.npy"),
    "other dtype": (lambda f: np.save(f / "x.npy", np.zeros((NODES, 3))), r"x\.npy.*float64.*expected float32"),
    "other shape": (lambda f: np.save(f / "x.npy", np.zeros((3, 3), np.float32)), r"x\.npy.*\[3, 3\].*\[40, 3\]"),
    "pickle": (lambda f: np.save(f / "y.npy", np.array([{}] * NODES)), r"y\.npy"),
    "no manifest": (lambda f: (f / MANIFEST).write_text("[]"), r"manifest\.json"),
    "other version": (lambda f: change(f, version=2), r"version 2"),
    "number of nodes": (lambda f: change(f, num_nodes=7), "does not fit 7 nodes"),
    "file elsewhere": (lambda f: change(f, arrays={"x": {"file": "../x.npy"}}), r"'\.\./x\.npy'"),
    "no features": (lambda f: change(f, arrays={}), "no rowptr and no col and no x"),
}


@pytest.mark.parametrize("damage", DAMAGE, ids=str)
def test_a_damaged_folder_is_reported_with_the_file(folder: Path, damage: str) -> None:
    act, named = DAMAGE[damage]
    act(folder)
    with pytest.raises(DataError, match=rf"(?s)ECO302.*{named}"):
        open_graph(folder)


def test_a_change_that_keeps_the_size_is_found_by_checksums(folder: Path) -> None:
    content = bytearray((folder / "x.npy").read_bytes())
    content[-1] ^= 1
    (folder / "x.npy").write_bytes(content)
    open_graph(folder)
    for verify in (lambda: open_graph(folder, verify=True), lambda: load_graph(folder, undirected=False, verify=True)):
        with pytest.raises(DataError, match=r"ECO302.*x\.npy has changed"):
            verify()
    (folder / "x.npy").unlink()
    with pytest.raises(DataError, match=r"ECO302.*x\.npy is missing"):
        open_graph(folder, verify=True)


def test_damaged_edges_are_found_when_they_are_followed(folder: Path) -> None:
    col = np.load(folder / "col.npy")
    col[:] = NODES + 7
    np.save(folder / "col.npy", col)
    with pytest.raises(DataError, match=r"ECO302.*node 47"):
        next(iter(NeighborLoader(open_graph(folder), [2])))


def test_what_is_no_graph_on_disk_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ECO301.*no manifest\.json"):
        open_graph(tmp_path)
    (tmp_path / "g.unfinished").mkdir()
    assert reader_for(tmp_path / "g.unfinished") is open_graph
    with pytest.raises(DataError, match=r"(?s)ECO302.*not finished.*eco data convert"):
        load_graph(tmp_path / "g.unfinished")


def test_a_sampler_is_refused_numbers_that_are_not_the_graph_s(disk: OnDiskGraph) -> None:
    assert disk.incoming is not None
    with pytest.raises(DataError, match="41 nodes were given for a graph with 40"):
        NeighborSampler(disk.incoming, NODES + 1, [2])
    with pytest.raises(DataError, match="2 edge weights"):
        NeighborSampler(disk.incoming, NODES, [2], edge_weight=torch.ones(2))


def test_remembering_the_edges_does_not_make_them():
    edges = DeferredTensor((2, 3), torch.int64, lambda: torch.zeros(2, 3, dtype=torch.int64))
    origin = Origin(edges, None)
    assert origin.is_of(edges, None)
    assert not origin.is_of(torch.zeros(2, 3, dtype=torch.int64), None)
    assert not edges.is_built
