"""The composed model: building, training, swapping, asking, saving."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch_geometric.nn import APPNP, GAT, GCN, GATConv, GCNConv, GraphSAGE

import eco_core as eco
from eco_core import BaseClusterHead, CompositionError, Stage, StageOptions, Update
from eco_core.builtin.kmeans import KMeansClusterHead
from eco_core.errors import EcoError
from eco_core.model.composition import Composition
from eco_core.model.not_built import NotBuiltError
from tests.graphs import blocks, ring
from tests.parts import GraphAwareClusterHead, SimpleClusterHead, SmallEncoder, Smoothness

HEADS = [SimpleClusterHead, GraphAwareClusterHead]


def joint(head, **options) -> Composition:
    options = {"encoder": SmallEncoder, "objective": Smoothness, "clusters": 3, "epochs": 5, **options}
    return eco.compose(head=head, strategy="joint", **options)


@pytest.mark.parametrize("head", HEADS)
def test_heads_of_the_tutorial_work_as_classes_and_as_instances(head):
    graph = blocks()
    by_class = joint(head).fit_predict(graph)
    instance = head(n_clusters=3, n_features=6)
    drawn = instance.cluster_centers.detach().clone()
    by_instance = joint(instance).fit_predict(graph)
    for labels in (by_class, by_instance):
        assert labels.shape == (60,)
        assert labels.dtype == np.int64
        assert 0 <= labels.min() <= labels.max() < 3
    assert not torch.equal(instance.cluster_centers, drawn)


@pytest.mark.parametrize(
    ("encoder", "width"),
    [
        ({"name": GCN, "hidden_channels": 8, "num_layers": 2}, 8),
        ({"name": GraphSAGE, "hidden_channels": 8, "num_layers": 2, "out_channels": 5}, 5),
        ({"name": GAT, "hidden_channels": 8, "num_layers": 1, "heads": 2}, 8),
        ({"name": GCNConv, "out_channels": 7}, 7),
        ({"name": GATConv, "out_channels": 4, "heads": 3}, 12),
        ({"name": APPNP, "K": 2, "alpha": 0.1}, 12),
    ],
)
def test_pyg_modules_are_encoders_when_their_arguments_can_be_provided(encoder, width):
    objective = None if encoder["name"] is APPNP else Smoothness
    model = eco.compose(encoder=encoder, objective=objective, clusters=3, epochs=2)
    model.fit(blocks())
    assert model.embedding_.shape == (60, width)


def test_a_module_whose_arguments_cannot_be_provided_is_a_coded_error():
    with pytest.raises(CompositionError) as caught:
        eco.compose(encoder={"name": nn.Linear, "in_features": 4, "out_features": 2}, objective=Smoothness)
    assert caught.value.problems[0].code == "ECO203"
    assert "'input'" in str(caught.value)


def test_a_composition_finds_clear_blocks_without_labels():
    graph = blocks(120)
    truth = graph.y
    del graph.y
    labels = eco.compose(encoder=SmallEncoder, objective=Smoothness, clusters=3, epochs=60).fit_predict(graph)
    assert eco.label_metrics(truth, labels, ["acc"])["acc"] > 0.9


def test_labels_never_reach_training():
    graph = blocks()
    with_labels = joint(SimpleClusterHead).fit(graph)
    del graph.y
    without = joint(SimpleClusterHead).fit(graph)
    assert torch.equal(with_labels.clustering_.embedding, without.clustering_.embedding)
    assert torch.equal(with_labels.clustering_.labels, without.clustering_.labels)
    assert "nmi" in with_labels.metrics_
    assert "nmi" not in without.metrics_


def test_assigning_a_head_swaps_the_one_that_is_trained_and_asked():
    class Asked(SimpleClusterHead):
        losses = 0

        def forward(self, z):
            type(self).losses += 1
            return super().forward(z)

        def cluster(self, z, soft=False):
            labels = torch.full((z.shape[0],), 2)
            return nn.functional.one_hot(labels, 3).float() if soft else labels

    graph = blocks()
    model = joint(GraphAwareClusterHead).fit(graph)
    old = model.cluster_head
    swapped = Asked(n_clusters=3, n_features=6)
    before = swapped.cluster_centers.detach().clone()
    model.cluster_head = swapped
    assert model.cluster_head is swapped
    assert (model.infer_full(graph) == 2).all()
    assert {id(p) for p in swapped.parameters()} <= {id(p) for p in model.parameters()}
    assert not {id(p) for p in old.parameters()} & {id(p) for p in model.parameters()}

    old_state = {key: value.clone() for key, value in old.state_dict().items()}
    labels = model.fit_predict(graph)
    assert model.cluster_head is swapped
    assert Asked.losses == 5
    assert not torch.equal(before, swapped.cluster_centers)
    assert (labels == 2).all()
    assert all(torch.equal(value, old_state[key]) for key, value in old.state_dict().items())
    assert "Asked" in model.history_.columns[-2]

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = swapped.cluster_centers.detach().clone()
    model.train_full(graph, optimizer, epoch=0)
    assert not torch.equal(before, swapped.cluster_centers)


def test_a_swap_that_does_not_fit_is_refused_and_changes_nothing():
    model = joint(SimpleClusterHead)
    model.build(blocks())
    head = model.cluster_head
    with pytest.raises(CompositionError, match="ECO201"):
        model.cluster_head = KMeansClusterHead(3)
    assert model.cluster_head is head
    with pytest.raises(TypeError, match="assign an instance"):
        model.cluster_head = "kmeans"


def test_parts_by_name_or_class_are_made_anew_at_every_fit_and_instances_go_on():
    graph = blocks()
    model = joint(SimpleClusterHead)
    first = model.fit(graph).clustering_.embedding
    assert torch.equal(first, model.fit(graph).clustering_.embedding)
    encoder = SmallEncoder(in_channels=12)
    model = joint(SimpleClusterHead, encoder=encoder)
    first = model.fit(graph).clustering_.embedding
    assert model.encoder is encoder
    assert not torch.equal(first, model.fit(graph).clustering_.embedding)


def test_asking_for_parameters_before_building_says_so():
    model = joint(SimpleClusterHead)
    asks: tuple[Callable[[], Any], ...] = (
        model.parameters,
        model.state_dict,
        lambda: model.encoder,
        lambda: model.labels_,
    )
    for ask in asks:
        with pytest.raises(NotBuiltError, match="ECO208"):
            list(ask())
    assert not hasattr(model, "labels_")
    built = joint(SimpleClusterHead, in_channels=12)
    assert sum(p.numel() for p in built.encoder.parameters()) == 12 * 6 + 6
    assert built.cluster_head.cluster_centers.shape == (3, 6)


def test_an_instance_made_for_another_width_is_a_coded_error():
    model = joint(SimpleClusterHead(n_clusters=3, n_features=99))
    with pytest.raises(CompositionError, match=r"n_features=99, but the embedding has width 6") as caught:
        model.fit(blocks())
    assert caught.value.problems[0].code == "ECO209"


@pytest.mark.parametrize("clusters", [61, 1000])
def test_more_clusters_than_nodes_is_a_coded_error(clusters):
    with pytest.raises(CompositionError, match=f"{clusters} clusters were asked for, but the graph has 60 nodes"):
        eco.compose(clusters=clusters).fit(blocks())


def test_one_cluster_works():
    for model in (eco.compose(clusters=1), joint(SimpleClusterHead, clusters=1)):
        model.fit(blocks())
        assert (model.labels_ == 0).all()
        assert (model.confidence_ == 1).all()


def test_a_graph_that_declares_no_classes_needs_a_number():
    with pytest.raises(CompositionError, match="the data declares none") as caught:
        eco.compose().fit(ring())
    assert caught.value.problems[0].code == "ECO207"
    assert "--clusters K" in str(caught.value)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda x: x.sum(0), "shape"),
        (lambda x: (x, x), "tuple"),
        (lambda x: x[:3], "shape"),
        (lambda x: x > 0, "shape"),
    ],
)
def test_an_encoder_that_returns_no_embedding_is_a_coded_error(bad, message):
    class Bad(nn.Module):
        learns = False

        def forward(self, x):
            return bad(x)

    with pytest.raises(CompositionError, match=message) as caught:
        eco.compose(encoder=Bad, clusters=2).fit(ring())
    assert caught.value.problems[0].code == "ECO209"


def test_a_head_that_forgets_nodes_is_a_coded_error():
    class Forgetful(SimpleClusterHead):
        def cluster(self, z, soft=False):
            return super().cluster(z[1:], soft)

    with pytest.raises(CompositionError, match=r"shape \(59,\) from cluster"):
        joint(Forgetful).fit(blocks())


def test_an_encoder_that_declares_nothing_and_has_no_parameters_drops_the_default_objective():
    class Smooth(nn.Module):
        def forward(self, x):
            return x * 2

    model = eco.compose(encoder=Smooth, clusters=3).fit(blocks())
    assert model.spec["objective"] == "none"
    assert len(model.history_) == 0


def test_prepare_runs_once_for_each_graph_and_its_names_are_provided():
    runs = []

    class Prepared(Smoothness):
        def prepare(self, graph):
            runs.append(graph.num_nodes)
            return {"degree": torch.bincount(graph.edge_index[0], minlength=graph.num_nodes)}

        def forward(self, encode, graph, edge_index, degree):  # type: ignore[override]
            assert degree.shape == (graph.num_nodes,)
            return super().forward(encode, graph, edge_index)

    model = eco.compose(encoder=SmallEncoder, objective=Prepared, clusters=3, epochs=4)
    model.fit(blocks())
    assert runs == [60]
    model.fit(blocks(45))
    assert runs == [60, 45]


def test_names_that_prepare_does_not_return_are_a_coded_error():
    class Wrong(Smoothness):
        def prepare(self, graph):
            return {"degree": 1}

        def forward(self, encode, graph, degrees):
            raise AssertionError("not reached")

    model = eco.compose(encoder=SmallEncoder, objective=Wrong, clusters=3, epochs=1)
    with pytest.raises(CompositionError, match="'degrees'") as caught:
        model.fit(blocks())
    assert "degree" in str(caught.value).replace("degrees", "")
    assert caught.value.problems[0].code == "ECO203"


def test_an_encoder_that_asks_for_the_epoch_gets_that_of_the_step():
    class Warming(SmallEncoder):
        seen: list[int] = []  # noqa: RUF012 - shared on purpose: the instance is made by compose

        def forward(self, x, edge_index, epoch):  # type: ignore[override]
            if self.training:
                self.seen.append(epoch)
            return super().forward(x, edge_index)

    eco.compose(encoder=Warming, objective=Smoothness, clusters=3, epochs=3).fit(blocks())
    assert Warming.seen == [0, 1, 2]


def test_the_encoder_runs_once_in_a_step_for_objective_head_and_on_epoch():
    class Counting(SmallEncoder):
        runs = 0

        def forward(self, x, edge_index):  # type: ignore[override]
            if self.training:
                type(self).runs += 1
            return super().forward(x, edge_index)

    class Watching(SimpleClusterHead):
        epochs: list[int] = []  # noqa: RUF012 - shared on purpose: the instance is made by compose

        def on_epoch(self, z, epoch):
            assert not z.requires_grad
            self.epochs.append(epoch)

    model = joint(Watching, encoder=Counting, overrides=["strategy.pretrain.epochs=0"])
    model.fit(blocks())
    assert Counting.runs == 5
    assert Watching.epochs == [0, 1, 2, 3, 4]


def test_on_epoch_is_called_only_in_stages_that_train_the_part():
    class Watching(SimpleClusterHead):
        calls: list[int] = []  # noqa: RUF012 - shared on purpose: the instance is made by compose

        def on_epoch(self, z, epoch):
            self.calls.append(epoch)

    joint(Watching, epochs=3).fit(blocks())
    assert Watching.calls == [0, 1, 2]

    class Patient(Watching):
        calls: list[int] = []  # noqa: RUF012 - as above
        update_interval = 3

    joint(Patient, epochs=8).fit(blocks())
    assert Patient.calls == [0, 3, 6]


class Critic(nn.Module):
    """An objective with an adversary that tells embeddings from a normal distribution."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.adversary = nn.Linear(n_features, 1)

    def forward(self, z):
        return {"fool": nn.functional.softplus(-self.adversary(z)).mean()}

    def adversary_loss(self, z):
        z = z.detach()
        real = self.adversary(torch.randn_like(z))
        return (nn.functional.softplus(-real) + nn.functional.softplus(self.adversary(z))).mean()


