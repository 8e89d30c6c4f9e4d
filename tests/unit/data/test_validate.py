"""What is said about a graph that cannot be used, and what is done to one that can."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from eco_core.data.validate import validate_graph
from eco_core.errors import DataError


def graph(**changes: object) -> Data:
    parts: dict[str, object] = {"x": torch.rand(4, 3), "edge_index": torch.tensor([[0, 1, 2], [1, 2, 3]])}
    return Data(**{**parts, **changes})


def problem(data: Data) -> str:
    with pytest.raises(DataError) as caught:
        validate_graph(data)
    assert [found.code for found in caught.value.problems] == ["ECO303"]
    return str(caught.value)


def test_a_valid_graph_gets_the_contracts_types_and_the_original_is_untouched() -> None:
    original = graph(
        x=np.arange(12).reshape(4, 3),
        edge_index=torch.tensor([[0, 1, 2], [1, 2, 3]], dtype=torch.int32),
        edge_weight=torch.tensor([[1], [2], [3]]),
        y=torch.tensor([[0.0], [1.0], [float("nan")], [2.0]]),
        node_ids=[10, 20, 30, 40],
        n_classes=torch.tensor(5),
    )
    checked = validate_graph(original)
    assert (checked.x.dtype, checked.edge_index.dtype) == (torch.float32, torch.int64)
    assert checked.edge_weight.dtype == torch.float32
    assert checked.edge_weight.tolist() == [1, 2, 3]
    assert checked.y.dtype == torch.int64
    assert checked.y.tolist() == [0, 1, -1, 2]
    assert checked.node_ids == ["10", "20", "30", "40"]
    assert checked.n_classes == 5
    assert checked.name == "graph"
    assert original.edge_index.dtype == torch.int32
    assert original.node_ids == [10, 20, 30, 40]
    assert "notes" not in original


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.float64, torch.float16, torch.uint8])
def test_features_of_any_numeric_type_become_float32(dtype: torch.dtype) -> None:
    checked = validate_graph(graph(x=torch.ones(4, 3, dtype=dtype)))
    assert checked.x.dtype == torch.float32
    assert torch.equal(checked.x, torch.ones(4, 3))


@pytest.mark.parametrize("layout", [torch.sparse_csr, torch.sparse_csc, torch.sparse_coo])
@pytest.mark.filterwarnings("ignore:Sparse CS:UserWarning")
def test_sparse_features_become_coalesced_coo(layout: torch.layout) -> None:
    dense = torch.tensor([[0, 1.0], [2, 0], [0, 0], [3, 4]], dtype=torch.float64)
    checked = validate_graph(graph(x=dense.to_sparse(layout=layout)))
    assert checked.x.layout == torch.sparse_coo
    assert checked.x.is_coalesced()
    assert torch.equal(checked.x.to_dense(), dense.float())


def test_scipy_features_are_accepted() -> None:
    import scipy.sparse as sp

    checked = validate_graph(graph(x=sp.csr_matrix(np.eye(4))))
    assert torch.equal(checked.x.to_dense(), torch.eye(4))


def test_an_index_out_of_range_is_shown_with_its_position_and_the_number_of_nodes() -> None:
    text = problem(graph(edge_index=torch.tensor([[0, 1, 2], [1, 9, 3]])))
    assert "1 entry that is out of range" in text
    assert "9 at position [1, 1] (target of edge 1)" in text
    assert "4 nodes, numbered 0 to 3" in text


def test_a_negative_index_is_not_taken_from_the_end() -> None:
    text = problem(graph(edge_index=torch.tensor([[0, -1, 2], [1, 2, -1]])))
    assert "2 entries that are negative" in text
    assert "-1 at position [0, 1]" in text


@pytest.mark.parametrize("sparse", [False, True])
def test_values_that_are_not_finite_are_counted_and_located_with_the_users_id(sparse: bool) -> None:
    x = torch.ones(4, 3)
    x[2, 1], x[3, 0] = float("nan"), float("inf")
    text = problem(graph(x=x.to_sparse() if sparse else x, node_ids=["a", "b", "c", "d"]))
    assert "2 values that are NaN or infinite" in text
    assert "nan at row 2, column 1 (node 'c')" in text


def test_a_transposed_edge_index_is_recognised() -> None:
    assert "edge_index.T" in problem(graph(edge_index=torch.tensor([[0, 1], [1, 2], [2, 3]])))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"x": torch.zeros(0, 3), "edge_index": torch.zeros(2, 0)}, "no nodes"),
        ({"x": torch.zeros(4, 0)}, "no node features"),
        ({"x": None}, "torch.eye"),
        ({"x": torch.ones(4)}, "x.reshape(-1, 1)"),
        ({"x": torch.ones(4, 3, 2)}, "3 dimensions"),
        ({"x": np.array([["a"], ["b"], ["c"], ["d"]])}, "x is not numeric"),
        ({"x": torch.ones(4, 3, dtype=torch.complex64)}, "x is not numeric"),
        ({"edge_index": None}, "no edge_index"),
        ({"edge_index": torch.tensor([[0.0, 1], [1, 2]])}, "edge_index.long()"),
        ({"edge_index": torch.tensor([0, 1, 2])}, "expected (2, num_edges)"),
        ({"edge_index": torch.eye(4).to_sparse()}, "to_edge_index"),
        ({"edge_weight": torch.ones(2)}, "edge_weight has 2 entries, but the graph has 3 edges"),
        ({"edge_weight": torch.tensor([1.0, -2, -3])}, "2 values that are negative; the first is -2.0 at edge 1"),
        ({"edge_weight": torch.tensor([1.0, 2, float("nan")])}, "NaN or infinite; the first is nan at edge 2"),
        ({"y": torch.zeros(5)}, "y has 5 entries, but the graph has 4 nodes"),
        ({"y": torch.eye(4)}, "y.argmax(1)"),
        ({"y": torch.tensor([0.0, 0.5, 1, 1])}, "y is 0.5 at node 1"),
        ({"y": torch.tensor([0, -7, 1, 1])}, "-7 at node 1"),
        ({"y": np.array(["a", "b", "a", "b"])}, "Number the classes"),
        ({"node_ids": ["a", "b"]}, "node_ids has 2 entries, but the graph has 4 nodes"),
        ({"node_ids": ["a", "b", "a", "c"]}, "'a', at positions 0 and 2"),
        ({"node_ids": "abcd"}, "not a list"),
        ({"n_classes": 0}, "n_classes is 0"),
        ({"n_classes": 2.5}, "n_classes is 2.5"),
    ],
)
def test_one_problem_is_one_clear_sentence(changes: dict[str, object], expected: str) -> None:
    assert expected in problem(graph(**changes))


def test_all_problems_of_a_graph_are_reported_together() -> None:
    broken = graph(
        x=torch.full((4, 3), float("nan")),
        edge_index=torch.tensor([[0, 7], [-1, 1]]),
        edge_weight=torch.ones(5),
        y=torch.zeros(2),
        node_ids=["a"],
    )
    with pytest.raises(DataError) as caught:
        validate_graph(broken)
    assert len(caught.value.problems) == 6
    for word in ("NaN", "out of range", "negative", "edge_weight has 5", "y has 2", "node_ids has 1"):
        assert word in str(caught.value)


def test_self_loops_duplicates_and_isolated_nodes_are_noted_and_kept() -> None:
    edges = torch.tensor([[0, 0, 0, 2, 1], [1, 1, 1, 2, 0]])
    checked = validate_graph(graph(edge_index=edges))
    assert checked.notes == ["1 self-loop kept", "2 duplicate edges kept", "2 isolated nodes"]
    assert torch.equal(checked.edge_index, edges)


@pytest.mark.parametrize("empty", [torch.zeros(2, 0), torch.zeros(0), np.zeros((2, 0), dtype=np.int64)])
def test_a_graph_without_edges_is_allowed_and_noted(empty: object) -> None:
    checked = validate_graph(graph(edge_index=empty))
    assert checked.edge_index.shape == (2, 0)
    assert checked.edge_index.dtype == torch.int64
    assert checked.notes == ["the graph has no edges"]


def test_checking_twice_says_nothing_twice() -> None:
    once = validate_graph(graph(edge_index=torch.tensor([[0, 0], [0, 1]])))
    assert validate_graph(once).notes == once.notes


def test_features_that_need_gradients_are_detached() -> None:
    assert not validate_graph(graph(x=torch.ones(4, 3, requires_grad=True))).x.requires_grad
