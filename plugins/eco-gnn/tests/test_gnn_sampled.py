"""What encoders make of sampled batches: estimates of what they make of the graph."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
import torch
from eco_gnn import GAT, GCN, GIN, SAGE, Polynormer, SGFormer
from torch import Tensor
from torch_geometric.data import Data

from eco_core.data.batches import NeighborBatches
from eco_core.ops.sample import SampledEdges

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
    options = {"hidden_channels": 4}
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