@pytest.mark.parametrize("strategy", ["decoupled", "joint"])
def test_an_adversary_becomes_a_second_alternating_update(strategy):
    model = eco.compose(
        encoder=SmallEncoder,
        objective=Critic,
        head=SimpleClusterHead if strategy == "joint" else "kmeans",
        strategy=strategy,
        clusters=3,
        epochs=3,
    )
    model.fit(blocks())
    first = model.stages()[0]
    assert [update.name for update in first.updates] == ["", "adversary"]
    assert {"Critic", "Critic.fool", "adversary"} <= set(model.history_.columns)
    fresh = eco.compose(encoder=SmallEncoder, objective=Critic, clusters=3, epochs=3).build(blocks())
    untrained: Any = fresh.objective
    trained: Any = model.objective
    assert not torch.equal(untrained.adversary.weight, trained.adversary.weight)


def test_an_objective_may_say_what_the_embedding_is():
    class Half(Smoothness):
        def embed(self, encode, graph):
            return encode(graph)[:, :3]

    model = eco.compose(
        encoder=SmallEncoder, objective=Half, head=SimpleClusterHead, strategy="joint", clusters=3, epochs=2
    )
    model.fit(blocks())
    assert model.embedding_.shape == (60, 3)
    assert model.cluster_head.cluster_centers.shape == (3, 3)


