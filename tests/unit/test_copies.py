"""A fitted model can be deep-copied, and each of its parts deep-copied and pickled."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch_geometric.data import Data

import eco_core as eco
from eco_core.model.prepared import PreparedValues
from eco_core.ops.origin import Origin
from eco_core.ops.partition import Links
from eco_core.ops.sparse_factor import SparseFactor
from eco_core.registry import Registry

REGISTRY = Registry.discover()
COPIES: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
}


def entries(kind: str) -> list[str]:
    return [entry.id for entry in REGISTRY.entries() if entry.kind == kind and entry.distribution.startswith("eco-")]


def check(fitted: Any) -> None:
    copies = copy.deepcopy(fitted)
    assert torch.equal(copies.clustering_.labels, fitted.clustering_.labels)
    for part in (fitted.encoder, fitted.objective, fitted.cluster_head):
        for make in COPIES.values():
            twin = make(part)
            assert type(twin) is type(part)
            if part is not None:
                saved, expected = twin.state_dict(), part.state_dict()
                assert saved.keys() == expected.keys()
                assert all(torch.equal(saved[name], expected[name]) for name in saved)


@pytest.mark.parametrize("recipe", entries("recipe"))
def test_the_parts_of_every_fitted_recipe_can_be_copied(recipe: str) -> None:
    try:
        model = eco.compose(recipe=recipe, epochs=1, clusters=4, seed=0).fit("karate")
    except eco.CompositionError as error:
        if [problem.code for problem in error.problems] != ["ECO110"]:  # An optional library is missing.
            raise
        pytest.skip(str(error))
    check(model)


@pytest.mark.skipif(not entries("objective"), reason="no objective is installed that could train the encoders")
@pytest.mark.parametrize("encoder", [name for name in entries("encoder") if name.startswith("eco-gnn:")])
def test_every_fitted_graph_encoder_can_be_copied(encoder: str) -> None:
    objective = entries("objective")[0]
    check(eco.compose(encoder=encoder, objective=objective, epochs=1, clusters=4, seed=0).fit("karate"))


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_a_copied_origin_takes_no_tensors_for_its_own(make: Callable[[Any], Any]) -> None:
    edges = torch.tensor([[0, 1], [1, 0]])
    origin = Origin(edges, None)
    assert origin.is_of(edges, None)
    assert not make(origin).is_of(edges, None)
    assert not make(Origin(None)).is_of(None)


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_sparse_factors_and_links_can_be_copied_after_their_use(make: Callable[[Any], Any]) -> None:
    edges = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    factor = SparseFactor.of(torch.sparse_coo_tensor(edges, torch.ones(4), (3, 3)))
    dense = torch.eye(3, requires_grad=True)
    (factor @ dense).sum().backward()
    assert torch.equal(make(factor).to_dense(), factor.to_dense())
    links, assignment = Links(edges, num_nodes=3), torch.eye(3)[:, :2]
    expected = links.within(assignment)
    assert torch.equal(make(links).within(assignment), expected)


def test_copied_preparation_holds_no_values_of_the_graph() -> None:
    class Part:
        def prepare(self, graph: Any) -> dict[str, Any]:
            return {"nodes": graph.num_nodes}

    graph, prepared = Data(num_nodes=3), PreparedValues()
    prepared.make(graph, graph, [("encoder", Part())])
    for make in COPIES.values():
        assert make(prepared)._values == {}
    assert prepared._values == {"encoder": {"nodes": 3}}
