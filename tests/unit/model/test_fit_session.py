"""A fit keeps its state to itself: checkpoints, batches, notes, random generators, callbacks and the graph."""

from __future__ import annotations

import copy
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Data

import eco_core as eco
from eco_core import BaseClusterHead
from eco_core.engine.checkpoint import load_checkpoint
from eco_core.engine.history import History
from eco_core.errors import EcoError
from eco_core.model.batching import free_bytes
from eco_core.model.build import build_parts
from eco_core.model.session import FitSession
from tests.graphs import blocks
from tests.parts import SimpleClusterHead, SmallEncoder, Smoothness


def composed(**options: Any) -> eco.Composition:
    settings: dict[str, Any] = {"encoder": SmallEncoder, "objective": Smoothness, "clusters": 3, "epochs": 3}
    return eco.compose(**{**settings, **options})


def figures(history: History) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


# ------------------------------------------------------------------------------------------------------ checkpoints


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint that a run of 60 epochs with seed 0 leaves after 50."""
    path = tmp_path_factory.mktemp("checkpoints") / "checkpoint.pt"
    composed(epochs=60).fit(blocks(), checkpoint=path)
    return path


def test_a_checkpoint_of_the_same_run_is_resumed(checkpoint: Path) -> None:
    resumed = composed(epochs=60).fit(blocks(), resume=checkpoint)
    assert figures(resumed.history_) == figures(composed(epochs=60).fit(blocks()).history_)


@pytest.mark.parametrize(
    ("options", "graph", "differs"),
    [
        ({}, blocks(90), "graph"),
        ({}, blocks(60, seed=1), "graph"),
        ({"seed": 5}, blocks(), "seed"),
        ({"encoder": {"name": SmallEncoder, "width": 7}}, blocks(), "spec"),
        ({"objective": {"name": Smoothness, "weight": 2.0}}, blocks(), "spec"),
        ({"clusters": 4}, blocks(), "spec"),
    ],
    ids=lambda value: str(value) if not isinstance(value, Data) else f"{value.num_nodes} nodes",
)
def test_a_checkpoint_of_another_run_is_refused_with_what_differs(
    checkpoint: Path, options: dict[str, Any], graph: Data, differs: str
) -> None:
    with pytest.raises(EcoError, match=f"its {differs} differs") as caught:
        composed(**{"epochs": 60, **options}).fit(graph, resume=checkpoint)
    assert [problem.code for problem in caught.value.problems] == ["ECO404"]


def test_weights_of_other_shapes_are_a_coded_error(checkpoint: Path, tmp_path: Path) -> None:
    state = load_checkpoint(checkpoint)
    state["model"] = {name: tensor[:1] for name, tensor in state["model"].items()}
    torch.save(state, tmp_path / "torn.pt")
    with pytest.raises(EcoError, match="does not fit the model") as caught:
        composed(epochs=60).fit(blocks(), resume=tmp_path / "torn.pt")
    assert caught.value.problems[0].code == "ECO404"


# ---------------------------------------------------------------------------------------------- a fit leaves no trace


def test_auto_is_resolved_for_each_fit_and_not_in_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    model = composed(train={"batch": "auto", "batch_size": 16})
    found = []
    for free in (2**40, 1):
        monkeypatch.setattr("eco_core.model.batching.free_bytes", lambda device, free=free: free)
        found.append(model.fit(blocks()).spec["train"]["batch"])
    assert found == ["full", "subgraph"]
    assert free_bytes(torch.device("cpu")) > 1


def test_building_leaves_the_plan_as_it_was() -> None:
    class Unlearning(nn.Module):
        def __init__(self) -> None:
            super().__init__()

        def forward(self, x: Tensor) -> Tensor:
            return x

    model = eco.compose(encoder=Unlearning, clusters=3)
    before = model.plan
    objective = before.parts["objective"]
    model.fit(blocks())
    assert before.parts["objective"] is objective


def test_notes_are_those_of_the_last_fit() -> None:
    model = eco.compose(seed=0)
    first = model.fit("karate").notes_
    assert any("karate" in note for note in first)
    assert not any("karate" in note for note in model.fit(blocks()).notes_)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_fitted_composition_can_be_copied_and_pickled(copied: Any) -> None:
    graph = blocks()
    model = composed(head=SimpleClusterHead, strategy="joint").fit(graph)
    again = copied(model)
    assert torch.equal(again.clustering_.labels, model.clustering_.labels)
    assert torch.equal(again.infer_full(graph), model.infer_full(graph))
    assert again.spec == model.spec
    with torch.no_grad():
        next(again.parameters()).add_(1.0)
    assert not torch.equal(next(again.parameters()), next(model.parameters()))


def test_fits_in_threads_give_what_they_give_one_after_the_other() -> None:
    graph = blocks()
    expected = [figures(composed(seed=seed).fit(graph).history_) for seed in range(4)]
    found: dict[int, Any] = {}
    torch.manual_seed(7)
    state = torch.get_rng_state()

    def fit(seed: int) -> None:
        found[seed] = figures(composed(seed=seed).fit(graph).history_)

    threads = [threading.Thread(target=fit, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[seed] for seed in range(4)] == expected
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.are_deterministic_algorithms_enabled()


# ------------------------------------------------------------------------------------- every graph is prepared alike


def directed_graph() -> Data:
    """Edges in one direction only, Boolean features, rows of very different sums."""
    graph = blocks(60)
    keep = graph.edge_index[0] < graph.edge_index[1]
    return Data(x=graph.x > 0, edge_index=graph.edge_index[:, keep])


def test_what_prepared_the_training_graph_prepares_every_graph() -> None:
    graph = directed_graph()
    model = composed(overrides=["data.normalize_features=row"]).fit(graph)
    assert torch.equal(model.infer_full(graph), model.clustering_.labels)
    assert torch.equal(model.cluster(graph), model.clustering_.labels)
    assert np.array_equal(model.predict(graph), model.labels_)
    with torch.no_grad():
        assert torch.allclose(model.eval().embed(graph), model.clustering_.embedding, atol=1e-6)
    assert torch.equal(model.infer_full((graph.x, graph.edge_index)), model.clustering_.labels)


def test_a_name_can_be_predicted_as_it_can_be_fitted() -> None:
    model = composed(clusters=4).fit("karate")
    assert np.array_equal(model.predict("karate"), model.labels_)
    assert np.allclose(model.predict_proba("karate").sum(axis=1), 1, atol=1e-6)


def test_a_graph_that_was_changed_is_prepared_anew() -> None:
    graph = directed_graph()
    model = composed().fit(graph)
    before = model.embed(graph)
    graph.x = graph.x.roll(1, 0)
    assert not torch.equal(model.embed(graph), before)


def test_new_nodes_are_predicted_where_the_parts_allow_it() -> None:
    model = composed(head=SimpleClusterHead, strategy="joint").fit(blocks(60))
    new = blocks(90)
    assert model.predict(new).shape == (90,)
    assert model.predict_proba(new).shape == (90, 3)


def test_a_part_that_knows_its_nodes_only_refuses_to_predict_others() -> None:
    class Remembering(SmallEncoder):
        inductive = False

    model = composed(encoder=Remembering).fit(blocks())
    for predict in (model.predict, model.predict_proba):
        with pytest.raises(eco.CompositionError, match="Remembering") as caught:
            predict(blocks(90))
        assert caught.value.problems[0].code == "ECO211"


def test_a_part_that_knows_its_nodes_only_embeds_no_other_graph() -> None:
    class Remembering(SmallEncoder):
        inductive = False

    graph = blocks()
    model = composed(encoder=Remembering).fit(graph)
    assert np.array_equal(model.infer_full(graph), model.labels_)
    for infer in (model.infer_full, model.cluster):
        with pytest.raises(eco.CompositionError, match="ECO211"):
            infer(blocks(90))


@pytest.mark.parametrize("is_sparse", [False, True])
def test_a_graph_with_other_features_is_refused(is_sparse: bool) -> None:
    model = composed().fit(blocks(60))
    other = blocks(90)
    other.x = other.x[:, :-1]
    other.x = other.x.to_sparse_coo() if is_sparse else other.x
    for method in (model.predict, model.predict_proba, model.infer_full, model.embed, model.cluster, model.loss):
        with pytest.raises(EcoError, match=r"ECO307  The features x have .* columns, but this model was made for"):
            method(other)


def test_none_is_no_graph() -> None:
    model = composed()
    for call in (lambda: model.fit(None), lambda: composed().fit(blocks()).predict(None)):
        with pytest.raises(EcoError, match=r"ECO104  .*None"):
            call()


def test_a_head_that_is_not_fitted_says_what_to_call() -> None:
    model = composed(data=blocks())
    with pytest.raises(eco.CompositionError, match=r"(?s)kmeans' .* is not fitted.*cluster_head\.fit") as error:
        model.predict(blocks())
    assert error.value.problems[0].code == "ECO208"
    model.cluster_head.fit(model.embed(blocks()).detach())  # type: ignore[operator]
    assert model.predict(blocks()).shape == (60,)


def test_a_mistake_that_is_found_before_training_keeps_the_results(tmp_path: Path) -> None:
    model = composed().fit(blocks())
    clustering = model.clustering_
    mistakes: list[dict[str, Any]] = [
        {"resume": tmp_path / "none.pt"},
        {"checkpoint": tmp_path / "none" / "checkpoint.pt"},
        {"callbacks": [object()]},
        {"data": "no-such-data"},
    ]
    for mistake in mistakes:
        with pytest.raises(EcoError):
            model.fit(**{"data": blocks(), **mistake})
        assert model.clustering_ is clustering


def test_a_callback_that_fails_at_the_end_leaves_the_results() -> None:
    class Failing:
        def on_fit_end(self, clustering: Any) -> None:
            raise OSError("the disk is full")

    model = composed()
    with pytest.raises(OSError, match="disk is full"):
        model.fit(blocks(), callbacks=[Failing()])
    assert model.labels_.shape == (60,)


class Listening:
    """Changes the rows that it gets."""

    def on_epoch_end(self, stage: Any, row: dict[str, Any]) -> None:
        row["loss"] = float("nan")
        row["more"] = 1


def test_a_callback_cannot_change_the_history() -> None:
    model = composed().fit(blocks(), callbacks=[Listening()])
    assert figures(model.history_) == figures(composed().fit(blocks()).history_)


class Slip(eco.Callback):
    """A method that nobody calls."""

    def on_epochs_end(self, stage: Any, row: dict[str, Any]) -> None:
        raise AssertionError


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ([object()], "has no method that a fit calls"),
        ([Listening], r"has the class Listening"),
        (Listening(), r"expected a list"),
        (None, r"expected a list"),
        ([Slip()], r"(?s)Slip has a method 'on_epochs_end'.*'on_epoch_end'"),
    ],
    ids=["no method", "class", "no list", "none", "slip"],
)
def test_a_callback_that_cannot_listen_is_refused_before_training(callbacks: Any, message: str) -> None:
    with pytest.raises(EcoError, match=message):
        composed().fit(blocks(), callbacks=callbacks)


def test_a_checkpoint_may_be_named_by_a_text(tmp_path: Path) -> None:
    composed(epochs=60).fit(blocks(), checkpoint=str(tmp_path / "checkpoint.pt"))
    assert load_checkpoint(tmp_path / "checkpoint.pt")["epoch"] == 50
    composed(epochs=60).fit(blocks(), resume=str(tmp_path / "checkpoint.pt"))


@pytest.mark.parametrize("name", [".", "absent/checkpoint.pt"])
def test_a_checkpoint_that_cannot_be_written_is_found_before_training(tmp_path: Path, name: str) -> None:
    with pytest.raises(EcoError, match="ECO404"):
        composed(epochs=60).fit(blocks(), checkpoint=tmp_path / name)


# -------------------------------------------------------------------------------------------------- loops of one's own


class Recording(SimpleClusterHead):
    """Keeps what on_epoch gets."""

    def __init__(self, n_clusters: int, n_features: int) -> None:
        super().__init__(n_clusters, n_features)
        self.seen: list[Tensor] = []

    def on_epoch(self, z: Tensor) -> None:
        self.seen.append(z.clone())


def loader(graph: Data, **options: Any) -> Any:
    from eco_core.data import NeighborLoader

    return NeighborLoader(graph, num_neighbors=[-1, -1], batch_size=16, **options)


def test_train_full_takes_a_batch_on_a_model_that_was_built_with_batches() -> None:
    graph = blocks()
    model = composed(head=Recording, strategy="joint", train={"batch": "neighbor", "batch_size": 16}).fit(graph)
    optimizer = torch.optim.Adam(model.parameters())
    assert float(model.train_full(next(iter(loader(graph))), optimizer, 0)) > 0


@pytest.mark.parametrize("shuffle", [False, True])
def test_train_batch_calls_on_epoch_with_the_embeddings_of_all_nodes(shuffle: bool) -> None:
    graph = blocks()
    model = composed(head=Recording, strategy="joint").build(graph)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    model.train_batch(loader(graph, shuffle=shuffle), optimizer, 0)
    head: Any = model.cluster_head
    assert len(head.seen) == 1
    with torch.no_grad():
        assert torch.allclose(head.seen[0], model.eval().embed(graph), atol=1e-5)


class Duel(nn.Module):
    """An objective that lowers a weight, while its adversary's loss is lowest far above."""

    def __init__(self) -> None:
        super().__init__()
        self.adversary = nn.Linear(1, 1, bias=False)

    def forward(self, encode: Any, graph: Any) -> Tensor:
        return encode(graph).square().mean() + self.adversary.weight.sum()

    def adversary_loss(self) -> Tensor:
        return (self.adversary.weight - 100).square().mean()