def test_a_strategy_of_ones_own_is_a_plan_of_stages():
    class Twice:
        trains_head = True

        def __init__(self, each: StageOptions = StageOptions(epochs=2)) -> None:
            self.each = each

        def stages(self, model):
            update = Update(model.head_loss, (model.encoder, model.cluster_head), self.each.optimizer)
            yield Stage("one", (update,), self.each.epochs)
            yield Stage("two", (update,), self.each.epochs)

    model = eco.compose(
        encoder=SmallEncoder,
        head=SimpleClusterHead,
        objective=None,
        strategy={"name": Twice, "each": {"epochs": 3}},
        clusters=3,
    )
    model.fit(blocks())
    assert [row["stage"] for row in model.history_] == ["one"] * 3 + ["two"] * 3
    again = eco.compose(
        encoder=SmallEncoder, head=SimpleClusterHead, objective=None, strategy=Twice, clusters=3, epochs=1
    )
    assert len(again.fit(blocks()).history_) == 2


def test_decoupled_places_the_centres_of_a_head_that_it_does_not_train():
    class Resettable(SimpleClusterHead):
        def reset_cluster_centers(self, centers):
            self.cluster_centers.data.copy_(centers)

    model = eco.compose(encoder=SmallEncoder, objective=Smoothness, head=Resettable, clusters=3, epochs=20)
    graph = blocks(120)
    model.fit(graph)
    assert eco.label_metrics(graph.y, model.labels_, ["acc"])["acc"] > 0.9


