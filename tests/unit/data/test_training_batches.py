"""Parts of a graph, and the batches to train on, made of them or of sampled neighbourhoods."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data

from eco_core.data.sampling.batches import InducedEdges, NeighborBatches, SubgraphBatches
from eco_core.data.sampling.node_groups import node_groups
from eco_core.errors import CompositionError
from eco_core.ops.random_walks import neighbors_of
from eco_core.ops.sample import SampledEdges
from eco_core.transforms import DropEdges
from tests.graphs import blocks, ring


def weighted() -> Data:
    graph = blocks(90, 3)
    graph.edge_weight = torch.rand(graph.edge_index.size(1), generator=torch.Generator().manual_seed(0)) + 0.1
    return graph


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(0, 80), st.integers(1, 50), st.integers(0, 3))
def test_each_node_is_in_one_part_of_limited_size(num_nodes, num_edges, size, seed):
    edge_index = torch.randint(num_nodes, (2, num_edges), generator=torch.Generator().manual_seed(seed))
    parts = node_groups(neighbors_of(edge_index, num_nodes), size, seed)
    assert torch.cat(parts).sort().values.tolist() == list(range(num_nodes))
    assert all(1 <= len(part) <= size for part in parts)
    # Whatever two parts have room for is one: more than half of the room is used.
    assert len(parts) <= 2 * -(-num_nodes // size)


def test_parts_cut_few_edges_of_a_ring():
    graph = ring(1000)
    part = torch.empty(1000, dtype=torch.int64)
    parts = node_groups(neighbors_of(graph.edge_index, 1000), 50)
    for number, nodes in enumerate(parts):
        part[nodes] = number
    cut = (part[graph.edge_index[0]] != part[graph.edge_index[1]]).float().mean()
    assert cut < 0.1  # Of random parts it is 0.95.


def test_clear_communities_are_parts():
    graph = blocks(90, 3)
    parts = node_groups(neighbors_of(graph.edge_index, 90), 30)
    agree = sum(int(graph.y[part].bincount().max()) for part in parts)
    assert agree >= 80


@pytest.mark.parametrize("seed", range(3))
def test_induced_edges_are_those_with_both_ends_among_the_nodes(seed):
    generator = torch.Generator().manual_seed(seed)
    edge_index = torch.randint(12, (2, 60), generator=generator)
    incoming = neighbors_of(edge_index.flip(0), 12)
    induced = InducedEdges(incoming)
    for count in (1, 5, 12):
        nodes = torch.randperm(12, generator=generator)[:count]
        found, positions = induced.among(nodes)
        is_among = torch.isin(edge_index, nodes).all(dim=0)
        assert sorted(nodes[found].T.tolist()) == sorted(edge_index[:, is_among].T.tolist())
        assert torch.equal(incoming.col[positions], nodes[found[0]])


@pytest.mark.parametrize("kind", ["neighbor", "subgraph"])
def test_an_epoch_has_each_node_once_as_a_seed(kind):
    graph = weighted()
    batches = NeighborBatches(graph, [3, 2], 25) if kind == "neighbor" else SubgraphBatches(graph, 25)
    torch.manual_seed(0)
    for _ in range(2):
        found = list(batches)
        assert len(found) == len(batches)
        seeds = torch.cat([batch.rows.n_id for batch in found])
        assert seeds.sort().values.tolist() == list(range(90))
        for batch in found:
            assert torch.equal(batch.n_id[: batch.batch_size], batch.rows.n_id)
            assert torch.equal(batch.x, graph.x[batch.n_id])
            rows = batch.rows
            assert torch.equal(rows.n_id[rows.edge_index], graph.edge_index[:, rows.e_id])
            expected = graph.edge_weight[rows.e_id] * rows.sample.edge_scale(rows.edge_index)
            torch.testing.assert_close(rows.edge_weight, expected)
            edges = {tuple(edge) for edge in graph.edge_index.T.tolist()}
            assert {tuple(edge) for edge in batch.n_id[batch.edge_index].T.tolist()} <= edges


def test_batches_of_neighbours_have_one_size_and_subgraphs_their_own_edges():
    graph = weighted()
    assert {batch.batch_size for batch in NeighborBatches(graph, [3], 40)} == {30}
    for batch in SubgraphBatches(graph, 40):
        assert batch.batch_size == batch.num_nodes
        assert torch.equal(batch.edge_index, batch.rows.edge_index)
        torch.testing.assert_close(batch.edge_weight, graph.edge_weight[batch.rows.e_id])


@pytest.mark.parametrize("kind", ["neighbor", "subgraph"])
def test_attributes_of_nodes_and_edges_are_cut_down_to_the_batch_and_others_are_the_graphs(kind):
    graph = weighted()
    of_nodes, of_edges = torch.arange(90.0), torch.arange(graph.num_edges)
    graph.pos, graph.name_of, graph.train_mask = of_nodes[:, None], of_nodes.numpy(), of_nodes > 3
    graph.edge_attr, graph.edge_label_index = of_edges[:, None], graph.edge_index.clone()
    graph.table, graph.words, graph.node_ids = torch.ones(7, 2), ["a", "b"], [f"node {node}" for node in range(90)]
    batches = NeighborBatches(graph, [3, 2], 25) if kind == "neighbor" else SubgraphBatches(graph, 25)
    for batch in batches:
        assert torch.equal(batch.pos[:, 0].long(), batch.n_id)
        assert batch.name_of.tolist() == batch.n_id.tolist()
        assert torch.equal(batch.train_mask, batch.n_id > 3)
        assert torch.equal(batch.y, graph.y[batch.n_id])
        e_id = batch.edge_attr[:, 0]
        assert torch.equal(graph.edge_index[:, e_id], batch.n_id[batch.edge_index])
        assert torch.equal(batch.edge_weight, graph.edge_weight[e_id])
        assert torch.equal(batch.edge_label_index, graph.edge_index[:, e_id])
        assert batch.table is graph.table
        assert batch.words is graph.words
        assert "node_ids" not in batch
        assert "notes" not in batch


def test_an_attribute_named_as_one_of_the_batch_does_not_replace_it():
    graph = weighted()
    graph.n_id, graph.batch_size, graph.rows = torch.zeros(90), 5, "mine"
    for batch in SubgraphBatches(graph, 25):
        assert batch.batch_size == len(batch.n_id) == len(batch.rows.n_id)


@pytest.mark.parametrize("kind", ["neighbor", "subgraph"])
def test_equal_states_of_the_generator_give_equal_batches(kind):
    graph = weighted()
    batches = NeighborBatches(graph, [3, 2], 25) if kind == "neighbor" else SubgraphBatches(graph, 25)
    runs = []
    for seed in (0, 1, 0):
        torch.manual_seed(seed)
        runs.append([batch.n_id.tolist() for batch in batches])
    assert runs[0] == runs[2]
    assert runs[0] != runs[1]


def test_batches_say_how_many_edges_each_stands_for_and_the_degrees_of_the_graph():
    graph = weighted()
    loops = torch.arange(5).repeat(2, 1)
    graph.edge_index = torch.cat([graph.edge_index, loops], dim=1)
    graph.edge_weight = torch.cat([graph.edge_weight, torch.ones(5)])
    edges = torch.bincount(graph.edge_index[1], minlength=90)
    is_loop = graph.edge_index[0] == graph.edge_index[1]
    total = torch.zeros(90).index_add(0, graph.edge_index[1], graph.edge_weight.masked_fill(is_loop, 0))
    for batch in NeighborBatches(graph, [3, 2], 25):
        torch.testing.assert_close(batch.in_degree, total[batch.n_id])
        target = batch.edge_index[1]
        # What the sampled edges of a node stand for adds up to all of its edges.
        stood_for = torch.zeros(batch.num_nodes).index_add(0, target, batch.edge_scale)
        torch.testing.assert_close(stood_for[target], edges[batch.n_id[target]].float())
        assert SampledEdges.of(Data(x=batch.x, edge_index=batch.edge_index[:, 1:], in_degree=batch.in_degree)) is None


def test_dropping_edges_of_a_sample_leaves_as_many_as_dropping_those_of_the_graph():
    graph = blocks(400, 4)  # Nodes have 8 neighbours on average.
    edges = torch.bincount(graph.edge_index[1], minlength=400).float()
    seeds, left, of_scale = 0, 0.0, 0.0
    torch.manual_seed(0)
    for _ in range(20):
        for batch in NeighborBatches(graph, [4], 100):
            view = DropEdges(0.6)(batch)
            sampled = SampledEdges.of(view)
            assert sampled is not None
            first = slice(batch.batch_size)
            of_edges = torch.zeros(batch.num_nodes).index_add(0, view.edge_index[1], sampled.scale)
            torch.testing.assert_close(
                sampled.in_degree[first], of_edges[first]
            )  # What is left is what they divide by.
            torch.testing.assert_close(sampled.in_degree[batch.batch_size :], 0.4 * batch.in_degree[batch.batch_size :])
            assert sampled.scale.min() >= 1 - 1e-6
            seeds, left = seeds + batch.batch_size, left + len(sampled.scale)
            of_scale += float(sampled.scale.sum())
    # Of four that were sampled, 1.6 would be left if these were dropped alike.
    assert left / seeds == pytest.approx(float((0.4 * edges).clamp(max=4).mean()), rel=0.03)
    assert of_scale / seeds == pytest.approx(0.4 * float(edges.mean()), rel=0.03)


def test_sparse_features_stay_sparse():
    graph = blocks(60, 3, sparse=True)
    batch = next(iter(NeighborBatches(graph, [3], 20)))
    assert batch.x.is_sparse
    assert torch.equal(batch.x.to_dense(), graph.x.to_dense()[batch.n_id])


@pytest.mark.parametrize("kind", ["neighbor", "subgraph"])
def test_processes_share_the_batches_of_one(kind):
    graph = weighted()

    def epoch(*world: int) -> list[Data]:
        torch.manual_seed(0)
        if kind == "neighbor":
            return list(NeighborBatches(graph, [3, 2], 40, *world))
        return list(SubgraphBatches(graph, 40, 0, *world))

    shares = [epoch(rank, 3) for rank in range(3)]
    for joint, *parts in zip(epoch(), *shares, strict=True):
        assert joint.share == 1.0
        assert torch.equal(torch.cat([part.rows.n_id for part in parts]), joint.rows.n_id)
        assert sum(part.share for part in parts) == pytest.approx(1.0)
        assert sum(part.rows.sample.num_drawn for part in parts) == joint.rows.sample.num_drawn
        for part in parts:
            assert part.share == pytest.approx(part.batch_size / joint.batch_size)
            assert part.rows.sample.num_units == joint.rows.sample.num_units
            assert len(part.rows.sample.unit) == part.batch_size
            assert part.rows.sample.unit.unique().numel() == part.rows.sample.num_drawn
            weight = graph.edge_weight[part.rows.e_id] * part.rows.sample.edge_scale(part.rows.edge_index)
            torch.testing.assert_close(part.rows.edge_weight, weight)


def test_more_processes_than_a_batch_has_nodes_or_parts_are_refused():
    graph = weighted()
    assert len(list(NeighborBatches(graph, [3], 30, 29, 30))) == 3
    with pytest.raises(CompositionError, match="ECO104  31 processes share each batch, but a batch has only 30 nodes"):
        NeighborBatches(graph, [3], 30, 0, 31)
    with pytest.raises(CompositionError, match=r"20 processes share each batch, but a batch has only .* parts of the"):
        SubgraphBatches(graph, 40, 0, 0, 20)
