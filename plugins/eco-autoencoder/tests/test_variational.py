"""The variational and the adversarial auto-encoders: formulas, gradients, and who trains whom."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from eco_autoencoder import ARGA, ARGVA, VGAE
from eco_autoencoder.adversary import Discriminator, discriminator_loss, generator_loss
from eco_autoencoder.latent import GaussianLatent, draw, kl_from_standard_normal
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv
from torch_geometric.utils import to_undirected

from eco_core import LossOutput
from eco_core.errors import DataError

NODES, WIDTH = 15, 6


@pytest.fixture
def graph() -> Data:
    source = torch.arange(NODES)
    x = torch.randn(NODES, WIDTH, generator=torch.Generator().manual_seed(0))
    return Data(x=x, edge_index=to_undirected(torch.stack([source, (source + 1) % NODES])))


def seeded(cls: Any, **parameters: Any) -> Any:
    torch.manual_seed(0)
    return cls(n_features=WIDTH, **parameters)


def encode(graph: Any) -> Tensor:
    return graph.x


# ------------------------------------------------------------------------------------------------------ variational


@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 3))
@settings(max_examples=40, deadline=None)
def test_divergence_is_that_of_torchs_distributions(seed: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    mean, log_std = scale * torch.randn(2, 7, 3, generator=generator, dtype=torch.double)
    expected = kl_divergence(Normal(mean, log_std.exp()), Normal(0.0, 1.0)).sum(dim=1).mean()
    found = kl_from_standard_normal(mean, log_std)
    torch.testing.assert_close(found, expected)
    assert found >= 0


def test_divergence_of_the_prior_from_itself_is_zero() -> None:
    assert kl_from_standard_normal(torch.zeros(4, 2), torch.zeros(4, 2)) == 0


def test_draws_have_the_mean_and_the_deviation_and_pass_gradients_on() -> None:
    torch.manual_seed(0)
    mean = torch.full((20_000, 1), 3.0, requires_grad=True)
    log_std = torch.full((20_000, 1), -0.7, requires_grad=True)
    z = draw(mean, log_std)
    assert abs(z.mean() - 3) < 0.02
    assert abs(z.std().log() + 0.7) < 0.02
    gradients = torch.autograd.grad(z.square().sum(), (mean, log_std))
    assert all(gradient.abs().min() > 0 for gradient in gradients)


@pytest.mark.parametrize("weighted", [False, True])
def test_mean_and_deviation_are_graph_convolutions(graph: Data, weighted: bool) -> None:
    latent = GaussianLatent(WIDTH, 3)
    assert graph.edge_index is not None
    weight = torch.rand(graph.edge_index.size(1)) if weighted else None
    found = latent(graph.x, graph.edge_index, weight)
    for linear, value in zip((latent.mean, latent.log_std), found, strict=True):
        nn.init.normal_(linear.bias)
        convolution = GCNConv(WIDTH, 3)
        convolution.lin.weight = linear.weight
        convolution.bias = linear.bias
        again = latent(graph.x, graph.edge_index, weight)[0 if linear is latent.mean else 1]
        torch.testing.assert_close(again, convolution(graph.x, graph.edge_index, weight))
        assert value.shape == (NODES, 3)


def test_deviation_is_bounded_so_that_no_step_overflows(graph: Data) -> None:
    objective = seeded(VGAE, latent_channels=2)
    nn.init.constant_(objective.latent.log_std.bias, 1e3)
    loss = objective(encode, graph, graph.edge_index)
    loss.total.backward()
    assert loss.total.isfinite()
    assert all(p.grad.isfinite().all() for p in objective.parameters() if p.grad is not None)


def test_variational_loss_weighs_the_divergence_by_the_number_of_nodes(graph: Data) -> None:
    objective = seeded(VGAE, latent_channels=4, kl_weight=3.0)
    loss = objective(encode, graph, graph.edge_index)
    assert isinstance(loss, LossOutput)
    assert set(loss.components) == {"positive", "negative", "kl"}
    mean, log_std = objective.latent(graph.x, graph.edge_index)
    torch.testing.assert_close(loss.kl, kl_from_standard_normal(mean, log_std))
    torch.testing.assert_close(loss.total, loss.positive + loss.negative + 3.0 * loss.kl / NODES)


@pytest.mark.parametrize("cls", [VGAE, ARGVA])
def test_embedding_is_the_mean_while_the_loss_is_of_a_draw(cls: Any, graph: Data) -> None:
    objective = seeded(cls, latent_channels=4).eval()
    first = objective.embed(encode, graph, graph.edge_index)
    assert first.shape == (NODES, 4)
    assert torch.equal(first, objective.latent(graph.x, graph.edge_index)[0])
    assert torch.equal(first, objective.embed(encode, graph, graph.edge_index))
    objective.train()
    positives = {objective(encode, graph, graph.edge_index).positive.item() for _ in range(3)}
    assert len(positives) == 3


@pytest.mark.parametrize("cls", [VGAE, ARGA, ARGVA])
def test_loss_reaches_the_encoder(cls: Any, graph: Data) -> None:
    graph.x = graph.x.requires_grad_()
    seeded(cls)(encode, graph, graph.edge_index).total.backward()
    assert graph.x.grad is not None
    assert graph.x.grad.abs().sum() > 0


@pytest.mark.parametrize("cls", [VGAE, ARGA, ARGVA])
def test_graph_without_edges_is_refused_with_the_remedy(cls: Any, graph: Data) -> None:
    empty = torch.empty(2, 0, dtype=torch.long)
    with pytest.raises(DataError, match=r"(?s)no edge among these 15 nodes.*graph with edges"):
        seeded(cls)(encode, graph, empty)
    graph.n_id = torch.arange(15)
    loss = seeded(cls)(encode, graph, empty)
    assert (loss.positive, loss.negative) == (0, 0)
    assert loss.total.isfinite()


@pytest.mark.parametrize("cls", [VGAE, ARGVA])
def test_loss_is_finite_under_autocast(cls: Any, graph: Data) -> None:
    objective = seeded(cls)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = objective(encode, graph, graph.edge_index)
    loss.total.backward()
    assert loss.total.isfinite()


# ------------------------------------------------------------------------------------------------------ adversarial


def test_losses_of_the_game_are_cross_entropies() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(3, (5,)).double()
    z = torch.randn(8, 3, dtype=torch.double)
    probability = discriminator(z).sigmoid()
    torch.testing.assert_close(generator_loss(discriminator, z), -probability.log().mean())
    loss = discriminator_loss(discriminator, z)
    torch.testing.assert_close(loss.fake, -(1 - probability).log().mean())
    torch.testing.assert_close(loss.total, loss.real + loss.fake)


def test_discriminator_has_the_given_hidden_layers() -> None:
    layers = [layer for layer in Discriminator(16, (16, 64)) if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in layers] == [(16, 16), (16, 64), (64, 1)]
    assert Discriminator(3, ())(torch.zeros(4, 3)).shape == (4, 1)


def test_losses_of_the_game_are_finite_for_extreme_embeddings() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(3, (5,))
    z = (1e6 * torch.randn(8, 3)).requires_grad_()
    total = generator_loss(discriminator, z) + discriminator_loss(discriminator, z).total
    total.backward()
    assert total.isfinite()
    assert z.grad is not None
    assert z.grad.isfinite().all()


def test_discriminator_learns_to_tell_shifted_embeddings_from_the_prior() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(2, (16, 64))
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=0.01)
    z = torch.randn(500, 2) + 4
    for _ in range(100):
        optimizer.zero_grad()
        discriminator_loss(discriminator, z).total.backward()
        optimizer.step()
    assert (discriminator(z) < 0).float().mean() > 0.95
    assert (discriminator(torch.randn(500, 2)) > 0).float().mean() > 0.95


def test_embeddings_are_drawn_to_the_prior_by_the_game() -> None:
    torch.manual_seed(0)
    z = nn.Parameter(0.3 * torch.randn(300, 2) + 3)
    discriminator = Discriminator(2, (16, 64))
    players = (torch.optim.Adam([z], lr=0.02), torch.optim.Adam(discriminator.parameters(), lr=0.01))
    for _ in range(200):
        for player, loss in zip(players, (generator_loss, discriminator_loss), strict=True):
            player.zero_grad()
            value: Any = loss(discriminator, z)
            (value if isinstance(value, Tensor) else value.total).backward()
            player.step()
    assert z.mean(dim=0).abs().max() < 1


@pytest.mark.parametrize("cls", [ARGA, ARGVA])
def test_loss_of_the_adversary_sends_no_gradient_to_the_encoder(cls: Any, graph: Data) -> None:
    graph.x = graph.x.requires_grad_()
    objective = seeded(cls)
    names = {"encode": encode, "graph": graph, "edge_index": graph.edge_index}
    asked = inspect.signature(objective.adversary_loss).parameters
    objective.adversary_loss(**{name: value for name, value in names.items() if name in asked}).total.backward()
    assert graph.x.grad is None
    trained = {name for name, p in objective.named_parameters() if p.grad is not None}
    assert trained == {name for name, _ in objective.named_parameters() if name.startswith("adversary.")}


@pytest.mark.parametrize("cls", [ARGA, ARGVA])
def test_loss_of_the_encoder_is_a_weighted_sum(cls: Any, graph: Data) -> None:
    loss = seeded(cls, adversarial_weight=0.5)(encode, graph, graph.edge_index)
    kl = loss.kl / NODES if cls is ARGVA else 0
    torch.testing.assert_close(loss.total, loss.positive + loss.negative + 0.5 * loss.generator + kl)


# ------------------------------------------------------------------------------------------------- parameters, state


@pytest.mark.parametrize(
    ("cls", "parameter", "wrong"),
    [
        (VGAE, "latent_channels", 0),
        (VGAE, "kl_weight", -1.0),
        (VGAE, "neg_ratio", 0.0),
        (ARGA, "discriminator_channels", (16, 0)),
        (ARGA, "adversarial_weight", -0.1),
        (ARGVA, "latent_channels", 0),
    ],
)
def test_annotations_reject_wrong_values_and_accept_the_defaults(cls: Any, parameter: str, wrong: Any) -> None:
    declared = inspect.signature(cls, eval_str=True).parameters[parameter]
    adapter = TypeAdapter(declared.annotation)
    assert adapter.validate_python(declared.default) == declared.default
    with pytest.raises(ValidationError):
        adapter.validate_python(wrong)


def test_state_holds_the_layers_and_the_discriminator() -> None:
    prefixes = {name.split(".")[0] for name in seeded(ARGVA).state_dict()}
    assert prefixes == {"latent", "adversary"}
    assert {name.split(".")[0] for name in seeded(ARGA).state_dict()} == {"adversary"}
