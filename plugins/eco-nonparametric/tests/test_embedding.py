"""The table of vectors: which rows a graph gets, and what it refuses."""

from __future__ import annotations

import inspect

import pytest
import torch
from eco_nonparametric import NodeEmbedding
from pydantic import TypeAdapter, ValidationError
from torch_geometric.data import Data

from eco_core.errors import DataError

EDGES = torch.tensor([[0, 1, 2], [1, 2, 3]])


def test_whole_graph_gets_the_table_itself() -> None:
    encoder = NodeEmbedding(4, embedding_dim=3)
    z = encoder(Data(edge_index=EDGES, num_nodes=4))
    assert z.shape == (4, 3)
    assert z.data_ptr() == encoder.weight.data_ptr()
    assert z.requires_grad


def test_sampled_batch_gets_the_rows_of_its_nodes_and_sends_them_its_gradients() -> None:
    encoder = NodeEmbedding(4, embedding_dim=3)
    z = encoder(Data(edge_index=torch.tensor([[0], [1]]), num_nodes=2, n_id=torch.tensor([3, 1])))
    assert torch.equal(z, encoder.weight[[3, 1]])
    (2 * z).sum().backward()
    assert encoder.weight.grad is not None
    assert encoder.weight.grad.tolist() == [[0.0] * 3, [2.0] * 3, [0.0] * 3, [2.0] * 3]


def test_features_are_not_needed_and_change_nothing() -> None:
    encoder = NodeEmbedding(4)
    features = torch.rand(4, 5)
    assert torch.equal(
        encoder(Data(x=features, edge_index=EDGES)), encoder(Data(x=features.to_sparse(), edge_index=EDGES))
    )
    assert encoder(Data(edge_index=EDGES, num_nodes=4)).shape == (4, 128)


def test_vectors_are_standard_normal_and_come_from_the_seed() -> None:
    torch.manual_seed(0)
    first = NodeEmbedding(500)
    torch.manual_seed(0)
    assert torch.equal(first.weight, NodeEmbedding(500).weight)
    assert abs(first.weight.mean().item()) < 0.02
    assert abs(first.weight.std().item() - 1) < 0.02
    before = first.weight.detach().clone()
    first.reset_parameters()
    assert not torch.equal(first.weight, before)


def test_graph_of_another_size_is_refused() -> None:
    with pytest.raises(DataError, match=r"(?s)each of 5 nodes, and the graph has 4.*Train on the graph itself"):
        NodeEmbedding(5)(Data(edge_index=EDGES, num_nodes=4))


def test_width_must_be_positive() -> None:
    declared = inspect.signature(NodeEmbedding, eval_str=True).parameters["embedding_dim"]
    assert declared.default == 128
    with pytest.raises(ValidationError):
        TypeAdapter(declared.annotation).validate_python(0)


def test_it_says_its_size() -> None:
    assert repr(NodeEmbedding(7, 2)) == "NodeEmbedding(7, 2)"
