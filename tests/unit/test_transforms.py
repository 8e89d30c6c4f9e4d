"""Views and corruptions: what they change, what they leave, and that the graph itself stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform, Compose

from eco_core import compose
from eco_core.errors import CompositionError
from eco_core.inject.parameters import parameter_model
from eco_core.transforms import AddNoise, DropEdges, GSSLTransform, MaskFeatures, ShuffleEdges, ShuffleFeatures, View
from tests.parts import SmallEncoder

NODES, WIDTH, EDGES = 40, 12, 200
ALL: list[BaseTransform] = [
    MaskFeatures(0.5),
    MaskFeatures(0.5, "entries"),
    DropEdges(0.5),
    AddNoise(0.3),
    ShuffleFeatures(),
    ShuffleEdges(),
    GSSLTransform(0.5, 0.5, 0.1, True),
]
LAYOUTS = pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])


def new_graph(sparse: bool = False) -> Data:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(NODES, WIDTH, generator=generator) + 0.5
    x = x * (torch.rand(NODES, WIDTH, generator=generator) < 0.4)
    edge_index = torch.randint(NODES, (2, EDGES), generator=generator)
    return Data(
        x=x.to_sparse() if sparse else x,
        edge_index=edge_index,
        edge_weight=torch.arange(EDGES, dtype=torch.float),
        edge_attr=torch.rand(EDGES, 3, generator=generator),
        y=torch.arange(NODES),
    )


def seeded(seed: int, function: Callable[[Any], Any], graph: Any) -> Any:
    torch.manual_seed(seed)
    return function(graph)


@pytest.mark.parametrize("transform", ALL, ids=lambda t: type(t).__name__)
@LAYOUTS
def test_the_graph_stays_as_it_is_and_equal_seeds_give_equal_views(transform: BaseTransform, sparse: bool) -> None:
    graph, before = new_graph(sparse), new_graph(sparse)
    first, again, other = (seeded(seed, transform, graph) for seed in (1, 1, 2))
    for name in before.keys():  # noqa: SIM118 - iterating a graph gives pairs
        kept, original = (graph[name], before[name])
        assert torch.equal(kept.to_dense(), original.to_dense()), name
    assert first is not graph
    assert first.x.layout is graph.x.layout
    assert torch.equal(first.x.to_dense(), again.x.to_dense())
    assert torch.equal(first.edge_index, again.edge_index)
    same_x = torch.equal(first.x.to_dense(), other.x.to_dense())
    same_edges = first.edge_index.shape == other.edge_index.shape and torch.equal(first.edge_index, other.edge_index)
    assert not (same_x and same_edges)


@LAYOUTS
def test_masked_features_are_whole_columns_and_the_others_stay(sparse: bool) -> None:
    graph = new_graph(sparse)
    x, original = seeded(2, MaskFeatures(0.5), graph).x.to_dense(), graph.x.to_dense()
    gone = (x == 0).all(dim=0)
    assert 0 < int(gone.sum()) < WIDTH
    assert torch.equal(x[:, ~gone], original[:, ~gone])


@LAYOUTS
def test_single_entries_are_masked_where_asked_for(sparse: bool) -> None:
    graph = new_graph(sparse)
    x, original = seeded(2, MaskFeatures(0.5, "entries"), graph).x.to_dense(), graph.x.to_dense()
    gone = (x == 0) & (original != 0)
    assert torch.equal(x[~gone], original[~gone])
    # Of the 190 features or so that are not zero, half; some columns lose some of them, and none loses all.
    assert 60 < int(gone.sum()) < 130
    assert ((x != 0).sum(dim=0) > 0).all()


def test_dropped_edges_take_their_weights_and_attributes_along() -> None:
    graph = new_graph()
    view = seeded(0, DropEdges(0.5), graph)
    kept = view.edge_weight.long()
    assert 60 < kept.numel() < 140  # 100 are expected, with a standard deviation of 7.
    assert torch.equal(view.edge_index, graph.edge_index[:, kept])
    assert torch.equal(view.edge_attr, graph.edge_attr[kept])
    assert view.x is graph.x


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_shares_are_probabilities(p: float) -> None:
    graph = Data(x=torch.ones(2, 20_000), edge_index=torch.zeros(2, 20_000, dtype=torch.long))
    torch.manual_seed(0)
    # The standard deviation of either share is at most 0.0036.
    assert abs(float((MaskFeatures(p)(graph).x[0] == 0).float().mean()) - p) < 0.02
    assert abs(1 - DropEdges(p)(graph).edge_index.size(1) / 20_000 - p) < 0.02
    assert abs(float((MaskFeatures(p, "entries")(graph).x == 0).float().mean()) - p) < 0.02


@LAYOUTS
def test_shuffled_features_keep_all_rows_and_the_edges(sparse: bool) -> None:
    graph = new_graph(sparse)
    shuffled = seeded(1, ShuffleFeatures(), graph)
    rows, original = shuffled.x.to_dense(), graph.x.to_dense()
    assert sorted(rows.tolist()) == sorted(original.tolist())
    assert not torch.equal(rows, original)
    assert shuffled.edge_index is graph.edge_index
    assert shuffled.y is graph.y


def test_shuffled_edges_keep_all_degrees_and_the_features() -> None:
    graph = new_graph()
    shuffled = seeded(1, ShuffleEdges(), graph)
    for end in (0, 1):
        counts = [torch.bincount(each.edge_index[end], minlength=NODES) for each in (shuffled, graph)]
        assert torch.equal(*counts)
    assert not torch.equal(shuffled.edge_index, graph.edge_index)
    assert shuffled.x is graph.x


@LAYOUTS
def test_noise_is_gaussian_and_leaves_zeros(sparse: bool) -> None:
    x = torch.ones(300, 100)
    x[:, ::2] = 0
    noisy = seeded(0, AddNoise(0.3), Data(x=x.to_sparse() if sparse else x)).x.to_dense()
    assert (noisy[:, ::2] == 0).all()
    noise = noisy[:, 1::2] - 1
    assert abs(float(noise.mean())) < 0.01
    assert abs(float(noise.std()) - 0.3) < 0.01


@given(mask=st.floats(0, 0.9), drop=st.floats(0, 0.9), noise=st.floats(0, 1), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_view_is_its_steps_one_after_another(mask: float, drop: float, noise: float, seed: int) -> None:
    graph = new_graph()
    steps = Compose([MaskFeatures(mask), DropEdges(drop), AddNoise(noise), ShuffleFeatures()])
    view, chained = seeded(seed, GSSLTransform(mask, drop, noise, True), graph), seeded(seed, steps, graph)
    assert torch.equal(view.x, chained.x)
    assert torch.equal(view.edge_index, chained.edge_index)


def test_a_view_that_changes_nothing_shares_everything() -> None:
    graph = new_graph(sparse=True)
    view = GSSLTransform(0.0, 0.0)(graph)
    assert view.x is graph.x
    assert view.edge_index is graph.edge_index


def test_shuffling_uses_no_step_that_was_not_asked_for() -> None:
    graph = new_graph()
    assert seeded(0, GSSLTransform(0.0, 0.0, shuffle_features=True), graph).edge_index is graph.edge_index
    assert seeded(0, GSSLTransform(0.0, 0.0, shuffle_features=False), graph).x is graph.x


def test_graphs_without_edges_or_weights_have_views() -> None:
    graph = Data(x=torch.rand(3, 2), edge_index=torch.empty(2, 0, dtype=torch.long))
    for transform in ALL:
        assert seeded(0, transform, graph).edge_index.shape == (2, 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MaskFeatures(1.0), r"p is 1\.0"),
        (lambda: DropEdges(-0.1), r"p is -0\.1"),
        (lambda: GSSLTransform(p_edge_drop=2), "p_edge_drop is 2"),
        (lambda: GSSLTransform(p_feat_mask=float("nan")), "p_feat_mask is nan"),
        (lambda: GSSLTransform(noise_std=-1), "std is -1"),
        (lambda: MaskFeatures(mode="rows"), "mode is 'rows'"),  # type: ignore[arg-type]
        (lambda: GSSLTransform(feat_mask_mode="all"), "mode is 'all'"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_share_is_named(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# ------------------------------------------------------------------------------------------------------- in specs


class Agreement(nn.Module):
    """Two views of a graph agree."""

    def __init__(self, transform1: View = GSSLTransform(0.1, 0.4), transform2: View = GSSLTransform()) -> None:
        super().__init__()
        self.transforms = (transform1, transform2)

    def forward(self, encode: Any, graph: Any) -> Any:
        first, second = (encode(view(graph)) for view in self.transforms)
        return (first - second).square().mean()


def test_a_transform_is_written_as_its_parameters_and_the_rest_keeps_the_default() -> None:
    parameters = parameter_model(Agreement).model_validate({"transform1": {"p_edge_drop": 0.9}})
    objective = parameters.construct_target({})
    assert objective.transforms == (GSSLTransform(0.1, 0.9), GSSLTransform(0.2, 0.3))


def test_resolved_spec_has_all_parameters_of_a_transform() -> None:
    model = compose(
        encoder=SmallEncoder,
        objective=Agreement,
        head="kmeans",
        overrides=["objective.transform2.noise_std=0.5"],
        epochs=2,
    ).fit("karate")
    written: dict[str, Any] = {"p_feat_mask": 0.2, "p_edge_drop": 0.3, "noise_std": 0.5, "shuffle_features": False}
    written["feat_mask_mode"] = "columns"
    assert model.spec["objective"]["transform2"] == written


def test_any_transform_is_taken_in_python() -> None:
    chain = Compose([DropEdges(0.2), AddNoise(0.1)])
    model = compose(
        encoder=SmallEncoder, objective={"name": Agreement, "transform1": chain}, head="kmeans", epochs=2
    ).fit("karate")
    objective: Any = model.objective
    assert objective.transforms[0] is chain


def test_mistake_in_a_transform_is_named_with_its_place() -> None:
    with pytest.raises(CompositionError, match=r"objective\.transform1\.p_edge_drop is 1\.8"):
        compose(
            encoder=SmallEncoder, objective=Agreement, head="kmeans", overrides=["objective.transform1.p_edge_drop=1.8"]
        )
