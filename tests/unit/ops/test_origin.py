"""What was made of a graph is used for that graph alone."""

from __future__ import annotations

import gc
import weakref

import torch

from eco_core.ops.origin import Origin, SharedMemory


def test_the_same_tensors_are_known_again_and_equal_ones_are_not() -> None:
    edge_index, weight = torch.zeros(2, 3, dtype=torch.long), torch.ones(3)
    origin = Origin(edge_index, weight)
    assert origin.is_of(edge_index, weight)
    assert not origin.is_of(edge_index.clone(), weight)
    assert not origin.is_of(edge_index, weight.clone())
    assert not origin.is_of(weight, edge_index)
    assert not origin.is_of(edge_index)


def test_a_tensor_that_is_missing_is_not_one_that_is_there() -> None:
    edge_index = torch.zeros(2, 3, dtype=torch.long)
    assert Origin(edge_index, None).is_of(edge_index, None)
    assert not Origin(edge_index, None).is_of(edge_index, torch.ones(3))
    assert not Origin(edge_index, torch.ones(3)).is_of(edge_index, None)


def test_a_change_in_place_makes_another_tensor_of_it() -> None:
    edge_index = torch.zeros(2, 3, dtype=torch.long)
    origin = Origin(edge_index)
    edge_index[0, 0] = 1
    assert not origin.is_of(edge_index)
    assert Origin(edge_index).is_of(edge_index)


def test_tensors_whose_changes_cannot_be_followed_are_never_known_again() -> None:
    with torch.inference_mode():
        silent = torch.zeros(3)
    leaf = torch.zeros(3, requires_grad=True)
    assert not Origin(silent).is_of(silent)
    assert not Origin(leaf).is_of(leaf)


def test_it_keeps_no_tensor_alive() -> None:
    edge_index = torch.zeros(2, 3, dtype=torch.long)
    alive, origin = weakref.ref(edge_index), Origin(edge_index)
    del edge_index
    gc.collect()
    assert alive() is None
    assert not origin.is_of(torch.zeros(2, 3, dtype=torch.long))


def test_shared_memory_is_known_again_in_another_tensor_object_until_it_is_changed() -> None:
    x = torch.eye(3).to_sparse().coalesce()
    memory = SharedMemory(x.indices())
    assert x.indices() is not x.indices()
    assert memory.is_of(x.indices())
    assert not memory.is_of(x.indices().clone())
    assert not memory.is_of(x.indices()[:, :2])
    indices = torch.zeros(2, 3)
    memory = SharedMemory(indices)
    indices[0, 0] = 1
    assert not memory.is_of(indices)