def test_k_means_initialisation_compares_directions_and_places_means():
    class Resettable(SimpleClusterHead):
        def reset_cluster_centers(self, centers):
            self.placed = centers.clone()
            self.cluster_centers.data.copy_(centers)

    class Given(nn.Module):
        learns = False

        def forward(self, x):
            return x

    # Two directions with very different lengths: without normalisation k-means splits by length.
    x = torch.tensor([[1.0, 0.0], [10.0, 0.0], [0.0, 1.0], [0.0, 10.0]])
    graph = ring(4, 2)
    graph.x = x
    model = eco.compose(encoder=Given, head=Resettable, strategy="joint", clusters=2, epochs=1).fit(graph)
    head: Any = model.cluster_head
    assert sorted(head.placed.tolist()) == [[0.0, 5.5], [5.5, 0.0]]


def test_cluster_embed_and_infer_agree_with_the_fit():
    graph = blocks()
    model = joint(SimpleClusterHead).fit(graph)
    assert torch.equal(model.infer_full(graph), model.clustering_.labels)
    assert torch.equal(model.cluster(), model.clustering_.labels)
    soft = model.cluster(soft=True)
    assert soft.shape == (60, 3)
    assert torch.equal(soft.argmax(1), model.clustering_.labels)
    assert torch.allclose(soft.max(1).values, model.clustering_.confidence)
    assert torch.allclose(model.embed(graph.x, graph.edge_index), model.clustering_.embedding, atol=1e-6)
    assert torch.equal(model.infer_batch([graph]), model.clustering_.labels)
    batch = blocks(45)
    batch.batch_size = 10
    assert model.infer_batch([batch, graph]).shape == (70,)