def test_train_full_moves_an_adversary_by_its_own_loss() -> None:
    graph = blocks()
    model = composed(objective=Duel).build(graph)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    objective: Any = model.objective
    before = float(objective.adversary.weight)
    loss = model.train_full(graph, optimizer, 0)
    assert float(objective.adversary.weight) > before
    assert "adversary" in loss.components


# ------------------------------------------------------------------------------------------------------------- events


class Listener:
    """Not a subclass of anything, and with some of the methods only."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def on_fit_start(self, info: Any) -> None:
        self.events.append(f"start {info.facts['num_nodes']}")

    def on_stage_end(self, stage: Any, epochs: int, best: Any) -> None:
        self.events.append(f"stage {epochs}")

    def on_fit_end(self, clustering: Any) -> None:
        self.events.append(f"end {len(clustering.labels)}")

    def on_fit_error(self, error: BaseException) -> None:
        self.events.append(f"error {type(error).__name__}")

    def close(self) -> None:
        self.events.append("closed")


def test_any_object_can_listen_to_a_fit() -> None:
    listener = Listener()
    composed().fit(blocks(), callbacks=[listener])
    assert listener.events == ["start 60", "stage 3", "end 60", "closed"]


def test_a_callback_that_raises_ends_the_fit_and_every_callback_is_closed() -> None:
    class Failing(eco.Callback):
        def on_epoch_end(self, stage: Any, row: dict[str, Any]) -> None:
            raise RuntimeError("full disk")

    before, after = Listener(), Listener()
    with pytest.raises(RuntimeError, match="full disk"):
        composed().fit(blocks(), callbacks=[before, Failing(), after])
    assert before.events == after.events == ["start 60", "error RuntimeError", "closed"]


def test_parts_that_do_not_fit_are_found_before_the_start() -> None:
    listener = Listener()
    with pytest.raises(eco.CompositionError, match="100 clusters"):
        composed(clusters=100).fit(blocks(), callbacks=[listener])
    assert listener.events == []


# ------------------------------------------------------------------------------------- graphs that change in training


class Rewiring(nn.Module):
    """An objective that takes the graph's edges away after the first epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.edges: list[int] = []
        self.prepared: list[int] = []

    def prepare(self, graph: Any) -> dict[str, Any]:
        self.prepared.append(graph.num_edges)
        return {}

    def forward(self, encode: Any, graph: Any, edge_index: Tensor) -> Tensor:
        self.edges.append(edge_index.shape[1])
        return encode(graph).square().mean()

    def next_graph(self, z: Tensor, graph: Any, epoch: int) -> Any:
        if epoch:
            return None
        changed = copy.copy(graph)
        changed.edge_index = graph.edge_index[:, : z.shape[0]]
        return changed


