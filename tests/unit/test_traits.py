"""What a part can do: declared, derived, and held to what every installed component really does."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from eco_core.errors import CompositionError, EcoError
from eco_core.inject.calls import call
from eco_core.model.compose import compose
from eco_core.parts.heads import BaseClusterHead
from eco_core.parts.step import PartNames, Step
from eco_core.parts.traits import Traits, traits_of
from eco_core.registry.hookspecs import TAGS
from eco_core.registry.records import Component
from eco_core.registry.registry import Entry, Registry
from tests.graphs import blocks

REGISTRY = Registry.discover()
COMPONENTS = [entry for kind in TAGS for entry in REGISTRY.entries(kind)]


def _named(entry: Entry) -> str:
    return f"{entry.kind}-{entry.id}"


def _of(*kinds: str) -> Any:
    entries = [entry for entry in COMPONENTS if entry.kind in kinds]
    return pytest.mark.parametrize("entry", entries, ids=_named)


# ---------------------------------------------------------------------------------------------- declared and derived


class Head(BaseClusterHead):
    """Finds the number of clusters, by its constructor."""

    def __init__(self, n_features: int, num_nodes: int) -> None:
        super().__init__()

    def fit(self, z: Tensor, edge_weight: Tensor | None = None) -> None:
        """Finds nothing."""


def test_a_class_that_declares_nothing_has_the_defaults() -> None:
    assert traits_of(object) == Traits()


def test_what_is_not_declared_is_derived_from_signatures() -> None:
    traits = traits_of(Head)
    assert (traits.finds_k, traits.inductive, traits.uses_weights, traits.minibatch) == (True, False, True, False)


def test_a_declared_trait_wins_over_a_derived_one() -> None:
    class Declared(Head):
        finds_k = False
        inductive = True
        uses_weights = False
        minibatch = True

    traits = traits_of(Declared)
    assert (traits.finds_k, traits.inductive, traits.uses_weights, traits.minibatch) == (False, True, False, True)


def test_an_instance_has_its_own_values() -> None:
    module: Any = nn.Module()
    module.num_layers = 3
    module.update_interval = 5
    assert (traits_of(module).num_layers, traits_of(module).update_interval) == (3, 5)
    assert (traits_of(nn.Module).num_layers, traits_of(nn.Module).update_interval) == (None, 1)


def test_a_property_is_read_from_the_instance_and_ignored_on_the_class() -> None:
    class Deep(nn.Module):
        @property
        def num_layers(self) -> int:
            return 4

    assert traits_of(Deep).num_layers is None
    assert traits_of(Deep()).num_layers == 4


def test_an_instance_learns_if_it_has_parameters_to_train() -> None:
    layer = nn.Linear(2, 2)
    assert traits_of(nn.Linear).learns is None
    assert traits_of(layer).learns is True
    assert traits_of(layer.requires_grad_(False)).learns is False


@pytest.mark.parametrize(
    ("name", "value"),
    [("learns", "yes"), ("supports_sparse_x", 1), ("num_layers", True), ("update_interval", 0), ("feature_dims", 2)],
)
def test_eco206_an_attribute_of_another_type_is_refused(name: str, value: Any) -> None:
    cls = type("Wrong", (nn.Module,), {name: value})
    for part in (cls, cls()):
        with pytest.raises(CompositionError, match=f"Wrong.{name} is {value!r}") as caught:
            traits_of(part)
        assert caught.value.problems[0].code == "ECO206"


def test_all_attributes_of_another_type_are_in_one_error() -> None:
    cls = type("Wrong", (nn.Module,), {"learns": 1, "soft": 2})
    with pytest.raises(CompositionError) as caught:
        traits_of(cls)
    assert len(caught.value.problems) == 2


# ------------------------------------------------------------------------------------------- tags of what is installed


@pytest.mark.parametrize("entry", COMPONENTS, ids=_named)
def test_the_tags_of_a_component_are_its_traits(entry: Entry) -> None:
    if entry.distribution.startswith("eco-example"):
        pytest.skip("It gives no tags.")
    traits = traits_of(entry.load())
    assert isinstance(entry.item, Component)
    assert entry.item.tags == tuple(tag for tag in TAGS[entry.kind] if getattr(traits, tag))


def _graph(weighted: bool = False, directed: bool = False, num_nodes: int = 60) -> Any:
    graph = blocks(num_nodes)
    generator = torch.Generator().manual_seed(1)
    if directed:
        graph.edge_index = graph.edge_index[:, torch.rand(graph.num_edges, generator=generator) < 0.7]
    if weighted:  # By far the heaviest edges join nodes of one parity: communities change, too.
        source, target = graph.edge_index % 2
        graph.edge_weight = torch.where(source == target, 100.0, 0.01)
    return graph


_WEIGHTED = {
    "encoder gat": {"edge_attention": True},
    "encoder gatv2": {"edge_attention": True},
    "head sbm": {"variant": "poisson"},
    "objective dink": {"power": 1},
}
"""Parameters of parts that use weights with some values of their parameters only."""


def _make(entry: Entry, graph: Any, width: int = 12) -> nn.Module:
    torch.manual_seed(0)
    names = {
        "in_channels": graph.x.size(1),
        "n_features": width,
        "n_clusters": 3,
        "num_nodes": graph.num_nodes,
        "seed": 0,
        "random_state": 0,
    }
    module: nn.Module = entry.parameters.model_validate(
        _WEIGHTED.get(f"{entry.kind} {entry.name}", {})
    ).construct_target(names)
    return module.eval()


def _result(entry: Entry, graph: Any, module: nn.Module | None = None) -> Tensor:
    """What a part makes of a graph, with everything drawn from the same seed: embeddings, or a loss and labels."""
    part: Any = _make(entry, graph) if module is None else module
    z = graph.x[:, :12] if entry.kind == "head" else None
    encode: Callable[[Any], Tensor] = lambda graph: z if z is not None else graph.x  # noqa: E731
    step = Step(graph, encode=None if entry.kind == "encoder" else encode)
    torch.manual_seed(0)
    prepared = call(part.prepare, step) if callable(getattr(part, "prepare", None)) else {}
    batches = getattr(part, "batches", None)
    own = {**prepared, **(next(iter(call(batches, PartNames(step, prepared)))) if batches else {})}
    names = PartNames(step, own)
    found = []
    with torch.no_grad():
        if entry.kind != "head" or traits_of(part).minibatch:
            out = call(part, names)
            found.append(out if isinstance(out, Tensor) else out.total if hasattr(out, "total") else out["total"])
        if callable(getattr(part, "embed", None)) and entry.kind == "objective":
            found.append(call(part.embed, names))
        if entry.kind == "head":
            if callable(getattr(part, "fit", None)):
                call(part.fit, names)
            found.append(part.cluster(z, soft=True))
    return torch.cat([value.detach().double().reshape(-1) for value in found])


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-5, atol=1e-7)


@_of("encoder", "head", "objective")
def test_uses_weights_says_whether_weights_change_the_result(entry: Entry) -> None:
    graph = _graph()
    changed = not _same(_result(entry, graph), _result(entry, _graph(weighted=True)))
    assert changed == traits_of(entry.load()).uses_weights


@_of("encoder", "head", "objective")
def test_directed_says_whether_turning_the_edges_changes_the_result(entry: Entry) -> None:
    graph = _graph(directed=True)
    turned = copy.copy(graph)
    turned.edge_index = graph.edge_index.flip(0)
    changed = not _same(_result(entry, graph), _result(entry, turned))
    assert changed == traits_of(entry.load()).directed


@_of("encoder", "head", "objective")
def test_the_same_seed_gives_the_same_result_of_a_deterministic_part(entry: Entry) -> None:
    assert traits_of(entry.load()).deterministic == _same(_result(entry, _graph()), _result(entry, _graph()))


@_of("encoder")
def test_an_encoder_that_supports_sparse_features_embeds_them_like_dense_ones(entry: Entry) -> None:
    if not traits_of(entry.load()).supports_sparse_x:
        pytest.skip("It gets dense features.")
    sparse = _graph()
    sparse.x = sparse.x.to_sparse_coo()
    dense = _result(entry, _graph())
    assert torch.allclose(dense, _result(entry, sparse), atol=1e-4 * float(dense.abs().max()))


def _keeps_its_axes(entry: Entry, module: nn.Module) -> bool:
    """Whether the nodes of a graph are embedded almost alike when another component stands beside it.

    Only then can a head that was fitted on one graph assign the nodes of another. "Almost": attention among all nodes
    sees the other component.
    """
    graph, other = _graph(), _graph(num_nodes=40)
    both = copy.copy(graph)
    both.x = torch.cat([graph.x, other.x])
    both.edge_index = torch.cat([graph.edge_index, other.edge_index + 60], dim=1)
    alone = _result(entry, graph, module).view(60, -1)
    try:
        beside = _result(entry, both, module).view(100, -1)[:60]
    except (EcoError, RuntimeError):
        return False
    return float((beside - alone).norm() / alone.norm()) < 0.15


@_of("encoder")
def test_an_encoder_that_is_inductive_embeds_another_graph(entry: Entry) -> None:
    module = _make(entry, _graph())
    assert traits_of(module).inductive == _keeps_its_axes(entry, module)


@_of("head")
def test_a_head_that_is_inductive_assigns_other_nodes(entry: Entry) -> None:
    module = _make(entry, _graph())
    _result(entry, _graph(), module)
    other = torch.rand(40, 12)
    if traits_of(module).inductive:
        assert module.cluster(other).shape == (40,)  # type: ignore[operator]
    else:
        with pytest.raises(Exception, match="60"):
            module.cluster(other)  # type: ignore[operator]


@_of("head")
def test_soft_says_whether_probabilities_are_other_than_one_hot(entry: Entry) -> None:
    module = _make(entry, _graph())
    _result(entry, _graph(), module)
    soft = module.cluster(_graph().x[:, :12], soft=True)  # type: ignore[operator]
    assert torch.allclose(soft.sum(dim=1), torch.ones(len(soft)), atol=1e-4)
    assert bool(((soft > 0.001) & (soft < 0.999)).any()) == traits_of(module).soft


@_of("head")
def test_a_head_that_finds_k_needs_no_number_of_clusters(entry: Entry) -> None:
    graph = _graph()
    del graph.y, graph.n_classes
    strategy = "joint" if traits_of(entry.load()).minibatch else "decoupled"
    if traits_of(entry.load()).finds_k:
        labels = compose(head=entry.id, encoder="identity", registry=REGISTRY, strategy="decoupled").fit_predict(graph)
        assert labels.shape == (60,)
    else:
        with pytest.raises(CompositionError, match="ECO207"):
            compose(head=entry.id, encoder="identity", registry=REGISTRY, strategy=strategy).fit_predict(graph)