def test_train_full_and_train_batch_return_losses_that_format():
    graph = blocks()
    model = joint(SimpleClusterHead).build(graph)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = [model.train_full(graph, optimizer, epoch) for epoch in range(20)]
    assert float(losses[-1]) < float(losses[0])
    assert f"{losses[0]:.4f}" == f"{losses[0].total.item():.4f}"
    assert not losses[0].total.requires_grad
    assert set(losses[0].components) == {"Smoothness", "Smoothness.smooth", "Smoothness.spread", "SimpleClusterHead"}
    pretraining = model.train_full(graph, optimizer, 0, stage="pretrain")
    assert "SimpleClusterHead" not in pretraining.components
    mean = model.train_batch([graph, graph], optimizer, 0)
    assert mean.total.shape == ()
    with pytest.raises(ValueError, match="no stage 'other'"):
        model.train_full(graph, optimizer, 0, stage="other")


def test_sparse_features_are_made_dense_for_encoders_that_cannot_read_them():
    class NeedsDense(SmallEncoder):
        def forward(self, x, edge_index):  # type: ignore[override]
            assert x.layout == torch.strided
            return super().forward(x, edge_index)

    class ReadsSparse(nn.Module):
        supports_sparse_x = True
        learns = True

        def __init__(self, in_channels: int) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.rand(in_channels, 4))

        def forward(self, x):
            assert x.is_sparse
            return torch.sparse.mm(x, self.weight)

    graph = blocks(sparse=True)
    assert graph.x.is_sparse
    for encoder in (NeedsDense, ReadsSparse):
        labels = joint(SimpleClusterHead, encoder=encoder, epochs=2).fit_predict(graph)
        assert labels.shape == (60,)
    assert graph.x.is_sparse


class SparseReader(nn.Module):
    """An encoder that learns, and reads sparse features."""

    learns = True
    supports_sparse_x = True

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(in_channels, 2))

    def forward(self, x):
        return x @ self.weight


@pytest.mark.parametrize("reads", [True, False])
def test_sparse_features_are_made_dense_for_objectives_that_cannot_read_them(reads):
    seen = []

    class Reconstruct(nn.Module):
        supports_sparse_x = reads

        def forward(self, z, x):
            seen.append(x.is_sparse)
            return z.square().mean()

    graph = blocks(sparse=True)
    eco.compose(encoder=SparseReader, objective=Reconstruct, clusters=3, epochs=2).fit(graph)
    assert set(seen) == {reads}
    assert graph.x.is_sparse


