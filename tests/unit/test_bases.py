"""The loss type, and models written by hand: those of the project's seed tutorial."""

from __future__ import annotations

import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import eco_core as eco
from eco_core import BaseClusterHead, BaseModel, ClusteringModel, CompositionError, LossOutput, TrainableModel
from eco_core.parts.heads import buffers_of_any_size
from tests.graphs import blocks, ring
from tests.parts import GraphAwareClusterHead, SmallEncoder


def test_a_loss_formats_as_its_total_and_gives_its_parts():
    loss = LossOutput(total=torch.tensor(1.5), components={"ali": 0.8, "nei": 0.5}, spa=torch.tensor(0.2))
    assert loss.log_string("Epoch 01: ") == "Epoch 01: Loss: 1.5000, ALI: 0.8000, NEI: 0.5000, SPA: 0.2000"
    assert f"{loss:.2f}" == "1.50"
    assert f"{loss.spa:.1f}" == "0.2"
    assert float(loss) == 1.5
    with pytest.raises(AttributeError, match="no part 'other'; it has: ali, nei, spa"):
        _ = loss.other


def test_a_weighted_loss_sums_weights_times_terms_and_keeps_the_terms():
    a, b = torch.tensor(2.0, requires_grad=True), torch.tensor(3.0)
    loss = LossOutput.weighted(a=(1.0, a), b=(0.5, b))
    assert loss.total.item() == 3.5
    assert (loss.a.item(), loss.b.item()) == (2.0, 3.0)
    loss.total.backward()
    assert a.grad is not None
    assert a.grad.item() == 1.0


@pytest.mark.parametrize(
    ("value", "total", "parts"),
    [
        (torch.tensor(2.0), 2.0, {}),
        (torch.tensor([2.0]), 2.0, {}),
        ((torch.tensor(1.0), torch.tensor(2.0)), 3.0, {"part1": 1.0, "part2": 2.0}),
        ({"a": torch.tensor(1.0), "b": torch.tensor(2.0)}, 3.0, {"a": 1.0, "b": 2.0}),
        ({"total": torch.tensor(9.0), "a": torch.tensor(1.0)}, 9.0, {"a": 1.0}),
    ],
)
def test_a_loss_is_made_of_what_parts_return(value, total, parts):
    loss = LossOutput.of(value)
    assert loss.total.item() == total
    assert loss.total.shape == ()
    assert {name: float(part) for name, part in loss.components.items()} == parts


@pytest.mark.parametrize("value", [torch.zeros(3), 1.0, None, (), {}, "loss", (1.0, 2.0)])
def test_what_is_no_loss_is_a_coded_error(value):
    with pytest.raises(CompositionError, match="a loss is a scalar tensor") as caught:
        LossOutput.of(value, "head 'x'")
    assert caught.value.problems[0].code == "ECO209"


def test_bases_say_what_is_missing():
    with pytest.raises(TypeError, match="discrete cluster head"):
        BaseClusterHead()(torch.zeros(2, 2))
    with pytest.raises(TypeError, match=r"does not define cluster\(z, soft=False\)"):
        BaseClusterHead().cluster(torch.zeros(2, 2))
    with pytest.raises(TypeError, match=r"needs loss\(self, data\)"):
        TrainableModel().loss()


class DEC(BaseClusterHead):
    """The head of the tutorial's examples: Student-t assignments, target sharpened anew in each call."""

    def __init__(self, n_clusters, n_features, alpha=1.0):
        super().__init__()
        self.n_clusters, self.alpha = n_clusters, alpha
        self.cluster_centers = nn.Parameter(torch.empty(n_clusters, n_features))
        nn.init.xavier_uniform_(self.cluster_centers)

    def reset_cluster_centers(self, centers=None):
        self.cluster_centers.data.copy_(centers)

    def forward(self, z, update_target=True):
        q = self.cluster(z, soft=True)
        p = (q**2 / q.sum(0)).detach()
        return F.kl_div(q.log(), p / p.sum(1, keepdim=True), reduction="batchmean")

    def cluster(self, z, soft=False):
        q = (1 + torch.cdist(z, self.cluster_centers) ** 2 / self.alpha) ** (-(self.alpha + 1) / 2)
        q = q / q.sum(1, keepdim=True)
        return q if soft else q.argmax(1)


class MyClusteringModel(ClusteringModel):
    """Example 1 of the tutorial."""

    def __init__(self, in_channels, num_clusters):
        super().__init__()
        self.encoder = SmallEncoder(in_channels, 8)
        self.cluster_head = DEC(n_clusters=num_clusters, n_features=8)

    def forward(self, data):
        return self.encoder(data.x, data.edge_index)

    def loss(self, data):
        z = self.forward(data)
        return LossOutput(total=self.cluster_head(z))

    def predict(self, data):
        return self.cluster_head.cluster(self.forward(data), soft=False)