def test_an_objective_may_replace_the_graph_between_epochs() -> None:
    objective, graph = Rewiring(), blocks()
    composed(objective=objective).fit(graph)
    edges = graph.edge_index.shape[1]
    assert objective.edges == [edges, 60, 60]
    assert objective.prepared == [edges, 60]
    assert graph.edge_index.shape[1] == edges


def test_a_session_makes_batches_of_a_replaced_graph_anew() -> None:
    model = composed(train={"batch": "subgraph", "batch_size": 20})
    session = FitSession(model, build_parts(model.plan, blocks(60)))
    assert session.batches is not None
    nodes = torch.cat([step["n_id"] for step in session.steps(0, ())])
    session.replace_graph(blocks(90))
    assert len(nodes) == 60
    assert len(torch.cat([step["n_id"] for step in session.steps(0, ())])) == 90


class Discrete(BaseClusterHead):
    """Assigns by the sign of the first entry."""

    def __init__(self, n_clusters: int) -> None:
        super().__init__()

    def fit(self, z: Tensor) -> None: ...

    def cluster(self, z: Tensor, soft: bool = False) -> Tensor:
        labels = (z[:, 0] > 0).long()
        return nn.functional.one_hot(labels, 2).float() if soft else labels


def test_assigning_a_part_swaps_it_and_the_next_fit_uses_it() -> None:
    graph = blocks()
    model = composed().fit(graph)
    model.cluster_head = Discrete(2)
    assert set(model.infer_full(graph).tolist()) <= {0, 1}
    assert isinstance(model.fit(graph).cluster_head, Discrete)