@pytest.mark.parametrize(("share", "reads", "expected"), [(0.05, True, True), (0.05, False, False), (0.5, True, False)])
def test_features_that_are_mostly_zeros_become_sparse_where_encoder_and_objective_read_them(share, reads, expected):
    seen = []

    class Reader(SparseReader):
        def forward(self, x):
            seen.append(x.is_sparse)
            return super().forward(x)

    class Shrink(nn.Module):
        supports_sparse_x = reads

        def forward(self, encode, graph):
            return encode(graph).square().mean()

    graph = blocks()
    graph.x = (torch.rand(60, 40, generator=torch.Generator().manual_seed(0)) < share).float()
    model = eco.compose(encoder=Reader, objective=Shrink, clusters=3, epochs=2).fit(graph)
    assert set(seen) == {expected}
    assert not graph.x.is_sparse
    encoder: Any = model.encoder
    torch.testing.assert_close(model.clustering_.embedding, graph.x @ encoder.weight.detach())


def test_fit_takes_names_paths_data_and_tuples(tmp_path: Path):
    from eco_core.data.readers.archives import save_npz

    graph = blocks()
    path = save_npz(graph, tmp_path / "graph.npz")
    by_data = eco.compose(clusters=3).fit_predict(graph)
    assert np.array_equal(by_data, eco.compose(clusters=3).fit_predict(path))
    assert np.array_equal(by_data, eco.compose(clusters=3).fit_predict(str(path)))
    assert np.array_equal(by_data, eco.compose(clusters=3).fit_predict((graph.x, graph.edge_index)))
    assert eco.compose().fit_predict("karate").shape == (34,)


def test_composing_for_a_data_set_builds_at_once():
    model = eco.compose(data="karate")
    assert model.is_built
    assert model.n_clusters == 4
    assert model.spec["clusters"] == 4
    assert model.spec["data"]["name"] == "karate"


def test_save_and_load_bring_everything_back(tmp_path: Path):
    graph = blocks()
    model = joint(SimpleClusterHead).fit(graph)
    folder = model.save(tmp_path / "run")
    loaded = eco.load(folder, encoder=SmallEncoder, head=SimpleClusterHead, objective=Smoothness)
    assert torch.equal(loaded.clustering_.labels, model.clustering_.labels)
    assert torch.equal(loaded.clustering_.embedding, model.clustering_.embedding)
    assert torch.allclose(loaded.clustering_.confidence, model.clustering_.confidence, atol=1e-6)
    assert loaded.metrics_ == model.metrics_
    assert loaded.history_ == model.history_
    assert torch.equal(loaded.infer_full(graph), model.clustering_.labels)
    assert "Not re-runnable" in (folder / "spec.yaml").read_text()
    with pytest.raises(CompositionError, match=r"eco\.load\(folder, head=\.\.\.\)"):
        eco.load(folder)
    with pytest.raises(eco.CompositionError.__mro__[1], match="not empty"):
        model.save(folder)


def test_a_fitted_k_means_head_is_loaded_with_its_centres(tmp_path: Path):
    graph = blocks()
    model = eco.compose(clusters=3).fit(graph)
    loaded = eco.load(model.save(tmp_path / "run"))
    head, loaded_head = model.cluster_head, loaded.cluster_head
    assert isinstance(head, KMeansClusterHead)
    assert isinstance(loaded_head, KMeansClusterHead)
    assert torch.equal(loaded_head.cluster_centers_, head.cluster_centers_)
    assert torch.equal(loaded.infer_full(graph), model.clustering_.labels)
    assert np.load(tmp_path / "run" / "embeddings.npy").shape == (60, 12)


def test_nothing_keeps_a_finished_graph_alive():
    import weakref

    model = eco.compose(clusters=3)
    graph = blocks()
    model.fit(graph)
    watched = weakref.ref(graph)
    del graph
    gc.collect()
    assert watched() is None