class MultiObjectiveModel(TrainableModel):
    """Example 3 of the tutorial: a loss of several parts."""

    def __init__(self, in_channels, num_clusters):
        super().__init__()
        self.encoder = SmallEncoder(in_channels, 8)
        self.cluster_head = DEC(n_clusters=num_clusters, n_features=8, alpha=1.0)
        self.decoder = nn.Linear(8, in_channels)

    def forward(self, data):
        return self.encoder(data.x, data.edge_index)

    def loss(self, data):
        z = self.forward(data)
        loss_cluster = self.cluster_head(z, update_target=True)
        loss_recon = F.mse_loss(self.decoder(z), data.x)
        z_norm = F.normalize(z, p=2, dim=1)
        sim_matrix = torch.matmul(z_norm, z_norm.t()) / 0.5
        ones = torch.ones(data.edge_index.shape[1])
        adj = torch.sparse_coo_tensor(data.edge_index, ones, (data.num_nodes, data.num_nodes)).to_dense()
        pos_mask = adj > 0
        neg_mask = ~pos_mask
        neg_mask.fill_diagonal_(False)
        neg_sim = torch.logsumexp(sim_matrix[neg_mask], dim=0).mean()
        loss_contrast = -sim_matrix[pos_mask].mean() + neg_sim
        q = self.cluster_head.cluster(z, soft=True)
        cluster_sizes = q.sum(dim=0)
        loss_balance = F.mse_loss(cluster_sizes, torch.full_like(cluster_sizes, q.shape[0] / q.shape[1]))
        total = loss_cluster + 0.1 * loss_recon + 0.05 * loss_contrast + 0.01 * loss_balance
        return LossOutput(
            total=total,
            loss_cluster=loss_cluster,
            loss_recon=loss_recon,
            loss_contrast=loss_contrast,
            loss_balance=loss_balance,
        )

    def predict(self, data):
        return self.cluster_head.cluster(self.forward(data), soft=False)


@torch.no_grad()
def certainty(model, graph):
    """What self-training raises; its loss rises as well, because each call sharpens the target."""
    return model.cluster_head.cluster(model.forward(graph), soft=True).max(1).values.mean().item()


@pytest.mark.parametrize("cls", [MyClusteringModel, MultiObjectiveModel])
def test_hand_written_models_train_with_train_full(cls):
    torch.manual_seed(0)
    graph, model = blocks(), cls(12, 3)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    before = certainty(model, graph)
    losses = [model.train_full(graph, optimizer, epoch) for epoch in range(30)]
    assert certainty(model, graph) > before
    if cls is MultiObjectiveModel:
        assert float(losses[-1]) < float(losses[0])
        line = f"{losses[0].total:.4f} {losses[0].loss_cluster:.4f} {losses[0].loss_balance:.4f}"
        assert len(line.split()) == 3
        assert len(losses[0].components) == 4


@pytest.mark.parametrize("cls", [MyClusteringModel, MultiObjectiveModel])
def test_hand_written_models_train_through_the_engine(cls):
    torch.manual_seed(0)
    graph, model = blocks(), cls(12, 3)
    weight, before = model.encoder.conv.lin.weight.detach().clone(), certainty(model, graph)
    model.fit(graph, epochs=30, optimizer=eco.OptimizerSpec(lr=0.01))
    assert len(model.history_) == 30
    assert certainty(model, graph) > before
    assert not torch.equal(weight, model.encoder.conv.lin.weight)
    if cls is MultiObjectiveModel:
        expected = {"loss_cluster", "loss_recon", "loss_contrast", "loss_balance"}
        assert expected <= set(model.history_.columns)
        assert model.infer_full(graph).shape == (60, 8)
    else:
        labels = model.infer_full(graph)
        assert labels.shape == (60,)
        assert torch.equal(labels, model.eval().predict(graph))
        model.initialize_cluster_centers(graph, seed=0)
        assert eco.label_metrics(graph.y, model.infer_full(graph), ["acc"])["acc"] > 0.8


def test_a_model_whose_call_is_its_loss_trains_in_a_loop_of_ones_own():
    class Model(ClusteringModel):
        def __init__(self, encoder, cluster_head):
            super().__init__()
            self.encoder, self.cluster_head = encoder, cluster_head

        def forward(self, data):
            return self.cluster_head(self.encoder(data.x, data.edge_index), data.edge_index)

        def infer_full(self, data):
            return self.cluster_head.cluster(self.encoder(data.x, data.edge_index), soft=False)

    torch.manual_seed(0)
    graph = blocks()
    model = Model(SmallEncoder(12), GraphAwareClusterHead(n_clusters=3, n_features=6))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = model(graph)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert model.infer_full(graph).shape == (60,)


def test_a_base_model_embeds_by_name():
    class Doubling(BaseModel):
        def embed(self, x, edge_index):
            return 2 * x

    graph = ring()
    model = Doubling().train()
    assert torch.equal(model.infer_full(graph), 2 * graph.x)
    assert model.training
    graph.batch_size = 5
    assert model.infer_batch([graph, graph]).shape == (10, 4)


def test_train_batch_averages_its_batches_and_refuses_an_empty_loader():
    class Constant(TrainableModel):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(()))

        def loss(self, x, scale=1.0):
            return {"mean": scale * x.mean() + 0 * self.weight}

    model, graphs = Constant(), [ring(6), ring(12)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = model.train_batch(graphs, optimizer, 0, scale=2.0)
    assert float(loss) == pytest.approx(2 * sum(g.x.mean().item() for g in graphs) / 2)
    assert float(loss.mean) == pytest.approx(float(loss))
    with pytest.raises(ValueError, match="no batch"):
        model.train_batch([], optimizer, 0)


class Fitted(nn.Module):
    def __init__(self, n_clusters: int) -> None:
        super().__init__()
        self.register_buffer("centers", torch.empty(n_clusters, 0))
        buffers_of_any_size(self, "centers")


def test_a_fresh_module_takes_the_unknown_sizes_of_saved_buffers_and_only_those() -> None:
    saved = Fitted(2)
    saved.centers = torch.ones(2, 5)
    loaded = pickle.loads(pickle.dumps(Fitted(2)))
    whole = nn.ModuleDict({"head": loaded})
    whole.load_state_dict({f"head.{name}": value for name, value in saved.state_dict().items()})
    assert torch.equal(loaded.centers, saved.centers)
    with pytest.raises(RuntimeError, match="size mismatch"):
        Fitted(3).load_state_dict(saved.state_dict())
