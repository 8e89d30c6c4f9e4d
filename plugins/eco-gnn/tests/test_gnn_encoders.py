"""Every parameter of the encoders does what it says."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from eco_gnn import GAT, GCN
from eco_gnn.sparse import SparseInputLinear, sparse_product
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

NODES, FEATURES = 12, 6
ENCODERS = [GCN, GAT]
# A GAT layer has, beside its weights, an attention: no single matrix describes it.
SMALL: dict[str, Any] = {"in_channels": FEATURES, "hidden_channels": 5}


@pytest.fixture
def x() -> Tensor:
    return torch.randn(NODES, FEATURES, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def edge_index() -> Tensor:
    source = torch.arange(NODES)
    forward = torch.stack([source, (source + 1) % NODES])
    chords = torch.stack([source, (source + 5) % NODES])
    return torch.cat([forward, forward.flip(0), chords, chords.flip(0)], dim=1)


def build(cls: type, **parameters: Any) -> Any:
    torch.manual_seed(0)
    return cls(**{**SMALL, **parameters})


def zero_convolutions(encoder: Any) -> None:
    for parameter in encoder.convolutions.parameters():
        torch.nn.init.zeros_(parameter)


def dense_gcn_matrix(edge_index: Tensor, weight: Tensor, loop: float) -> Tensor:
    adjacency = torch.zeros(NODES, NODES, dtype=weight.dtype)
    adjacency.index_put_((edge_index[1], edge_index[0]), weight, accumulate=True)
    adjacency += loop * torch.eye(NODES, dtype=weight.dtype)
    scale = adjacency.sum(dim=1).clamp(min=1e-300).pow(-0.5)
    return scale[:, None] * adjacency * scale[None, :]


# --------------------------------------------------------------------------------------------------- both encoders


@pytest.mark.parametrize("cls", ENCODERS)
def test_width_is_that_of_hidden_channels_unless_out_channels_is_given(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    for parameters, width in [({}, 5), ({"out_channels": 3}, 3), ({"num_layers": 1}, 5)]:
        encoder = build(cls, **parameters)
        z = encoder(x, edge_index)
        assert z.shape == (NODES, width)
        assert encoder.out_channels == width
        assert z.isfinite().all()


@pytest.mark.parametrize("cls", ENCODERS)
def test_default_width_is_64(cls: Any) -> None:
    assert cls(in_channels=FEATURES).out_channels == 64


@pytest.mark.parametrize("cls", ENCODERS)
@pytest.mark.parametrize("num_layers", [1, 2, 4])
def test_num_layers_is_how_far_a_node_sees(cls: Any, num_layers: int) -> None:
    path = torch.stack([torch.arange(NODES - 1), torch.arange(1, NODES)])
    features = torch.ones(NODES, FEATURES, requires_grad=True)
    encoder = build(cls, num_layers=num_layers, act="tanh")
    encoder(features, torch.cat([path, path.flip(0)], dim=1))[0].sum().backward()
    assert features.grad is not None
    seen = features.grad.abs().sum(dim=1) > 0
    assert seen.tolist() == [node <= num_layers for node in range(NODES)]


@pytest.mark.parametrize("cls", ENCODERS)
def test_all_parameters_get_gradients(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(cls, residual=True, norm="batch", act="prelu", out_channels=3)
    encoder(x, edge_index).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())
    assert cls.learns is True


@pytest.mark.parametrize("cls", ENCODERS)
def test_dropout_acts_in_training_only_and_between_layers_only(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(cls, dropout=0.5)
    plain = build(cls)
    assert not torch.equal(encoder(x, edge_index), encoder(x, edge_index))
    assert torch.equal(encoder.eval()(x, edge_index), plain.eval()(x, edge_index))
    single = build(cls, dropout=0.5, num_layers=1)
    assert torch.equal(single(x, edge_index), single(x, edge_index))


@pytest.mark.parametrize("cls", ENCODERS)
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


@pytest.mark.parametrize(("cls", "act"), [(GCN, "relu"), (GAT, "elu")])
def test_default_activation_is_that_of_the_paper(cls: Any, act: str, x: Tensor, edge_index: Tensor) -> None:
    torch.testing.assert_close(build(cls)(x, edge_index), build(cls, act=act)(x, edge_index))
    assert not torch.allclose(build(cls)(x, edge_index), build(cls, act="none")(x, edge_index))


@pytest.mark.parametrize("cls", ENCODERS)
def test_batch_norm_standardises_each_column(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    z = build(cls, num_layers=1, act="none", act_last=True, norm="batch")(x, edge_index)
    torch.testing.assert_close(z.mean(dim=0), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.var(dim=0, unbiased=False), torch.ones(5), atol=1e-2, rtol=0)


@pytest.mark.parametrize("cls", ENCODERS)
def test_layer_norm_standardises_each_row(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    z = build(cls, num_layers=1, act="none", act_last=True, norm="layer")(x, edge_index)
    torch.testing.assert_close(z.mean(dim=1), torch.zeros(NODES), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.var(dim=1, unbiased=False), torch.ones(NODES), atol=2e-2, rtol=0)


@pytest.mark.parametrize("cls", ENCODERS)
def test_graph_norm_centres_each_column_and_pair_norm_the_whole(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    z = build(cls, num_layers=1, act="none", act_last=True, norm="graph")(x, edge_index)
    torch.testing.assert_close(z.mean(dim=0), torch.zeros(5), atol=1e-5, rtol=0)
    z = build(cls, num_layers=1, act="none", act_last=True, norm="pair")(x, edge_index)
    torch.testing.assert_close(z.mean(dim=0), torch.zeros(5), atol=1e-5, rtol=0)
    assert z.square().sum(dim=1).mean().item() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("cls", ENCODERS)
@pytest.mark.parametrize("norm", ["batch", "layer", "graph", "pair"])
def test_norm_is_left_out_of_the_last_layer_unless_act_last(cls: Any, norm: str, x: Tensor, edge_index: Tensor) -> None:
    single = build(cls, num_layers=1, norm=norm)
    torch.testing.assert_close(single(x, edge_index), build(cls, num_layers=1)(x, edge_index))
    assert not torch.allclose(build(cls, norm=norm)(x, edge_index), build(cls)(x, edge_index))


@pytest.mark.parametrize("cls", ENCODERS)
def test_batch_norm_takes_a_batch_of_one_node(cls: Any) -> None:
    encoder = build(cls, norm="batch")
    z = encoder(torch.ones(1, FEATURES), torch.empty(2, 0, dtype=torch.long))
    assert z.shape == (1, 5)
    assert z.isfinite().all()


@pytest.mark.parametrize("cls", ENCODERS)
def test_residual_passes_the_input_on_when_the_convolutions_are_zero(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(cls, hidden_channels=FEATURES, num_layers=3, residual=True, act="none")
    zero_convolutions(encoder)
    torch.testing.assert_close(encoder(x, edge_index), x)


@pytest.mark.parametrize("cls", ENCODERS)
def test_residual_maps_linearly_where_widths_differ(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(cls, num_layers=1, residual=True)
    zero_convolutions(encoder)
    torch.testing.assert_close(encoder(x, edge_index), x @ encoder.skips[0].weight.t())
    plain = build(cls, num_layers=1)
    zero_convolutions(plain)
    assert plain(x, edge_index).abs().sum() == 0


@pytest.mark.parametrize("cls", ENCODERS)
def test_bias_is_what_a_node_without_features_gets(cls: Any, edge_index: Tensor) -> None:
    nothing = torch.zeros(NODES, FEATURES)
    encoder = build(cls, num_layers=1)
    torch.nn.init.ones_(encoder.convolutions[0].bias)
    torch.testing.assert_close(encoder(nothing, edge_index), torch.ones(NODES, 5))
    without = build(cls, num_layers=1, bias=False)
    assert without.convolutions[0].bias is None
    assert without(nothing, edge_index).abs().sum() == 0


@pytest.mark.parametrize("cls", ENCODERS)
def test_graph_without_edges_is_encoded(cls: Any, x: Tensor) -> None:
    z = build(cls)(x, torch.empty(2, 0, dtype=torch.long))
    assert z.shape == (NODES, 5)
    assert z.isfinite().all()


@pytest.mark.parametrize("cls", ENCODERS)
def test_renumbering_nodes_renumbers_embeddings(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    order = torch.randperm(NODES, generator=torch.Generator().manual_seed(1))
    place = order.argsort()
    encoder = build(cls)
    torch.testing.assert_close(encoder(x[order], place[edge_index]), encoder(x, edge_index)[order])


@pytest.mark.parametrize("cls", ENCODERS)
def test_sparse_features_give_the_embeddings_and_gradients_of_dense_ones(
    cls: Any, x: Tensor, edge_index: Tensor
) -> None:
    features = x * (x > 0.3)
    for parameters in ({"residual": True}, {"residual": True, "num_layers": 1, "hidden_channels": FEATURES}):
        dense, sparse = build(cls, **parameters), build(cls, **parameters)
        expected, found = dense(features, edge_index), sparse(features.to_sparse(), edge_index)
        torch.testing.assert_close(found, expected)
        expected.square().sum().backward()
        found.square().sum().backward()
        for one, other in zip(dense.parameters(), sparse.parameters(), strict=True):
            torch.testing.assert_close(other.grad, one.grad)
    assert cls.supports_sparse_x is True


@pytest.mark.parametrize("cls", ENCODERS)
def test_gradients_are_correct_in_double_precision(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(cls, hidden_channels=3, act="tanh", residual=True).double()
    features = x.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda value: encoder(value, edge_index), (features,))


@pytest.mark.parametrize("cls", ENCODERS)
def test_mixed_precision_runs_forward_and_backward(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(cls)
    for features in (x, x.to_sparse()):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            z = encoder(features, edge_index)
        z.float().sum().backward()
        assert z.isfinite().all()


@pytest.mark.parametrize("cls", ENCODERS)
def test_reset_parameters_draws_anew_and_forgets_statistics(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(cls, norm="batch", act="prelu", residual=True)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder(x, edge_index)
    with torch.no_grad():
        encoder.acts[0].weight.fill_(7)
    encoder.reset_parameters()
    after = encoder.state_dict()
    changed = [name for name in before if "lin.weight" in name or "skips" in name]
    assert changed
    assert all(not torch.equal(before[name], after[name]) for name in changed)
    fresh = [name for name in before if name not in changed and "att_" not in name]
    assert all(torch.equal(before[name], after[name]) for name in fresh)


@pytest.mark.parametrize("cls", ENCODERS)
def test_state_survives_a_round_trip(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    encoder, other = build(cls, residual=True), cls(**SMALL, residual=True)
    other.load_state_dict(encoder.state_dict())
    assert torch.equal(other(x, edge_index), encoder(x, edge_index))


@pytest.mark.parametrize("cls", ENCODERS)
def test_unknown_activation_or_norm_is_named_with_the_known_ones(cls: Any) -> None:
    with pytest.raises(ValueError, match=r"act is 'swish'.*relu"):
        build(cls, act="swish")
    with pytest.raises(ValueError, match=r"norm is 'spectral'.*batch"):
        build(cls, norm="spectral")


@pytest.mark.parametrize("cls", ENCODERS)
@pytest.mark.parametrize(
    ("parameter", "wrong"),
    [
        ("hidden_channels", 0),
        ("out_channels", 0),
        ("num_layers", 0),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("act", "swish"),
        ("norm", "spectral"),
    ],
)
def test_annotations_reject_wrong_values_and_accept_the_defaults(cls: Any, parameter: str, wrong: Any) -> None:
    declared = inspect.signature(cls, eval_str=True).parameters[parameter]
    adapter = TypeAdapter(declared.annotation)
    assert adapter.validate_python(declared.default) == declared.default
    with pytest.raises(ValidationError):
        adapter.validate_python(wrong)


# ------------------------------------------------------------------------------------------------------------- GCN


@pytest.mark.parametrize(("improved", "loop"), [(False, 1.0), (True, 2.0)])
def test_gcn_is_the_published_formula(improved: bool, loop: float, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(GCN, improved=improved).double()
    matrix = dense_gcn_matrix(edge_index, torch.ones(edge_index.size(1), dtype=torch.double), loop)
    first, second = encoder.convolutions
    hidden = torch.relu(matrix @ x.double() @ first.lin.weight.t() + first.bias)
    expected = matrix @ hidden @ second.lin.weight.t() + second.bias
    torch.testing.assert_close(encoder(x.double(), edge_index), expected)


def test_gcn_uses_edge_weights_and_adds_up_parallel_edges(x: Tensor, edge_index: Tensor) -> None:
    encoder = build(GCN, num_layers=1)
    weight = torch.rand(edge_index.size(1), generator=torch.Generator().manual_seed(3))
    matrix = dense_gcn_matrix(edge_index, weight, 1.0)
    expected = matrix @ x @ encoder.convolutions[0].lin.weight.t()
    torch.testing.assert_close(encoder(x, edge_index, weight), expected)
    doubled = torch.cat([edge_index, edge_index], dim=1)
    halves = torch.cat([0.3 * weight, 0.7 * weight])
    torch.testing.assert_close(encoder(x, doubled, halves), expected)
    assert not torch.allclose(encoder(x, edge_index), expected)


def test_gcn_gives_gradients_to_edge_weights(x: Tensor, edge_index: Tensor) -> None:
    encoder = build(GCN, hidden_channels=2, act="tanh").double()
    weight = torch.linspace(0.5, 1.5, edge_index.size(1), dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: encoder(x.double(), edge_index, w), (weight,))


def test_gcn_sends_features_along_the_direction_of_edges(x: Tensor) -> None:
    z = build(GCN, num_layers=1, normalize=False, add_self_loops=False)(x, torch.tensor([[0], [1]]))
    assert z[1].abs().sum() > 0
    assert z[0].abs().sum() == 0


@pytest.mark.parametrize("add_self_loops", [False, True])
def test_gcn_without_normalisation_sums_neighbours(add_self_loops: bool, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(GCN, num_layers=1, normalize=False, add_self_loops=add_self_loops)
    total = torch.zeros_like(x).index_add_(0, edge_index[1], x[edge_index[0]])
    if add_self_loops:
        total = total + x
    torch.testing.assert_close(encoder(x, edge_index), total @ encoder.convolutions[0].lin.weight.t())


def test_gcn_without_self_loops_gives_an_isolated_node_nothing(x: Tensor) -> None:
    edges = torch.tensor([[0, 1], [1, 0]])
    z = build(GCN, num_layers=1, add_self_loops=False)(x, edges)
    assert z[2:].abs().sum() == 0
    assert build(GCN, num_layers=1)(x, edges)[2:].abs().sum() > 0


@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 10))
@settings(max_examples=20, deadline=None)
def test_gcn_layer_is_linear_in_the_features(seed: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    one, two = torch.randn(2, NODES, FEATURES, generator=generator, dtype=torch.double)
    edges = torch.randint(NODES, (2, 20), generator=generator)
    encoder = build(GCN, num_layers=1, bias=False).double()
    torch.testing.assert_close(encoder(one + scale * two, edges), encoder(one, edges) + scale * encoder(two, edges))


# ------------------------------------------------------------------------------------------------------------- GAT


def attention(x: Tensor, edge_index: Tensor, layer: Any, slope: float) -> list[Tensor]:
    """The output of each head, from the definition."""
    linked = torch.eye(NODES, dtype=torch.bool)
    linked[edge_index[1], edge_index[0]] = True
    outputs = []
    for head, weight in enumerate(layer.lin.weight.view(layer.heads, layer.out_channels, -1)):
        h = x @ weight.t()
        scores = (h @ layer.att_dst[0, head])[:, None] + (h @ layer.att_src[0, head])[None, :]
        scores = torch.nn.functional.leaky_relu(scores, slope).masked_fill(~linked, -torch.inf)
        outputs.append(scores.softmax(dim=1) @ h)
    return outputs


@pytest.mark.parametrize("slope", [0.2, 0.9])
def test_gat_is_the_published_formula(slope: float, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(GAT, heads=3, negative_slope=slope, out_channels=4).double()
    first, second = encoder.convolutions
    hidden = torch.nn.functional.elu(torch.cat(attention(x.double(), edge_index, first, slope), dim=1))
    expected = torch.stack(attention(hidden, edge_index, second, slope)).mean(dim=0)
    torch.testing.assert_close(encoder(x.double(), edge_index), expected)


@pytest.mark.parametrize(
    ("concat", "concat_last", "hidden", "out"), [(True, False, 15, 4), (True, True, 15, 12), (False, False, 5, 4)]
)
def test_heads_are_joined_or_averaged(
    concat: bool, concat_last: bool, hidden: int, out: int, x: Tensor, edge_index: Tensor
) -> None:
    encoder = build(GAT, heads=3, concat=concat, concat_last=concat_last, out_channels=4)
    assert encoder.convolutions[0].lin.weight.shape == (15, FEATURES)
    assert encoder.convolutions[1].in_channels == hidden
    assert encoder(x, edge_index).shape == (NODES, out)
    assert encoder.out_channels == out


def test_attention_dropout_acts_in_training_only(x: Tensor, edge_index: Tensor) -> None:
    encoder = build(GAT, num_layers=1, attention_dropout=0.5)
    assert not torch.equal(encoder(x, edge_index), encoder(x, edge_index))
    assert torch.equal(encoder.eval()(x, edge_index), build(GAT, num_layers=1)(x, edge_index))


def test_edge_weights_enter_with_edge_attention_only(x: Tensor, edge_index: Tensor) -> None:
    weight = torch.rand(edge_index.size(1), generator=torch.Generator().manual_seed(3))
    ignoring = build(GAT)
    assert torch.equal(ignoring(x, edge_index, weight), ignoring(x, edge_index))
    using = build(GAT, edge_attention=True)
    assert not torch.allclose(using(x, edge_index, weight), using(x, edge_index))
    ones = torch.ones(edge_index.size(1))
    torch.testing.assert_close(using(x, edge_index, ones), using(x, edge_index))


def test_gat_without_self_loops_gives_an_isolated_node_nothing(x: Tensor) -> None:
    edges = torch.tensor([[0, 1], [1, 0]])
    z = build(GAT, num_layers=1, add_self_loops=False)(x, edges)
    assert z[2:].abs().sum() == 0
    assert build(GAT, num_layers=1)(x, edges)[2:].abs().sum() > 0


# -------------------------------------------------------------------------------------------------- sparse products


@given(rows=st.integers(1, 6), inner=st.integers(1, 6), columns=st.integers(1, 4), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_sparse_product_is_the_dense_one(rows: int, inner: int, columns: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(rows, inner, generator=generator).relu()
    dense = torch.randn(inner, columns, generator=generator)
    torch.testing.assert_close(sparse_product(matrix.to_sparse(), dense), matrix @ dense)


def test_sparse_input_linear_adds_its_bias() -> None:
    layer = SparseInputLinear(3, 2)
    torch.nn.init.ones_(layer.bias)
    x = torch.eye(3)
    torch.testing.assert_close(layer(x.to_sparse()), layer(x))
    torch.testing.assert_close(layer(x), layer.weight.t() + 1)