def test_a_training_that_fails_leaves_no_results_of_the_one_before() -> None:
    class Failing:
        def on_epoch_end(self, stage: Any, row: dict[str, Any]) -> None:
            raise OSError("the disk is full")

    model = composed().fit(blocks())
    with pytest.raises(OSError, match="disk is full"):
        model.fit(blocks(90), callbacks=[Failing()])
    with pytest.raises(eco.CompositionError, match="not fitted"):
        _ = model.labels_


def test_a_resumed_run_goes_on_with_the_graph_that_was_replaced(tmp_path: Path) -> None:
    graph, path = blocks(), tmp_path / "checkpoint.pt"
    whole, resumed = (composed(objective=Rewiring, epochs=60) for _ in range(2))
    whole.fit(graph, checkpoint=path)
    resumed.fit(graph, resume=path)
    assert figures(resumed.history_) == figures(whole.history_)
    objective: Any = resumed.objective
    assert set(objective.edges) == {60}


def test_features_are_given_in_the_layout_that_a_swapped_encoder_reads() -> None:
    class Sparse(SmallEncoder):
        supports_sparse_x = True
        layouts: list[torch.layout] = []  # noqa: RUF012

        def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
            self.layouts.append(x.layout)
            return super().forward(x.to_dense(), edge_index, edge_weight)

    graph = blocks()
    graph.x = graph.x * (torch.rand(graph.x.shape, generator=torch.Generator().manual_seed(0)) < 0.05)
    model = composed(encoder=Sparse, objective=None, strategy="joint", head=SimpleClusterHead).fit(graph)
    assert Sparse.layouts[-1] == torch.sparse_coo
    model.encoder = SmallEncoder(12)
    assert model.infer_full(graph).shape == (60,)
    model.encoder = Sparse(12)
    model.infer_full(graph)
    assert Sparse.layouts[-1] == torch.sparse_coo


def test_an_unknown_argument_of_a_loss_is_an_error() -> None:
    graph = blocks()
    model = composed().build(graph)
    with pytest.raises(TypeError, match="stages"):
        model.train_full(graph, torch.optim.Adam(model.parameters()), 0, stages="train")
