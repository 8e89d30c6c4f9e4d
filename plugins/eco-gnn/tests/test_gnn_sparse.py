"""The sparse kernels: they compute what dense matrices would."""

from __future__ import annotations

import copy
import subprocess
import sys
from functools import partial

import torch
from eco_gnn.sparse import (
    SparseInputLinear,
    adjacency_matrix,
    edge_weights,
    max_by_scatter,
    sparse_max,
    sparse_product,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.nn import Linear

SIZES = {"rows": st.integers(1, 6), "inner": st.integers(1, 6), "columns": st.integers(1, 4)}


def draw(rows: int, inner: int, columns: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(rows, inner, generator=generator, dtype=torch.double).relu()
    return matrix, torch.randn(inner, columns, generator=generator, dtype=torch.double)


@given(**SIZES, seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_sparse_product_is_the_dense_one_with_its_gradients(rows: int, inner: int, columns: int, seed: int) -> None:
    matrix, dense = draw(rows, inner, columns, seed)
    for learned in (False, True):
        one, other = dense.clone().requires_grad_(), dense.clone().requires_grad_()
        factor = matrix.clone().requires_grad_(learned)
        stored = matrix.to_sparse().requires_grad_(learned)
        expected, found = factor @ one, sparse_product(stored, other)
        torch.testing.assert_close(found, expected)
        expected.square().sum().backward()
        found.square().sum().backward()
        torch.testing.assert_close(other.grad, one.grad)
        if learned:
            of_stored, of_factor = stored.grad, factor.grad
            assert of_stored is not None
            assert of_factor is not None
            torch.testing.assert_close(of_stored.to_dense(), of_factor * (matrix != 0))


@given(**SIZES, seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_sparse_max_is_the_maximum_over_the_entries_of_each_row(rows: int, inner: int, columns: int, seed: int) -> None:
    matrix, dense = draw(rows, inner, columns, seed)
    found = sparse_max(matrix.to_sparse(), dense)
    torch.testing.assert_close(max_by_scatter(matrix.to_sparse(), dense), found)
    for row in range(rows):
        entries = dense[matrix[row] != 0]
        expected = entries.amax(dim=0) if len(entries) else torch.zeros(columns, dtype=torch.double)
        torch.testing.assert_close(found[row], expected)


def test_sparse_max_gives_gradients_to_the_maxima() -> None:
    matrix, dense = draw(5, 6, 3, 0)
    for function in (sparse_max, max_by_scatter):
        assert torch.autograd.gradcheck(partial(function, matrix.to_sparse()), (dense.requires_grad_(),))


def test_products_in_half_precision_are_computed_in_single() -> None:
    matrix, dense = draw(5, 6, 3, 0)
    half = dense.bfloat16()
    for function in (sparse_product, sparse_max):
        expected = function(matrix.float().to_sparse(), half.float()).bfloat16()
        found = function(matrix.float().to_sparse(), half)
        assert found.dtype is torch.bfloat16
        assert torch.equal(found, expected)


def test_torch_does_not_warn_of_its_sparse_tensors() -> None:
    # Once in a process is when it does: only a new one can tell.
    code = """
import torch, eco_gnn
x, edges = torch.eye(3), torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
for encoder in (eco_gnn.SAGE(3, aggr="max"), eco_gnn.H2GCN(3), eco_gnn.GCN(3)):
    encoder(x.to_sparse(), edges).sum().backward()
"""
    path = [entry for entry in sys.path if entry]
    code = f"import sys; sys.path[:0] = {path!r}\n{code}"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "Sparse" not in done.stderr


def test_adjacency_sends_from_source_to_target_and_adds_up_parallel_edges() -> None:
    edges = torch.tensor([[0, 0, 2], [1, 1, 2]])
    matrix = adjacency_matrix(edges, torch.tensor([1.0, 2.0, 4.0]), 3).to_dense()
    assert matrix.tolist() == [[0, 0, 0], [3, 0, 0], [0, 0, 4]]


def test_missing_weights_are_ones() -> None:
    edges = torch.tensor([[0, 1], [1, 0]])
    assert edge_weights(edges, None, torch.double).tolist() == [1, 1]
    assert edge_weights(edges, torch.tensor([2, 3]), torch.double).dtype is torch.double


def test_sparse_input_linear_adds_its_bias() -> None:
    layer = SparseInputLinear(3, 2)
    torch.nn.init.ones_(layer.bias)
    x = torch.eye(3)
    torch.testing.assert_close(layer(x.to_sparse()), layer(x))
    torch.testing.assert_close(layer(x), layer.weight.t() + 1)
    torch.testing.assert_close(layer.product(x), layer.weight.t())


def test_sparse_input_linear_is_drawn_as_the_layer_it_stands_for() -> None:
    original = Linear(40, 30, bias=True, weight_initializer="glorot", bias_initializer="zeros")
    torch.manual_seed(0)
    original.reset_parameters()
    torch.manual_seed(0)
    twin = SparseInputLinear.like(original)
    assert all(torch.equal(one, other) for one, other in zip(original.parameters(), twin.parameters(), strict=True))
    assert SparseInputLinear.like(Linear(2, 2, bias=False)).bias is None


def test_copies_of_a_sparse_input_linear_read_sparse_input_and_draw_nothing() -> None:
    layer = SparseInputLinear(3, 2)
    state = torch.get_rng_state()
    twin = copy.deepcopy(layer)
    assert torch.equal(torch.get_rng_state(), state)
    x = torch.eye(3).to_sparse()
    assert torch.equal(twin(x), layer(x))
    with torch.no_grad():
        twin.weight.zero_()
    assert layer.weight.abs().sum() > 0
    twin.load_state_dict(layer.state_dict())
    assert torch.equal(twin(x), layer(x))
