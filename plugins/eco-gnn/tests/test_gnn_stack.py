"""What happens around the convolutions: the knobs that the stacks share."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from eco_gnn import GAT, GCN, GIN, MLP, SAGE, GATv2
from torch import Tensor

NODES, FEATURES = 12, 6
STACKS = [GCN, GAT, GATv2, SAGE, GIN, MLP]
CONVOLUTIONAL = [GCN, GAT, GATv2, SAGE, GIN]
SMALL: dict[str, Any] = {"in_channels": FEATURES, "hidden_channels": 5}


def build(cls: type, **parameters: Any) -> Any:
    torch.manual_seed(0)
    # With more, norm and act also act within GIN's layers.
    inside = {"mlp_layers": 1} if cls is GIN else {}
    return cls(**{**SMALL, **inside, **parameters})


def zero_convolutions(encoder: Any) -> None:
    for parameter in encoder.convolutions.parameters():
        torch.nn.init.zeros_(parameter)


# ------------------------------------------------------------------------------------------------ layers


@pytest.mark.parametrize("cls", CONVOLUTIONAL)
@pytest.mark.parametrize("num_layers", [1, 2, 4])
def test_num_layers_is_how_far_a_node_sees(cls: Any, num_layers: int) -> None:
    path = torch.stack([torch.arange(NODES - 1), torch.arange(1, NODES)])
    features = torch.ones(NODES, FEATURES, requires_grad=True)
    encoder = build(cls, num_layers=num_layers, act="tanh")
    encoder(features, torch.cat([path, path.flip(0)], dim=1))[0].sum().backward()
    assert features.grad is not None
    seen = features.grad.abs().sum(dim=1) > 0
    assert seen.tolist() == [node <= num_layers for node in range(NODES)]


def test_mlp_sees_the_node_alone(x: Tensor, edge_index: Tensor) -> None:
    encoder = build(MLP)
    torch.testing.assert_close(encoder(x, edge_index), encoder(x))
    torch.testing.assert_close(encoder(x[3:4]), encoder(x)[3:4])


@pytest.mark.parametrize("cls", STACKS)
def test_dropout_acts_in_training_only_and_between_layers_only(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(cls, dropout=0.5)
    plain = build(cls)
    assert not torch.equal(encoder(x, edge_index), encoder(x, edge_index))
    assert torch.equal(encoder.eval()(x, edge_index), plain.eval()(x, edge_index))
    single = build(cls, dropout=0.5, num_layers=1)
    assert torch.equal(single(x, edge_index), single(x, edge_index))


@pytest.mark.parametrize("cls", STACKS)
@pytest.mark.parametrize(
    ("act", "function"),
    [
        ("relu", torch.relu),
        ("elu", torch.nn.functional.elu),
        ("prelu", lambda h: torch.where(h < 0, 0.25 * h, h)),
        ("leaky_relu", torch.nn.functional.leaky_relu),
        ("tanh", torch.tanh),
        ("gelu", torch.nn.functional.gelu),
        ("selu", torch.selu),
        ("none", lambda h: h),
    ],
)
def test_act_is_the_activation_and_act_last_applies_it_to_the_last_layer(
    cls: Any, act: str, function: Any, x: Tensor, edge_index: Tensor
) -> None:
    bare = build(cls, num_layers=1, act=act)
    finished = build(cls, num_layers=1, act=act, act_last=True)
    torch.testing.assert_close(finished(x, edge_index), function(bare(x, edge_index)))


@pytest.mark.parametrize("cls", STACKS)
@pytest.mark.parametrize("act", ["relu", "elu", "leaky_relu", "selu"])
@pytest.mark.parametrize("around", [{"act_first": True}, {"residual": True}, {"jk": "max"}, {"num_layers": 1}])
def test_activations_in_place_leave_the_features_as_they_are(
    cls: Any, act: str, around: dict[str, Any], x: Tensor, edge_index: Tensor
) -> None:
    before = x.clone()
    build(cls, act=act, act_last=True, **around)(x, edge_index).sum().backward()
    assert torch.equal(x, before)


@pytest.mark.parametrize(("cls", "act"), [(cls, "elu" if cls in (GAT, GATv2) else "relu") for cls in STACKS])
def test_default_activation_is_that_of_the_paper(cls: Any, act: str, x: Tensor, edge_index: Tensor) -> None:
    torch.testing.assert_close(build(cls)(x, edge_index), build(cls, act=act)(x, edge_index))
    assert not torch.allclose(build(cls)(x, edge_index), build(cls, act="none")(x, edge_index))


@pytest.mark.parametrize("cls", STACKS)
def test_batch_norm_standardises_each_column(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    z = build(cls, num_layers=1, act="none", act_last=True, norm="batch")(x, edge_index)
    torch.testing.assert_close(z.mean(dim=0), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.var(dim=0, unbiased=False), torch.ones(5), atol=1e-2, rtol=0)


@pytest.mark.parametrize("cls", STACKS)
def test_layer_norm_standardises_each_row(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    z = build(cls, num_layers=1, act="none", act_last=True, norm="layer")(x, edge_index)
    torch.testing.assert_close(z.mean(dim=1), torch.zeros(NODES), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.var(dim=1, unbiased=False), torch.ones(NODES), atol=2e-2, rtol=0)


@pytest.mark.parametrize("cls", STACKS)
def test_graph_norm_centres_each_column_and_pair_norm_the_whole(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    z = build(cls, num_layers=1, act="none", act_last=True, norm="graph")(x, edge_index)
    torch.testing.assert_close(z.mean(dim=0), torch.zeros(5), atol=1e-5, rtol=0)
    z = build(cls, num_layers=1, act="none", act_last=True, norm="pair")(x, edge_index)
    torch.testing.assert_close(z.mean(dim=0), torch.zeros(5), atol=1e-5, rtol=0)
    assert z.square().sum(dim=1).mean().item() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("cls", STACKS)
@pytest.mark.parametrize("norm", ["batch", "layer", "graph", "pair"])
def test_norm_is_left_out_of_the_last_layer_unless_act_last(cls: Any, norm: str, x: Tensor, edge_index: Tensor) -> None:
    single = build(cls, num_layers=1, norm=norm)
    torch.testing.assert_close(single(x, edge_index), build(cls, num_layers=1)(x, edge_index))
    assert not torch.allclose(build(cls, norm=norm)(x, edge_index), build(cls)(x, edge_index))


@pytest.mark.parametrize("cls", STACKS)
def test_batch_norm_takes_a_batch_of_one_node(cls: Any) -> None:
    encoder = build(cls, norm="batch")
    z = encoder(torch.ones(1, FEATURES), torch.empty(2, 0, dtype=torch.long))
    assert z.shape == (1, 5)
    assert z.isfinite().all()


@pytest.mark.parametrize("cls", STACKS)
def test_residual_passes_the_input_on_when_the_convolutions_are_zero(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(cls, hidden_channels=FEATURES, num_layers=3, residual=True, act="none")
    zero_convolutions(encoder)
    torch.testing.assert_close(encoder(x, edge_index), x)


@pytest.mark.parametrize("cls", STACKS)
def test_residual_maps_linearly_where_widths_differ(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(cls, num_layers=1, residual=True)
    zero_convolutions(encoder)
    torch.testing.assert_close(encoder(x, edge_index), x @ encoder.skips[0].weight.t())
    plain = build(cls, num_layers=1)
    zero_convolutions(plain)
    assert plain(x, edge_index).abs().sum() == 0


@pytest.mark.parametrize("cls", STACKS)
def test_reset_parameters_forgets_statistics_and_slopes(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(cls, norm="batch", act="prelu", jk="cat", act_last=True)
    fresh = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder(x, edge_index)
    learned = [name for name, value in fresh.items() if value.numel() == 1 and value.is_floating_point()]
    slopes = [name for name in learned if not name.endswith("eps")]
    running = [name for name in fresh if "running" in name]
    with torch.no_grad():
        for name in slopes:
            encoder.get_parameter(name).fill_(7)
    assert len(slopes) == len(running) / 2 == 3
    encoder.reset_parameters()
    after = encoder.state_dict()
    assert all(torch.equal(after[name], fresh[name]) for name in [*slopes, *running])


# ------------------------------------------------------------------------------------------------ order


@pytest.mark.parametrize("cls", STACKS)
def test_act_first_swaps_activation_and_normalisation(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    bare = build(cls, num_layers=1)(x, edge_index)
    finished = {"num_layers": 1, "act": "relu", "norm": "layer", "act_last": True}
    swapped = build(cls, **finished, act_first=True)(x, edge_index)
    torch.testing.assert_close(swapped, torch.nn.functional.layer_norm(bare.relu(), (5,)))
    kept = build(cls, **finished)(x, edge_index)
    torch.testing.assert_close(kept, torch.nn.functional.layer_norm(bare, (5,)).relu())


# ------------------------------------------------------------------------------------------------ pre-linear


@pytest.mark.parametrize("cls", CONVOLUTIONAL)
def test_pre_linear_is_a_linear_layer_before_the_first_convolution(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(cls, hidden_channels=4, pre_linear=True, residual=True)
    rest = build(cls, in_channels=4, hidden_channels=4, residual=True)
    rest.load_state_dict({name: v for name, v in encoder.state_dict().items() if not name.startswith("pre_linear")})
    linear = encoder.pre_linear
    torch.testing.assert_close(encoder(x, edge_index), rest(x @ linear.weight.t() + linear.bias, edge_index))
    torch.testing.assert_close(encoder(x.to_sparse(), edge_index), encoder(x, edge_index))


@pytest.mark.parametrize("cls", CONVOLUTIONAL)
def test_dropout_follows_the_pre_linear_layer(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(cls, num_layers=1, pre_linear=True, dropout=0.5)
    assert not torch.equal(encoder(x, edge_index), encoder(x, edge_index))


# ------------------------------------------------------------------------------------------------ jumping knowledge


def outputs_of_layers(encoder: Any, x: Tensor, edge_index: Tensor) -> tuple[list[Tensor], Tensor]:
    outputs: list[Tensor] = []
    hooks = [each.register_forward_hook(lambda m, i, out: outputs.append(out)) for each in encoder.finishes]
    z = encoder(x, edge_index)
    for hook in hooks:
        hook.remove()
    return outputs, z


@pytest.mark.parametrize("cls", STACKS)
@pytest.mark.parametrize("jk", ["last", "cat", "max"])
def test_jk_joins_the_finished_layers_before_a_linear_one(cls: Any, jk: str, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(cls, num_layers=3, out_channels=4, act="relu", norm="layer", jk=jk)
    outputs, z = outputs_of_layers(encoder, x, edge_index)
    assert len(outputs) == 3
    assert all(out.min() >= 0 for out in outputs)
    joined = {"last": outputs[-1], "cat": torch.cat(outputs, dim=1), "max": torch.stack(outputs).amax(dim=0)}[jk]
    torch.testing.assert_close(z, joined @ encoder.lin.weight.t() + encoder.lin.bias)
    assert z.shape == (NODES, 4)


@pytest.mark.parametrize("cls", STACKS)
def test_jk_lstm_weighs_the_layers_of_each_node(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(cls, num_layers=3, jk="lstm")
    with torch.no_grad():
        encoder.lin.weight.copy_(torch.eye(5))
        encoder.lin.bias.zero_()
    outputs, z = outputs_of_layers(encoder, x, edge_index)
    stacked = torch.stack(outputs)
    assert (z <= stacked.amax(dim=0) + 1e-6).all()
    assert (z >= stacked.amin(dim=0) - 1e-6).all()
    assert not torch.allclose(z, stacked.mean(dim=0))


@pytest.mark.parametrize("cls", STACKS)
@pytest.mark.parametrize("jk", ["last", "cat", "max", "lstm"])
def test_act_last_finishes_the_linear_layer_of_jk(cls: Any, jk: str, x: Tensor, edge_index: Tensor) -> None:
    bare = build(cls, jk=jk, out_channels=4, act="tanh")(x, edge_index)
    finished = build(cls, jk=jk, out_channels=4, act="tanh", act_last=True)(x, edge_index)
    torch.testing.assert_close(finished, bare.tanh())


@pytest.mark.parametrize("cls", STACKS)
def test_dropout_precedes_the_linear_layer_of_jk(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(cls, num_layers=1, jk="cat", dropout=0.5)
    assert not torch.equal(encoder(x, edge_index), encoder(x, edge_index))


@pytest.mark.parametrize("cls", [GAT, GATv2])
@pytest.mark.parametrize(("concat", "concat_last", "hidden", "out"), [(True, False, 10, 4), (False, True, 5, 8)])
def test_jk_joins_the_hidden_width_of_heads(
    cls: Any, concat: bool, concat_last: bool, hidden: int, out: int, x: Tensor, edge_index: Tensor
) -> None:
    encoder = build(cls, heads=2, concat=concat, concat_last=concat_last, out_channels=4, jk="max", pre_linear=True)
    assert encoder.pre_linear.weight.shape == (hidden, FEATURES)
    assert encoder.lin.weight.shape == (out, hidden)
    assert encoder(x, edge_index).shape == (NODES, out)
    assert encoder.out_channels == out


# ------------------------------------------------------------------------------------------------ mistakes


@pytest.mark.parametrize("cls", STACKS)
def test_unknown_activation_norm_or_jk_is_named_with_the_known_ones(cls: Any) -> None:
    with pytest.raises(ValueError, match=r"act is 'swish'.*relu"):
        build(cls, act="swish")
    with pytest.raises(ValueError, match=r"norm is 'spectral'.*batch"):
        build(cls, norm="spectral")
    with pytest.raises(ValueError, match=r"jk is 'sum'.*lstm"):
        build(cls, jk="sum")
    with pytest.raises(ValueError, match=r"act is 'swish'"):
        build(cls, num_layers=1, act="swish")
