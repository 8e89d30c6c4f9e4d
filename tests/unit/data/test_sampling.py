"""Neighbour sampling: against plain Python on small graphs, the laws of the draws, and PyG's loaders."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
import torch_geometric
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.loader import LinkLoader, NodeLoader
from torch_geometric.sampler import NegativeSampling, NodeSamplerInput, SamplerOutput
from torch_geometric.testing import MyFeatureStore, MyGraphStore

from eco_core.data import NeighborLoader
from eco_core.data.sampling import neighbors as sampling
from eco_core.data.sampling.neighbors import NeighborSampler
from eco_core.errors import DataError

NODES = 30


def random_edges(seed: int, count: int = 120) -> Tensor:
    """Directed, with loops, parallel edges and isolated nodes (the last five)."""
    return torch.randint(NODES - 5, (2, count), generator=torch.Generator().manual_seed(seed))


def sample(sampler: NeighborSampler, nodes: list[int]) -> SamplerOutput:
    return sampler.sample_from_nodes(NodeSamplerInput(None, torch.tensor(nodes, dtype=torch.int64)))


def star(leaves: int) -> Tensor:
    """All leaves, nodes 1 and on, point to node 0."""
    return torch.stack([torch.arange(1, leaves + 1), torch.zeros(leaves, dtype=torch.int64)])


def edges_of(out: SamplerOutput) -> list[tuple[int, int]]:
    return list(zip(out.node[out.row].tolist(), out.node[out.col].tolist(), strict=True))


@given(seed=st.integers(0, 10_000), hops=st.integers(1, 3), seeds=st.sets(st.integers(0, NODES - 1), max_size=6))
@settings(max_examples=40)
def test_with_all_neighbours_a_batch_is_the_neighbourhood(seed: int, hops: int, seeds: set[int]) -> None:
    edges = random_edges(seed)
    out = sample(NeighborSampler(edges, NODES, [-1] * hops), sorted(seeds))
    known, frontier, expected = sorted(seeds), sorted(seeds), []
    for hop in range(hops):
        found = [(int(s), int(t)) for target in frontier for s, t in edges.T if int(t) == target]
        expected += found
        assert out.num_sampled_edges[hop] == len(found)
        frontier = sorted({source for source, _ in found} - set(known))
        known += frontier
        assert out.num_sampled_nodes[hop + 1] == len(frontier)
    assert out.node[: len(seeds)].tolist() == sorted(seeds)
    assert sorted(out.node.tolist()) == sorted(known)
    assert Counter(edges_of(out)) == Counter(expected)


@given(seed=st.integers(0, 10_000), fan_out=st.lists(st.integers(1, 4), min_size=1, max_size=3), weighted=st.booleans())
@settings(max_examples=40)
def test_a_batch_holds_edges_of_the_graph_none_twice(seed: int, fan_out: list[int], weighted: bool) -> None:
    edges = random_edges(seed)
    weight = torch.rand(edges.size(1), generator=torch.Generator().manual_seed(seed)) if weighted else None
    sampler = NeighborSampler(edges, NODES, fan_out, edge_weight=weight, seed=seed)
    out = sample(sampler, [0, 3, 29])
    assert sampler.edge_permutation is not None
    number = sampler.edge_permutation[out.edge]
    assert edges_of(out) == [tuple(pair) for pair in edges[:, number].T.tolist()]
    assert len(set(number.tolist())) == len(number)
    assert len(set(out.node.tolist())) == len(out.node) == sum(out.num_sampled_nodes)
    degree = torch.bincount(edges[1], minlength=NODES)
    sampled = torch.bincount(out.col, minlength=len(out.node))
    first = 0
    for hop, count in enumerate(fan_out):
        last = first + out.num_sampled_nodes[hop]
        assert torch.equal(sampled[first:last], degree[out.node[first:last]].clamp(max=count))
        first = last


@pytest.mark.parametrize(("leaves", "fan_out"), [(8, 3), (100, 3), (100, 80)], ids=["few", "many", "one pass"])
def test_every_neighbour_is_equally_likely(leaves: int, fan_out: int) -> None:
    sampler = NeighborSampler(star(leaves), leaves + 1, [fan_out])
    draws = 4000
    counts = torch.zeros(leaves + 1)
    for _ in range(draws):
        counts += torch.bincount(sample(sampler, [0]).node, minlength=leaves + 1)
    share = fan_out / leaves
    deviation = (share * (1 - share) / draws) ** 0.5
    assert counts[0] == draws
    assert (counts[1:] / draws - share).abs().max() < 5 * deviation


@pytest.mark.parametrize("replace", [True, False])
def test_heavier_edges_are_drawn_in_proportion(replace: bool) -> None:
    weight = torch.tensor([1.0, 0.0, 3.0, 6.0])
    sampler = NeighborSampler(star(4), 5, [1], replace=replace, edge_weight=weight)
    assert sampler.edge_permutation is not None
    drawn = Counter(sampler.edge_permutation[sample(sampler, [0]).edge].item() for _ in range(4000))
    assert [drawn[number] / 4000 for number in range(4)] == pytest.approx([0.1, 0.0, 0.3, 0.6], abs=0.03)


def test_weighted_draws_without_replacement_leave_the_others_their_share() -> None:
    # After 0 (with 1/2), 1 comes with 2/3; after 1 (1/3), 0 with 3/4; after 2 (1/6), 0 with 3/5 and 1 with 2/5.
    sampler = NeighborSampler(star(3), 4, [2], edge_weight=torch.tensor([3.0, 2.0, 1.0]))
    assert sampler.edge_permutation is not None
    drawn = Counter(frozenset(sampler.edge_permutation[sample(sampler, [0]).edge].tolist()) for _ in range(6000))
    expected = {frozenset({0, 1}): 1 / 3 + 1 / 4, frozenset({0, 2}): 1 / 6 + 1 / 10, frozenset({1, 2}): 1 / 12 + 1 / 15}
    for pair, share in expected.items():
        assert drawn[pair] / 6000 == pytest.approx(share, abs=0.03)


def test_with_replacement_each_node_has_as_many_draws_as_asked_for() -> None:
    sampler = NeighborSampler(star(3), 4, [10], replace=True)
    out = sample(sampler, [0, 2])
    assert out.num_sampled_edges == [10]  # A leaf has no neighbour to draw.
    assert len(set(out.edge.tolist())) <= 3


def test_equal_seeds_give_equal_batches_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    edges = random_edges(1, 600)

    def batches(seed: int) -> list[list[int]]:
        sampler = NeighborSampler(edges, NODES, [3, 2], seed=seed)
        return [sample(sampler, list(range(10))).edge.tolist() for _ in range(3)]

    alone = batches(7)
    monkeypatch.setattr(sampling, "number_of_threads", lambda work, least: 4)
    assert batches(7) == alone
    assert batches(8) != alone
    assert alone[0] != alone[1]


def graph(seed: int = 0) -> Data:
    edges = random_edges(seed)
    x = torch.arange(NODES, dtype=torch.float32).repeat(2, 1).T
    return Data(x=x, edge_index=edges, edge_weight=torch.rand(edges.size(1)), num_nodes=NODES)


def test_loader_gives_batches_as_pyg_does() -> None:
    data = graph()
    loader = NeighborLoader(data, [4, 3], batch_size=8, weight_attr="edge_weight")
    batches = list(loader)
    assert len(loader) == len(batches) == 4
    assert torch.cat([batch.n_id[: batch.batch_size] for batch in batches]).tolist() == list(range(NODES))
    for batch in batches:
        assert torch.equal(batch.x[:, 0].long(), batch.n_id)
        assert torch.equal(batch.n_id[batch.edge_index], data.edge_index[:, batch.e_id])
        assert torch.equal(batch.edge_weight, data.edge_weight[batch.e_id])
        assert len(batch.num_sampled_nodes) == 3


def test_pyg_lib_samples_where_it_is_installed_and_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[Any, ...]] = []

    class OfPyG(NeighborSampler):
        def __init__(self, data: Data, fan_out: list[int], **options: Any) -> None:
            made.append((fan_out, options))
            super().__init__(data.edge_index, data.num_nodes, fan_out)

    monkeypatch.setattr(torch_geometric.sampler, "NeighborSampler", OfPyG)
    monkeypatch.setattr(torch_geometric.typing, "WITH_PYG_LIB", True)
    assert not isinstance(NeighborLoader(graph(), [2]).node_sampler, OfPyG)
    loader = NeighborLoader(graph(), (4, 3), replace=True, weight_attr="edge_weight", sampler="pyg-lib", batch_size=5)
    assert isinstance(loader.node_sampler, OfPyG)
    assert made == [([4, 3], {"replace": True, "weight_attr": "edge_weight"})]
    assert next(iter(loader)).batch_size == 5

    monkeypatch.setattr(torch_geometric.typing, "WITH_PYG_LIB", False)
    with pytest.raises(ImportError, match="pyg-lib is not installed"):
        NeighborLoader(graph(), [2], sampler="pyg-lib")
    with pytest.raises(ValueError, match="must be eco or pyg-lib"):
        NeighborLoader(graph(), [2], sampler="dgl")  # type: ignore[arg-type]


def test_loader_takes_seeds_and_transforms() -> None:
    mask = torch.arange(NODES) % 3 == 0
    loader = NeighborLoader(graph(), [2], input_nodes=mask, batch_size=100, transform=lambda batch: batch.n_id)
    (nodes,) = loader
    assert nodes[:10].tolist() == list(range(0, NODES, 3))


def test_sampler_drives_loaders_of_stores_and_of_links() -> None:
    data = graph()
    sampler = NeighborSampler(data.edge_index, NODES, [3])
    features, edges = MyFeatureStore(), MyGraphStore()
    features.put_tensor(data.x, group_name=None, attr_name="x", index=None)
    edges.put_edge_index(data.edge_index, edge_type=None, layout="coo", size=(NODES, NODES))
    (batch,) = NodeLoader((features, edges), node_sampler=sampler, input_nodes=torch.arange(6), batch_size=6)
    assert torch.equal(batch.x[:, 0].long(), batch.n_id)
    links = LinkLoader(
        data, sampler, edge_label_index=data.edge_index[:, :10], batch_size=10, neg_sampling=NegativeSampling("binary")
    )
    (batch,) = links
    ends = batch.n_id[batch.edge_label_index]
    assert torch.equal(ends[:, :10], data.edge_index[:, :10])
    assert batch.edge_label.tolist() == [1.0] * 10 + [0.0] * 10


@pytest.mark.parametrize("fan_out", [[], [0], [3, -2]])
def test_fan_outs_out_of_range_are_refused(fan_out: list[int]) -> None:
    with pytest.raises(ValueError, match="one positive number, or -1"):
        NeighborSampler(star(3), 4, fan_out)


def test_seeds_that_are_no_nodes_are_refused() -> None:
    with pytest.raises(DataError, match=r"node 0 or 4, but the graph has 4 nodes"):
        sample(NeighborSampler(star(3), 4, [1]), [0, 4])


def test_no_seeds_and_no_edges_are_empty_batches() -> None:
    out = sample(NeighborSampler(torch.empty(2, 0, dtype=torch.int64), 4, [2, 2]), [1, 2])
    assert out.node.tolist() == [1, 2]
    assert out.num_sampled_edges == [0, 0]
    assert sample(NeighborSampler(star(3), 4, [2]), []).node.tolist() == []


def test_ids_and_notes_of_a_graph_do_not_disturb_its_batches() -> None:
    graph = Data(x=torch.eye(4), edge_index=star(3), node_ids=list("abcd"), notes=["a", "b", "c", "d"])
    (batch,) = NeighborLoader(graph, [-1], input_nodes=torch.tensor([0]))
    assert batch.n_id.tolist() == [0, 1, 2, 3]
    assert "node_ids" not in batch
    assert graph.node_ids == list("abcd")