def test_a_second_graph_of_the_same_size_is_not_taken_for_the_first():
    first, second = blocks(seed=0), blocks(seed=1)

    class Remembers(Smoothness):
        def prepare(self, graph):
            return {"mean": graph.x.mean()}

        def embed(self, encode, graph, mean):
            return encode(graph) + mean

    model = eco.compose(encoder=SmallEncoder, objective=Remembers, clusters=3, epochs=1).build(first)
    for graph in (first, second, first):
        z = model.embed(graph)
        assert torch.allclose(z, model.encoder(graph.x, graph.edge_index) + graph.x.mean(), atol=1e-6)


def test_a_discrete_head_of_ones_own_is_fitted():
    class Halves(BaseClusterHead):
        def fit(self, z):
            self.threshold = z[:, 0].median()

        def cluster(self, z, soft=False):
            labels = (z[:, 0] > self.threshold).long()
            return nn.functional.one_hot(labels, 2).float() if soft else labels

    labels = eco.compose(head=Halves).fit_predict(ring())
    assert sorted(np.bincount(labels).tolist()) == [6, 6]


def test_what_draws_between_stages_changes_nothing_after_it():
    class Resettable(SimpleClusterHead):
        draws = 0

        def reset_cluster_centers(self, centers):
            torch.rand(type(self).draws)
            random.random()
            self.cluster_centers.data.copy_(centers)

    class Noisy(Smoothness):
        def forward(self, encode, graph, edge_index):
            loss = super().forward(encode, graph, edge_index)
            return loss.total * torch.rand(())

    model = joint(Resettable, objective=Noisy)
    first = model.fit(blocks()).clustering_.embedding
    Resettable.draws = 3
    assert torch.equal(first, model.fit(blocks()).clustering_.embedding)


def test_losses_of_an_objective_and_a_head_with_one_name_have_columns_of_their_own() -> None:
    objective = type("Twin", (Smoothness,), {})
    head = type("Twin", (SimpleClusterHead,), {})
    model = eco.compose(encoder=SmallEncoder, objective=objective, head=head, strategy="joint", clusters=3, epochs=2)
    row = model.fit(blocks()).history_[-1]
    assert row["stage"] == "joint"
    assert row["loss"] == pytest.approx(row["Twin_objective"] + 10 * row["Twin_head"], rel=1e-5)
    assert {"Twin_objective.smooth", "Twin_objective.spread"} <= set(row)


def test_a_number_of_clusters_that_no_part_asks_for_is_said_to_be_unused() -> None:
    class Sides(BaseClusterHead):
        def fit(self, z):
            self.mean = z.mean()

        def cluster(self, z, soft=False):
            labels = (z.mean(1) > self.mean).long()
            return nn.functional.one_hot(labels, 2).float() if soft else labels

    model = eco.compose(head=Sides, clusters=5).fit(blocks())
    assert any("clusters: 5 is not used" in note for note in model.notes_)
    assert not any("is not used" in note for note in eco.compose(head=Sides).fit(blocks()).notes_)


def test_n_clusters_and_clusters_are_two_names_of_one_argument():
    assert eco.compose(n_clusters=3).spec["clusters"] == eco.compose(clusters=3).spec["clusters"] == 3
    with pytest.raises(TypeError, match="mean the same"):
        eco.compose(n_clusters=3, clusters=3)


def test_fit_says_where_parameters_of_data_belong() -> None:
    with pytest.raises(TypeError, match=r"load_graph\(data, dangling='drop'\)"):
        eco.compose(clusters=2).fit("karate", dangling="drop")


def test_a_graph_in_a_spec_is_refused_without_being_printed() -> None:
    pair = (np.zeros((1000, 2)), np.zeros((2, 0)))
    for data in (pair, {"name": pair}):
        with pytest.raises(EcoError, match="an object in memory") as caught:
            eco.compose({"data": data})
        assert len(str(caught.value)) < 300
