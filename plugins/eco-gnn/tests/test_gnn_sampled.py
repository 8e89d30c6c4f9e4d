"""What encoders make of sampled batches: estimates of what they make of the graph."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
import torch
from eco_gnn import GAT, GCN, GIN, SAGE, Polynormer, SGFormer
from eco_gnn.gcn import SparseGCNConv
from eco_gnn.sparse import adjacency_matrix, layer_matrices, propagates_first
from torch import Tensor
from torch_geometric.data import Data

from eco_core.data.sampling.batches import NeighborBatches
from eco_core.ops.sample import SampledEdges
from eco_core.ops.sparse_factor import SparseFactor
from eco_core.transforms import DropEdges

NODES, FEATURES = 14, 5
ENCODERS = {
    "gcn": lambda: GCN(FEATURES, 8),
    "gcn improved": lambda: GCN(FEATURES, 8, improved=True),
    "gcn without loops": lambda: GCN(FEATURES, 8, add_self_loops=False),
    "gcn of sums": lambda: GCN(FEATURES, 8, normalize=False),
    "sage": lambda: SAGE(FEATURES, 8),
    "sage of sums": lambda: SAGE(FEATURES, 8, aggr="sum"),
    "gin": lambda: GIN(FEATURES, 8),
    "gat": lambda: GAT(FEATURES, 8, heads=2),
    "gat with weights": lambda: GAT(FEATURES, 8, heads=2, edge_attention=True, add_self_loops=False),
}


def graph(weighted: bool) -> Data:
    """A directed graph with parallel edges and nodes without edges."""
    generator = torch.Generator().manual_seed(1)
    edge_index = torch.randint(NODES - 2, (2, 50), generator=generator)
    edge_index = edge_index[:, edge_index[0] != edge_index[1]]
    one = Data(x=torch.randn(NODES, FEATURES, generator=generator), edge_index=edge_index, num_nodes=NODES)
    if weighted:
        one.edge_weight = torch.rand(edge_index.size(1), generator=generator) + 0.2
    return one


def embedded(model: Any, one: Any) -> Tensor:
    return model(one.x, one.edge_index, getattr(one, "edge_weight", None), sampled=SampledEdges.of(one))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ENCODERS)
def test_batches_of_all_neighbours_have_the_embeddings_of_the_graph(name: str, weighted: bool) -> None:
    torch.manual_seed(0)
    model, one = ENCODERS[name]().eval(), graph(weighted)
    whole = embedded(model, one)
    for batch in NeighborBatches(one, [-1, -1], 4):
        torch.testing.assert_close(embedded(model, batch)[: batch.batch_size], whole[batch.n_id[: batch.batch_size]])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loops", [False, True])
@pytest.mark.parametrize("name", ["gcn", "gcn improved", "sage of sums", "gin", "sgformer", "polynormer"])
def test_sums_over_sampled_neighbours_have_those_of_the_graph_as_their_mean(
    name: str, loops: bool, weighted: bool
) -> None:
    """Of one layer, over all samples of two neighbours of one node, each equally likely."""
    options: dict[str, Any] = {"hidden_channels": 4}
    model = {
        "gcn": lambda: GCN(FEATURES, num_layers=1, **options),
        "gcn improved": lambda: GCN(FEATURES, num_layers=1, improved=True, **options),
        "sage of sums": lambda: SAGE(FEATURES, num_layers=1, aggr="sum", **options),
        "gin": lambda: GIN(FEATURES, num_layers=1, mlp_layers=1, **options),
        # The propagation matrix alone: their other layers are not linear in it.
        "sgformer": lambda: SGFormer(FEATURES, **options),
        "polynormer": lambda: Polynormer(FEATURES, **options),
    }[name]().eval()
    edge_index = torch.tensor([[1, 2, 3, 4, 0, 0, 1], [0, 0, 0, 0, 1, 2, 3]])
    weight = torch.tensor([0.5, 1.0, 2.0, 1.5, 1.0, 1.0, 0.7]) if weighted else torch.ones(7)
    if loops:
        edge_index, weight = (
            torch.cat([edge_index, torch.zeros(2, 1).long()], dim=1),
            torch.cat([weight, torch.ones(1)]),
        )
        weight[-1] = 2.0 if name == "gcn improved" else 1.0  # As those that are added where there are none.
    incoming = (edge_index[1] == 0).nonzero().squeeze(1).tolist()
    others = edge_index[0] != edge_index[1]
    in_degree = torch.zeros(5).index_add(0, edge_index[1][others], weight[others])
    x = torch.randn(5, FEATURES)

    def row(edges: Tensor, of_edges: Tensor, sampled: SampledEdges | None) -> Tensor:
        if name in ("sgformer", "polynormer"):
            return model.make_adjacency(edges, of_edges, 5, sampled).rows().to_dense()[0]
        return model(x, edges, of_edges, sampled=sampled)[0]

    samples = []
    for kept in combinations(incoming, 2):
        scale = torch.full((2,), len(incoming) / 2)
        samples.append(row(edge_index[:, kept], weight[list(kept)], SampledEdges(scale, in_degree)))
    torch.testing.assert_close(torch.stack(samples).mean(dim=0), row(edge_index, weight, None))


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("options", [{}, {"residual": True}, {"jk": "cat"}, {"pre_linear": True}], ids=str)
@pytest.mark.parametrize("encoder", [GCN, SAGE, GIN])
def test_embeddings_of_the_seeds_alone_are_those_that_all_nodes_would_give(
    encoder: Any, options: dict[str, Any], sparse: bool
) -> None:
    torch.manual_seed(0)
    model, one = encoder(FEATURES, 8, num_layers=3, **options).eval(), graph(weighted=True)
    if sparse:
        one.x = one.x.relu().to_sparse()
    for batch in (*NeighborBatches(one, [2, 2, 2], 4), DropEdges(0.3)(next(iter(NeighborBatches(one, [2, 2, 2], 4))))):
        sampled, seeds = SampledEdges.of(batch), batch.batch_size
        all_nodes = model(batch.x, batch.edge_index, batch.edge_weight, sampled=sampled)
        alone = model(batch.x, batch.edge_index, batch.edge_weight, sampled=sampled, num_seeds=seeds)
        assert alone.shape == (seeds, 8)
        torch.testing.assert_close(alone, all_nodes[:seeds])


def test_seeds_alone_take_the_rows_that_they_read_and_no_more() -> None:
    chain = torch.stack([torch.arange(1, 10), torch.arange(9)])  # Each node points to the one before.
    matrices = layer_matrices(adjacency_matrix(chain, torch.ones(9), 10), 3, 2)
    sizes = [matrix.size for matrix in matrices if isinstance(matrix, SparseFactor)]
    assert [tuple(size) for size in sizes] == [(4, 5), (3, 4), (2, 3)]


@pytest.mark.parametrize(("width_in", "width_out", "first"), [(4, 16, True), (16, 4, False)])
def test_the_cheaper_order_of_propagation_and_weights_gives_the_same(
    width_in: int, width_out: int, first: bool
) -> None:
    torch.manual_seed(0)
    layer, one = SparseGCNConv(width_in, width_out), graph(weighted=True)
    x = torch.randn(NODES, width_in, requires_grad=True)
    matrix = adjacency_matrix(one.edge_index, one.edge_weight, NODES)
    assert propagates_first(x, matrix, width_out) is first
    assert not propagates_first(SparseFactor.of(x.detach().to_sparse()), matrix, width_out)
    out = layer(x, matrix)
    expected = matrix.to_dense() @ x @ layer.lin.weight.t() + layer.bias
    torch.testing.assert_close(out, expected)
    gradients = [torch.autograd.grad(value.square().sum(), [x, layer.lin.weight]) for value in (out, expected)]
    torch.testing.assert_close(*gradients)
